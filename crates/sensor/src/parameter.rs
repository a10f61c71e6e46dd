//! Parameters: values of events, written into a document.
//!
//! The rules are those of Argo Events (its parameter documentation, and its recorded answers):
//! values are strings unless `useRawData`, `value` is always a string, append and prepend make text,
//! a `dest` is an sjson path. Mended: a `dest` that is taken for a query and matches nothing is an
//! error instead of silence, a payload item without an event is skipped instead of a crash.

mod source;

pub use source::{ResolveError, Resolved, Source};

use serde::{Serialize, Serializer};
use tiphys_api::{ParameterOperation, Problem, TriggerParameter};
use tiphys_lang::path::{self, Found, Path, Write};

use crate::view::Views;

/// A compiled parameter.
#[derive(Debug)]
pub struct Parameter {
    source: Source,
    dest: Path,
    /// `Err`: not one that exists. Argo Events finds out when it would be performed.
    operation: Result<ParameterOperation, String>,
}

/// A parameter's value on its way into a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// What one parameter did, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The document has this text at the destination.
    Written {
        /// The value's text.
        text: String,
        /// It came from `value`, because nothing else gave one.
        fell_back: bool,
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
                problems.push(Problem::error(format!("{field}.dest"), error.to_string()));
            })
            .ok();
        let operation = ParameterOperation::from_name(&spec.operation)
            .ok_or_else(|| spec.operation.to_string());
        Some(Self {
            source: source?,
            dest: dest?,
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
        let operation = match &self.operation {
            Ok(operation) => *operation,
            Err(name) => return Err(Error::Operation(name.clone())),
        };
        Ok(Some(Edit {
            dest: self.dest().to_owned(),
            operation,
            raw: self.source.writes_raw(&value),
            fell_back: value.fell_back,
            value: value.text,
        }))
    }
}

impl Edit {
    /// Makes the edit; false if its destination is a query that matches nothing. `path` is its
    /// compiled destination.
    fn make(&self, path: &Path, document: &mut Vec<u8>) -> Result<bool, Error> {
        // A plain place is overwritten whatever is there.
        let is_asked = self.operation != ParameterOperation::Overwrite || path.is_query();
        let found = is_asked.then(|| path.get(document)).filter(Found::exists);
        let joined = match (self.operation, &found) {
            (ParameterOperation::Append, Some(found)) => {
                Some(found.text().into_owned() + &self.value)
            }
            (ParameterOperation::Prepend, Some(found)) => Some(self.value.clone() + &found.text()),
            _ => None,
        };
        let value = match &joined {
            Some(text) => Write::Text(text),
            None if self.raw => Write::Raw(self.value.as_bytes()),
            None => Write::Text(&self.value),
        };
        let refuse = |source| Error::Write {
            dest: self.dest.clone(),
            source,
        };
        let set = path.set(document, value).map_err(refuse)?;
        let matched = set.matched || found.is_some();
        *document = set.json;
        Ok(matched)
    }

    /// As [`Edit::make`]; a destination that was hardly meant as a query has to match.
    ///
    /// `#(…)` can only be a query, and one that matches nothing changes nothing, as in Argo Events.
    /// A `*` or an `@` in a key makes a query by accident, and silence would hide it.
    fn make_or_refuse(&self, path: &Path, document: &mut Vec<u8>) -> Result<bool, Error> {
        let matched = self.make(path, document)?;
        if !matched && !self.dest.contains("#(") {
            return Err(Error::NoMatch {
                dest: self.dest.clone(),
            });
        }
        Ok(matched)
    }

    /// Makes the edit in `document`.
    ///
    /// # Errors
    /// If the value cannot be written there.
    pub fn apply(&self, document: &mut Vec<u8>) -> Result<(), Error> {
        let path = Path::compile(&self.dest).map_err(|source| Error::Write {
            dest: self.dest.clone(),
            source,
        })?;
        self.make_or_refuse(&path, document).map(drop)
    }
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
        let outcome = match parameter.edit(events).map_err(|error| (index, error))? {
            Some(edit) => {
                let matched = edit
                    .make_or_refuse(&parameter.dest, document)
                    .map_err(|error| (index, error))?;
                if matched {
                    Applied::Written {
                        text: edit.value,
                        fell_back: edit.fell_back,
                    }
                } else {
                    Applied::NoMatch
                }
            }
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
        let edit = Edit {
            dest: parameter.dest().to_owned(),
            operation: ParameterOperation::Overwrite,
            raw: parameter.source.writes_raw(&value),
            fell_back: value.fell_back,
            value: value.text,
        };
        edit.make(&parameter.dest, &mut document)
            .map_err(|error| (index, error))?;
    }
    Ok(document)
}
