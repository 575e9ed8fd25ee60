#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./dev test --vm [-k RELEASE]... [TEST...]: the tests of kernel hooks in guest kernels.
#
# Without TEST: all of tests/kernel_runtime but those that need minutes of traffic or other
# people's packages. They are the same programs that ./dev test runs on this machine's kernel; what
# that kernel refuses and a guest's does not (kprobes, fentry, LSM) runs here.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")

if ! command -v qemu-system-x86_64 >/dev/null; then
    echo "vm: qemu is missing, no guest kernel was tested: apt-get install qemu-system-x86" >&2
    exit 3
fi
releases=()
while [ "${1:-}" = -k ]; do
    releases+=("${2:?-k RELEASE, e.g. 6.1}")
    shift 2
done
"$here/kernels.sh" "${releases[@]}"
[ ${#releases[@]} -gt 0 ] || releases=(6.1 6.12)
[ $# -gt 0 ] || set -- object map function probe trace events cgroup socket net qdisc attach module

vm=${SKEP_VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/skep/vm}
failed=0
for release in "${releases[@]}"; do
    [ -f "$vm/$release/initrd" ] || continue
    echo "==> kernel $release"
    status=0
    "$here/boot.sh" "$release" "$here/inside.sh" "$root" "$@" || status=$?
    [ $status = 0 ] || failed=1
done
exit $failed
