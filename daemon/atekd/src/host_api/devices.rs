//! The devices of the box that can be given to apps, as the kernel lists them.
//!
//! Of `/dev` this process sees nothing (`PrivateDevices=`); `/sys` tells what there is.

use atek_api::permission::DevicePath;
use std::fs;
use std::path::Path;

/// The classes of the kernel in which such devices are.
const CLASSES: [&str; 5] = ["tty", "video4linux", "gpio", "i2c-dev", "spidev"];
/// Devices that are shown, at most.
const MOST: usize = 64;

/// A device that is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// Its node.
    pub(super) path: DevicePath,
    /// Its name, and what its maker calls it.
    pub(super) title: String,
}

/// Those that are there now, by name. Blocks.
pub(super) fn plugged_in() -> Vec<Device> {
    found_in(Path::new("/sys"))
}

fn found_in(sys: &Path) -> Vec<Device> {
    // Pins are numbered where they are on a bus, not in a class of their own names.
    let folders = CLASSES.map(|class| sys.join("class").join(class));
    let folders = folders.into_iter().chain([sys.join("bus/gpio/devices")]);
    let mut devices: Vec<Device> = folders
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| device(&entry.path()))
        .collect();
    devices.sort_by(|one, two| one.path.cmp(&two.path));
    devices.dedup();
    devices.truncate(MOST);
    devices
}

/// What an entry of a class stands for; none: nothing that a person gives to apps.
fn device(entry: &Path) -> Option<Device> {
    let name = entry.file_name()?.to_str()?;
    let path: DevicePath = format!("/dev/{name}").parse().ok()?;
    // A serial port of the board's without a chip behind it.
    if read(&entry.join("type")).is_some_and(|kind| kind == "0") {
        return None;
    }
    let title = match product(entry) {
        Some(product) => format!("{name} ({product})"),
        None => name.to_owned(),
    };
    Some(Device { path, title })
}

/// What the maker of an adapter calls it: it stands at the USB device above.
fn product(entry: &Path) -> Option<String> {
    let place = entry.canonicalize().ok()?;
    let mut above = place.ancestors().skip(1).take(6);
    let product = above.find_map(|folder| read(&folder.join("product")))?;
    let shown: String = product
        .chars()
        .filter(|c| !c.is_control())
        .take(60)
        .collect();
    (!shown.is_empty()).then_some(shown)
}

fn read(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn adapters_have_their_makers_name_and_ports_without_a_chip_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let sys = folder.path();
        let make = |path: &str| fs::create_dir_all(sys.join(path)).unwrap();
        let adapter = "devices/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0";
        for path in [
            adapter,
            "devices/serial/ttyS0",
            "devices/serial/ttyS1",
            "class/tty",
        ] {
            make(path);
        }
        make("class/video4linux/video0");
        make("class/tty/tty1");
        let link = |target: &str, name: &str| {
            symlink(sys.join(target), sys.join("class/tty").join(name)).unwrap();
        };
        link(adapter, "ttyUSB0");
        link("devices/serial/ttyS0", "ttyS0");
        link("devices/serial/ttyS1", "ttyS1");
        let write = |path: &str, text: &str| fs::write(sys.join(path), text).unwrap();
        write("devices/usb1/1-1/product", "Sonoff Zigbee 3.0\n");
        write("devices/serial/ttyS0/type", "4\n");
        write("devices/serial/ttyS1/type", "0\n");
        let titles: Vec<_> = found_in(sys).into_iter().map(|found| found.title).collect();
        assert_eq!(titles, ["ttyS0", "ttyUSB0 (Sonoff Zigbee 3.0)", "video0"]);
    }
}
