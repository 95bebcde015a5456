//! A test that cannot run on this machine says so, and why.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Records that the running test is skipped, for the summary of `./tests/run`. The test returns
/// after it.
///
/// ```no_run
/// # async fn test(machine: atek_tests::Machine) -> anyhow::Result<()> {
/// if !machine.has_controller("memory").await? {
///     atek_tests::skip("the outer machine gives no memory controller");
///     return Ok(());
/// }
/// # Ok(())
/// # }
/// ```
pub fn skip(reason: &str) {
    let name = std::env::var("NEXTEST_TEST_NAME").unwrap_or_else(|_| "a test".to_owned());
    eprintln!("skipped: {reason}");
    let Some(list) = std::env::var_os("ATEK_SKIPS") else {
        return;
    };
    // One short line in one write: two tests at a time do not mix.
    let line = format!("{name}: {reason}\n");
    if let Err(error) = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&list)
        .and_then(|mut f| f.write_all(line.as_bytes()))
    {
        eprintln!("cannot note that in {}: {error}", list.display());
    }
}
