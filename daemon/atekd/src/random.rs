//! Secrets from the system's random generator.

use atek_api::secret::Secret;

/// The system's random generator failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot get random bytes from the system")]
pub struct RandomError(#[source] getrandom::Error);

/// `N` random bytes.
///
/// # Errors
///
/// [`RandomError`], on a kernel that has none to give.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

/// `N` random bytes in hexadecimal.
///
/// # Errors
///
/// As [`bytes`].
pub fn hex<const N: usize>() -> Result<Secret, RandomError> {
    use std::fmt::Write as _;
    let text = bytes::<N>()?
        .iter()
        .fold(String::with_capacity(2 * N), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    Ok(Secret::new(text))
}
