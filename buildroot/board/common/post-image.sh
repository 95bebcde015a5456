#!/bin/sh
# Hands root, kernel and boot files to the assembler of image/, which makes the card.
#
# usage: post-image.sh IMAGES BOARD
# ATEK_IMAGE is the assembler; image/build sets it. ATEK_IMAGE_ARGS is passed on to it.
set -eu

images=$1 board=$2
checkout=$(cd "$BR2_EXTERNAL_ATEK_PATH/.." && pwd)

atek_image=${ATEK_IMAGE:-$checkout/target/release/atek-image}
if [ ! -x "$atek_image" ]; then
	echo "post-image: the assembler is not at $atek_image; start the build by image/build," \
		"or run cargo build --release -p atek-image first" >&2
	exit 1
fi

boot=$images/boot
rm -rf "$boot"
mkdir -p "$boot"
cp "$images/Image" "$boot/vmlinuz"

case $board in
	virt) kind=virt ;;
	rpi4 | rpi5)
		kind=rpi
		cp "$images"/*.dtb "$boot/"
		cp -R "$images/rpi-firmware/." "$boot/"
		# The board's own are image/board/rpi's.
		rm -f "$boot/config.txt" "$boot/cmdline.txt"
		cp "$BR2_EXTERNAL_ATEK_PATH/board/rpi/kernel.txt" "$boot/"
		;;
	*)
		echo "post-image: there is no board called $board" >&2
		exit 1
		;;
esac

# Several words on purpose.
# shellcheck disable=SC2086
"$atek_image" --checkout "$checkout" assemble --board "$kind" --root "$images/rootfs.squashfs" --boot "$boot" --out "$images" \
	${ATEK_IMAGE_ARGS:-}
