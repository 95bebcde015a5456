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
}
