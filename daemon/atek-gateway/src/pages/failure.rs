//! The page that a browser gets when a request failed, in its language. Pure.

use super::super::body::Body;
use super::{HTML, page};
use atek_web_embed::message::{Message, POLICY, Subject};
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// A client that asks for a page.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Browser {
    /// `Accept-Language`, or nothing.
    language: Option<String>,
    /// The URL of the main page, where it is known.
    home: Option<String>,
}

impl Browser {
    /// The browser that sent these headers; none for a client that asks for something else.
    pub(in super::super) fn of(sent: &HeaderMap) -> Option<Self> {
        let text = |name| sent.get(name).and_then(|value| value.to_str().ok());
        text(&ACCEPT)
            .filter(|accept| accept.contains("text/html"))
            .map(|_| Self {
                language: text(&ACCEPT_LANGUAGE).map(str::to_owned),
                home: None,
            })
    }

    /// The same, which can go to the main page at `home`.
    pub(in super::super) fn with_home(self, home: Option<String>) -> Self {
        Self { home, ..self }
    }
}

/// The page with this message. It leads to the browser's main page.
pub(in super::super) fn message(
    status: StatusCode,
    browser: &Browser,
    message: Message<'_>,
) -> Response<Body> {
    let mut response = app_message(status, browser, message);
    let alone = HeaderValue::from_static("frame-ancestors 'none'");
    response
        .headers_mut()
        .append(CONTENT_SECURITY_POLICY, alone);
    response
}

/// The same at an app's site: the caller adds who may frame it.
pub(in super::super) fn app_message(
    status: StatusCode,
    browser: &Browser,
    message: Message<'_>,
) -> Response<Body> {
    let message = Message {
        home: browser.home.as_deref(),
        ..message
    };
    let html = message.to_html(browser.language.as_deref());
    let mut response = page(status, HTML, html);
    let headers = response.headers_mut();
    // Base64 and keywords: always a header's text.
    if let Ok(policy) = HeaderValue::try_from(POLICY.as_str()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    // What was wrong a moment ago may be right now.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page that says one thing in the host's own words.
pub(in super::super) fn notice(
    status: StatusCode,
    browser: &Browser,
    words: &str,
) -> Response<Body> {
    message(
        status,
        browser,
        Message {
            details: Some(words),
            ..Message::new(Subject::Other)
        },
    )
}
