//! Makes hostile text safe for where it goes: terminals and spreadsheets.

use std::borrow::Cow;

/// Characters that steer a terminal or reorder text: controls, and the bidirectional overrides.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text for one line of a terminal: every control character is shown as an escape.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// As [`terminal`], but keeps newlines.
pub fn terminal_lines(text: &str) -> String {
    text.split('\n').map(terminal).collect::<Vec<_>>().join("\n")
}

/// A cell of a CSV meant for spreadsheets: a leading formula sign gets an apostrophe in front.
pub fn cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '@', '\t', '\r']) || (text.starts_with('-') && text.parse::<f64>().is_err()) {
        return Cow::Owned(format!("'{text}"));
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_a_terminal() {
        assert_eq!(terminal("a\x1b[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(terminal("plain"), "plain");
        assert_eq!(terminal_lines("a\nb\rc"), "a\nb\\u{d}c");
    }

    #[test]
    fn formulas_are_defused_and_numbers_are_not() {
        let rows = [("=1+1", "'=1+1"), ("@x", "'@x"), ("-cmd", "'-cmd"), ("-5", "-5"), ("ann", "ann")];
        for (text, expected) in rows {
            assert_eq!(cell(text), expected);
        }
    }
}
