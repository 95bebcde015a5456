//! The words of the kernel's command line that say where the root is.
//!
//! They are the kernel's own (`Documentation/admin-guide/device-mapper/dm-init.rst`): a kernel with
//! `CONFIG_DM_INIT` carries them out itself, and this program does the same where device-mapper is
//! a module.

use anyhow::{Context as _, bail};

/// What this program needs to know of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Words {
    /// `dm-mod.create=`: the one device to set up.
    pub create: Option<Create>,
    /// `dm-mod.waitfor=PARTUUID=…`: the partition that the root lies on.
    pub root_partition: Option<String>,
    /// `rootfstype=`.
    pub root_type: Option<String>,
}

/// One device of `dm-mod.create=`: `NAME,UUID,MINOR,FLAGS,TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Create {
    /// The device's name.
    pub name: String,
    /// Its only table line.
    pub table: Table,
}

/// `START LENGTH TARGET PARAMETERS`, in sectors of 512 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub start: u64,
    pub length: u64,
    pub target: String,
    pub parameters: String,
}

/// Reads the running kernel's command line.
///
/// # Errors
///
/// When it cannot be read or a word has another form than the kernel documents.
pub(crate) fn read() -> anyhow::Result<Words> {
    let text = std::fs::read_to_string("/proc/cmdline").context("cannot read /proc/cmdline")?;
    parse(&text)
}

/// Takes the words out of a command line.
pub(crate) fn parse(text: &str) -> anyhow::Result<Words> {
    let mut words = Words::default();
    for word in split(text) {
        let Some((name, value)) = word.split_once('=') else {
            continue;
        };
        match name {
            "dm-mod.create" => {
                words.create =
                    Some(create(value).with_context(|| format!("cannot read {word:?}"))?);
            }
            "dm-mod.waitfor" => {
                let uuid = value
                    .strip_prefix("PARTUUID=")
                    .with_context(|| format!("{word:?} does not name a PARTUUID"))?;
                words.root_partition = Some(uuid.to_owned());
            }
            "rootfstype" => words.root_type = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(words)
}

/// Splits at blanks outside double quotes, and drops the quotes, as the kernel does.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            blank if blank.is_whitespace() && !quoted => words.push(String::new()),
            other => {
                if let Some(word) = words.last_mut() {
                    word.push(other);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn create(value: &str) -> anyhow::Result<Create> {
    if value.contains(';') {
        bail!("only one device can be set up");
    }
    let fields: Vec<&str> = value.splitn(5, ',').collect();
    let [name, uuid, minor, flags, table] = fields[..] else {
        bail!("a device is NAME,UUID,MINOR,FLAGS,TABLE");
    };
    if !uuid.is_empty() || !minor.is_empty() {
        bail!("a UUID or a minor number cannot be chosen");
    }
    if flags != "ro" {
        bail!("the root must be `ro`");
    }
    if table.contains(',') {
        bail!("only one table line can be set up");
    }
    let parts: Vec<&str> = table.trim().splitn(4, ' ').collect();
    let [start, length, target, parameters] = parts[..] else {
        bail!("a table is START LENGTH TARGET PARAMETERS");
    };
    Ok(Create {
        name: name.to_owned(),
        table: Table {
            start: start.parse().context("the start is not a number")?,
            length: length.parse().context("the length is not a number")?,
            target: target.to_owned(),
            parameters: parameters.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &str = "console=ttyAMA0 dm-mod.create=\"atek-root,,,ro,0 8 verity 1 PARTUUID=ab PARTUUID=ab 4096\" \
         dm-mod.waitfor=PARTUUID=ab root=/dev/dm-0 rootfstype=squashfs quiet\n";

    #[test]
    fn the_device_its_partition_and_its_file_system_are_found() {
        let words = parse(LINE).unwrap();
        assert_eq!(
            words,
            Words {
                create: Some(Create {
                    name: "atek-root".into(),
                    table: Table {
                        start: 0,
                        length: 8,
                        target: "verity".into(),
                        parameters: "1 PARTUUID=ab PARTUUID=ab 4096".into(),
                    },
                }),
                root_partition: Some("ab".into()),
                root_type: Some("squashfs".into()),
            }
        );
    }

    #[test]
    fn a_device_that_would_be_set_up_differently_is_refused() {
        for create in [
            "r,,,ro,0 8 verity a;s,,,ro,0 8 verity a",
            "r,,,ro,0 8 verity a,8 8 verity b",
            "r,,,rw,0 8 verity a",
            "r,,3,ro,0 8 verity a",
            "r,,,ro,0 eight verity a",
            "r,,,ro,0 8 verity",
            "r",
        ] {
            assert!(
                parse(&format!("dm-mod.create=\"{create}\"")).is_err(),
                "{create}"
            );
        }
        assert!(parse("dm-mod.waitfor=/dev/vda").is_err());
    }

    proptest! {
        #[test]
        fn whatever_else_stands_on_the_line_does_not_matter(before in "[a-z.= ]{0,40}", after in "[a-z.= ]{0,40}") {
            prop_assume!(!before.contains("rootfstype") && !after.contains("rootfstype"));
            let words = parse(&format!("{before} {} {after}", LINE.trim())).unwrap();
            prop_assert_eq!(words, parse(LINE).unwrap());
        }
    }
}
