#!/usr/bin/env bash
# Installs the Debian packages that the demo, the tests or the benchmark need:
#   setup.sh demo|test|bench
# It asks dpkg first and calls apt-get only for what is missing. For the tests it
# also makes the roots of other Debian suites (roots/make.sh), once.
set -euo pipefail

network=(iproute2 iputils-ping iperf3)
strongswan=(strongswan-charon strongswan-swanctl libcharon-extra-plugins libcharon-extauth-plugins
  libstrongswan-extra-plugins libstrongswan-standard-plugins)

case ${1:-} in
demo) packages=("${network[@]}") ;;
# gcc and libc6-dev are for the race detector.
test) packages=("${network[@]}" "${strongswan[@]}" nftables ethtool procps tcpdump tshark openssl gcc libc6-dev
  vpnc mmdebstrap e2fsprogs qemu-system-x86 qemu-system-data seabios) ;;
bench) packages=("${network[@]}" "${strongswan[@]}" wireguard-tools linux-perf) ;;
*) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac

command -v dpkg-query >/dev/null || {
  echo "setup: not a Debian system; install what these packages hold: ${packages[*]}" >&2
  exit 1
}
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
install() {
  if [ "$(id -u)" != 0 ]; then
    echo "setup: these packages are missing and installing them needs root: ${missing[*]}" >&2
    exit 1
  fi

  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # No service may start by itself: a charon of the host's would take the ports.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
  fi
  apt-get update -q >/dev/null
  apt-get install -qy --no-install-recommends "${missing[@]}" >/dev/null
}

[ ${#missing[@]} -eq 0 ] || install
# Other users' tests skip what needs root, and the roots with it.
[ "$1" != test ] || [ "$(id -u)" != 0 ] || "$(dirname "$0")/roots/make.sh"
