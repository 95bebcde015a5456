//! `autoboot.txt`, by which the Raspberry Pi's firmware chooses a slot: the one in use under
//! `[all]`, the other, tried once, under `[tryboot]`. The virt board's model of the firmware reads
//! the same file. No I/O.

use std::fmt;

/// Which partition is booted, and which is tried when a trial is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autoboot {
    /// The number of the boot partition in use.
    pub default: u32,
    /// The number of the other one.
    pub trial: u32,
}

/// Why a file is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongSelector {
    #[error("`boot_partition` is missing under [{section}]")]
    Missing { section: &'static str },
    #[error("line {line} has no partition number from 1 to 128")]
    Number { line: usize },
    #[error("both slots are the same partition")]
    Same,
}

/// What is to be done after a good boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It came from the slot in use.
    Kept,
    /// It came from the slot on trial: this is the new selector.
    Keep(Autoboot),
    /// It came from neither; nothing is known of how.
    Foreign,
}

impl Autoboot {
    /// Reads the file. The last value of a section counts, as for the firmware.
    ///
    /// # Errors
    ///
    /// [`WrongSelector`].
    pub fn parse(text: &str) -> Result<Self, WrongSelector> {
        let (mut default, mut trial, mut in_trial) = (None, None, false);
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            match (line, line.split_once('=')) {
                ("[all]", _) => in_trial = false,
                ("[tryboot]", _) => in_trial = true,
                (_, Some((name, value))) if name.trim() == "boot_partition" => {
                    let partition = value.trim().parse().ok().filter(|n| (1..=128).contains(n));
                    let partition = Some(partition.ok_or(WrongSelector::Number { line: number })?);
                    *(if in_trial { &mut trial } else { &mut default }) = partition;
                }
                _ => {}
            }
        }
        let default = default.ok_or(WrongSelector::Missing { section: "all" })?;
        let trial = trial.ok_or(WrongSelector::Missing { section: "tryboot" })?;
        if default == trial {
            return Err(WrongSelector::Same);
        }
        Ok(Self { default, trial })
    }

    /// What a good boot from partition `booted` means.
    pub fn decide(self, booted: u32) -> Decision {
        if booted == self.default {
            Decision::Kept
        } else if booted == self.trial {
            Decision::Keep(Self {
                default: self.trial,
                trial: self.default,
            })
        } else {
            Decision::Foreign
        }
    }
}

impl fmt::Display for Autoboot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { default, trial } = self;
        write!(
            f,
            "[all]\ntryboot_a_b=1\nboot_partition={default}\n[tryboot]\nboot_partition={trial}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Autoboot = Autoboot {
        default: 2,
        trial: 3,
    };
    const B: Autoboot = Autoboot {
        default: 3,
        trial: 2,
    };

    #[test]
    fn the_slot_on_trial_is_kept_and_no_other() {
        assert_eq!(A.decide(2), Decision::Kept);
        assert_eq!(A.decide(3), Decision::Keep(B));
        assert_eq!(A.decide(1), Decision::Foreign);
    }

    #[test]
    fn selectors_are_read_as_the_firmware_does() {
        let text = "# slots\r\n[all]\r\ntryboot_a_b=1\r\nboot_partition = 2 # a\r\n[tryboot]\r\nboot_partition=3\r\n";
        assert_eq!(Autoboot::parse(text), Ok(A));
        let missing = |section| Err(WrongSelector::Missing { section });
        assert_eq!(Autoboot::parse(""), missing("all"));
        assert_eq!(Autoboot::parse("boot_partition=2"), missing("tryboot"));
        assert_eq!(
            Autoboot::parse("boot_partition=x"),
            Err(WrongSelector::Number { line: 1 })
        );
        assert_eq!(
            Autoboot::parse("boot_partition=2\n[tryboot]\nboot_partition=2"),
            Err(WrongSelector::Same)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_keeping_twice_is_keeping_once(default in 1_u32..=128, trial in 1_u32..=128) {
            prop_assume!(default != trial);
            let selector = Autoboot { default, trial };
            prop_assert_eq!(Autoboot::parse(&selector.to_string()), Ok(selector));
            let Decision::Keep(kept) = selector.decide(trial) else { panic!("the trial is not kept") };
            prop_assert_eq!(kept.decide(trial), Decision::Kept);
            // A failure of the new slot still has the old one to go back to.
            prop_assert_eq!(kept.trial, default);
        }
    }
}
