//! The pages that `daemon/web` builds: setup, sign-in and a forgotten password, with their files.

use super::super::body::{self, Body};
use super::protect;
use atek_web_embed::Host;
use http::header;
use http::{HeaderMap, HeaderValue, Response};

/// Pages have addresses of their own: no name below `/_atek/ui/` leads to one.
const PAGE: &str = ".html";

/// The sign-in page.
pub(in super::super) fn login(sent: &HeaderMap) -> Option<Response<Body>> {
    find("login.html", sent)
}

/// The page for a forgotten password.
pub(in super::super) fn reset(sent: &HeaderMap) -> Option<Response<Body>> {
    find("reset.html", sent)
}

/// The setup page; not cached, since it exists only until the box has an owner.
pub(in super::super) fn setup(sent: &HeaderMap) -> Option<Response<Body>> {
    let mut response = find("setup.html", sent)?;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// The file at `/_atek/ui/NAME`.
pub(in super::super) fn file(name: &str, sent: &HeaderMap) -> Option<Response<Body>> {
    if has(name) { find(name, sent) } else { None }
}

/// Whether there is a file at `/_atek/ui/NAME`.
pub(in super::super) fn has(name: &str) -> bool {
    !name.ends_with(PAGE) && atek_web_embed::find::<Host>(name).is_some()
}

fn find(name: &str, sent: &HeaderMap) -> Option<Response<Body>> {
    let mut response = atek_web_embed::respond::<Host>(name, sent)?.map(body::full);
    protect(response.headers_mut());
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_only_at_their_own_addresses() {
        for name in [
            "login.html",
            "reset.html",
            "setup.html",
            "",
            "/",
            "../login.html",
            "assets/none.js",
        ] {
            assert!(file(name, &HeaderMap::new()).is_none(), "{name}");
        }
        assert!(login(&HeaderMap::new()).is_some());
        assert!(reset(&HeaderMap::new()).is_some());
        assert!(setup(&HeaderMap::new()).is_some());
    }
}
