#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `./dev demo` shows, as an ordinary user: eBPF programs on a real process and on real packets.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../build/release"
PATH=$PWD:$PATH

step() { printf '\n\033[1m%s\033[0m\n' "$1"; }
show() {
    printf '$ %s\n' "$*"
    "$@"
}

step "1. hello: a line for each program that a command starts"
show skep run examples/hello.bpf.o -- sh -c 'uname -s; date +%Y'

step "2. opens: what a process opens, with the result of each call"
show skep run examples/opens.bpf.o -- cat /etc/hostname

step "3. goodbye_ping: an XDP program on a capture; ICMP echo is dropped, the rest passes"
show skep run examples/goodbye_ping.bpf.o --pcap examples/ping.pcap --verbose --show-map packets

step "4. the same program, before it runs: what is in the object, and its code"
show skep inspect examples/goodbye_ping.bpf.o
printf '$ %s\n' "skep dis examples/goodbye_ping.bpf.o | head -12"
skep dis examples/goodbye_ping.bpf.o | head -12

printf '\nNothing here needed root. skep run --help shows more, and examples/ has the sources.\n'
