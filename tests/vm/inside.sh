#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Inside the guest: inside.sh SOURCE NAME...; runs kernel_NAME_test of its release build, each name.
set -u
export SKEP_SOURCE_DIR=$1 SKEP_BINARY_DIR=$1/build/release
tests=$SKEP_BINARY_DIR/tests
shift
uname -r
# The kernel would load them by itself, but looks for modprobe in the initrd.
modprobe -qa veth sch_ingress sch_fq cls_bpf act_bpf tls nf_conntrack
failed=()
for name in "$@"; do
    # Many files of the guest come slowly; in memory the program starts at once.
    cp "$tests/kernel_${name}_test" /run/ && "/run/kernel_${name}_test" --gtest_brief=1 || failed+=("$name")
    rm -f "/run/kernel_${name}_test"
done
[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
