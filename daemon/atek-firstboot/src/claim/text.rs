//! The words on the screens and in the card's file. No I/O.

use std::fmt::Write as _;
use std::net::IpAddr;

/// The code as atekd writes it: `XXXX-XXXX`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimCode(String);

impl ClaimCode {
    /// `None` for anything that does not look like a code.
    pub fn parse(text: &str) -> Option<Self> {
        let (left, right) = text.split_once('-')?;
        let good = |part: &str| {
            part.len() == 4
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        };
        (good(left) && good(right)).then(|| Self(text.to_owned()))
    }
}

/// What the code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Becoming the owner of a new box.
    Claim,
    /// Setting a password that was forgotten.
    NewPassword,
}

/// What the screens show: addresses, the code, problems.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its host name.
    pub name: String,
    /// Where it is reached without names.
    pub addresses: Vec<IpAddr>,
    /// The code, while one is asked for.
    pub code: Option<ClaimCode>,
    /// What the code is for.
    pub purpose: Purpose,
    /// What is wrong with the settings on the card.
    pub problems: Vec<String>,
    /// What the system lacks, so that something does not work or no service starts.
    pub missing: Vec<String>,
}

impl Shown {
    fn urls(&self) -> Vec<String> {
        let mut urls = vec![format!("http://{}.local", self.name)];
        urls.extend(self.addresses.iter().take(6).map(|address| match address {
            IpAddr::V4(address) => format!("http://{address}"),
            IpAddr::V6(address) => format!("http://[{address}]"),
        }));
        urls
    }

    /// The address with the code as a QR code. By number: not every telephone knows names ending in
    /// `.local`. What is behind `#` stays in the browser, and the setup page takes it for the
    /// code.
    fn picture(&self, code: &str) -> Option<String> {
        let IpAddr::V4(address) = self.addresses.first()? else {
            return None;
        };
        super::qr::picture(&format!("http://{address}/#{code}"))
    }

    /// For the screens: a few lines of at most 80 columns.
    pub fn screen(&self) -> String {
        let mut text = String::from("\n");
        for (index, url) in self.urls().iter().enumerate() {
            let label = if index == 0 { "Atek is at" } else { "" };
            let _ = writeln!(text, "  {label:<12} {url}");
        }
        if self.addresses.is_empty() {
            text.push_str(
                "  There is no network yet: plug in a cable, or put Wi-Fi settings on the card.\n",
            );
        }
        if let Some(ClaimCode(code)) = &self.code {
            let (label, what_next) = match self.purpose {
                Purpose::Claim => (
                    "Claim code",
                    "  Open the address in a browser in the same network, and enter the code there.\n",
                ),
                Purpose::NewPassword => (
                    "Reset code",
                    "  Open the address in a browser, choose \"Forgot your password?\", and enter the code.\n",
                ),
            };
            let _ = writeln!(text, "\n  {label:<12} {code}");
            text.push_str(what_next);
            if let Some(picture) = self.picture(code) {
                let _ = write!(
                    text,
                    "  Or point the camera of a telephone in the same network here:\n\n{picture}"
                );
            }
        }
        if !self.problems.is_empty() {
            text.push_str("\n  Settings on the card that cannot be used:\n");
            for problem in &self.problems {
                let _ = writeln!(text, "  - {problem}");
            }
        }
        if !self.missing.is_empty() {
            text.push_str("\n  This system lacks what Atek needs:\n");
            for line in &self.missing {
                let _ = writeln!(text, "  - {line}");
            }
        }
        text.push('\n');
        text
    }

    /// For the card's file, with the line ends of the oldest editor. `None` once the box has an
    /// owner.
    pub fn card_file(&self) -> Option<String> {
        let ClaimCode(code) = self.code.as_ref()?;
        let (state, label) = match self.purpose {
            Purpose::Claim => ("This Atek has no owner yet.", "Claim code"),
            Purpose::NewPassword => ("A new password was asked for.", "Reset code"),
        };
        let mut lines = vec![
            state.to_owned(),
            String::new(),
            format!("{label}: {code}"),
            String::new(),
            "Put the card back into the box, open one of these addresses in a browser in the same"
                .to_owned(),
            "network, and enter the code there:".to_owned(),
        ];
        lines.extend(self.urls());
        lines.extend([
            String::new(),
            "The file goes away when the code is used.".to_owned(),
            String::new(),
        ]);
        Some(lines.join("\r\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: Option<&str>) -> Shown {
        Shown {
            name: "kitchen".into(),
            addresses: vec![
                "192.168.1.5".parse().unwrap(),
                "2001:db8::5".parse().unwrap(),
            ],
            code: code.and_then(ClaimCode::parse),
            purpose: Purpose::Claim,
            problems: Vec::new(),
            missing: Vec::new(),
        }
    }

    #[test]
    fn the_screen_has_the_addresses_and_the_code() {
        let text = shown(Some("7K3M-Q0XD")).screen();
        assert!(
            text.contains(
                "  Atek is at   http://kitchen.local\n               http://192.168.1.5\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("http://[2001:db8::5]\n") && text.contains("Claim code   7K3M-Q0XD\n"),
            "{text}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(text.contains('█') && text.lines().count() <= 30, "{text}");
    }

    #[test]
    fn a_code_for_a_new_password_is_not_called_a_claim_code() {
        let shown = Shown {
            purpose: Purpose::NewPassword,
            ..shown(Some("7K3M-Q0XD"))
        };
        let (screen, file) = (shown.screen(), shown.card_file().unwrap());
        assert!(screen.contains("Reset code   7K3M-Q0XD\n"), "{screen}");
        assert!(
            screen.lines().all(|line| line.chars().count() <= 84),
            "{screen}"
        );
        assert!(file.contains("Reset code: 7K3M-Q0XD\r\n"), "{file}");
        assert!(
            !screen.contains("Claim") && !file.contains("no owner"),
            "{screen}{file}"
        );
    }

    #[test]
    fn what_the_system_lacks_stands_on_the_screen() {
        let line = "systemd was built without seccomp. Build it with libseccomp.".to_owned();
        let screen = Shown {
            missing: vec![line.clone()],
            ..shown(None)
        }
        .screen();
        assert!(
            screen.contains(&format!("This system lacks what Atek needs:\n  - {line}\n")),
            "{screen}"
        );
    }

    #[test]
    fn a_box_with_an_owner_shows_addresses_only() {
        let shown = shown(None);
        assert!(!shown.screen().contains("Claim") && shown.card_file().is_none());
    }

    #[test]
    fn the_file_of_the_card_is_read_by_any_editor() {
        let text = shown(Some("7K3M-Q0XD")).card_file().unwrap();
        assert!(text.contains("\r\nClaim code: 7K3M-Q0XD\r\n") && text.ends_with("\r\n"));
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    }

    #[test]
    fn only_a_code_is_shown_as_one() {
        for text in [
            "",
            "7K3M",
            "7k3m-q0xd",
            "7K3M-Q0XD-",
            "\\S\\S\\S\\S-AAAA",
            "7K3M-Q0XDX",
        ] {
            assert!(ClaimCode::parse(text).is_none(), "{text}");
        }
    }
}
