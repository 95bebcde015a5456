//! A QR code in characters that the kernel's console has, for the camera of a telephone.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code: the standard asks for four, cameras are content with two.
const MARGIN: usize = 2;
/// What a line begins with.
const INDENT: &str = "  ";

/// The code of `text` as lines for a screen that is dark where nothing is written; each character
/// is two modules, one above the other. `None` when the text is too long for a screen of 80 by 25
/// characters.
pub fn picture(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let side = width + 2 * MARGIN;
    if side > 45 {
        return None;
    }
    let is_light = |x: usize, y: usize| {
        let inside = |at: usize| (MARGIN..MARGIN + width).contains(&at);
        !(inside(x) && inside(y)) || code[(x - MARGIN, y - MARGIN)] == Color::Light
    };
    let mut picture = String::new();
    for y in (0..side).step_by(2) {
        picture.push_str(INDENT);
        for x in 0..side {
            // Below the last line the screen is dark.
            picture.push(match (is_light(x, y), y + 1 < side && is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        picture.push('\n');
    }
    Some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_a_screen_and_has_a_light_margin() {
        let picture = picture("http://192.168.100.200/#7K3M-Q0XD").unwrap();
        let lines: Vec<&str> = picture.lines().collect();
        assert!(lines.len() <= 17, "{picture}");
        let columns = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == columns));
        assert_eq!(lines[0].trim_start(), "█".repeat(columns - INDENT.len()));
        // The finder pattern at the top left: seven dark modules behind the margin.
        assert!(lines[1].starts_with("  ██ ▄▄▄▄▄ "), "{picture}");
    }

    #[test]
    fn a_text_that_fits_no_screen_has_no_picture() {
        assert_eq!(picture(&"x".repeat(500)), None);
    }
}
