//! A recorded line, and what is expected of an answer to it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::path::Path;

use base64::Engine as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ask::Outcome;
use super::read;

/// A line of a file of recorded answers.
pub(crate) struct Line {
    text: String,
    value: Value,
}

impl Deref for Line {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

impl Line {
    pub(crate) fn parse(text: &str) -> Self {
        let value = serde_json::from_str(text).expect("a line is JSON");
        Self {
            text: text.to_owned(),
            value,
        }
    }

    /// A member as it was written: its numbers keep their digits.
    pub(crate) fn raw(&self, key: &str) -> String {
        let members: HashMap<String, Box<RawValue>> =
            serde_json::from_str(&self.text).expect("a line is an object");
        members[key].get().to_owned()
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.get("argo_bug").is_some()
    }
}

/// What the answer to a line has to be.
pub(crate) enum Expected {
    Answer(Value),
    Error,
    /// A verdict and an error at once, as filters give them.
    Both(Value),
    /// Anything: it only has to come to an end.
    End,
}

impl Expected {
    pub(crate) fn is_met_by(&self, outcome: &Outcome) -> bool {
        let Outcome::Answered(got) = outcome else {
            return false;
        };
        match (self, got) {
            (Self::Answer(want), Ok(got)) => want == got,
            // A filter that could not tell rejects; it is not asked where one before it rejects.
            (Self::Both(want), got) => *got.as_ref().unwrap_or(&Value::Bool(false)) == *want,
            (Self::Error, got) => got.is_err(),
            (Self::End, _) => true,
            (Self::Answer(_), Err(_)) => false,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(want) => write!(f, "{want}"),
            Self::Both(want) => write!(f, "{want} and an error"),
            Self::Error => f.write_str("an error"),
            Self::End => f.write_str("an end"),
        }
    }
}

/// Our answers to the marked lines of one file, by their ids.
pub(crate) struct Mended(Option<HashMap<String, Value>>);

impl Mended {
    /// Reads the answers for `file`; a folder need not have any.
    pub(crate) fn read(path: &Path, file: &str) -> Self {
        if !path.exists() {
            return Self(None);
        }
        let lines = read(path);
        let answers = lines.lines().map(|line| {
            let line: Value = serde_json::from_str(line).expect("a line is JSON");
            (line["file"] == file).then(|| (line["id"].as_str().unwrap().to_owned(), line))
        });
        Self(Some(answers.flatten().collect()))
    }

    pub(crate) fn expected(&self, line: &Line) -> Expected {
        let recorded = match (&self.0, line.is_marked()) {
            (_, false) => &**line,
            (Some(answers), true) => {
                let id = line["id"].as_str().unwrap();
                answers
                    .get(id)
                    .unwrap_or_else(|| panic!("no mended answer to {id}"))
            }
            (None, true) => return Expected::End,
        };
        let has_error = recorded.get("error").is_some();
        match recorded.get("want") {
            Some(want) if has_error => Expected::Both(want.clone()),
            Some(want) => Expected::Answer(want.clone()),
            None if has_error => Expected::Error,
            None => Expected::End,
        }
    }
}

/// A text of a line; one that is not UTF-8 is recorded as base64.
pub(crate) fn text(line: &Value, key: &str) -> Option<Vec<u8>> {
    match line.get(key)? {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(map) => {
            let text = map.get("base64")?.as_str()?;
            base64::engine::general_purpose::STANDARD.decode(text).ok()
        }
        _ => None,
    }
}

/// An output in the form in which it is recorded.
pub(crate) fn recorded(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::String(text),
        Err(error) => {
            let text = base64::engine::general_purpose::STANDARD.encode(error.as_bytes());
            serde_json::json!({ "base64": text })
        }
    }
}
