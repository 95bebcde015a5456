//! A disk that records what was asked of it, and what is left of it after a crash at any point.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

use redb::StorageBackend;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// What redb asked for.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Write { offset: usize, bytes: Arc<[u8]> },
    SetLen(usize),
    Sync,
}

/// A disk in memory that keeps a log of all changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<(Vec<u8>, Vec<Request>)>>);

impl Recorder {
    /// Requests so far.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().1.len()
    }

    pub(crate) fn log(&self) -> Vec<Request> {
        self.0.lock().unwrap().1.clone()
    }
}

fn past_the_end() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().0.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let from = offset as usize;
        out.copy_from_slice(
            state
                .0
                .get(from..from + out.len())
                .ok_or_else(past_the_end)?,
        );
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.0.resize(len as usize, 0);
        state.1.push(Request::SetLen(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.lock().unwrap().1.push(Request::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let from = offset as usize;
        state
            .0
            .get_mut(from..from + data.len())
            .ok_or_else(past_the_end)?
            .copy_from_slice(data);
        state.1.push(Request::Write {
            offset: from,
            bytes: data.into(),
        });
        Ok(())
    }
}

/// The pages that differ from the base, by number.
type Pages = HashMap<usize, Box<[u8; PAGE]>>;

/// A disk with changes over a base that others share.
#[derive(Debug)]
pub(crate) struct Image {
    base: Arc<Vec<u8>>,
    /// The length, and what differs.
    over: Mutex<(usize, Pages)>,
}

impl Image {
    pub(crate) fn new(base: Arc<Vec<u8>>) -> Self {
        let len = base.len();
        Self {
            base,
            over: Mutex::new((len, HashMap::new())),
        }
    }

    fn page(&self, number: usize) -> Box<[u8; PAGE]> {
        let mut page = Box::new([0; PAGE]);
        let from = (number * PAGE).min(self.base.len());
        let to = (from + PAGE).min(self.base.len());
        page[..to - from].copy_from_slice(&self.base[from..to]);
        page
    }

    /// Applies a request; of a write only the first `bytes`.
    pub(crate) fn apply(&self, request: &Request, part: Option<usize>) {
        match request {
            Request::Write { offset, bytes } => {
                let end = part.map_or(bytes.len(), |part| {
                    (part / SECTOR * SECTOR).min(bytes.len())
                });
                self.put(*offset, &bytes[..end]);
            }
            Request::SetLen(len) => self.resize(*len),
            Request::Sync => {}
        }
    }

    fn resize(&self, len: usize) {
        let mut over = self.over.lock().unwrap();
        if len < over.0 {
            // What is cut off and grown again is zero.
            for number in len / PAGE..over.0.div_ceil(PAGE) {
                let mut page = over.1.remove(&number).unwrap_or_else(|| self.page(number));
                page[len.saturating_sub(number * PAGE).min(PAGE)..].fill(0);
                over.1.insert(number, page);
            }
        }
        over.0 = len;
    }

    fn put(&self, offset: usize, bytes: &[u8]) {
        let mut over = self.over.lock().unwrap();
        over.0 = over.0.max(offset + bytes.len());
        let mut done = 0;
        while done < bytes.len() {
            let (number, at) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let length = (PAGE - at).min(bytes.len() - done);
            let page = over.1.entry(number).or_insert_with(|| self.page(number));
            page[at..at + length].copy_from_slice(&bytes[done..done + length]);
            done += length;
        }
    }
}

impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over.lock().unwrap().0 as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over.lock().unwrap();
        let offset = offset as usize;
        if offset + out.len() > over.0 {
            return Err(past_the_end());
        }
        let mut done = 0;
        while done < out.len() {
            let (number, at) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let length = (PAGE - at).min(out.len() - done);
            let to = &mut out[done..done + length];
            match over.1.get(&number) {
                Some(page) => to.copy_from_slice(&page[at..at + length]),
                None => {
                    to.fill(0);
                    let from = (offset + done).min(self.base.len());
                    let end = (from + length).min(self.base.len());
                    to[..end - from].copy_from_slice(&self.base[from..end]);
                }
            }
            done += length;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.resize(len as usize);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.put(offset as usize, data);
        Ok(())
    }
}
