//! Landlock of the running kernel, asked by its own system call (landlock_create_ruleset(2)): a
//! kernel's version does not tell what a distribution left out, took back or turned off.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetError,
};

/// The newest version of Landlock's interface, up to the one that Atek needs, of which the kernel
/// takes every right; 0 when it has none, or does not let this process ask. Restricts nothing: a
/// set of rules counts only when it is applied.
pub(crate) fn interface() -> u8 {
    let takes = |abi, tcp| make_ruleset(abi, tcp).is_ok();
    [
        (4, ABI::V4, true),
        (3, ABI::V3, false),
        (2, ABI::V2, false),
        (1, ABI::V1, false),
    ]
    .into_iter()
    .find(|(_, abi, tcp)| takes(*abi, *tcp))
    .map_or(0, |(version, ..)| version)
}

fn make_ruleset(abi: ABI, tcp: bool) -> Result<(), RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if tcp {
        rules = rules.handle_access(AccessNet::from_all(abi))?;
    }
    rules.create().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_lists_landlock_answers() {
        let modules = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        let listed = modules.split(',').any(|name| name.trim() == "landlock");
        assert!(interface() > 0 || !listed, "{modules}");
    }
}
