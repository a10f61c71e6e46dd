//! Messages for people: an error with its causes, and texts that fit where they are shown.

use std::error::Error;

/// The most characters of an error: a program may put all that it has seen into one.
pub const LONGEST_ERROR: usize = 4_000;

/// An error with its causes, in one line: `send the request: connection refused`. What is beyond
/// [`LONGEST_ERROR`] is left out.
///
/// What a cause only repeats is left out: many libraries write their causes into their own text.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = shortened(&error.to_string(), LONGEST_ERROR);
    let mut cause = error.source();
    while let Some(error) = cause {
        add_cause(&mut text, &shortened(&error.to_string(), LONGEST_ERROR));
        cause = error.source();
    }
    shortened(&text, LONGEST_ERROR)
}

/// Adds a cause to an error's text, unless it is said there.
pub fn add_cause(text: &mut String, cause: &str) {
    if !text.contains(cause) {
        text.push_str(": ");
        text.push_str(cause);
    }
}

/// At most the first `longest` characters, and `…` in place of others.
pub fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        text: &'static str,
        source: Option<Box<Failure>>,
    }

    #[test]
    fn no_error_is_endless() {
        #[derive(Debug, thiserror::Error)]
        #[error("{}", "x".repeat(1 << 20))]
        struct Long(#[source] Box<Failure>);
        let causes = failure(&["a", "b"]).unwrap();
        let text = with_causes(&Long(causes));
        assert_eq!(text.chars().count(), 4_001);
        assert!(text.ends_with("x…"));
    }

    fn failure(texts: &[&'static str]) -> Option<Box<Failure>> {
        let (text, causes) = texts.split_first()?;
        let source = failure(causes);
        Some(Box::new(Failure { text, source }))
    }

    #[test]
    fn causes_follow_unless_they_repeat() {
        let error = failure(&["connect: refused", "refused", "port 1"]).unwrap();
        assert_eq!(with_causes(&error), "connect: refused: port 1");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("äöü", 2), "äö…");
        assert_eq!(shortened("äöü", 3), "äöü");
    }
}
