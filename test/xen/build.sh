#!/bin/bash
# Builds the lab: what `npm run test:xen` boots. Re-runnable; it does what is missing.
#
#   build.sh CACHE [guest-kernel] [shadow]
#
#   CACHE         the folder that holds what is built (about 1.3 GB)
#   guest-kernel  also compiles a guest kernel of 1.5 MB, so that guests need 32 MB, not 96 MB
#   shadow        also compiles a hypervisor with shadow paging and 32-bit PV, both absent from
#                 Debian's: PV guests migrate live with the first, 32-bit ones need the second
#
# Everything comes from Debian 12's packages, binary or source, by way of the apt sources of this
# machine; nothing is installed on it. The root image needs root (debootstrap), once.
#
# XENFERRY_LAB_MIRROR names another mirror for debootstrap.
#
# Status: 0 built; 77 cannot be built here, with the reason in one line.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

say() { printf '[build %4d s] %s\n' "$SECONDS" "$*" >&2; }
die() { printf 'no lab: %s\n' "$*" >&2; exit 77; }
logged() { # LOG WHAT COMMAND...: its output into a log, whose last line tells of a failure
    local log=$1 what=$2
    shift 2
    # In the background, where `set -e` holds; left of || it would not.
    "$@" > "$log" 2>&1 &
    wait $! || die "$what failed: $(tail -n 1 "$log"); see $log"
}

[ $# -ge 1 ] || { sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2; }
cache=$1
shift
guest_kernel=0 shadow=0
for part in "$@"; do
    case $part in
    guest-kernel) guest_kernel=1 ;;
    shadow) shadow=1 ;;
    *) echo "build.sh: there is no part $part" >&2; exit 2 ;;
    esac
done
mkdir -p "$cache" 2> /dev/null && [ -w "$cache" ] || die "$cache cannot be written"
cache=$(cd "$cache" && pwd)
mkdir -p "$cache"/{boot,guest,log,packages}
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

# ---------------------------------------------------------------------------------- requirements

# What dom0 runs; with another list the image is made anew.
dom0_packages="xen-utils-4.17 xenstore-utils qemu-system-xen seabios python3 kmod iproute2 procps \
busybox-static libstdc++6 openssh-server openssh-client"
has_root_image() {
    [ -s "$cache/root.img" ] && [ "$(cat "$cache/root.packages" 2> /dev/null)" = "$dom0_packages" ]
}

[ "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" = $suite ] ||
    die "it is built from the packages of Debian 12, and this is another system"
need() { # TOOL-OR-FILE:PACKAGE...
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%:*}" > /dev/null || [ -e "${pair%%:*}" ] || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -eq 0 ] ||
        die "missing tools: apt-get install --no-install-recommends ${missing[*]}"
}
need qemu-system-x86_64:qemu-system-x86 debootstrap:debootstrap mkfs.ext4:e2fsprogs cpio:cpio \
    gcc:gcc depmod:kmod python3:python3 xz:xz-utils /bin/busybox:busybox-static \
    /usr/include/xen/xen.h:libxen-dev
if [ $guest_kernel$shadow != 00 ]; then
    need make:make flex:flex bison:bison bc:bc /usr/include/libelf.h:libelf-dev
fi
has_root_image || [ "$(id -u)" -eq 0 ] ||
    die "building the root image takes root (debootstrap); run as root once"

# -------------------------------------------------------------------------- hypervisor and kernel

fetch() { (cd "$work" && apt-get download -o APT::Sandbox::User=root "$@"); }
unpack_packages() {
    local kernel
    kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
    [ -n "$kernel" ] || die "apt knows no linux-image-amd64; run apt-get update"
    say "downloading Xen and $kernel"
    logged "$cache/log/packages" "the download" fetch xen-hypervisor-4.17-amd64 "$kernel"
    rm -rf "$cache/packages"
    mkdir "$cache/packages"
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$cache/packages"; done
    rm "$work"/*.deb
    : > "$cache/packages/.done"
}
[ -e "$cache/packages/.done" ] || unpack_packages
version=$(basename "$cache"/packages/boot/vmlinuz-*)
version=${version#vmlinuz-}
modules=$cache/packages/lib/modules/$version
[ -e "$modules/modules.dep" ] || depmod -b "$cache/packages" "$version"

# QEMU's -kernel takes the multiboot ELF, so the hypervisor has to be unpacked.
gzip -dc "$cache/packages/boot/xen-4.17-amd64.gz" > "$cache/boot/xen"
cp "$cache/packages/boot/vmlinuz-$version" "$cache/boot/vmlinuz"

# PV and PVH guests boot an ELF kernel: nothing is left to unpack in emulated time.
unpack_kernel() { # BZIMAGE ELF
    python3 - "$1" "$2" << 'PY'
import lzma, struct, sys, zlib
image = open(sys.argv[1], "rb").read()
offset, length = struct.unpack_from("<II", image, 0x248)
payload = image[((image[0x1F1] or 4) + 1) * 512 + offset :][:length]
if payload[:2] == b"\x1f\x8b":
    kernel = zlib.decompressobj(31).decompress(payload)
else:
    kernel = lzma.LZMADecompressor().decompress(payload)
assert kernel[:4] == b"\x7fELF"
open(sys.argv[2], "wb").write(kernel)
PY
}
if [ ! -s "$cache/guest/debian-vmlinux" ]; then
    cp "$cache/boot/vmlinuz" "$cache/guest/debian-vmlinuz"
    unpack_kernel "$cache/boot/vmlinuz" "$cache/guest/debian-vmlinux"
fi

# ------------------------------------------------------------------------------ compiled on request

export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab KBUILD_BUILD_VERSION=1
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'

# Compilers run as nobody: for root, the end of Xen's build puts a file in place of /dev/null.
compilers=$(mktemp -d)
trap 'rm -rf --one-file-system "$work" "$compilers"' EXIT
as_nobody() {
    local drop=()
    [ "$(id -u)" -ne 0 ] || drop=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${drop[@]}" "$@"
}
give_away() { [ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$compilers"; }

compile_guest_kernel() {
    cd "$work"
    fetch linux-source-6.1
    dpkg-deb -x linux-source-6.1_*.deb package
    tar -xJf package/usr/src/linux-source-6.1.tar.xz -C "$compilers"
    cp "$here/guest/kernel.config" "$compilers/"
    cd "$compilers/linux-source-6.1"
    give_away
    as_nobody make tinyconfig
    as_nobody scripts/kconfig/merge_config.sh -m .config ../kernel.config
    as_nobody make olddefconfig
    as_nobody make -j"$(nproc)" bzImage
}
if [ $guest_kernel -eq 1 ] && [ ! -s "$cache/guest/small-vmlinux" ]; then
    say "compiling the guest kernel (five minutes and more)"
    logged "$cache/log/guest-kernel" "compiling the guest kernel" compile_guest_kernel
    cp "$compilers/linux-source-6.1/arch/x86/boot/bzImage" "$cache/guest/small-vmlinuz"
    unpack_kernel "$cache/guest/small-vmlinuz" "$cache/guest/small-vmlinux"
fi

apt_lines() { # TYPE: this machine's sources of the suite, security updates included
    apt-get indextargets --format "$1 \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
        'Created-By: Packages' | grep -E " $suite(-updates|-security)? main" | sort -u
}
with_sources() { # COMMAND...: apt with deb-src lines and lists of its own
    "$@" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o APT::Sandbox::User=root
}
compile_shadow() {
    cd "$work"
    mkdir -p lists/partial "$compilers/xen"
    apt_lines deb-src > sources.list
    with_sources apt-get update
    # The newest whose source can still be had: mirrors drop superseded ones.
    for v in $(with_sources apt-cache showsrc xen | sed -n 's/^Version: \(4\.17\..*\)/\1/p' |
        sort -rVu); do
        rm -f ./xen_*
        if with_sources apt-get source --download-only "xen=$v"; then break; fi
    done
    tar -xJf ./*.orig.tar.xz --strip-components=1 -C "$compilers/xen"
    cd "$compilers/xen/xen"
    sed 's/^# CONFIG_PV32 is not set/CONFIG_PV32=y/
         s/^# CONFIG_SHADOW_PAGING is not set/CONFIG_SHADOW_PAGING=y/' \
        "$cache/packages/boot/xen-4.17-amd64.config" > .config
    give_away
    local settings=(XEN_TARGET_ARCH=x86_64 XEN_WHOAMI=lab XEN_DOMAIN=lab XEN_BUILD_HOST=lab)
    as_nobody make olddefconfig "${settings[@]}"
    as_nobody make -j"$(nproc)" build "${settings[@]}"
    gzip -dc xen.gz > "$cache/boot/xen-shadow"
}
if [ $shadow -eq 1 ] && [ ! -s "$cache/boot/xen-shadow" ]; then
    say "compiling a hypervisor with shadow paging and 32-bit PV (a minute and more)"
    logged "$cache/log/shadow" "compiling the hypervisor" compile_shadow
fi

# ------------------------------------------------------------------------------------- ramdisks

ramdisk() { (cd "$1" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip -6n > "$2"; }

# A guest is the kernel and one static program without a C library; the 32-bit one is one file.
# shellcheck disable=SC2054
freestanding=(-Os -Wall -Wextra -ffreestanding -fno-pie -no-pie -fno-stack-protector
    -fno-asynchronous-unwind-tables -nostdlib -static -Wl,--build-id=none)
mkdir "$work/counter"
gcc "${freestanding[@]}" -s -o "$work/counter/init" "$here/guest/counter.c"
ramdisk "$work/counter" "$cache/guest/counter.img"
gcc -m32 -march=i686 "${freestanding[@]}" -Wno-address-of-packed-member \
    -fno-tree-loop-distribute-patterns -Wl,-m,elf_i386 -Wl,-Ttext-segment=0xC0100000 \
    -Wl,-e,_start -Wl,-z,noexecstack -o "$cache/guest/pv32" "$here/guest/pv32.c"

# Dom0 starts from BusyBox and the modules that reach its root disk, dependencies first.
tree=$work/dom0
mkdir -p "$tree"/{bin,dev,proc,sys,root,modules}
cp /bin/busybox "$tree/bin/busybox"
install -m 755 "$here/dom0/ramdisk-init" "$tree/init"
install -m 755 "$here/dom0/init" "$tree/dom0-init"
for module in virtio_pci virtio_blk crc32c_generic ext4 9pnet_virtio 9p; do
    line=$(grep -m1 "/$module\.ko:" "$modules/modules.dep") || continue
    for file in $(echo "${line#*:}" | tr ' ' '\n' | tac) "${line%%:*}"; do
        [ ! -e "$tree/modules/${file##*/}" ] || continue
        cp "$modules/$file" "$tree/modules/"
        echo "${file##*/}" >> "$tree/modules/order"
    done
done
ramdisk "$tree" "$cache/boot/initrd.img"

# ------------------------------------------------------------------------------------ root image

bootstrap() {
    local mirror=${XENFERRY_LAB_MIRROR:-$(apt_lines deb | awk -v s=$suite '$3 == s { print $2 }')}
    [ -n "$mirror" ] || { echo "no mirror of $suite is known to apt"; return 1; }
    # What it mounts is gone with it, even if it is stopped, before its folder is removed.
    unshare --mount debootstrap --variant=minbase $suite "$root" "$mirror"
}
in_root() {
    chroot "$root" /usr/bin/env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        "$@"
}
install_xen() {
    apt_lines deb > "$root/etc/apt/sources.list"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    in_root apt-get update
    # shellcheck disable=SC2086
    in_root apt-get -y --no-install-recommends install $dom0_packages
    in_root apt-get clean
}
copy_modules() {
    local to=$root/lib/modules/$version
    mkdir -p "$to"
    (cd "$modules" && tar -c modules.builtin* modules.order kernel/{lib,crypto,arch} \
        kernel/fs/{9p,ext4,jbd2,mbcache.ko,netfs,fscache} kernel/net/9p \
        kernel/drivers/{xen,virtio,block,net/tun.ko,net/xen-netback}) | tar -x -C "$to"
    depmod -b "$root" "$version"
}
if ! has_root_image; then
    root=$work/root
    say "bootstrapping dom0's root"
    logged "$cache/log/bootstrap" debootstrap bootstrap
    say "installing Xen's user space into it"
    logged "$cache/log/install" "installing Xen's user space" install_xen
    copy_modules
    node=$(command -v node || true)
    [ -z "$node" ] || install -m 755 "$(readlink -f "$node")" "$root/usr/local/bin/node"
    # Nothing about the machine that built the image stays in it.
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/* \
        "$root"/etc/ssh/ssh_host_* \
        "$root"/usr/share/{doc,man,locale,info}/* "$root/etc/resolv.conf"
    : > "$root/etc/apt/sources.list"
    echo lab > "$root/etc/hostname"
    echo '127.0.0.1 localhost lab' > "$root/etc/hosts"
    mkdir -p "$root"/{job,guest,var/lib/xen,var/log/xen/console,proc/xen}
    say "making the root image"
    truncate -s 2G "$work/root.img"
    mkfs.ext4 -q -F -L dom0 -O ^metadata_csum_seed -E root_owner=0:0,lazy_itable_init=1 \
        -d "$root" "$work/root.img"
    mv "$work/root.img" "$cache/root.img"
    echo "$dom0_packages" > "$cache/root.packages"
fi
say "the lab is built"
