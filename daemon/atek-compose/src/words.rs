//! Texts of a compose file: variables in them, words of a command, names of images.

use std::collections::BTreeMap;

/// A text with its variables resolved, and the names of those that have no value. `$$` is a `$`.
///
/// `${NAME}`, `$NAME`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?…}`.
pub(crate) fn interpolate(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> (String, Vec<String>) {
    let (mut out, mut missing) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
            continue;
        }
        let (inner, behind) = match rest.strip_prefix('{') {
            Some(braced) => match braced.split_once('}') {
                Some(parts) => parts,
                None => ("", rest),
            },
            None => {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        let end = inner
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(inner.len());
        let (name, operator) = inner.split_at(end);
        if name.is_empty() {
            out.push('$');
            continue;
        }
        rest = behind;
        let default = operator
            .strip_prefix(":-")
            .or_else(|| operator.strip_prefix('-'));
        match (variables.get(name), default) {
            (Some(value), _) => out.push_str(value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => missing.push(name.to_owned()),
        }
    }
    out.push_str(rest);
    (out, missing)
}

/// The words of a command, as a shell splits them: quotes and backslashes, and nothing else.
/// `None`: a quote is not closed.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// The full name of an image, as container engines complete it.
pub(crate) fn image(name: &str) -> String {
    let first = name.split('/').next().unwrap_or_default();
    let has_registry = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let full = match (has_registry, name.contains('/')) {
        (true, _) => name.to_owned(),
        (false, true) => format!("docker.io/{name}"),
        (false, false) => format!("docker.io/library/{name}"),
    };
    let last = full.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) {
        full
    } else {
        format!("{full}:latest")
    }
}

/// A name of a service as an app can have it: `my_db` becomes `my-db`.
pub(crate) fn service_name(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// Replaces names by which containers call each other. A name is a run of letters, digits, `-`, `_`
/// and `.`; the second of a pair takes the place of the first.
pub(crate) fn rename_hosts(text: &str, names: &[(String, String)]) -> String {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !part_of_name(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let renamed = names.iter().find(|(name, _)| {
            // Engines call the first container of a service PROJECT_SERVICE_1 as well.
            let project = word
                .strip_suffix("_1")
                .and_then(|it| it.strip_suffix(name.as_str()));
            word == name
                || project.is_some_and(|project| project.len() > 1 && project.ends_with('_'))
        });
        match renamed {
            // A word alone may be a user or a database of that name.
            Some((name, new)) if word != name || name.contains(['_', '.']) => out.push_str(new),
            _ => out.push_str(word),
        }
        let mut chars = behind.chars();
        out.extend(chars.next());
        rest = chars.as_str();
    }
    out
}
