//! The one way to wait: with a deadline, and with the last thing seen in the message.

use anyhow::bail;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// What one look saw.
#[derive(Debug)]
pub enum Seen<T> {
    /// The thing that was waited for.
    Wanted(T),
    /// Something else, in words, for the message when time is up.
    Other(String),
}

impl<T> Seen<T> {
    /// Something else than what was waited for, as its `Debug` shows it.
    pub fn other(value: impl Debug) -> Self {
        Self::Other(format!("{value:?}"))
    }

    /// `value` if it is `wanted`, else its `Debug`.
    pub fn if_so(value: T, wanted: impl FnOnce(&T) -> bool) -> Self
    where
        T: Debug,
    {
        if wanted(&value) {
            Self::Wanted(value)
        } else {
            Self::other(value)
        }
    }
}

/// Looks again and again until `look` sees what is wanted, or `deadline` has passed.
///
/// `what` completes the sentence "timed out waiting for …". The pauses grow from 5 to 100 ms.
///
/// # Errors
///
/// When time is up: the message has the last thing seen, also when that was an error of `look`.
pub async fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Seen<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(5);
    let mut last = String::from("nothing: no look ended in time");
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(Seen::Wanted(value))) => return Ok(value),
            Ok(Ok(Seen::Other(seen))) => last = seen,
            Ok(Err(error)) => last = format!("error: {error:#}"),
            Err(_) => {}
        }
        if started.elapsed() >= deadline {
            bail!("timed out after {deadline:?} waiting for {what}; last seen: {last}");
        }
        tokio::time::sleep(pause.min(deadline.saturating_sub(started.elapsed()))).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_value_comes_back_as_soon_as_it_is_seen() {
        let mut looks = 0;
        let value = wait_for("the third look", Duration::from_secs(5), async || {
            looks += 1;
            Ok(Seen::if_so(looks, |looks| *looks == 3))
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_passed_deadline_says_what_was_seen_last() {
        let error = wait_for::<()>("a miracle", Duration::from_millis(20), async || {
            Ok(Seen::other("rain"))
        })
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "timed out after 20ms waiting for a miracle; last seen: \"rain\""
        );
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlive_the_deadline() {
        let started = Instant::now();
        let look = async || {
            std::future::pending::<()>().await;
            Ok(Seen::Wanted(()))
        };
        wait_for("the end of time", Duration::from_millis(50), look)
            .await
            .unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
