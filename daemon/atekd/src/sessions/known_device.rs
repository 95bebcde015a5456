//! Cookies by which a browser is known in which a user has signed in before (OWASP calls them
//! device cookies). Guesses of others, also at the same address, do not slow down a known device.
//!
//! Nothing is stored: a cookie is a random name and its HMAC (RFC 2104) under the hash of the
//! user's password. So it is worth nothing for another user, and nothing any more once the
//! password is changed.
//!
//! ```text
//!  NAME-MAC      32 and 64 hexadecimal digits
//! ```

use crate::random::{self, RandomError};
use atek_api::ids::UserKey;
use atek_api::secret::Secret;
use atek_host_model::host_api::DeviceCookie;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What keeps these codes apart from others under the same key.
const PURPOSE: &[u8] = b"atek device cookie 1\0";
/// Hexadecimal digits of the user's key, hashed, that tell the cookies of a browser's users apart.
const SUFFIX: usize = 16;

/// A cookie for a browser in which the user has just signed in.
///
/// # Errors
///
/// [`RandomError`].
pub fn issue(user: &UserKey, password_hash: &Secret) -> Result<DeviceCookie, RandomError> {
    let name = random::hex::<16>()?;
    let code = hex::encode(
        mac(user, password_hash, name.expose())
            .finalize()
            .into_bytes(),
    );
    let mut suffix = random::digest(user.as_str());
    suffix.truncate(SUFFIX);
    Ok(DeviceCookie {
        suffix,
        text: Secret::new(format!("{}-{code}", name.expose())),
    })
}

/// The name of the device that one of these cookies proves for the user.
#[must_use]
pub fn among(cookies: &[Secret], user: &UserKey, password_hash: &Secret) -> Option<String> {
    cookies.iter().find_map(|cookie| {
        let (name, code) = cookie.expose().split_once('-')?;
        let code = hex::decode(code).ok()?;
        let right = mac(user, password_hash, name).verify_slice(&code).is_ok();
        right.then(|| name.to_owned())
    })
}

fn mac(user: &UserKey, password_hash: &Secret, name: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(password_hash.expose().as_bytes())
        .unwrap_or_else(|_| unreachable!("an HMAC takes a key of any length"));
    for part in [PURPOSE, user.as_str().as_bytes(), b"\0", name.as_bytes()] {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_to_its_user_until_the_password_is_changed() {
        let (alice, bob): (UserKey, UserKey) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (old, new) = (Secret::new("$argon2id$old"), Secret::new("$argon2id$new"));
        let cookie = issue(&alice, &old).unwrap();
        let other = issue(&bob, &old).unwrap();
        assert_ne!(cookie.suffix, other.suffix);
        let sent = [Secret::new("junk"), other.text, cookie.text.clone()];
        let name = among(&sent, &alice, &old).unwrap();
        assert!(cookie.text.expose().starts_with(&name));
        assert_eq!(among(&sent, &alice, &new), None, "the password was changed");
        assert_eq!(among(&sent[2..], &bob, &old), None, "another user");
        let text = cookie.text.expose();
        let forged = [
            "",
            "-",
            &text[..text.len() - 2],
            &format!("0{}", &text[1..]),
        ];
        let forged = forged.iter().filter(|forged| **forged != text);
        for forged in forged.map(|forged| Secret::new(*forged)) {
            assert_eq!(among(&[forged], &alice, &old), None);
        }
    }
}
