#!/usr/bin/env bash
# Builds the root file system of the lab: systemd, D-Bus, polkit and PostgreSQL with the databases
# of the two servers. Run once and cached; the unit files are not in it (see ../units).
#   build.sh ROOT MIRROR SUITE
set -euo pipefail
root=$1 mirror=$2 suite=$3
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
say() { echo "lab: $*"; }

# debootstrap does not read apt's proxy.
if command -v apt-config >/dev/null; then
  proxy=
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [ -n "$proxy" ]; then export http_proxy=$proxy; fi
fi

say "debootstrap $suite"
debootstrap --variant=minbase \
  --include=systemd,systemd-sysv,dbus,curl,procps,iproute2,postgresql "$suite" "$root" "$mirror"

# polkitd afterwards: inside debootstrap its first configuration fails (no /proc, no bus).
say "polkit"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" apt-get install -y --no-install-recommends polkitd
chroot "$root" apt-get clean
rm -rf "$root"/usr/share/{doc,man,info,locale} "$root"/var/lib/apt/lists/*

say "users"
# Fixed numbers: files are put into a lab from outside, where these names mean nothing.
for user in mcp:2001 recoveryd:2002; do
  chroot "$root" groupadd --system --gid "${user#*:}" "${user%:*}"
  chroot "$root" useradd --system --uid "${user#*:}" --gid "${user%:*}" --no-create-home --shell /usr/sbin/nologin "${user%:*}"
done

say "PostgreSQL databases"
version=$(ls "$root/etc/postgresql")
config=/etc/postgresql/$version/main/postgresql.conf
# Single-user mode needs no running system; dynamic shared memory must not need /dev/shm.
chroot "$root" runuser -u postgres -- "/usr/lib/postgresql/$version/bin/postgres" --single \
  -D "/var/lib/postgresql/$version/main" -c "config_file=$config" -c dynamic_shared_memory_type=mmap \
  -c log_min_messages=error -c ssl=off template1 <"$(dirname "$0")/databases.sql"

say "system"
for unit in console-getty.service getty@tty1.service container-getty@.service e2scrub_reap.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/var/log/journal" "$root/opt/lab/bin" "$root/opt/lab/files"
printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nSyncIntervalSec=1s\n' >"$root/etc/systemd/journald.conf.d/lab.conf"
install -m 755 "$(dirname "$0")/init.sh" "$root/usr/local/sbin/lab-init"
rm -f "$root/etc/resolv.conf"
: >"$root/etc/machine-id" # each lab gets its own
echo "$version" >"$root/etc/lab-postgres"
