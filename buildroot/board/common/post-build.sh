#!/bin/sh
# What a read-only root must have or must not have, beside what the packages install.
#
# usage: post-build.sh TARGET BOARD
set -eu

target=$1

# Where a service sees its package; nothing can make it later.
mkdir -p "$target/app" "$target/boot" "$target/mnt" "$target/etc" "$target/usr/lib"

# Empty, not missing: systemd then makes an id at first boot and keeps it.
: >"$target/etc/machine-id"

# What is mounted is atek-init's matter, and of units.
: >"$target/etc/fstab"

# No clock can be earlier than this file; its time is set with everybody's, to SOURCE_DATE_EPOCH.
: >"$target/usr/lib/clock-epoch"

# The first program is named on the command line; without this the box has no /var.
if [ ! -x "$target/usr/lib/atek/atek-init" ]; then
	echo "post-build: /usr/lib/atek/atek-init is not in the root; image/install.list has to name it" >&2
	exit 1
fi

# sshd starts with a key from the first boot's settings and not before; its host keys are the box's own.
rm -f "$target"/etc/ssh/ssh_host_*
