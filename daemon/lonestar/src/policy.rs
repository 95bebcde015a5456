//! The content security policy of the page. No I/O.

use std::net::IpAddr;

/// Scripts and styles are its own files; calls go to its own origin, where the gateway is.
const OWN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
                   manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The policy of a page that was asked for at `host`, the value of the `Host` header.
///
/// Apps are other origins of the same box, which the page frames and asks whether they answer: a
/// name below this one, or another port of it. A policy cannot name an address by its number
/// (CSP 3, 6.7.2.10), so that there it allows any.
pub(crate) fn policy(host: Option<&str>) -> String {
    let name = host.map(without_port).filter(|name| is_name(name));
    let apps = match name {
        Some(name) if is_address(name) => "http: https:".to_owned(),
        Some(name) => format!("{name}:* *.{name}:*"),
        None => "'self'".to_owned(),
    };
    format!("{OWN}; connect-src 'self' {apps}; frame-src 'self' {apps}")
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether the value holds only characters of names and addresses, none that a policy gives a
/// meaning.
fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':');
    !name.is_empty() && name.len() <= 255 && name.bytes().all(fits)
}

fn is_address(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_framed_from_this_box_alone() {
        for (host, apps) in [
            ("atek.local", "atek.local:* *.atek.local:*"),
            ("localhost:8080", "localhost:* *.localhost:*"),
            ("192.168.1.5:8080", "http: https:"),
            ("[fe80::1]:80", "http: https:"),
            ("a; script-src *", "'self'"),
            ("a'b", "'self'"),
            ("", "'self'"),
        ] {
            let policy = policy(Some(host));
            assert!(
                policy.ends_with(&format!("frame-src 'self' {apps}")),
                "{host}: {policy}"
            );
            assert_eq!(policy.matches("script-src").count(), 1, "{host}: {policy}");
        }
        assert!(policy(None).ends_with("frame-src 'self' 'self'"));
    }
}
