//! Pictures of catalogues: png, jpeg and webp by their first bytes, and svg that holds nothing
//! but shapes.
//!
//! The host serves them with a policy under which nothing runs. That a picture with a script is
//! not served at all is the second lock.

use roxmltree::{Document, Node, ParsingOptions};

/// Nodes of the largest svg.
const MOST_NODES: u32 = 2_000;

/// The elements of an svg that draw, and what they refer to.
const ELEMENTS: [&str; 16] = [
    "circle",
    "clipPath",
    "defs",
    "desc",
    "ellipse",
    "g",
    "line",
    "linearGradient",
    "path",
    "polygon",
    "polyline",
    "radialGradient",
    "rect",
    "stop",
    "svg",
    "title",
];

/// Why a file is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// None of the four formats.
    #[error("it is not a png, jpeg, webp or svg picture")]
    Format,
    /// Not XML, or with a document type.
    #[error("it is not an svg picture that can be read")]
    Svg,
    /// An element that is not a shape.
    #[error("it has the element {0:?}; an svg picture of a catalogue holds shapes only")]
    Element(String),
    /// An attribute that runs or loads something.
    #[error("it has the attribute {0:?}, which could run or load something")]
    Attribute(String),
}

/// The media type of a picture that may be shown.
///
/// # Errors
///
/// [`PictureError`].
pub fn media_type(content: &[u8]) -> Result<&'static str, PictureError> {
    match content {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok("image/png"),
        [0xff, 0xd8, 0xff, ..] => Ok("image/jpeg"),
        _ if content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP") => {
            Ok("image/webp")
        }
        _ => svg(content).map(|()| "image/svg+xml"),
    }
}

fn svg(content: &[u8]) -> Result<(), PictureError> {
    let text = std::str::from_utf8(content).map_err(|_| PictureError::Format)?;
    if !text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
    {
        return Err(PictureError::Format);
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|_| PictureError::Svg)?;
    if document.root_element().tag_name().name() != "svg" {
        return Err(PictureError::Format);
    }
    for node in document.descendants() {
        if node.is_pi() {
            return Err(PictureError::Svg);
        }
        if node.is_element() {
            check(&node)?;
        }
    }
    Ok(())
}

fn check(node: &Node<'_, '_>) -> Result<(), PictureError> {
    let name = node.tag_name();
    let is_svg = matches!(name.namespace(), Some("http://www.w3.org/2000/svg"));
    if !is_svg || !ELEMENTS.contains(&name.name()) {
        return Err(PictureError::Element(name.name().to_owned()));
    }
    for attribute in node.attributes() {
        let (name, value) = (attribute.name(), attribute.value());
        let folded = name.to_ascii_lowercase();
        let loads = value
            .match_indices("url(")
            .any(|(at, _)| !value[at + 4..].trim_start().starts_with('#'));
        // An escape could hide the word `url`.
        let hides = value.contains('\\');
        if folded.starts_with("on") || folded == "href" || folded == "style" || loads || hides {
            return Err(PictureError::Attribute(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_svg(inside: &str) -> String {
        format!("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'>{inside}</svg>")
    }

    #[test]
    fn shapes_are_shown_and_everything_that_could_run_or_load_is_refused() {
        for (inside, expected) in [
            ("<rect width='8' height='8' fill='#08f'/>", None),
            (
                "<defs><linearGradient id='g'><stop offset='0'/></linearGradient></defs>\
                 <g fill='url(#g)'><path d='M0 0h8v8z'/></g><title>A box</title>",
                None,
            ),
            ("<script>alert(1)</script>", Some("script")),
            ("<foreignObject/>", Some("foreignObject")),
            ("<image href='http://a.org/x.png'/>", Some("image")),
            ("<use href='#a'/>", Some("use")),
            ("<animate attributeName='x'/>", Some("animate")),
            ("<style>@import 'http://a.org'</style>", Some("style")),
            ("<a href='javascript:1'><rect/></a>", Some("\"a\"")),
            ("<rect onload='alert(1)'/>", Some("onload")),
            ("<rect ONLOAD='alert(1)'/>", Some("ONLOAD")),
            ("<rect fill='url(http://a.org/x)'/>", Some("fill")),
            ("<rect fill='url( &#34;//a.org&#34;)'/>", Some("fill")),
            ("<rect fill='\\75rl(//a.org)'/>", Some("fill")),
            ("<rect style='fill: red'/>", Some("style")),
            (
                "<rect xmlns:x='http://www.w3.org/1999/xlink' x:href='//a.org'/>",
                Some("href"),
            ),
            (
                "<x:script xmlns:x='http://www.w3.org/1999/xhtml'/>",
                Some("script"),
            ),
            ("<?xml-stylesheet href='//a.org'?>", Some("can be read")),
        ] {
            let found = media_type(in_svg(inside).as_bytes());
            match expected {
                None => assert_eq!(found, Ok("image/svg+xml"), "{inside}"),
                Some(part) => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains(part), "{inside}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_format_is_read_from_the_content() {
        for (content, expected) in [
            (&b"\x89PNG\r\n\x1a\n..."[..], Ok("image/png")),
            (b"\xff\xd8\xff\xe0", Ok("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Ok("image/webp")),
            (b"RIFF\0\0\0\0WAVE", Err(PictureError::Format)),
            (b"<html/>", Err(PictureError::Format)),
            (
                b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>",
                Err(PictureError::Svg),
            ),
            (b"GIF89a", Err(PictureError::Format)),
            (b"", Err(PictureError::Format)),
        ] {
            assert_eq!(media_type(content), expected, "{}", content.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = media_type(&content);
        }
    }
}
