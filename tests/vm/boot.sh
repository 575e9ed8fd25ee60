#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command as root in a guest kernel that kernels.sh has fetched: boot.sh RELEASE COMMAND...
#
# The guest sees this machine's files at their places; what it writes is gone with it. Emulated
# (TCG), so five to twenty times slower than the machine. Exit code: the command's; 125 where the
# guest did not get there, with the end of its console. SKEP_VM_SECONDS bounds it (1800).
set -euo pipefail
release=$1
shift
vm=${SKEP_VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/skep/vm}
kernel=$vm/$release
job=$(mktemp -d)
trap 'rm -rf "$job"' EXIT

{
    printf 'cd %q\n' "$PWD"
    printf '%q ' "$@"
    echo
} >"$job/command"

cat >"$job/start" <<START
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs none /run
mount -t tmpfs none /tmp
mount -t securityfs none /sys/kernel/security
mount -t tracefs none /sys/kernel/tracing
mount -t debugfs none /sys/kernel/debug
mount -t bpf none /sys/fs/bpf
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /lib/modules
mount --bind $kernel/modules/lib/modules /lib/modules
ip link set lo up
bash /mnt/command >/mnt/output 2>&1 </dev/null
echo \$? >/mnt/status
sync
echo o >/proc/sysrq-trigger
sleep 10
START

: >"$job/output"
share() { # TAG PATH OPTION
    printf '%s\n' -fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap$3" \
        -device "virtio-9p-pci,fsdev=$1,mount_tag=$1"
}
mapfile -t shares < <(share host / ,readonly=on && share job "$job" "")
command_line="console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check
    random.trust_cpu=on rcupdate.rcu_expedited=1 lsm=landlock,lockdown,yama,integrity,bpf apparmor=0"
timeout -k 5 "${SKEP_VM_SECONDS:-1800}" qemu-system-x86_64 \
    -accel tcg,thread=multi,tb-size=512 -cpu max -smp 2 -m 3000 -M pc,hpet=off \
    -nodefaults -no-user-config -display none -no-reboot -serial "file:$job/console" \
    -kernel "$kernel/vmlinux" -initrd "$kernel/initrd" "${shares[@]}" \
    -append "$(echo $command_line)" >"$job/qemu" 2>&1 || true

cat "$job/output"
[ -s "$job/status" ] && exit "$(cat "$job/status")"
echo "vm: the guest did not come to an end" >&2
cat "$job/qemu" >&2
tail -n 30 "$job/console" >&2 || true
exit 125
