#!/usr/bin/env bash
# Checks that the README works on a fresh machine. Makes a bare Debian 12 root (debootstrap's minbase, without toolchain
# or further packages), clones this checkout's HEAD into it, and runs the README's commands there.
#
# usage: tests/fresh_machine.sh DIR [COMMAND...]      default: './dev demo' './dev test' './dev install --prefix /opt/gp' 'tests/install/run.sh /opt/gp'
# Needs root and debootstrap. DIR must not exist. It is kept for inspection; tests/fresh_machine.sh --drop DIR removes it.
# The host's apt sources, pip configuration and certificates are used inside, because they say where packages come from.
set -euo pipefail

# Ends the processes that still run inside, such as Bazel's server, and then unmounts everything.
leave() {
  local process
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/root")" = "$1" ] && kill "${process#/proc/}" || true
  done
  unmount_below "$1"
}

unmount_below() {
  awk -v root="$1/" 'index($2, root) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n1 umount -l
}

if [ "${1:-}" = --drop ]; then
  root=$(realpath "${2:?the folder to drop}")
  leave "$root"
  rm -rf --one-file-system "$root"
  exit
fi

root=$(realpath -m "${1:?usage: tests/fresh_machine.sh DIR [COMMAND...]}")
shift
[ $# -gt 0 ] || set -- './dev demo' './dev test' './dev install --prefix /opt/gp' 'tests/install/run.sh /opt/gp'
[ "$(id -u)" -eq 0 ] || { echo "fresh_machine: needs root" >&2; exit 1; }
[ ! -e "$root" ] || { echo "fresh_machine: $root exists" >&2; exit 2; }
checkout=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
trap 'leave "$root"' EXIT

sources=/etc/apt/sources.list.d/debian.sources
mirror=$(awk '/^URIs:/ {print $2; exit}' $sources 2>/dev/null || true)
echo "fresh_machine: debootstrap into $root"
debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"} >/dev/null
[ -z "$mirror" ] || { : >"$root/etc/apt/sources.list"; cp $sources "$root/etc/apt/sources.list.d/"; }
cp /etc/apt/apt.conf.d/99* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mkdir -p "$root/root/.config/pip" "$root/usr/local/share/host"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/usr/local/share/host/ca.crt"
cp ~/.config/pip/pip.conf "$root/root/.config/pip/" 2>/dev/null || true
local_packages=$(grep -hoE '(=|file://) *(/[^ ]+)' ~/.config/pip/pip.conf 2>/dev/null | sed -E 's|^[^/]*(file://)?||; s|/simple/?$||' || true)
for folder in /proc /sys /dev /dev/pts /dev/shm $local_packages; do
  [ -d "$folder" ] || continue
  mkdir -p "$root$folder"
  mount --bind "$folder" "$root$folder"
done
git clone -q "$checkout" "$root/root/greenplan"

for command in "$@"; do
  echo "fresh_machine: $command"
  start=$SECONDS
  chroot "$root" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" PIP_CERT=/usr/local/share/host/ca.crt \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -c "cd /root/greenplan && $command"
  echo "fresh_machine: $command passed in $((SECONDS - start)) s"
done
