#!/bin/sh
# The last step before the root is packed: what is kept on the data partition is not in it, and what Atek needs is.
#
# usage: post-fakeroot.sh TARGET BOARD
# ATEK_IMAGE is the program that checks and assembles; image/build sets it.
set -eu

target=$1
checkout=$(cd "$BR2_EXTERNAL_ATEK_PATH/.." && pwd)
atek_image=${ATEK_IMAGE:-$checkout/target/release/atek-image}

find "$target/var" -mindepth 1 -delete
for home in home:var/home root:var/roothome; do
	rm -rf "${target:?}/${home%%:*}"
	ln -s "${home#*:}" "$target/${home%%:*}"
done

# Users are made and certificates gathered by now. A root without one of the needs would start no service.
"$atek_image" --checkout "$checkout" check-root --root "$target"
