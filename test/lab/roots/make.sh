#!/usr/bin/env bash
# Makes the roots of other Debian suites that peers run in, and the kernel for
# those that run in an emulated machine:
#   make.sh [ROOT...]     default: all of them
#   make.sh --list        their names, in order
# A root is a directory below $CAUSEWAY_LAB_CACHE (default /var/cache/causeway-lab)
# and an ext4 image of it beside. Its packages are unpacked, not configured: a
# daemon needs no more, and it takes seconds. apt checks the signatures.
# A root is built under another name and renamed when it is whole, so that an
# interruption leaves nothing that looks finished; a second run at the same time
# waits for the first. A root whose recipe has changed is made anew.
#
# forky is not released yet and moves: when a root of it cannot be made, ROOT.lack says
# why and the script goes on. Its tests are skipped with that, or fail where
# CAUSEWAY_LAB=require.
set -euo pipefail

cache=${CAUSEWAY_LAB_CACHE:-/var/cache/causeway-lab}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
tools=base-files,dash,coreutils,sed,grep,mawk,iproute2,iputils-ping
strongswan=strongswan-charon,strongswan-swanctl,libcharon-extra-plugins,libstrongswan-extra-plugins,libstrongswan-standard-plugins

roots=(trixie trixie-libreswan forky trixie-openiked)
declare -A packages=(
  [trixie]=$tools,kmod,liblzma5,$strongswan
  [trixie-libreswan]=$tools,libreswan
  [forky]=$tools,$strongswan
  [trixie-openiked]=$tools,openiked
)

# Of the kernel's modules these directories are kept, by far the smaller part.
kept='net crypto arch lib fs/overlayfs drivers/net/virtio_net* drivers/net/net_failover* drivers/net/tun.* drivers/net/vrf*
  drivers/block/virtio_blk* drivers/char/hw_random drivers/crypto/virtio'

[ "${1:-}" != --list ] || { printf '%s\n' "${roots[@]}"; exit 0; }

# kernel runs inside mmdebstrap: it unpacks a kernel and its modules, without
# what the package depends on, into the root that is its argument.
if [ "${1:-}" = --kernel ]; then
  root=$2
  export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
  image=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  cd "$root/tmp"
  apt-get download -q "$image" >/dev/null
  mkdir whole
  dpkg-deb -x "$image"_*.deb whole
  version=$(ls whole/usr/lib/modules)
  modules=$root/usr/lib/modules/$version
  mkdir -p "$modules/kernel"
  cp whole/boot/vmlinuz-* "$root/boot/vmlinuz"
  cp whole/usr/lib/modules/"$version"/modules.* "$modules/"
  for part in $kept; do
    for path in whole/usr/lib/modules/"$version"/kernel/$part; do
      [ -e "$path" ] || continue
      to=$modules/kernel/$(dirname "${path#*/kernel/}")
      mkdir -p "$to"
      cp -a "$path" "$to/"
    done
  done
  rm -rf whole ./*.deb
  chroot "$root" depmod "$version"
  exit 0
fi

recipe() { echo "${1%%-*} ${packages[$1]} $kept $(sha256sum <"$0")"; }

whole() { [ -e "$cache/$1.ext4" ] && [ "$(cat "$cache/$1/recipe" 2>/dev/null)" = "$(recipe "$1")" ]; }

# build makes one root under another name.
build() {
  local root=$1 suite=${1%%-*} new=$cache/$1.new hooks=()
  rm -rf "$new" "$new.ext4" "$cache/$root.lack"
  [ "$root" != trixie ] || hooks=("--extract-hook=$(readlink -f "$0") --kernel \"\$1\"")
  # A mirror may lag behind the date until which it calls itself valid.
  [ "$suite" != forky ] || hooks+=('--aptopt=Acquire::Check-Valid-Until "false"')
  mmdebstrap --variant=extract --include="${packages[$root]}" "${hooks[@]}" "$suite" "$new" "$mirror" || return
  mkdir -p "$new"/{lab,proc,sys,dev,run,tmp,root,etc,var}
  rmdir "$new/var/run" 2>/dev/null || true
  ln -s /run "$new/var/run"
  # What the packages' scripts would have made.
  printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n_iked:x:900:900::/run/iked:/bin/false\n' >"$new/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n_iked:x:900:\n' >"$new/etc/group"
  chmod 755 "$new"
  rm -rf "$new"/usr/share/{doc,man,locale,info} "$new"/var/lib/apt/lists/* "$new"/var/cache/apt/*
  recipe "$root" >"$new/recipe"
  local kib
  kib=$(du -sk --apparent-size "$new" | cut -f1)
  mkfs.ext4 -q -F -O ^has_journal -d "$new" "$new.ext4" $((kib * 5 / 4 + 32768))k
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
for root in "${@:-${roots[@]}}"; do
  [ -n "${packages[$root]:-}" ] || { echo "roots: there is no root $root, only ${roots[*]}" >&2; exit 2; }
  whole "$root" && continue
  echo "roots: making $root"
  began=$SECONDS
  if ! build "$root" >"$cache/$root.log" 2>&1; then
    rm -rf "$cache/$root.new" "$cache/$root.new.ext4"
    [ "${root%%-*}" = forky ] || { cat "$cache/$root.log" >&2; exit 1; }
    grep -m 1 '^E:' "$cache/$root.log" >"$cache/$root.lack" || echo 'E: see the log beside' >"$cache/$root.lack"
    echo "roots: $root cannot be made, its tests will not run: $(cat "$cache/$root.lack")" >&2
    continue
  fi
  rm -rf "${cache:?}/$root"
  mv "$cache/$root.new.ext4" "$cache/$root.ext4"
  mv "$cache/$root.new" "$cache/$root"
  echo "roots: $root made in $((SECONDS - began)) s"
done
