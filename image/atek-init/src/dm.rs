//! Device-mapper, as far as one read-only device needs it (`include/uapi/linux/dm-ioctl.h`).

use crate::cmdline::Table;
use anyhow::{Context as _, ensure};
use rustix::ioctl::{self, Ioctl, IoctlOutput, Opcode};
use std::ffi::c_void;
use std::fs::File;

/// `struct dm_ioctl`: 312 bytes on every architecture.
const HEADER: usize = 312;
/// `struct dm_target_spec`.
const TARGET: usize = 40;
/// Where the fields of `struct dm_ioctl` lie.
const DATA_SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGET_COUNT: usize = 20;
const FLAGS: usize = 28;
const NAME: usize = 48;
const NAME_LEN: usize = 128;

const READ_ONLY: u32 = 1;

/// The interface version that this program speaks; the kernel takes any newer minor one.
const VERSION: [u32; 3] = [4, 0, 0];

const CREATE: u8 = 3;
const RESUME: u8 = 6;
const LOAD_TABLE: u8 = 9;

/// One request: the header, and what follows it.
struct Request {
    command: u8,
    buffer: Vec<u8>,
}

impl Request {
    fn new(command: u8, name: &str, flags: u32, payload: &[u8]) -> anyhow::Result<Self> {
        ensure!(
            !name.is_empty() && name.len() < NAME_LEN,
            "{name:?} is no name for a device"
        );
        let mut buffer = vec![0; HEADER];
        let mut put =
            |at: usize, value: u32| buffer[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        for (index, part) in VERSION.into_iter().enumerate() {
            put(index * 4, part);
        }
        put(
            DATA_SIZE,
            u32::try_from(HEADER + payload.len()).context("the table is too long")?,
        );
        put(DATA_START, HEADER as u32);
        put(TARGET_COUNT, u32::from(command == LOAD_TABLE));
        put(FLAGS, flags);
        buffer[NAME..NAME + name.len()].copy_from_slice(name.as_bytes());
        buffer.extend_from_slice(payload);
        Ok(Self { command, buffer })
    }
}

// SAFETY: the buffer is `struct dm_ioctl` followed by its payload; `data_size` in it is the
// buffer's length, and the kernel neither reads nor writes beyond that. The opcode carries the
// header's size, as the kernel's own definition does. Every bit pattern is a valid `u8`, so
// whatever the kernel wrote may be read.
unsafe impl Ioctl for Request {
    type Output = ();

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        ioctl::opcode::read_write::<[u8; HEADER]>(0xfd, self.command)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.buffer.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// Makes the read-only device `name` of one table line, ready to be read.
///
/// # Errors
///
/// When the kernel refuses; its log then says why.
pub(crate) fn create_read_only(name: &str, table: &Table) -> anyhow::Result<()> {
    let control = File::options()
        .read(true)
        .write(true)
        .open("/dev/mapper/control")
        .context("cannot open /dev/mapper/control")?;
    let ask = |what: &str, request: Request| {
        // SAFETY: the request is what device-mapper expects: see `Request`.
        unsafe { ioctl::ioctl(&control, request) }
            .with_context(|| format!("cannot {what} the device {name}"))
    };
    ask("make", Request::new(CREATE, name, READ_ONLY, &[])?)?;
    ask(
        "describe",
        Request::new(LOAD_TABLE, name, READ_ONLY, &target(table)?)?,
    )?;
    ask("start", Request::new(RESUME, name, READ_ONLY, &[])?)
}

/// `struct dm_target_spec` and its parameters, ended by a zero and filled up to a multiple of 8.
fn target(table: &Table) -> anyhow::Result<Vec<u8>> {
    ensure!(
        table.target.len() < 16,
        "{:?} is no target of device-mapper",
        table.target
    );
    let length = (TARGET + table.parameters.len() + 1).next_multiple_of(8);
    let mut bytes = vec![0; length];
    bytes[0..8].copy_from_slice(&table.start.to_ne_bytes());
    bytes[8..16].copy_from_slice(&table.length.to_ne_bytes());
    let next = u32::try_from(length).context("the table is too long")?;
    bytes[20..24].copy_from_slice(&next.to_ne_bytes());
    bytes[24..24 + table.target.len()].copy_from_slice(table.target.as_bytes());
    bytes[TARGET..TARGET + table.parameters.len()].copy_from_slice(table.parameters.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_how_long_it_is_and_a_table_ends_in_a_zero() {
        let table = Table {
            start: 0,
            length: 16,
            target: "verity".into(),
            parameters: "12345678".into(),
        };
        let payload = target(&table).unwrap();
        assert_eq!(payload.len(), 56);
        assert_eq!(&payload[24..31], b"verity\0");
        assert_eq!(&payload[40..49], b"12345678\0");
        let request = Request::new(LOAD_TABLE, "root", READ_ONLY, &payload).unwrap();
        assert_eq!(request.buffer.len(), HEADER + 56);
        assert_eq!(
            request.buffer[DATA_SIZE..DATA_SIZE + 4],
            368_u32.to_ne_bytes()
        );
        assert_eq!(request.opcode(), 0xc138_fd09);
        assert!(Request::new(CREATE, &"n".repeat(128), 0, &[]).is_err());
    }
}
