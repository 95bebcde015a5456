//! A model of what the Pi's firmware does with a card: `autoboot.txt` names the slot, `config.txt`
//! the files.
//!
//! QEMU never runs the firmware, so its part is played here. Only what Atek's cards use is
//! modelled.

use crate::card::Card;
use anyhow::{Context as _, bail};

/// What the firmware hands to the processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The slot's partition.
    pub partition: String,
    /// The kernel.
    pub kernel: Vec<u8>,
    /// The initramfs, if the slot has one.
    pub initramfs: Option<Vec<u8>>,
    /// The kernel's command line.
    pub cmdline: String,
}

/// Reads what boots: the slot that `autoboot.txt` names, or the one to be tried when `tryboot` was
/// asked for.
///
/// # Errors
///
/// When the selector or the slot lacks a file.
pub fn boot(card: &Card, tryboot: bool) -> anyhow::Result<Boot> {
    let autoboot = text(card, "selector", "autoboot.txt")?;
    let number = partition_number(&autoboot, tryboot)?;
    let part = card.parts().get(number - 1).with_context(|| {
        format!("autoboot.txt names partition {number}, which the card does not have")
    })?;
    let config = text(card, &part.name, "config.txt")?;
    let file = |key: &str, separator: char| {
        config
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(separator))
            .and_then(|rest| rest.split_whitespace().next())
    };
    let kernel = file("kernel", '=').context("config.txt names no kernel")?;
    Ok(Boot {
        kernel: card.read(&part.name, kernel)?,
        initramfs: file("initramfs", ' ')
            .map(|name| card.read(&part.name, name))
            .transpose()?,
        cmdline: text(card, &part.name, "cmdline.txt")?.trim().to_owned(),
        partition: part.name.clone(),
    })
}

fn text(card: &Card, partition: &str, name: &str) -> anyhow::Result<String> {
    String::from_utf8(card.read(partition, name)?)
        .with_context(|| format!("{name} on {partition} is no text"))
}

/// `boot_partition` of the section that counts: `[tryboot]` when a trial was asked for, else
/// `[all]`.
fn partition_number(autoboot: &str, tryboot: bool) -> anyhow::Result<usize> {
    let (mut section, mut found) = ("[all]", None);
    for line in autoboot.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if let Some(number) = line.strip_prefix("boot_partition=")
            && (section == "[all]" || (tryboot && section == "[tryboot]"))
        {
            found = number.parse().ok().filter(|number| *number > 0);
        }
    }
    match found {
        Some(number) => Ok(number),
        None => bail!("autoboot.txt names no partition"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_boots_the_other_slot_and_only_then() {
        let autoboot = crate::assemble::AUTOBOOT;
        assert_eq!(partition_number(autoboot, false).unwrap(), 2);
        assert_eq!(partition_number(autoboot, true).unwrap(), 3);
        assert!(partition_number("[tryboot]\nboot_partition=3\n", false).is_err());
    }
}
