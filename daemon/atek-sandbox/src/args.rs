//! The command line, which atek-spawnd writes.

use anyhow::{Context as _, bail};
use atek_api::ids::ServiceKey;
use atek_api::spec::AttachNetwork;
use std::ffi::OsString;
use std::path::PathBuf;

/// What to become, and as whom.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// The service that starts.
    pub(crate) key: ServiceKey,
    /// Whether the network namespace is its own.
    pub(crate) network: AttachNetwork,
    /// An absolute path: nothing is searched.
    pub(crate) program: PathBuf,
    /// Taken literally.
    pub(crate) arguments: Vec<OsString>,
}

/// Parses `KEY private|shared -- PROGRAM [ARG]...`.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Args> {
    let mut args = args.into_iter();
    let mut next = |what: &'static str| args.next().with_context(|| format!("missing {what}"));
    let key = next("the service key")?;
    let key = key
        .to_str()
        .context("the service key is not text")?
        .parse()?;
    let network = match next("the network")?.to_str() {
        Some("private") => AttachNetwork::Private,
        Some("shared") => AttachNetwork::Shared,
        _ => bail!("the network must be private or shared"),
    };
    if next("--")? != "--" {
        bail!("expected -- after the network");
    }
    let program = PathBuf::from(next("the program to run")?);
    if !program.is_absolute() {
        bail!("the program {} must be an absolute path", program.display());
    }
    Ok(Args {
        key,
        network,
        program,
        arguments: args.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> anyhow::Result<Args> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn everything_after_the_program_is_its_own() {
        let args = parse_line("k1 private -- /usr/bin/node /app/index.js -- --x").unwrap();
        assert_eq!(args.key.as_str(), "k1");
        assert_eq!(args.network, AttachNetwork::Private);
        assert_eq!(args.program, PathBuf::from("/usr/bin/node"));
        assert_eq!(args.arguments, ["/app/index.js", "--", "--x"]);
    }

    #[test]
    fn anything_unclear_is_refused() {
        for line in [
            "",
            "k1",
            "k1 private",
            "k1 private --",
            "k1 public -- /bin/true",
            "../k1 private -- /bin/true",
            "k1 private /bin/true",
            "k1 private -- node",
        ] {
            assert!(parse_line(line).is_err(), "{line:?}");
        }
    }
}
