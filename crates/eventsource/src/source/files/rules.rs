//! Which files count, what is told of them, and how it is written.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::Arc;

use bytes::Bytes;
use tiphys_api::{Problem, WatchPathConfig};

use super::snapshot::{Change, Operation, encoded};
use super::{Directory, Names};
use crate::event::{Check, Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::source::broker::Members;

/// The fields of a spec that say it.
#[derive(Debug)]
pub(in crate::source) struct Fields<'a> {
    /// The event's place in the spec.
    pub(in crate::source) path: &'a str,
    /// The field of the operations, and what it says.
    pub(in crate::source) operations: (&'static str, &'a str),
    /// Where `watched` stands in the event: empty, or a field with a dot behind it.
    pub(in crate::source) at: &'static str,
    /// Which files.
    pub(in crate::source) watched: &'a WatchPathConfig,
    /// What goes into each event.
    pub(in crate::source) metadata: &'a BTreeMap<String, String>,
}

/// Which files count, and what is told of them.
#[derive(Debug)]
pub(in crate::source) struct Rules {
    /// The event's place in the spec.
    pub(in crate::source) path: String,
    /// The field of the directory.
    pub(in crate::source) field: String,
    pub(in crate::source) operations: Vec<Operation>,
    pub(in crate::source) directory: Arc<Directory>,
    /// A file is named with its directory.
    pub(in crate::source) is_whole: bool,
    /// A file that has changed is told as created, unless it is to be told as written.
    pub(in crate::source) is_change_new: bool,
    /// As JSON.
    metadata: String,
}

impl Rules {
    /// What the fields say: files are named with their directory, and a change is no creation.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(in crate::source) fn compile(fields: &Fields<'_>) -> Result<Self, Vec<Problem>> {
        let Fields {
            path,
            operations: (field, operations),
            at,
            watched,
            metadata: entries,
        } = *fields;
        let operations = Operation::parse(operations).map_err(|unknown| {
            let message = format!("unknown operation {unknown:?}");
            vec![Problem::error(format!("{path}.{field}"), message)]
        })?;
        let directory = Directory::compile(watched).map_err(|(field, message)| {
            let path = format!("{path}.{at}{field}");
            vec![Problem::error(path, message)]
        })?;
        Ok(Self {
            path: path.to_owned(),
            field: format!("{path}.{at}directory"),
            operations,
            directory: Arc::new(directory),
            is_whole: true,
            is_change_new: false,
            metadata: match metadata(entries) {
                none if none.is_empty() => "null".to_owned(),
                metadata => metadata,
            },
        })
    }

    /// As what it is told that this happened; `None` if it is not.
    pub(super) fn told(&self, operation: Operation) -> Option<Operation> {
        if self.operations.contains(&operation) {
            return Some(operation);
        }
        let is_new = self.is_change_new && operation == Operation::Write;
        (is_new && self.operations.contains(&Operation::Create)).then_some(Operation::Create)
    }

    /// The event of a change.
    pub(super) fn incoming(&self, change: &Change) -> Incoming {
        let known = change.entry.map(|entry| entry.to_string());
        let identity = [
            change.operation.name().to_owned(),
            encoded(&change.name),
            known.unwrap_or_default(),
        ];
        let incoming = Incoming::new(self.payload(change.operation, &change.name));
        // A file that went, and of which nothing else is known, is like no other.
        let incoming = match change.entry {
            Some(_) => incoming.identified_by(identity),
            None => incoming,
        };
        incoming.in_order(&*self.path)
    }

    /// What an event source of type `kind` makes of the name of a file in the directory.
    ///
    /// # Errors
    /// If it is given anything else.
    pub(in crate::source) fn draft(
        &self,
        kind: &'static str,
        input: &Input<'_>,
    ) -> Result<Draft, SimulateError> {
        let names = &self.directory.names;
        let name = match (input, names) {
            (Input::Example, Names::One(name)) => name.to_string_lossy().into_owned(),
            (Input::Example, Names::Matching { .. }) => "example".to_owned(),
            (Input::Body { body, .. }, _) => String::from_utf8_lossy(body).trim_end().to_owned(),
            _ => return Err(input.unfit(kind)),
        };
        let operation = self.operations.first().copied();
        let payload = self.payload(operation.unwrap_or(Operation::Create), OsStr::new(&name));
        let is_met = names.contains(OsStr::new(&name));
        let condition = format!("the file in {}", self.directory);
        let why = format!("{name:?} is not the file in {}", self.directory);
        let check = Check::new(condition, is_met, why).with_saw(format!("{name:?}"));
        Ok(Draft {
            checks: match input {
                Input::Example => Vec::new(),
                _ => vec![check],
            },
            ..Draft::of(payload)
        })
    }

    fn payload(&self, operation: Operation, name: &OsStr) -> Bytes {
        let name = if self.is_whole {
            self.directory.folder.join(name).into_os_string()
        } else {
            name.to_owned()
        };
        Members::with_room_for(name.len())
            .text("name", name.as_encoded_bytes())
            .json("op", operation.bits().to_string().as_bytes())
            .finish(&self.metadata)
    }
}
