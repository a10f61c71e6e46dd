//! Texts of others, made harmless before people see them.

use std::borrow::Cow;

/// As [`String::from_utf8_lossy`], and faster where nothing is wrong.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// What is shown in place of a character: line breaks are a space, and what would steer a terminal or turn
/// the direction of what follows is U+FFFD.
pub fn harmless(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        // The marks that turn the direction of text could disguise the rest of a line.
        '\u{61c}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}'
        | '\u{ffff}'
        | '\u{e0000}'..='\u{e0fff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// A text as one line in which every character is [`harmless`].
pub fn one_line(text: &str) -> String {
    text.chars().map(harmless).collect()
}

/// URLs of servers, parted by commas, as they may be told. One without a scheme is of NATS.
pub fn without_passwords(urls: &str) -> String {
    let clean = |url: &str| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{host}")
    };
    urls.split(',')
        .map(|url| clean(url.trim()))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(
            one_line("a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}b\r\nc\td é"),
            "a\u{fffd}[31m\u{fffd}2J\u{fffd}\u{fffd}b  c d é"
        );
    }

    #[test]
    fn no_password_is_told() {
        let urls = "nats://me:p@ss@a:4222, b:4222,tls://token@c";
        let told = "nats://a:4222,nats://b:4222,tls://c";
        assert_eq!(without_passwords(urls), told);
    }
}
