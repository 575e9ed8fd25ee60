#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prepares a directory of programs for suite_bench: suite.sh SOURCES INPUTS OUT
#
# SOURCES has NAME.bpf.c: XDP, tc or cgroup_skb programs that compute on the bytes of a packet, each
# in a file of its own. INPUTS has NAME.mem: those bytes. OUT gets NAME.bpf.o, the same text as
# machine code of clang -O2 in NAME.so, and NAME.mem.
#
# For the 62 programs of github.com/eunomia-bpf/bpf-benchmark: in a checkout of it
#
#     mkdir /tmp/inputs; PYTHONPATH=. python3 -c 'import shutil, yaml
#     from runner.libs.input_generators import materialize_input
#     for b in yaml.safe_load(open("micro/config/micro_pure_jit.yaml"))["benchmarks"]:
#         shutil.copy(materialize_input(b["input_generator"])[0], "/tmp/inputs/%s.mem" % b["base_name"])'
#     .../bench/suite.sh micro/programs /tmp/inputs /tmp/suite
set -euo pipefail
sources=${1:?SOURCES INPUTS OUT}
inputs=${2:?SOURCES INPUTS OUT}
out=${3:?SOURCES INPUTS OUT}
clang=${CLANG:-$(command -v clang-19 || command -v clang)}
headers=/usr/include/$(uname -m)-linux-gnu
mkdir -p "$out"
for source in "$sources"/*.bpf.c; do
    name=$(basename "$source" .bpf.c)
    [ -f "$inputs/$name.mem" ] || { echo "$name: no $inputs/$name.mem, left out" >&2; continue; }
    "$clang" -O2 -g -mcpu=v3 -target bpf -I"$headers" -w -c "$source" -o "$out/$name.bpf.o"
    # Packets lie below 4 GiB, so that the 32 bits of xdp_md::data are a pointer.
    "$clang" -O2 -fPIC -shared -w "$source" -o "$out/$name.so"
    cp "$inputs/$name.mem" "$out/$name.mem"
done
