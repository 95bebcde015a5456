//! A registry of container images that counts what it is asked for and stops in the middle of an
//! answer: a relay before Debian's `docker-registry`.

use crate::registry::Registry;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

/// The relay. It ends with the process.
#[derive(Debug)]
pub struct CountingRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By the last part of the path, of a blob its digest: from which byte on each request asked.
    asked: BTreeMap<String, Vec<u64>>,
    /// What the second half is held back of.
    held: Option<String>,
    /// Whether a request waits for it.
    is_held: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits while this is held back.
    fn pass(&self, asked: &str) {
        let mut state = self.state();
        while state.held.as_deref() == Some(asked) {
            state.is_held = true;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

impl CountingRegistry {
    /// One at an address of this machine's, with the images of `registry`.
    ///
    /// # Errors
    ///
    /// When it cannot listen.
    pub fn before(registry: &Registry, address: Ipv4Addr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: registry.address(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                // A client that goes away ends its connection and nothing else.
                thread::spawn(move || relay(client, &shared).ok());
            }
        });
        Ok(Self { address, shared })
    }

    /// The source of an image in it.
    #[must_use]
    pub fn source(&self, image: &str) -> String {
        format!("oci+http://{}/{image}", self.address)
    }

    /// The same at another address of this machine, where it was begun for all of them.
    #[must_use]
    pub fn source_at(&self, address: Ipv4Addr, image: &str) -> String {
        format!("oci+http://{address}:{}/{image}", self.address.port())
    }

    /// Holds back the second half of what has this at the end of its path: the digest of a blob, a
    /// tag, `list`.
    pub fn hold(&self, asked: &str) {
        let mut state = self.shared.state();
        state.held = Some(asked.to_owned());
        state.is_held = false;
    }

    /// Whether a client has the first half and waits for the rest.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.shared.state().is_held
    }

    /// Holds nothing back any more.
    pub fn release(&self) {
        self.shared.state().held = None;
        self.shared.changed.notify_all();
    }

    /// From which byte on each request asked for a blob.
    #[must_use]
    pub fn asked(&self, digest: &str) -> Vec<u64> {
        let state = self.shared.state();
        state.asked.get(digest).cloned().unwrap_or_default()
    }
}

/// One request and its answer.
fn relay(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(shared.upstream)?;
    let mut lines = BufReader::new(client.try_clone()?);
    let (mut head, mut asked, mut from) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if head.is_empty() {
            let path = line.split(' ').nth(1).unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            asked = path.rsplit('/').next().unwrap_or_default().to_owned();
        } else if let Some(range) = lower.strip_prefix("range: bytes=") {
            let first = range.split('-').next().unwrap_or_default();
            from = first.trim().parse().unwrap_or_default();
        } else if lower.starts_with("connection:") {
            continue;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    head.push_str("Connection: close\r\n\r\n");
    upstream.write_all(head.as_bytes())?;
    let mut state = shared.state();
    state.asked.entry(asked.clone()).or_default().push(from);
    drop(state);
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let (first, second) = answer.split_at(answer.len() / 2);
    client.write_all(first)?;
    shared.pass(&asked);
    client.write_all(second)
}
