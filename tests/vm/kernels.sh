#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches Debian's own kernels and makes each bootable by boot.sh: kernels.sh [RELEASE...]
#
# Default: 6.1 (Debian 12's) and 6.12 (from backports, where apt knows them). Under
# ${SKEP_VM_DIR:-~/.cache/skep/vm}, for each release: vmlinux, modules/ and initrd; 0.5 GB.
# Nothing is installed: packages are downloaded by apt and unpacked. A release that is there stays.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
vm=${SKEP_VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/skep/vm}

# What the initrd needs to see the host's file system, with what they need; built-in on some.
wanted_modules=(virtio_pci 9pnet_virtio 9p overlay)

newest_package() {
    apt-cache search --names-only "^linux-image-${1//./\\.}\\.[0-9].*-amd64\$" | cut -d' ' -f1 |
        grep -Ev 'cloud|-rt-|unsigned|dbg' | sort -V | tail -n 1
}

unpack_module() { # FILE.ko[.xz|.zst] OUT
    case $1 in
        *.xz) xz -dc "$1" >"$2" ;;
        *.zst) zstd -qdc "$1" >"$2" ;;
        *) cp "$1" "$2" ;;
    esac
}

make_initrd() { # RELEASE-DIRECTORY
    local root modules name file
    root=$(mktemp -d)
    mkdir -p "$root"/{bin,dev,host,job,new,proc,sys,top,modules}
    cp "$(command -v busybox)" "$root/bin/busybox"
    for name in cat chroot insmod mkdir mount poweroff sh; do ln -s busybox "$root/bin/$name"; done
    install -m 755 "$here/init" "$root/init"
    modules=$(basename "$1"/modules/lib/modules/*)
    for name in "${wanted_modules[@]}"; do
        modprobe --dirname "$1/modules" --set-version "$modules" --show-depends "$name"
    done | sed -n 's/^insmod //p' | while read -r file; do
        name=$(basename "${file%%.ko*}")
        [ ! -f "$root/modules/$name.ko" ] || continue
        unpack_module "$file" "$root/modules/$name.ko"
        echo "$name.ko" >>"$root/modules/order"
    done
    touch "$root/modules/order"
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$1/initrd.new"
    mv "$1/initrd.new" "$1/initrd"
    rm -rf "$root"
}

fetch() { # RELEASE
    local to=$vm/$1 package
    [ ! -f "$to/initrd" ] || return 0
    package=$(newest_package "$1")
    if [ -z "$package" ]; then
        echo "vm: apt knows no kernel $1; left out" >&2
        return 0
    fi
    echo "vm: fetching $package" >&2
    rm -rf "$to" && mkdir -p "$to"
    (cd "$to" && apt-get download -qq "$package" 2>/dev/null && dpkg-deb -x ./*.deb modules && rm ./*.deb)
    depmod -b "$to/modules" "$(basename "$to"/modules/lib/modules/*)"
    # Uncompressed it boots in a third of the time under emulation.
    python3 "$here/vmlinux.py" "$to"/modules/boot/vmlinuz-* "$to/vmlinux"
    make_initrd "$to"
}

[ $# -gt 0 ] || set -- 6.1 6.12
for tool in busybox cpio depmod xz zstd python3 dpkg-deb apt-get; do
    command -v "$tool" >/dev/null || {
        echo "vm: $tool is missing: apt-get install busybox-static cpio kmod xz-utils zstd python3-minimal" >&2
        exit 3
    }
done
mkdir -p "$vm"
for release in "$@"; do fetch "$release"; done
