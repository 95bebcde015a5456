//! On what kind of disk the firmware found this kernel: two cards of Atek's in one box have the
//! same identities.

use std::path::Path;

/// Where the Raspberry Pi's firmware says it: a cell of the device tree.
pub(crate) const SAID: &str = "/proc/device-tree/chosen/bootloader/boot-mode";

/// What a disk is connected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// The slot for the card, or what is soldered in its place.
    Card,
    Usb,
    Nvme,
}

impl Medium {
    /// That of a `boot-mode`: four bytes, the largest first, a value of the firmware's
    /// `BOOT_ORDER`. `None`: no disk, or none that is known.
    pub(crate) fn said(cell: &[u8]) -> Option<Self> {
        match u32::from_be_bytes(cell.try_into().ok()?) {
            1 => Some(Self::Card),
            4 | 5 => Some(Self::Usb),
            6 => Some(Self::Nvme),
            _ => None,
        }
    }

    /// That of the disk whose folder in `/sys/devices` is `sys`, or of a partition below it.
    pub(crate) fn of(sys: &Path) -> Option<Self> {
        // From the disk upwards: a card reader at USB is a USB disk, whatever is in it.
        sys.components().rev().find_map(|part| {
            let part = part.as_os_str().to_str()?;
            let numbered = |stem: &str| {
                part.strip_prefix(stem)
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            };
            match part {
                "mmc_host" => Some(Self::Card),
                "nvme" => Some(Self::Nvme),
                _ if numbered("usb") => Some(Self::Usb),
                _ => None,
            }
        })
    }
}

/// Which of the disks that fit is the one that booted; `None`: it is worth to wait for another.
///
/// A firmware that says nothing, or something that never comes, does not stop the boot: the first
/// one is taken.
pub(crate) fn choose(
    found: &[Option<Medium>],
    said: Option<Medium>,
    is_late: bool,
) -> Option<usize> {
    let fits = found
        .iter()
        .position(|medium| said.is_none() || *medium == said);
    fits.or_else(|| (is_late && !found.is_empty()).then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/mmcblk0p4";
    const USB: &str = "/sys/devices/platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/usb2/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0/block/sda/sda4";
    const NVME: &str =
        "/sys/devices/platform/axi/1000110000.pcie/pci0001:00/nvme/nvme0/nvme0n1/nvme0n1p4";
    const VIRTIO: &str = "/sys/devices/pci0000:00/0000:00:01.0/virtio0/block/vda/vda4";

    #[test]
    fn a_disk_is_known_by_where_it_is_connected() {
        for (sys, expected) in [
            (CARD, Some(Medium::Card)),
            (USB, Some(Medium::Usb)),
            (NVME, Some(Medium::Nvme)),
            (VIRTIO, None),
        ] {
            assert_eq!(Medium::of(Path::new(sys)), expected, "{sys}");
        }
    }

    #[test]
    fn the_firmware_says_what_it_booted_from() {
        for (cell, expected) in [
            (&[0, 0, 0, 1][..], Some(Medium::Card)),
            (&[0, 0, 0, 4], Some(Medium::Usb)),
            (&[0, 0, 0, 5], Some(Medium::Usb)),
            (&[0, 0, 0, 6], Some(Medium::Nvme)),
            // The network.
            (&[0, 0, 0, 2], None),
            (&[0, 1], None),
            (&[], None),
        ] {
            assert_eq!(Medium::said(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn an_old_card_in_a_reader_is_not_booted_whichever_comes_first() {
        let (card, usb) = (Some(Medium::Card), Some(Medium::Usb));
        assert_eq!(choose(&[usb, card], card, false), Some(1));
        assert_eq!(choose(&[card, usb], card, false), Some(0));
        assert_eq!(choose(&[card, usb], usb, false), Some(1));
        assert_eq!(choose(&[card], usb, false), None, "the disk is yet to come");
    }

    #[test]
    fn a_firmware_that_says_nothing_or_nonsense_does_not_stop_the_boot() {
        let card = Some(Medium::Card);
        assert_eq!(choose(&[None, card], None, false), Some(0));
        assert_eq!(choose(&[None], card, false), None);
        assert_eq!(choose(&[None], card, true), Some(0));
        assert_eq!(choose(&[], card, true), None);
        assert_eq!(choose(&[], None, true), None);
    }
}
