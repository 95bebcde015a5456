//! The TCP port of a program that does not listen on a socket file, and where a program is started.

use serde::{Deserialize, Serialize};

/// The TCP port on which a program listens: `"auto"`, or a number from 1 to 65535.
///
/// The program listens on the loopback of its own network namespace, where no port needs a
/// privilege; the host reaches it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(as = "wire::Port"))]
#[serde(try_from = "wire::Port", into = "wire::Port")]
pub enum AppPort {
    /// A free port, chosen at each start and told in `PORT`.
    Auto,
    /// The port that the program always uses; `PORT` has it, too.
    Fixed(u16),
}

impl AppPort {
    /// The port of this number, if a program may listen on it.
    #[must_use]
    pub fn fixed(port: u16) -> Option<Self> {
        (port > 0).then_some(Self::Fixed(port))
    }
}

/// The folder that a program is started in: `"package"` or `"state"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Workdir {
    /// The package's folder, which cannot be written.
    #[default]
    Package,
    /// The folder of the service's state.
    State,
}

impl Workdir {
    /// Whether it is the default.
    #[must_use]
    pub fn is_package(&self) -> bool {
        *self == Self::Package
    }
}

mod wire {
    //! `8080` or `"auto"`.

    use super::AppPort;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Serialize, Deserialize)]
    #[cfg_attr(test, derive(ts_rs::TS))]
    #[serde(
        untagged,
        expecting = "a port must be a number from 1 to 65535, or \"auto\""
    )]
    pub(super) enum Port {
        Number(u16),
        Word(#[cfg_attr(test, ts(inline))] Word),
    }

    #[derive(Clone, Serialize, Deserialize)]
    #[cfg_attr(test, derive(ts_rs::TS))]
    #[serde(rename_all = "lowercase")]
    pub(super) enum Word {
        Auto,
    }

    impl TryFrom<Port> for AppPort {
        type Error = &'static str;

        fn try_from(port: Port) -> Result<Self, Self::Error> {
            match port {
                Port::Word(Word::Auto) => Ok(Self::Auto),
                Port::Number(port) => {
                    Self::fixed(port).ok_or("a port must be a number from 1 to 65535, or \"auto\"")
                }
            }
        }
    }

    impl From<AppPort> for Port {
        fn from(port: AppPort) -> Self {
            match port {
                AppPort::Auto => Self::Word(Word::Auto),
                AppPort::Fixed(port) => Self::Number(port),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_or_the_word_auto() {
        for (text, expected) in [
            ("8080", Some(AppPort::Fixed(8080))),
            ("80", Some(AppPort::Fixed(80))),
            ("1", Some(AppPort::Fixed(1))),
            ("65535", Some(AppPort::Fixed(65535))),
            ("\"auto\"", Some(AppPort::Auto)),
            ("0", None),
            ("65536", None),
            ("-1", None),
            ("\"8080\"", None),
            ("\"any\"", None),
            ("true", None),
        ] {
            let read = serde_json::from_str::<AppPort>(text);
            assert_eq!(read.as_ref().ok(), expected.as_ref(), "{text}");
            match read {
                Ok(port) => assert_eq!(serde_json::to_string(&port).unwrap(), text),
                Err(error) => assert!(error.to_string().contains("auto"), "{error}"),
            }
        }
    }
}
