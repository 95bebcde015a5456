//! Errors of rustic_core as one line for a person. Their own text has paragraphs, a code and a
//! word about backtraces.

/// Where the library's own text begins.
const BEGINS: &str = "`rustic_core` experienced an error";

/// What was done, what went wrong and why, in a line.
pub(crate) fn one_line(text: &str) -> String {
    let Some((before, report)) = text.split_once(BEGINS) else {
        return in_a_line(text);
    };
    let before = before.trim().trim_end_matches(':');
    let parts = [
        Some(before),
        paragraph(report, "Message:\n"),
        paragraph(report, "Caused by:\n"),
    ];
    let parts = parts.into_iter().flatten().map(in_a_line);
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    match parts.is_empty() {
        true => in_a_line(text),
        false => parts.join(": "),
    }
}

fn paragraph<'a>(report: &'a str, title: &str) -> Option<&'a str> {
    let rest = report.split_once(title)?.1;
    rest.split("\n\n").next()
}

fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_library_is_one_line_with_its_cause() {
        let text = "error reading pack 5b04c182 : `rustic_core` experienced an error related to `the backend`.\n\n\
            Message:\ncannot read data/5b/5b04\n\n\nSome additional details ...\n\n\
            Caused by:\nInput/output error (os error 5)\n\n\n\
            Backtrace:\ndisabled backtrace (set 'RUST_BACKTRACE=\"1\"' environment variable to enable)\n";
        let line = "error reading pack 5b04c182: cannot read data/5b/5b04: Input/output error (os error 5)";
        assert_eq!(one_line(text), line);
    }

    #[test]
    fn every_text_stays_a_line() {
        for (text, line) in [
            ("", ""),
            ("pack 12: sizes do not\nfit", "pack 12: sizes do not fit"),
            (
                "`rustic_core` experienced an error",
                "`rustic_core` experienced an error",
            ),
            ("x : `rustic_core` experienced an error.\n\nMessage:\n", "x"),
            (
                "`rustic_core` experienced an error.\n\nMessage:\nno key\n",
                "no key",
            ),
        ] {
            assert_eq!(one_line(text), line, "{text:?}");
        }
    }
}
