//! The original's spelling of settings, `--config.KEY VALUE`; settings and permissions as values.

use atek_api::manifest::ApiId;
use atek_api::permission::{Network, Permission, Permissions};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// Turns `--config.KEY VALUE` and `--config.KEY=VALUE` into `--config=KEY=VALUE`,
/// which the parser knows; everything from `--` on stays as it is.
pub(crate) fn rewrite(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut out = Vec::new();
    while let Some(arg) = args.next() {
        if arg == "--" {
            out.push(arg);
            out.extend(args);
            break;
        }
        let Some(setting) = arg.as_bytes().strip_prefix(b"--config.") else {
            out.push(arg);
            continue;
        };
        let mut joined = b"--config=".to_vec();
        joined.extend_from_slice(setting);
        if !setting.contains(&b'=') {
            // Without a value the parser complains, in its own words, about the missing `=`.
            if let Some(value) = args.next() {
                joined.push(b'=');
                joined.extend_from_slice(OsStr::as_bytes(&value));
            }
        }
        out.push(OsString::from_vec(joined));
    }
    out
}

/// Reads `KEY=VALUE`. Keys are upper-cased by the host; here only their shape is checked.
pub(crate) fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} has no value, write KEY=VALUE"))?;
    Ok((parse_key(key)?, value.to_owned()))
}

/// Reads a permission: `internet`, `home` (with the internet), a host with or without a port,
/// a device, a port of the home's network (`tcp/1883`), `mdns`, the id of a host API, `provides:`
/// and the id of an API that no part of Atek answers, or `root` for an image that insists on it.
pub(crate) fn parse_permission(text: &str) -> Result<Permissions, String> {
    let network = match text {
        "internet" => Network::Direct { lan: false },
        "home" => Network::Direct { lan: true },
        "root" => return Ok(Permissions::from_items([Permission::Root])),
        device if device.starts_with("/dev/") => {
            let device = device.parse().map_err(|error| format!("{error}"))?;
            return Ok(Permissions {
                devices: vec![device],
                ..Permissions::default()
            });
        }
        "mdns" => {
            return Ok(Permissions {
                mdns: true,
                ..Permissions::default()
            });
        }
        port if port.starts_with("tcp/") || port.starts_with("udp/") => {
            let port = port.parse().map_err(|error| format!("{error}"))?;
            return Ok(Permissions {
                listen: vec![port],
                ..Permissions::default()
            });
        }
        provided if provided.starts_with("provides:") => {
            let item: Permission = provided.parse().map_err(|error| format!("{error}"))?;
            return Ok(Permissions::from_items([item]));
        }
        api if api.contains('/') => {
            let api: ApiId = api.parse().map_err(|error| format!("{error}"))?;
            return Ok(Permissions {
                host_apis: vec![api],
                ..Permissions::default()
            });
        }
        host => Network::Hosts(vec![host.parse().map_err(|error| format!("{error}"))?]),
    };
    Ok(Permissions {
        network: Some(network),
        ..Permissions::default()
    })
}

/// Reads the name of a setting: letters, digits and `_`, not starting with a digit.
pub(crate) fn parse_key(key: &str) -> Result<String, String> {
    let word = !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if word {
        Ok(key.to_owned())
    } else {
        Err(format!(
            "{key:?} cannot name a setting, use letters, digits and '_'"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_spelling_of_settings_is_rewritten() {
        for (args, expected) in [
            (
                vec!["cfg", "rss", "--config.KEY", "VAL"],
                vec!["cfg", "rss", "--config=KEY=VAL"],
            ),
            (vec!["--config.KEY=VAL"], vec!["--config=KEY=VAL"]),
            (vec!["--config.KEY", "a=b"], vec!["--config=KEY=a=b"]),
            (
                vec!["--config.KEY", "--strange"],
                vec!["--config=KEY=--strange"],
            ),
            (vec!["--config.KEY", ""], vec!["--config=KEY="]),
            (vec!["--config.KEY"], vec!["--config=KEY"]),
            (vec!["--config", "KEY=VAL"], vec!["--config", "KEY=VAL"]),
            (vec!["--configDir", "/x"], vec!["--configDir", "/x"]),
            (
                vec!["--", "--config.KEY", "VAL"],
                vec!["--", "--config.KEY", "VAL"],
            ),
            (
                vec!["--config.A", "1", "--id", "x", "--config.B", "2"],
                vec!["--config=A=1", "--id", "x", "--config=B=2"],
            ),
        ] {
            let given = args.iter().map(OsString::from);
            assert_eq!(rewrite(given), expected, "{args:?}");
        }
    }

    #[test]
    fn a_setting_has_a_name_and_a_value() {
        for (text, expected) in [
            ("KEY=value", Some(("KEY", "value"))),
            ("KEY=", Some(("KEY", ""))),
            ("KEY=a=b", Some(("KEY", "a=b"))),
            ("key_2=x", Some(("key_2", "x"))),
            ("KEY", None),
            ("=x", None),
            ("2=x", None),
            ("a b=x", None),
            ("a.b=x", None),
        ] {
            let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(parse_setting(text).ok(), expected, "{text:?}");
        }
    }
}
