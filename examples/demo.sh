#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `./dev demo` shows, as an ordinary user: eBPF programs on a real process and on real packets.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../build/release"
export PATH=$PWD:$PATH LC_ALL=C

step() { printf '\n\033[1m%s\033[0m\n' "$1"; }
show() {
    printf '$ %s\n' "$1"
    bash -c "$1"
}

step "1. hello: a line for each program that a command starts"
show "skep run examples/hello.bpf.o -- sh -c 'uname -s; date +%Y'"

step "2. opens: what a process opens, with the result of each call"
show "skep run examples/opens.bpf.o -- cat /etc/hostname nothing || true"

step "3. goodbye_ping: an XDP program on a capture; ICMP echo is dropped, the rest passes"
show "skep run examples/goodbye_ping.bpf.o --pcap examples/ping.pcap --verbose --show-map packets"

step "4. the same program, before it runs: what is in the object, and its code"
show "skep inspect examples/goodbye_ping.bpf.o"
show "skep dis examples/goodbye_ping.bpf.o | head -12"

step "5. a program with a bug: it is stopped, and the message is in terms of its source"
show "skep run examples/bugs/off_by_one.bpf.o --pcap examples/ping.pcap || true"

printf '\nNothing here needed root. skep run --help shows more, and examples/ has the sources.\n'
