//! Landlock: the rights of [`crate::rules`], enforced by the kernel from here on.

use crate::rules::{Access, Policy, Rule};
use ::landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use anyhow::{Context as _, bail};
use std::io;
use std::os::fd::AsFd as _;

/// The oldest kernel interface that will do (Linux 6.7): the first with rules for TCP ports.
const REQUIRED: ABI = ABI::V4;
/// The newest that adds something for us (Linux 6.12): device ioctls, abstract sockets, signals.
const WANTED: ABI = ABI::V6;

/// Restricts this process and everything it will execute.
pub(crate) fn confine(policy: &Policy) -> anyhow::Result<()> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(REQUIRED))?
        // What follows is taken where the kernel has it.
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?
        .set_compatibility(CompatLevel::HardRequirement);
    for rule in &policy.files {
        if let Some(beneath) = beneath(rule)? {
            ruleset = ruleset.add_rule(beneath)?;
        }
    }
    let status = ruleset.restrict_self()?;
    match status.ruleset {
        // The hard requirements above hold in both cases, or there would have been an error.
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => bail!("the kernel does not enforce Landlock"),
    }
}

/// Takes the right to bind a TCP port from this process and everything it will execute, and
/// nothing else but signals to other processes and abstract sockets.
pub(crate) fn deny_listening() -> anyhow::Result<()> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessNet::BindTcp)?
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(WANTED))?
        .create()?
        .restrict_self()?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => bail!("the kernel does not enforce Landlock"),
    }
}

/// The kernel's rule for one line, or nothing where an optional path is missing.
///
/// Not `landlock::path_beneath_rules`, which skips every missing path without a word.
fn beneath(rule: &Rule) -> anyhow::Result<Option<PathBeneath<PathFd>>> {
    let file = match PathFd::new(&rule.path) {
        Ok(file) => file,
        Err(error) if !rule.required && is_missing(&error) => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot open {}", rule.path.display()));
        }
    };
    // Ask the opened file, not the path, which may name another one by now.
    let is_folder = nix::sys::stat::fstat(file.as_fd())
        .with_context(|| format!("cannot examine {}", rule.path.display()))?
        .st_mode
        & libc::S_IFMT
        == libc::S_IFDIR;
    let access = rights(rule.access);
    // Rights that only make sense for a folder are an error on a file.
    let access = if is_folder || rule.access == Access::Device {
        access
    } else {
        access & AccessFs::from_file(REQUIRED)
    };
    // Kernels that do not tell control (`ioctl`) from reading and writing allow it with these.
    let level = match rule.access {
        Access::Device => CompatLevel::BestEffort,
        _ => CompatLevel::HardRequirement,
    };
    Ok(Some(
        PathBeneath::new(file, access).set_compatibility(level),
    ))
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match access {
        Access::Read => read,
        Access::Execute => read | AccessFs::Execute,
        Access::Update => AccessFs::ReadFile | AccessFs::WriteFile,
        Access::Device => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev,
        Access::Own => {
            AccessFs::from_all(REQUIRED)
                & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock)
        }
    }
}

fn is_missing(error: &::landlock::PathFdError) -> bool {
    match error {
        ::landlock::PathFdError::OpenCall { source, .. } => {
            source.kind() == io::ErrorKind::NotFound
        }
        _ => false,
    }
}

#[cfg(test)]
mod escape_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_owns_it_cannot_execute_or_turn_into_a_device() {
        let own = rights(Access::Own);
        for denied in [AccessFs::Execute, AccessFs::MakeChar, AccessFs::MakeBlock] {
            assert!(!own.contains(denied));
        }
        for granted in [
            AccessFs::WriteFile,
            AccessFs::MakeSock,
            AccessFs::Refer,
            AccessFs::Truncate,
        ] {
            assert!(own.contains(granted));
        }
        assert!(!rights(Access::Execute).contains(AccessFs::WriteFile));
        assert!(!rights(Access::Read).contains(AccessFs::Execute));
    }

    #[test]
    fn a_required_path_that_is_missing_is_an_error_and_an_optional_one_is_not() {
        let rule = |required| Rule {
            path: "/nonexistent".into(),
            access: Access::Read,
            required,
        };
        assert!(beneath(&rule(false)).unwrap().is_none());
        let error = beneath(&rule(true)).unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}
