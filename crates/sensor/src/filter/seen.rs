//! What filters saw, for people.

use tiphys_api::message::shortened;
use tiphys_lang::path::{Found, Path};
use tiphys_lang::regex::Regex;

/// How much of a value is shown.
const LONGEST: usize = 120;

/// A value as it stands in the payload.
pub(super) fn value(found: &Found<'_>) -> String {
    shortened(&String::from_utf8_lossy(found.raw()), LONGEST)
}

/// Why a path finds nothing.
pub(super) fn missing(path: &Path, document: &[u8]) -> String {
    match path.explain(document) {
        Some(missing) => format!("nothing: {missing}"),
        None => "nothing".to_owned(),
    }
}

/// That a value is a regular expression which matches anywhere, where its author hardly thought of it.
pub(super) fn surprise(pattern: &Regex, written: &str, text: &str) -> Option<String> {
    // Whoever writes these knows.
    let is_pattern = written.contains(['^', '$', '*', '+', '?', '[', '(', '|', '\\']);
    let surprises =
        !is_pattern && text != written && pattern.is_match(text).is_ok_and(|is_match| is_match);
    surprises.then(|| {
        format!(
            " (a value is a regular expression that matches anywhere: write ^{}$)",
            escaped(written)
        )
    })
}

fn escaped(written: &str) -> String {
    written.replace('.', "\\.")
}
