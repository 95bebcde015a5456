//! Makes the network namespace of a service ready, beside the start of its programs.
//!
//! `atek-network prepare ID KEY [sidecar=NAME]... [-- LINK]` is the command of the service's
//! network unit, which systemd starts together with the units of the service's processes, in the
//! network namespace that they share. It has none of their mounts, so it is done before they are;
//! atek-sandbox waits in each of them for the outcome, which is written where they read it
//! ([`paths::NETWORK_OUTCOME`]).
//!
//! No port needs a privilege there: programs listen on 80 or 53, and where none has the port 80 the
//! host's API answers there at `http://localhost/`. The setting is the namespace's own
//! (`ip-sysctl.rst`, "ip_unprivileged_port_start"), not the machine's.

use crate::attach::{Link, attach};
use crate::link_of;
use crate::namespaces::Namespaces;
use anyhow::Context as _;
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::manifest::SidecarName;
use atek_api::spec::paths;
use std::fs;
use std::path::PathBuf;

/// What is made ready.
#[derive(Debug)]
struct Task {
    service: ServiceId,
    link: Option<Link>,
    /// The files for the outcome, one for each process of the service.
    outcomes: Vec<PathBuf>,
}

/// Makes the network ready that the rest of the command line names.
pub(crate) fn run(words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let task = parse(words)?;
    // Of a start that failed, while the service waits to be started again.
    task.say("")?;
    let made = make(&task);
    task.say(&match &made {
        Ok(()) => format!("{}\n", paths::NETWORK_READY),
        Err(error) => format!("{}\n", format!("{error:#}").replace('\n', " ")),
    })?;
    made
}

fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Task> {
    let service = words.next().context("missing the service")?.parse()?;
    let key: ServiceKey = words.next().context("missing the service key")?.parse()?;
    let outcome =
        |sidecar: Option<&SidecarName>| paths::accounts(&key, sidecar).join(paths::NETWORK_OUTCOME);
    let mut outcomes = vec![outcome(None)];
    let mut link = None;
    while let Some(word) = words.next() {
        if word == "--" {
            link = Some(link_of(words)?);
            break;
        }
        let sidecar = word.strip_prefix("sidecar=");
        let sidecar: SidecarName = sidecar.context("unknown option")?.parse()?;
        outcomes.push(outcome(Some(&sidecar)));
    }
    Ok(Task {
        service,
        link,
        outcomes,
    })
}

fn make(task: &Task) -> anyhow::Result<()> {
    open_ports()?;
    match &task.link {
        Some(link) => attach(link, &task.service.unit()),
        None => Ok(()),
    }
}

/// Lets programs without privilege listen on all ports of this network namespace, which must not be
/// the machine's.
fn open_ports() -> anyhow::Result<()> {
    Namespaces::of_unit()?;
    let setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    fs::write(setting, "0").with_context(|| format!("cannot write {setting}"))
}

impl Task {
    /// Writes into files that are there, in folders of root: atek-spawnd has made them.
    fn say(&self, text: &str) -> anyhow::Result<()> {
        for path in &self.outcomes {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::Reach;

    fn parsed(line: &str) -> anyhow::Result<Task> {
        parse(line.split_whitespace().map(ToOwned::to_owned))
    }

    #[test]
    fn the_command_line_names_the_service_its_processes_and_the_link() {
        let task = parsed("notes k1").unwrap();
        assert!(task.link.is_none());
        assert_eq!(
            task.outcomes,
            [PathBuf::from("/run/atek-accounts/k1/network")]
        );
        let task = parsed("notes k1 sidecar=db -- home mdns tcp/1883").unwrap();
        assert_eq!(task.service.unit(), "atek-app-notes.service");
        assert!(task.outcomes[1].ends_with("k1@db/network"));
        let link = task.link.unwrap();
        assert!(link.reach == Reach::Home && link.mdns);
        assert_eq!(link.listen, ["tcp/1883".parse().unwrap()]);
        for wrong in [
            "",
            "notes",
            "notes ../k",
            "no/tes k1",
            "notes k1 db",
            "notes k1 sidecar=../x",
            "notes k1 --",
            "notes k1 -- all",
            "notes k1 -- home x",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
