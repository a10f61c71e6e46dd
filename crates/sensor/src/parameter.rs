//! Parameters: values of events, written into a document.
//!
//! The rules are those of Argo Events (its parameter documentation, and its recorded answers):
//! values are strings unless `useRawData`, `value` is always a string, append and prepend make text,
//! a `dest` is an sjson path. Mended: a `dest` that is taken for a query and matches nothing is an
//! error instead of silence, a payload item without an event is skipped instead of a crash.

mod source;

pub use source::{ResolveError, Resolved, Source};

use std::sync::Arc;

use serde::{Serialize, Serializer};
use tiphys_api::message::with_causes;
use tiphys_api::{ParameterOperation, Problem, TriggerParameter};
use tiphys_lang::Refused as _;
use tiphys_lang::json::{self, Value};
use tiphys_lang::path::{self, Found, Path, Spot, Write};

use crate::trigger::plain_numbers;
use crate::view::Views;

/// A compiled parameter.
#[derive(Debug)]
pub struct Parameter {
    source: Source,
    dest: Arc<Path>,
    /// `Err`: not one that exists. Argo Events finds out when it would be performed.
    operation: Result<ParameterOperation, String>,
}

/// A parameter's value on its way into a document.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// An sjson path.
    pub dest: String,
    /// How the value meets what is there.
    #[serde(serialize_with = "operation_name")]
    pub operation: ParameterOperation,
    /// The value.
    pub value: String,
    /// The value is JSON text; otherwise it is a string.
    pub raw: bool,
    /// The value is the default, because nothing else gave one.
    pub fell_back: bool,
    /// `dest`, compiled.
    #[serde(skip)]
    path: Arc<Path>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn operation_name<S: Serializer>(
    operation: &ParameterOperation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match operation {
        ParameterOperation::Overwrite => "overwrite",
        ParameterOperation::Append => "append",
        ParameterOperation::Prepend => "prepend",
    })
}

/// Why a parameter could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its source gave no value.
    #[error("resolve the value")]
    Resolve(#[from] ResolveError),
    /// Its value could not be written.
    #[error("write to {dest:?}")]
    Write {
        /// Where.
        dest: String,
        /// Why not.
        #[source]
        source: path::Error,
    },
    /// The destination is a query, and nothing in the document matches it.
    #[error(
        "destination {dest:?} is read as a query and matches nothing; \
         escape `#`, `*`, `?`, `@` and `|` with a backslash if they belong to a key"
    )]
    NoMatch {
        /// Where.
        dest: String,
    },
    /// The operation is not one of those that exist.
    #[error("unsupported trigger parameter operation: {0}")]
    Operation(String),
}

impl Error {
    /// Without what the events hold.
    pub(crate) fn public(&self) -> String {
        match self {
            Self::Resolve(error) => error.public(),
            Self::Write { .. } => with_causes(self),
            Self::NoMatch { .. } | Self::Operation(_) => self.to_string(),
        }
    }
}

/// What one parameter did, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The document has this text at the destination.
    Written {
        /// The value's text.
        text: String,
        /// It came from `value`, because nothing else gave one.
        fell_back: bool,
        /// Why nothing else did, if something was looked for.
        why: Option<String>,
    },
    /// Its dependency has no event in this firing, and it has no `value`.
    Skipped,
    /// Its destination is a query, and nothing in the document matches it.
    NoMatch,
}

impl Parameter {
    /// Compiles a parameter; `field` is its field path. Faults are added to `problems`.
    pub fn compile(
        spec: &TriggerParameter,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let source = Source::compile(spec.src.as_ref(), &format!("{field}.src"), problems);
        let dest = Path::compile(&spec.dest)
            .map_err(|error| {
                let message = error.to_string();
                problems.push(Problem::program(
                    format!("{field}.dest"),
                    message,
                    error.place(),
                ));
            })
            .ok();
        let operation = ParameterOperation::from_name(&spec.operation)
            .ok_or_else(|| spec.operation.to_string());
        Some(Self {
            source: source?,
            dest: Arc::new(dest?),
            operation,
        })
    }

    /// Compiles a list of parameters; `field` is the list's field path.
    pub fn compile_all(
        specs: &[TriggerParameter],
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Vec<Self> {
        let compile = |(index, spec)| Self::compile(spec, &format!("{field}[{index}]"), problems);
        specs.iter().enumerate().filter_map(compile).collect()
    }

    /// The destination as it was written.
    pub fn dest(&self) -> &str {
        self.dest.as_str()
    }

    /// Where the value comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Resolves the value against the events of a firing; `None`: skip the parameter.
    ///
    /// # Errors
    /// If there is no value and no default.
    pub fn resolve(&self, events: &Views<'_>) -> Result<Option<Resolved>, ResolveError> {
        self.source.resolve(events)
    }

    /// The parameter as an edit of a document; `None`: skip it.
    ///
    /// # Errors
    /// If there is no value and no default, or the operation does not exist.
    pub fn edit(&self, events: &Views<'_>) -> Result<Option<Edit>, Error> {
        let Some(value) = self.resolve(events)? else {
            return Ok(None);
        };
        Ok(Some(Edit {
            dest: self.dest().to_owned(),
            operation: self.operation()?,
            raw: value.raw,
            fell_back: value.fell_back,
            value: value.text,
            path: Arc::clone(&self.dest),
        }))
    }

    fn operation(&self) -> Result<ParameterOperation, Error> {
        self.operation
            .as_ref()
            .copied()
            .map_err(|name| Error::Operation(name.clone()))
    }

    /// Writes a value that was resolved before.
    fn write(&self, value: &Resolved, document: &mut Vec<u8>) -> Result<Applied, Error> {
        let write = Writing {
            path: &self.dest,
            operation: self.operation()?,
            text: &value.text,
            raw: value.raw,
        };
        Ok(if write.make_or_refuse(document)? {
            value.written()
        } else {
            Applied::NoMatch
        })
    }

    /// Writes a value into a document without duplicate keys that has been read; false, and nothing
    /// is written, if only the text of the document tells how: see [`Path::spot`].
    pub(crate) fn write_tree(&self, value: Resolved, document: &mut Value) -> Result<bool, Error> {
        let operation = self.operation()?;
        let Some(spot) = self.dest.spot(document) else {
            return Ok(false);
        };
        let written = match (operation, &spot) {
            (ParameterOperation::Append, Spot::There(Value::String(there))) => {
                Value::String(there.clone() + &value.text)
            }
            (ParameterOperation::Prepend, Spot::There(Value::String(there))) => {
                Value::String(value.text + there)
            }
            // Joined to the text that it has in the document.
            (ParameterOperation::Append | ParameterOperation::Prepend, Spot::There(_)) => {
                return Ok(false);
            }
            _ if value.raw => match json::from_slice_unique(value.text.as_bytes()) {
                Some(mut raw) => {
                    plain_numbers(&mut raw);
                    raw
                }
                None => return Ok(false),
            },
            _ => Value::String(value.text),
        };
        spot.set(written);
        Ok(true)
    }
}

/// A value on its way to a compiled destination.
struct Writing<'w> {
    path: &'w Path,
    operation: ParameterOperation,
    text: &'w str,
    raw: bool,
}

impl Writing<'_> {
    /// Writes; false if the destination is a query that matches nothing.
    fn make(&self, document: &mut Vec<u8>) -> Result<bool, Error> {
        let Self { path, text, .. } = self;
        // A plain place is overwritten whatever is there.
        let is_asked = self.operation != ParameterOperation::Overwrite || path.is_query();
        let found = is_asked.then(|| path.get(document)).filter(Found::exists);
        let joined = match (self.operation, &found) {
            (ParameterOperation::Append, Some(found)) => Some(found.text().into_owned() + text),
            (ParameterOperation::Prepend, Some(found)) => Some((*text).to_owned() + &found.text()),
            _ => None,
        };
        let value = match &joined {
            Some(text) => Write::Text(text),
            None if self.raw => Write::Raw(text.as_bytes()),
            None => Write::Text(text),
        };
        let refuse = |source| Error::Write {
            dest: path.as_str().to_owned(),
            source,
        };
        let set = path.set(document, value).map_err(refuse)?;
        let matched = set.matched || found.is_some();
        *document = set.json;
        Ok(matched)
    }

    /// As [`Writing::make`]; a destination that was hardly meant as a query has to match.
    ///
    /// `#(…)` can only be a query, and one that matches nothing changes nothing, as in Argo Events.
    /// A `*` or an `@` in a key makes a query by accident, and silence would hide it.
    fn make_or_refuse(&self, document: &mut Vec<u8>) -> Result<bool, Error> {
        let matched = self.make(document)?;
        let dest = self.path.as_str();
        if !matched && !dest.contains("#(") {
            let dest = dest.to_owned();
            return Err(Error::NoMatch { dest });
        }
        Ok(matched)
    }
}

impl Edit {
    /// Makes the edit in `document`.
    ///
    /// # Errors
    /// If the value cannot be written there.
    pub fn apply(&self, document: &mut Vec<u8>) -> Result<(), Error> {
        let write = Writing {
            path: &self.path,
            operation: self.operation,
            text: &self.value,
            raw: self.raw,
        };
        write.make_or_refuse(document).map(drop)
    }
}

/// Resolves `parameters` against the events of a firing; `None`: skip that one.
///
/// # Errors
/// At the first parameter without a value, with its place in the list.
pub(crate) fn resolve(
    parameters: &[Parameter],
    events: &Views<'_>,
) -> Result<Vec<Option<Resolved>>, (usize, Error)> {
    let resolve = |(index, parameter): (usize, &Parameter)| {
        let value = parameter.resolve(events);
        value.map_err(|error| (index, error.into()))
    };
    parameters.iter().enumerate().map(resolve).collect()
}

/// Writes the values of `parameters` in order, each seeing what the ones before it wrote.
///
/// # Errors
/// At the first value that cannot be written, with its place in the list.
pub(crate) fn write(
    parameters: &[Parameter],
    values: &[Option<Resolved>],
    document: &mut Vec<u8>,
) -> Result<Vec<Applied>, (usize, Error)> {
    let write = |(index, (parameter, value)): (usize, (&Parameter, &Option<Resolved>))| match value
    {
        Some(value) => parameter
            .write(value, document)
            .map_err(|error| (index, error)),
        None => Ok(Applied::Skipped),
    };
    parameters
        .iter()
        .zip(values)
        .enumerate()
        .map(write)
        .collect()
}

/// Applies `parameters` in order, each seeing what the ones before it wrote.
///
/// # Errors
/// At the first parameter that cannot be applied, with its place in the list.
pub fn apply(
    parameters: &[Parameter],
    document: &mut Vec<u8>,
    events: &Views<'_>,
) -> Result<Vec<Applied>, (usize, Error)> {
    let mut applied = Vec::with_capacity(parameters.len());
    for (index, parameter) in parameters.iter().enumerate() {
        let value = parameter.resolve(events);
        let outcome = match value.map_err(|error| (index, error.into()))? {
            Some(value) => parameter
                .write(&value, document)
                .map_err(|error| (index, error))?,
            None => Applied::Skipped,
        };
        applied.push(outcome);
    }
    Ok(applied)
}

/// Builds a trigger's payload: an empty document, filled by `parameters`.
///
/// Operations are ignored; an empty `dest` ends the building with that value as the whole payload.
///
/// # Errors
/// At the first item that cannot be applied, with its place in the list.
pub fn payload(parameters: &[Parameter], events: &Views<'_>) -> Result<Vec<u8>, (usize, Error)> {
    let mut document = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let Some(value) = parameter
            .resolve(events)
            .map_err(|error| (index, error.into()))?
        else {
            continue;
        };
        if parameter.dest().is_empty() {
            return Ok(value.text.into_bytes());
        }
        let write = Writing {
            path: &parameter.dest,
            operation: ParameterOperation::Overwrite,
            text: &value.text,
            raw: value.raw,
        };
        write.make(&mut document).map_err(|error| (index, error))?;
    }
    Ok(document)
}
