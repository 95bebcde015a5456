//! Connections of this process to servers that an administrator named.

use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a name and an address may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Addresses of a name that are tried.
const MOST: usize = 8;

/// Connects to the first address that answers.
///
/// # Errors
///
/// Why none did, for a person.
pub async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let late = |what: &str| io::Error::new(io::ErrorKind::TimedOut, what.to_owned());
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| late("its name was not found in time"))?;
    let found = found.map_err(|_| io::Error::other("its name is not known in this network"))?;
    let mut last = io::Error::other("its name has no address");
    for address in found.take(MOST) {
        match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = late("no answer"),
        }
    }
    Err(last)
}
