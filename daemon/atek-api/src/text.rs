//! Types that are one text on the wire: names, patterns, sources.

/// Makes serde read a type by its `FromStr` and write it by its `Display`, for types with
/// `#[serde(try_from = "String", into = "String")]`.
macro_rules! text_on_the_wire {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = <Self as std::str::FromStr>::Err;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}

/// What every checked text has: [`text_on_the_wire`] and the text itself. The type is a tuple
/// of one `String`, with a `FromStr` of its own.
macro_rules! checked_text {
    ($name:ident) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        crate::text::text_on_the_wire!($name);
    };
}

pub(crate) use {checked_text, text_on_the_wire};
