//! Devices of the box that a person may give to an app.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::str::FromStr;

/// Kinds of devices under `/dev`, each followed by a number: serial adapters and ports, cameras,
/// pins, and the buses beside them. No disk, no memory, no input device is among them.
const NUMBERED: [&str; 8] = [
    "ttyUSB", "ttyACM", "ttyAMA", "ttyS", "video", "gpiochip", "i2c-", "spidev",
];
/// Names that stay the same whichever plug a serial adapter is in.
const BY_ID: &str = "/dev/serial/by-id/";

/// The path of a device that may be given to an app: `/dev/ttyUSB0`, `/dev/video0`,
/// `/dev/gpiochip0`, `/dev/serial/by-id/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub struct DevicePath(String);

/// A text is not a [`DevicePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a device is /dev/ttyUSB0, /dev/ttyACM0, /dev/ttyAMA0, /dev/ttyS0, /dev/video0, /dev/gpiochip0, /dev/i2c-1, /dev/spidev0.0 or /dev/serial/by-id/NAME"
)]
pub struct InvalidDevice;

impl DevicePath {
    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The group that reads and writes such devices.
    #[must_use]
    pub fn group(&self) -> &'static str {
        let name = self.0.trim_start_matches("/dev/");
        let of_kind = GROUPS.iter().find(|(kind, _)| name.starts_with(kind));
        of_kind.map_or("dialout", |(_, group)| group)
    }
}

/// The groups to which devices of a kind belong on Debian and Raspberry Pi OS, where there are such
/// groups (udev's `50-udev-default.rules`, Raspberry Pi OS's `99-com.rules`).
const GROUPS: [(&str, &str); 5] = [
    ("video", "video"),
    ("gpiochip", "gpio"),
    ("i2c-", "i2c"),
    ("spidev", "spi"),
    ("", "dialout"),
];

fn is_number(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl FromStr for DevicePath {
    type Err = InvalidDevice;

    fn from_str(text: &str) -> Result<Self, InvalidDevice> {
        let named = text.strip_prefix(BY_ID).is_some_and(|name| {
            (1..=128).contains(&name.len())
                && !name.starts_with('.')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._:+@-".contains(&byte))
        });
        let numbered = text.strip_prefix("/dev/").is_some_and(|name| {
            NUMBERED.iter().any(|kind| match name.strip_prefix(kind) {
                Some(rest) if *kind == "spidev" => rest
                    .split_once('.')
                    .is_some_and(|(bus, chip)| is_number(bus) && is_number(chip)),
                Some(rest) => is_number(rest),
                None => false,
            })
        });
        if named || numbered {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDevice)
        }
    }
}

crate::text::checked_text!(DevicePath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_of_a_kind_that_people_give_to_apps() {
        for good in [
            "/dev/ttyUSB0",
            "/dev/ttyACM12",
            "/dev/video0",
            "/dev/gpiochip4",
            "/dev/i2c-1",
            "/dev/spidev0.1",
            "/dev/serial/by-id/usb-ITead_Sonoff_Zigbee_3.0_USB_Dongle_Plus_0001-if00-port0",
        ] {
            let device: DevicePath = good.parse().unwrap();
            assert_eq!(device.to_string(), good);
            let is_serial = good.contains("tty") || good.contains("serial");
            assert_eq!(device.group() == "dialout", is_serial, "{good}");
        }
        for bad in [
            "",
            "/dev/ttyUSB",
            "/dev/ttyUSB0/../sda",
            "/dev/ttyUSB0000",
            "/dev/sda",
            "/dev/mem",
            "/dev/mmcblk0",
            "/dev/input/event0",
            "/dev/hidraw0",
            "/dev/kmsg",
            "/dev/tty1",
            "/dev/video0 ",
            "/dev/video-1",
            "/dev/video0:rw",
            "/dev/spidev0",
            "ttyUSB0",
            "/dev/serial/by-id/",
            "/dev/serial/by-id/..",
            "/dev/serial/by-id/a/b",
            "/dev/serial/by-id/a\nb",
            "/etc/passwd",
        ] {
            assert!(bad.parse::<DevicePath>().is_err(), "{bad:?}");
        }
    }
}
