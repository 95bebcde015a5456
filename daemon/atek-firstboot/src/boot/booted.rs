//! From which boot partition this boot came.

use crate::fsutil::Root;
use std::fs;

/// The number of the boot partition: as the Raspberry Pi's firmware says, else by `atek.slot=a|b`
/// of the kernel's command line, which each boot partition has its own of. `None`: nothing says so.
pub fn partition(root: &Root) -> Option<u32> {
    let said = fs::read(root.at("/proc/device-tree/chosen/bootloader/partition")).ok();
    let firmware = said.as_deref().and_then(by_firmware);
    firmware.or_else(|| by_command_line(&fs::read_to_string(root.at("/proc/cmdline")).ok()?))
}

/// A cell of the device tree: four bytes, the largest first. 0 means that the firmware chose none.
fn by_firmware(cell: &[u8]) -> Option<u32> {
    let number = u32::from_be_bytes(*cell.first_chunk()?);
    (cell.len() == 4 && number != 0).then_some(number)
}

fn by_command_line(line: &str) -> Option<u32> {
    let slot = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("atek.slot="))?;
    // `image/layout.toml`: partition 1 is the selector.
    match slot {
        "a" => Some(2),
        "b" => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firmware_or_the_command_line_says_it() {
        assert_eq!(by_firmware(&[0, 0, 0, 3]), Some(3));
        assert_eq!(by_firmware(&[0, 0, 0, 0]), None);
        assert_eq!(by_firmware(&[0, 3]), None);
        assert_eq!(by_command_line("quiet atek.slot=b panic=5"), Some(3));
        assert_eq!(by_command_line("quiet atek.slot=c"), None);
        assert_eq!(by_command_line("quiet"), None);
    }
}
