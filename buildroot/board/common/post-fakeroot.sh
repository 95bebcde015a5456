#!/bin/sh
# The last step before the root is packed: what is kept on the data partition is not in it.
#
# usage: post-fakeroot.sh TARGET BOARD
set -eu

target=$1

find "$target/var" -mindepth 1 -delete
for home in home:var/home root:var/roothome; do
	rm -rf "${target:?}/${home%%:*}"
	ln -s "${home#*:}" "$target/${home%%:*}"
done
