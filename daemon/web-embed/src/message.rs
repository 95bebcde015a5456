//! The page that the host shows in place of an app or a page: an app that starts, failed, or is
//! another person's; an address that leads nowhere.
//!
//! One file without any other: it is shown on the sites of apps, which have none of the host's
//! files. In the language of the browser, light and dark. A page about a state that ends looks by
//! its own script whether it still is so, and loads again when it is not ([`Message::state`]).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const PAGE: &str = include_str!("../../web/src/host/message/page.html");
const STYLE: &str = include_str!("../../web/src/host/message/style.css");
const TEXTS: &str = include_str!("../../web/src/host/message/texts.json");
const WATCH: &str = include_str!("../../web/src/host/message/watch.js");

/// Log lines of a failed app, at most.
const LOG_LINES: usize = 20;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// The host is starting.
    Starting,
    /// The app is starting.
    Waiting,
    /// The app is stopped for an update.
    Updating,
    /// The app failed and is started again, and again.
    Failing,
    /// The app failed and stays down.
    Failed,
    /// A person stopped the app.
    Stopped,
    /// The app cannot run here.
    Unavailable,
    /// The app could not be reached or woken.
    Unreachable,
    /// The app broke off the connection or answered nonsense.
    Broken,
    /// The app did not answer in time.
    Late,
    /// The app belongs to another person.
    NotYours,
    /// There is no such app or page.
    NotFound,
    /// The box does not answer to this host name.
    UnknownHost,
    /// The client is over its limit.
    Limited,
    /// A page of another site tried to change something.
    Foreign,
    /// The host's own fault.
    Internal,
    /// Anything else; the details say what.
    Other,
}

/// What the page says.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// What happened.
    pub subject: Subject,
    /// The app's name for people; ignored by subjects that are not about an app.
    pub app: &'a str,
    /// A sentence of the host's, in English.
    pub details: Option<&'a str>,
    /// Why, in the host's words, in English: for people who may read the app's log.
    pub reason: Option<&'a str>,
    /// Whether the reader only uses the app, and another person looks after it.
    pub is_for_others: bool,
    /// What the page's script compares with the header `atek-state` of the same address, to load
    /// again when it is another; none for a page that stays.
    pub state: Option<&'a str>,
    /// The last lines of the app's log, oldest first: for people who may read it.
    pub log: &'a [String],
    /// The URL of the main page, where there is one to go to.
    pub home: Option<&'a str>,
    /// The URL of the app's page, for people who may see it.
    pub about: Option<&'a str>,
    /// URLs that are shown as they are.
    pub addresses: &'a [String],
}

impl Message<'_> {
    /// A message without links, details or log.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            app: "",
            details: None,
            reason: None,
            is_for_others: false,
            state: None,
            log: &[],
            home: None,
            about: None,
            addresses: &[],
        }
    }

    /// The HTML in the best language of an `Accept-Language` header.
    #[must_use]
    pub fn to_html(&self, accept_language: Option<&str>) -> String {
        let lang = language(accept_language.unwrap_or_default());
        let Some(texts) = LANGUAGES.get(lang) else {
            return String::new();
        };
        let Some(said) = texts.subjects.get(&self.subject) else {
            return String::new();
        };
        let app = if self.app.is_empty() { "App" } else { self.app };
        let text = match &said.others {
            Some(others) if self.is_for_others => others,
            _ => &said.text,
        };
        let state = self.state.map(escaped);
        let (attribute, refresh, script) = match state {
            Some(state) => (
                format!(" data-state=\"{state}\""),
                REFRESH,
                format!("<script>{WATCH}</script>"),
            ),
            None => (String::new(), "", String::new()),
        };
        PAGE.replace("{{lang}}", lang)
            .replace("{{state}}", &attribute)
            .replace("{{refresh}}", refresh)
            .replace("{{style}}", STYLE)
            .replace("{{script}}", &script)
            .replace("{{title}}", &escaped(&said.title.replace("{app}", app)))
            .replace("{{text}}", &escaped(text))
            .replace("{{details}}", &self.details(texts))
            .replace("{{links}}", &self.links(texts))
    }

    /// Whether what is awaited is under way.
    fn is_under_way(&self) -> bool {
        matches!(
            self.subject,
            Subject::Starting | Subject::Waiting | Subject::Updating | Subject::Failing
        )
    }

    fn details(&self, texts: &Texts) -> String {
        let mut html = String::new();
        if self.is_under_way() {
            html.push_str("<progress aria-hidden=\"true\"></progress>");
        }
        if let Some(details) = self.details {
            html.push_str(&format!(
                "<p class=\"quiet\" lang=\"en\">{}</p>",
                escaped(details)
            ));
        }
        if let Some(reason) = self.reason {
            html.push_str(&format!(
                "<p class=\"quiet\">{} <span lang=\"en\">{}</span></p>",
                escaped(&texts.reason),
                escaped(reason)
            ));
        }
        let skipped = self.log.len().saturating_sub(LOG_LINES);
        let lines: Vec<String> = self.log.iter().skip(skipped).map(|l| escaped(l)).collect();
        if !lines.is_empty() {
            html.push_str(&format!("<pre tabindex=\"0\">{}</pre>", lines.join("\n")));
        }
        html
    }

    fn links(&self, texts: &Texts) -> String {
        let mut links: Vec<(&str, &String)> = self
            .addresses
            .iter()
            .map(|url| (url.as_str(), url))
            .collect();
        let tries_again = matches!(
            self.subject,
            Subject::Broken | Subject::Late | Subject::Limited | Subject::Internal
        );
        if tries_again {
            links.push(("", &texts.links.again));
        }
        if let Some(about) = self.about {
            links.push((about, &texts.links.about));
        }
        if let Some(home) = self.home {
            links.push((home, &texts.links.home));
        }
        if links.is_empty() {
            return String::new();
        }
        let links: String = links
            .into_iter()
            .map(|(href, words)| format!("<a href=\"{}\">{}</a>", escaped(href), escaped(words)))
            .collect();
        format!("<nav>{links}</nav>")
    }
}

/// For browsers without scripts.
const REFRESH: &str = r#"<noscript><meta http-equiv="refresh" content="5"></noscript>"#;

/// The `Content-Security-Policy` of the page: its own style and script, which asks its own site.
/// The caller adds who may frame it.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(WATCH)
    )
});

#[derive(Debug, Deserialize)]
struct Texts {
    reason: String,
    links: Links,
    subjects: BTreeMap<Subject, Words>,
}

#[derive(Debug, Deserialize)]
struct Links {
    home: String,
    again: String,
    about: String,
}

#[derive(Debug, Deserialize)]
struct Words {
    title: String,
    text: String,
    /// In place of the text, for a reader who only uses the app.
    #[serde(default)]
    others: Option<String>,
}

/// The texts by language. A test below reads all of them.
static LANGUAGES: LazyLock<BTreeMap<String, Texts>> =
    LazyLock::new(|| serde_json::from_str(TEXTS).unwrap_or_default());

/// The first language of an `Accept-Language` header that there are texts in; English otherwise.
fn language(accept: &str) -> &'static str {
    let mut wanted: Vec<(f32, &str)> = accept
        .split(',')
        .map(|range| {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let q = parameters.trim().strip_prefix("q=").unwrap_or("1");
            (q.parse().unwrap_or(0.0), tag.trim())
        })
        .collect();
    // Stable: of those with one weight the first wins.
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    wanted
        .into_iter()
        .filter(|(q, _)| *q > 0.0)
        .find_map(|(_, tag)| {
            let primary = tag.split('-').next().unwrap_or_default();
            LANGUAGES
                .keys()
                .map(String::as_str)
                .find(|language| language.eq_ignore_ascii_case(primary))
        })
        .unwrap_or("en")
}

/// A text as HTML shows it, also inside of quoted attributes. Braces would be taken for
/// placeholders.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '{' => html.push_str("&#123;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECTS: [Subject; 17] = [
        Subject::Starting,
        Subject::Waiting,
        Subject::Updating,
        Subject::Failing,
        Subject::Failed,
        Subject::Stopped,
        Subject::Unavailable,
        Subject::Unreachable,
        Subject::Broken,
        Subject::Late,
        Subject::NotYours,
        Subject::NotFound,
        Subject::UnknownHost,
        Subject::Limited,
        Subject::Foreign,
        Subject::Internal,
        Subject::Other,
    ];

    #[test]
    fn every_subject_has_words_in_both_languages() {
        let languages: Vec<&str> = LANGUAGES.keys().map(String::as_str).collect();
        assert_eq!(languages, ["de", "en"]);
        for texts in LANGUAGES.values() {
            for subject in SUBJECTS {
                let words = &texts.subjects[&subject];
                assert!(
                    !words.title.is_empty() && !words.text.is_empty(),
                    "{subject:?}"
                );
            }
        }
        for subject in SUBJECTS {
            for lang in ["de", "en"] {
                let html = Message::new(subject).to_html(Some(lang));
                assert!(html.contains(&format!("<html lang=\"{lang}\">")), "{html}");
                assert!(!html.contains("{{") && !html.contains("{app}"), "{html}");
            }
        }
    }

    #[test]
    fn the_language_is_the_browsers() {
        for (accept, wanted) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.5", "de"),
            ("fr,en;q=0.4,de;q=0.8", "de"),
            ("en-GB,de;q=0.9", "en"),
            ("de;q=0", "en"),
            ("*", "en"),
            (";;;,,,", "en"),
        ] {
            assert_eq!(language(accept), wanted, "{accept}");
        }
    }

    #[test]
    fn nothing_that_an_app_says_becomes_markup() {
        let log = vec!["<script>alert(1)</script> {{links}}".to_owned()];
        let html = Message {
            app: "<b>\"{{style}}",
            details: Some("<i>'{{log}}"),
            reason: Some("<u>{{lang}}"),
            state: Some("x\" onload=\"y"),
            log: &log,
            about: Some("http://x/\"onclick=\""),
            ..Message::new(Subject::Failed)
        }
        .to_html(None);
        for markup in [
            "<script>alert",
            "<b>",
            "<i>",
            "<u>",
            "\"onclick",
            "\" onload",
            "{{",
        ] {
            assert!(!html.contains(markup), "{markup}: {html}");
        }
        assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    }

    #[test]
    fn a_page_with_a_state_looks_for_another_one_and_only_so_many_lines_are_shown() {
        for subject in SUBJECTS {
            let stays = Message::new(subject).to_html(None);
            assert!(
                !stays.contains("<script") && !stays.contains("http-equiv"),
                "{stays}"
            );
            let watches = Message {
                state: Some("failing"),
                ..Message::new(subject)
            }
            .to_html(None);
            assert!(watches.contains(" data-state=\"failing\""), "{watches}");
            assert!(watches.contains("fetch(location.href"), "{watches}");
        }
        let log: Vec<String> = (0..100).map(|line| format!("line {line}.")).collect();
        let html = Message {
            log: &log,
            ..Message::new(Subject::Failed)
        }
        .to_html(None);
        assert!(html.contains("line 99.") && html.contains("line 80."));
        assert!(!html.contains("line 79."));
    }

    #[test]
    fn people_who_only_use_an_app_are_not_told_to_mend_it() {
        for subject in [
            Subject::Failing,
            Subject::Failed,
            Subject::Stopped,
            Subject::Unavailable,
            Subject::Unreachable,
        ] {
            for texts in LANGUAGES.values() {
                let words = &texts.subjects[&subject];
                assert!(words.others.as_ref().is_some_and(|words_of_others| {
                    !words_of_others.is_empty() && *words_of_others != words.text
                }));
            }
        }
        let page = |is_for_others| {
            let message = Message {
                is_for_others,
                ..Message::new(Subject::Stopped)
            };
            message.to_html(Some("de"))
        };
        assert!(page(false).contains("Auf ihrer Seite kannst du"));
        assert!(page(true).contains("Die Person, der die App gehört"));
    }

    #[test]
    fn the_policy_allows_the_style_and_the_script_of_the_page() {
        let html = Message {
            state: Some("failing"),
            ..Message::new(Subject::Failing)
        }
        .to_html(None);
        for (kind, tag) in [("style-src", "style"), ("script-src", "script")] {
            let (_, rest) = html.split_once(&format!("<{tag}>")).unwrap();
            let (text, _) = rest.split_once(&format!("</{tag}>")).unwrap();
            let hash = BASE64_STANDARD.encode(Sha256::digest(text));
            let allowed = format!("{kind} 'sha256-{hash}'");
            assert!(POLICY.contains(&allowed), "{allowed}: {}", *POLICY);
        }
        assert!(!html.contains("style="), "{html}");
    }
}
