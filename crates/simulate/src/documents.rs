//! Files of several documents: YAML documents, or JSON documents one after another.

use serde_json::value::RawValue;

use crate::error::Act as _;
use crate::{Error, File};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A document of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The line that its part of the file begins on, from 1.
    pub(crate) line: usize,
    /// Its JSON: as it was written, or made of YAML.
    pub(crate) json: String,
}

/// Reads the documents of a file. Empty ones are left out.
pub(crate) fn read(file: &File) -> Result<Vec<Document>, Error> {
    parse(&file.text).act(|| format!("read {}", file.name))
}

fn parse(text: &str) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::new();
    for (line, part) in parts(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let place = || format!("the document that begins on line {line}");
        let read = if part.trim_start().starts_with(['{', '[']) {
            // YAML may begin so, too. If it is neither, JSON is what was meant.
            json(part).or_else(|error| yaml(part).or(Err(error)))
        } else {
            yaml(part)
        };
        let read = read.act(place)?.into_iter();
        documents.extend(read.map(|json| Document { line, json }));
    }
    Ok(documents)
}

/// JSON documents one after another, as they were written.
fn json(part: &str) -> Result<Vec<String>, Fault> {
    let documents = serde_json::Deserializer::from_str(part).into_iter::<Box<RawValue>>();
    let documents: Result<Vec<Box<RawValue>>, _> = documents.collect();
    let documents = documents?.into_iter();
    Ok(documents
        .map(|document| document.get().to_owned())
        .collect())
}

/// A YAML document as JSON.
fn yaml(part: &str) -> Result<Vec<String>, Fault> {
    let json = tiphys_lang::yaml::to_json(part.as_bytes())?;
    Ok(vec![String::from_utf8(json)?])
}

/// The text between lines that begin with a document marker, with the line each part begins on.
///
/// YAML allows no such line inside a value, and JSON has none.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut parts = Vec::new();
    let mut begin = (1, 0);
    let mut end = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let marker = ["---", "..."].into_iter().any(|marker| {
            line.strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        });
        if marker {
            parts.push((begin.0, &text[begin.1..end]));
            begin = (index + 1, end + "---".len());
        }
        end += line.len();
    }
    parts.push((begin.0, &text[begin.1..end]));
    parts.into_iter().filter(|(_, part)| says_anything(part))
}

/// Whether there is more than comments and directives.
fn says_anything(part: &str) -> bool {
    let mut lines = part.lines().map(str::trim_start);
    lines.any(|line| !line.is_empty() && !line.starts_with(['#', '%']))
}

#[cfg(test)]
mod tests {
    use tiphys_api::message::with_causes;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let documents = parse(text).unwrap();
        let found: Vec<_> = documents
            .iter()
            .map(|d| (d.line, d.json.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn yaml_documents_are_separated_by_markers() {
        check(
            "# first\na: 1\n---\nb: yes\n--- {\"c\": 3}\n...\n",
            &[(1, r#"{"a":1}"#), (3, r#"{"b":true}"#), (5, r#"{"c": 3}"#)],
        );
    }

    #[test]
    fn a_yaml_document_may_begin_with_a_brace() {
        check("{a: 1, b: [x]}\n", &[(1, r#"{"a":1,"b":["x"]}"#)]);
        check("[{a: 1}]\n", &[(1, r#"[{"a":1}]"#)]);
    }

    #[test]
    fn json_documents_follow_one_another_as_they_are() {
        check(
            "{\"a\": 1.0}\n{\"b\":2}{\"c\":3}",
            &[(1, r#"{"a": 1.0}"#), (1, r#"{"b":2}"#), (1, r#"{"c":3}"#)],
        );
    }

    #[test]
    fn a_line_of_dashes_in_a_text_is_no_marker() {
        check("a: |\n  ---\n  x\n", &[(1, r#"{"a":"---\nx\n"}"#)]);
        check("----: 1\n", &[(1, r#"{"----":1}"#)]);
    }

    #[test]
    fn comments_and_directives_alone_are_no_document() {
        check("", &[]);
        check("# nothing happens\n", &[]);
        check("%YAML 1.1\n---\na: 1\n", &[(2, r#"{"a":1}"#)]);
    }

    #[test]
    fn a_fault_is_told_with_the_place_of_its_document() {
        let error = with_causes(&parse("a: 1\n---\nb: [\n").unwrap_err());
        assert!(
            error.starts_with("the document that begins on line 2: "),
            "{error}"
        );
        let error = with_causes(&parse("{\"a\":").unwrap_err());
        assert!(
            error.starts_with("the document that begins on line 1: "),
            "{error}"
        );
    }
}
