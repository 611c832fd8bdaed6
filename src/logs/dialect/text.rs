//! Small steps through a sentence, for the vendors whose records are prose.

use crate::logs::scan::search;

/// What follows the first `marker`.
pub(crate) fn after<'l>(text: &'l [u8], marker: &str) -> Option<&'l [u8]> {
    search(text, marker.as_bytes()).map(|at| &text[at + marker.len()..])
}

/// What stands in front of the first `marker`; everything when it does not occur.
pub(crate) fn before<'l>(text: &'l [u8], marker: &str) -> &'l [u8] {
    search(text, marker.as_bytes()).map_or(text, |at| &text[..at])
}

/// What stands between `open` and the next `close`; to the end when nothing closes it.
pub(crate) fn between<'l>(text: &'l [u8], open: &str, close: &str) -> Option<&'l [u8]> {
    after(text, open).map(|text| before(text, close))
}

/// Whether `marker` occurs.
pub(crate) fn has(text: &[u8], marker: &str) -> bool {
    search(text, marker.as_bytes()).is_some()
}

/// The next word between blanks and what follows it; an empty word at the end.
pub(crate) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|c| matches!(c, b' ' | b'\t')).unwrap_or(text.len());
    (&text[..end], &text[end..])
}

/// The words between blanks.
pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|c| matches!(c, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// Splits at the last `byte`: addresses with a port behind them may be IPv6.
pub(crate) fn split_last(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    memchr::memrchr(byte, text).map_or((text, &[]), |at| (&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_where_the_text_does() {
        assert_eq!(after(b"a for b", "for "), Some(&b"b"[..]));
        assert_eq!(after(b"a", "for"), None);
        assert_eq!(before(b"a to b", " to "), b"a");
        assert_eq!(before(b"a", " to "), b"a");
        assert_eq!(between(b"x [y] z", "[", "]"), Some(&b"y"[..]));
        assert_eq!(between(b"x [y", "[", "]"), Some(&b"y"[..]));
        assert_eq!(word(b"  one two"), (&b"one"[..], &b" two"[..]));
        assert_eq!(word(b""), (&b""[..], &b""[..]));
        assert_eq!(words(b" a  b ").count(), 2);
        assert_eq!(split_last(b"2001:db8::1:443", b':'), (&b"2001:db8::1"[..], &b"443"[..]));
        assert_eq!(split_last(b"none", b':'), (&b"none"[..], &b""[..]));
        assert!(has(b"abc", "b") && !has(b"abc", "d"));
    }
}
