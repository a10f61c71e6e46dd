//! The language of `filter.expression` of an event source: antonmedv/expr 1.15 over a JSON object.
//!
//! An expression is parsed, type-checked (a key named like a builtin has the builtin's type, which is
//! what makes `type == "ADD"` an error) and simplified once; running it reads only the parts of the
//! event that it asks for. Keys of the payload are names, `-` in them written `_`; a key with dots is
//! an object in an object.

mod arithmetic;
mod budget;
mod builtins;
mod check;
mod document;
mod eval;
mod explain;
mod fold;
mod format;
mod functions;
mod lex;
mod list;
mod moment;
mod parse;
mod room;
mod signatures;
mod syntax;
mod text;
mod types;
mod value;

#[cfg(test)]
mod tests;

pub use explain::Seen;

use check::Names;
use document::Document;
use syntax::Node;
use value::Value;

/// How long an expression may be.
const MAX_LENGTH: usize = 64 * 1024;

/// Why an expression was refused, or why it has no answer for an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}, line {line} column {column}")]
pub struct Error {
    /// What is wrong, in one line.
    pub message: String,
    /// The line of the expression, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
}

/// What is wrong at a byte of the expression.
#[derive(Debug, Clone)]
struct Fault {
    message: String,
    at: usize,
}

impl Fault {
    fn in_text(self, text: &str) -> Error {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Error {
            message: self.message,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Filter {
    text: String,
    root: Node,
}

impl Filter {
    /// Compiles `text`.
    ///
    /// # Errors
    /// If it is not an expression, or can never have an answer.
    pub fn compile(text: &str) -> Result<Self, Error> {
        let root = compile(text, &Names::Any).map_err(|fault| fault.in_text(text))?;
        Ok(Self {
            text: text.to_owned(),
            root,
        })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the event with the payload `data` passes.
    ///
    /// # Errors
    /// If the payload is not a JSON object, the expression does not fit it or takes too long, or its
    /// result is not a bool.
    pub fn passes(&self, data: &[u8]) -> Result<bool, Error> {
        let fault = |message: String| Error {
            message,
            line: 1,
            column: 1,
        };
        let document = Document::read(data).map_err(|error| fault(error.to_string()))?;
        match eval::run(&self.root, &document) {
            Ok(Value::Bool(passes)) => Ok(passes),
            Ok(value) => Err(fault(format!(
                "result is {}, not a bool",
                value.type_name()
            ))),
            Err(error) => Err(error.in_text(&self.text)),
        }
    }
}

fn compile(text: &str, names: &Names<'_>) -> Result<Node, Fault> {
    if text.len() > MAX_LENGTH {
        return Err(Fault {
            message: "expression is too long".into(),
            at: 0,
        });
    }
    let mut root = parse::parse(lex::tokens(text)?)?;
    check::check(&mut root, names)?;
    fold::fold(&mut root)?;
    Ok(root)
}

/// The text an expression over texts gives: how Argo reads the `conditions` of a trigger.
/// `texts` binds names to texts; there are no other names.
pub(super) fn text_of(text: &str, texts: &[(String, String)]) -> Result<String, Error> {
    let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    let root = compile(text, &Names::Texts(&names)).map_err(|fault| fault.in_text(text))?;
    let document = Document::of_texts(texts);
    let value = eval::run(&root, &document);
    value
        .map(|value| format::text(&value))
        .map_err(|fault| fault.in_text(text))
}
