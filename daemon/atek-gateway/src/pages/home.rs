//! The home page of a user who has chosen no main service: a list of what they may open.

use super::super::body::Body;
use super::{HTML, escaped, page};
use atek_api::services::State;
use atek_host_model::directory::Entry;
use http::{Response, StatusCode};
use std::fmt::Write as _;
use std::sync::Arc;

/// The page. Services are linked at `//ID.DOMAIN[:PORT]/`; `port` has its colon.
pub(in super::super) fn home<'a>(
    username: &str,
    services: impl Iterator<Item = &'a Arc<Entry>>,
    domain: &str,
    port: &str,
) -> Response<Body> {
    let mut items = String::new();
    for entry in services.filter(|entry| !entry.core) {
        // Writing to a text does not fail.
        let _ = writeln!(
            items,
            r#"      <li><a href="//{id}.{domain}{port}/">{title}</a> <span>{state}</span></li>"#,
            id = escaped(entry.id().as_str()),
            domain = escaped(domain),
            port = escaped(port),
            title = escaped(title(entry)),
            state = escaped(&state(entry)),
        );
    }
    let content = if items.is_empty() {
        "    <p>No apps are installed yet. Install one on the command line: <code>atek install URL</code></p>".to_owned()
    } else {
        format!("    <ul class=\"apps\">\n{items}    </ul>")
    };
    let html = format!(
        include_str!("home.html"),
        username = escaped(username),
        content = content
    );
    page(StatusCode::OK, HTML, html)
}

fn title(entry: &Entry) -> &str {
    let manifest = entry.settings.manifest.as_ref();
    manifest
        .and_then(|manifest| manifest.name.as_deref())
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| entry.id().as_str())
}

fn state(entry: &Entry) -> String {
    let word = match entry.state {
        State::Running => return "running".to_owned(),
        State::Stopped => "stopped",
        State::Starting => "starting",
        State::Restarting => "restarting",
        State::Failed => "failed",
        State::Sleeping => return "starts when you open it".to_owned(),
        State::Unavailable => "unavailable",
    };
    match &entry.reason {
        Some(reason) => format!("{word}: {reason}"),
        None => word.to_owned(),
    }
}
