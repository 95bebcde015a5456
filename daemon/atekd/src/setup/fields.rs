//! What a person fills in. Pure.

/// A field that does not fit, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// Its name in the form.
    pub field: &'static str,
    /// For a person.
    pub message: String,
}

impl BadField {
    /// A field and what is wrong with it.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }
}

/// The longest label of a DNS name (RFC 1035).
const MAX_NAME: usize = 63;
/// Names that administrators can add.
const MAX_ADDED_NAMES: usize = 8;
/// Longer than any IANA name.
const MAX_ZONE: usize = 64;

/// A name for the box: one label of a host name, lower case.
///
/// # Errors
///
/// [`BadField`] `name`.
pub fn box_name(text: &str) -> Result<String, BadField> {
    let name = text.trim().to_ascii_lowercase();
    let fits = (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        // Browsers take a name of digits for an address.
        && !name.bytes().all(|b| b.is_ascii_digit());
    if !fits {
        return Err(BadField::new(
            "name",
            format!(
                "a name has up to {MAX_NAME} letters (a to z), digits and dashes, and not digits alone"
            ),
        ));
    }
    if matches!(name.as_str(), "localhost" | "local") {
        return Err(BadField::new(
            "name",
            "this name is reserved, choose another",
        ));
    }
    Ok(name)
}

/// Further names of the box, as people typed them, in lower case and each once.
///
/// `taken` are the names that it has: below them are its apps.
///
/// # Errors
///
/// [`BadField`] `names`.
pub fn added_names(texts: &[String], taken: &[&str]) -> Result<Vec<String>, BadField> {
    let mut names: Vec<String> = Vec::new();
    for text in texts {
        let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
        if !is_host_name(&name) {
            return Err(BadField::new(
                "names",
                format!(
                    "{text:?} is not a name: write only the name, such as nas.example.org, with letters (a to z), digits and dashes"
                ),
            ));
        }
        let is_below = |domain: &&str| {
            let before = name.strip_suffix(*domain);
            before.is_some_and(|before| before.ends_with('.') || before.ends_with('-'))
        };
        let mut domains = taken.iter().copied().chain(["localhost"]);
        if let Some(domain) = domains.find(is_below) {
            return Err(BadField::new(
                "names",
                format!("{name} is kept for an app: it is below {domain}"),
            ));
        }
        if !names.contains(&name) && !taken.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.len() > MAX_ADDED_NAMES {
        return Err(BadField::new(
            "names",
            format!("at most {MAX_ADDED_NAMES} names can be added"),
        ));
    }
    Ok(names)
}

/// Whether a browser can have this as the name of a site (RFC 1123 section 2.1).
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // Browsers take a name whose last part is a number for an address.
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(is_label)
        && !last.bytes().all(|b| b.is_ascii_digit())
        && !last.starts_with("0x")
        && !matches!(name, "localhost" | "local")
}

/// The IANA name of a time zone; whether the machine knows it is another question.
///
/// # Errors
///
/// [`BadField`] `timezone`.
pub fn timezone(text: &str) -> Result<&str, BadField> {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    if text.len() <= MAX_ZONE && text.split('/').all(is_part) {
        Ok(text)
    } else {
        Err(no_such_zone())
    }
}

/// The zone is well written, and unknown here.
pub fn no_such_zone() -> BadField {
    BadField::new(
        "timezone",
        "there is no time zone of this name, choose one such as Europe/Berlin",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_box_has_a_name_that_a_browser_can_open() {
        for (text, expected) in [
            ("atek", Some("atek")),
            (" Attic-2 ", Some("attic-2")),
            ("a", Some("a")),
            ("2nd", Some("2nd")),
            ("", None),
            ("-a", None),
            ("a-", None),
            ("123", None),
            ("my box", None),
            ("box.local", None),
            ("kühlschrank", None),
            ("localhost", None),
            ("local", None),
            ("a_b", None),
        ] {
            assert_eq!(box_name(text).ok().as_deref(), expected, "{text:?}");
        }
        assert!(box_name(&"a".repeat(63)).is_ok() && box_name(&"a".repeat(64)).is_err());
    }

    #[test]
    fn a_zone_is_a_name_and_never_a_way_out_of_its_folder() {
        for (text, fits) in [
            ("UTC", true),
            ("Europe/Berlin", true),
            ("America/Argentina/Buenos_Aires", true),
            ("Etc/GMT+1", true),
            ("America/Port-au-Prince", true),
            ("", false),
            ("/etc/passwd", false),
            ("../x", false),
            ("Europe/../x", false),
            ("Europe//Berlin", false),
            ("Europe/", false),
            ("Europe/Berlin\n", false),
            ("a b", false),
        ] {
            assert_eq!(timezone(text).is_ok(), fits, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_fits_stays_the_same_when_it_is_read_again(text in "(?s).{0,70}") {
            if let Ok(name) = box_name(&text) {
                prop_assert_eq!(box_name(&name), Ok(name.clone()));
            }
        }
    }

    #[test]
    fn names_are_added_as_a_browser_shows_them_and_none_that_belongs_to_an_app() {
        let added = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            added_names(&names, &["atek.local", "home.example.org"])
        };
        let good = ["NAS.example.net. ", "nas", "nas.example.net", "atek.local"];
        assert_eq!(added(&good).unwrap(), ["nas.example.net", "nas"]);
        for bad in [
            "",
            "http://nas.test",
            "nas.test:8080",
            "nas test",
            "-nas",
            "nas..test",
            "192.168.1.2",
            "nas.0x7f",
            "localhost",
            "local",
            "b\u{fc}ro.test",
            "rss.atek.local",
            "rss-atek.local",
            "x.y.home.example.org",
            "a.localhost",
        ] {
            let error = added(&["nas", bad]).unwrap_err();
            assert_eq!(error.field, "names", "{bad}");
        }
        let many: Vec<String> = (0..9).map(|n| format!("nas{n}.test")).collect();
        assert!(added_names(&many, &[]).is_err());
    }
}
