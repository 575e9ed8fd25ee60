#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile_selftests.sh KERNEL_SOURCE OUT [PATTERN...]
# Compiles the kernel's verifier selftests (progs/verifier_*.c, or the patterns given) into OUT, with
# types from the running kernel. What does not compile is named on stderr and left out. Objects that
# are newer than this script stay.
set -eu
script=$(realpath "$0")
source=$(realpath "$1") out=$2
shift 2
[ $# -gt 0 ] || set -- 'verifier_*.c' 'btf__core_reloc_bitfields.c'
selftests=$source/tools/testing/selftests/bpf
mkdir -p "$out"
out=$(realpath "$out")
[ -s "$out/vmlinux.h" ] || bpftool btf dump file /sys/kernel/btf/vmlinux format c > "$out/vmlinux.h"
clang=$(command -v clang-19 || command -v clang-18 || command -v clang)

compile() {
    object=$out/$(basename "$1" .c).bpf.o
    [ "$object" -nt "$script" ] && return
    "$clang" -g -O2 --target=bpf -mcpu=v3 -w -D__TARGET_ARCH_x86 -DENABLE_ATOMICS_TESTS \
        -I"$out" -I"$selftests" -I"$selftests/progs" -I"$source/tools/include/uapi" \
        -I"$source/tools/include" -I"$source/tools/lib" -idirafter /usr/include/bpf \
        -idirafter "/usr/include/$(uname -m)-linux-gnu" \
        -c "$1" -o "$object.part" 2> "$object.err" && mv "$object.part" "$object" ||
        echo "$(basename "$1"): $(grep -m1 error: "$object.err")" >&2
}

cd "$selftests/progs"
count=0
for pattern; do
    for file in $pattern; do
        compile "$file" &
        count=$((count + 1))
        [ $((count % $(nproc))) -ne 0 ] || wait
    done
done
wait
