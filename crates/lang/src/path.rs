//! The paths of filters and parameters: lookups as gjson 1.19 does them, writes as sjson 1.2.5 does
//! them, both on the bytes of the document.
//!
//! ```text
//! spec.rules.0.host                    names and indexes
//! labels.app\.kubernetes\.io/name      an escaped dot
//! ports.#(name=="web").port            the first element that …
//! ports.#(port>1024)#.name             all of them
//! items.#.id    items.#                of each element; how many
//! data|@keys|0  {a,"b":c.d}            pipes, modifiers, multipaths
//! a.-1   a.:1                          writes: append; a member named 1
//! ```
//!
//! A path that starts with `$` is tried as a gjson path, where `$` is a key like any other, and then
//! read as RFC 9535.
//!
//! What differs from gjson and sjson on purpose: one lookup does a bounded amount of work (see
//! `path/work.rs`) and finds nothing beyond that; wildcards are matched exactly instead of for 10,000
//! steps; an index too large for any array is one, and does not wrap around; arrays are filled up by
//! at most 100,000 `null`s; a write through a query changes what the query found or nothing, where
//! sjson overwrites other bytes after a query in a query.

mod explain;
mod found;
mod jsonpath;
mod lookup;
mod modifier;
mod plain;
mod pretty;
mod query;
mod scan;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;
mod wildcard;
mod work;
mod write;

pub use explain::{Missing, There};
pub use found::{Found, Kind};
pub(crate) use scan::container_end;
pub use tree::Spot;

use crate::json::is_valid_for;
use jsonpath::JsonPath;
use plain::{Plain, Skips};
use work::Work;
use write::Place;

/// A compiled path.
#[derive(Debug, Clone)]
pub struct Path {
    text: Box<str>,
    /// None for a path that is interpreted.
    plain: Option<Plain>,
    jsonpath: Option<Box<JsonPath>>,
    place: Place,
}

/// A JSON document in which several paths are looked up: its large values are stepped over at once.
#[derive(Debug)]
pub struct Document<'a> {
    json: &'a [u8],
    skips: Skips,
}

/// A value to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write<'a> {
    /// JSON, inserted as it is.
    Raw(&'a [u8]),
    /// A text, inserted as a JSON string.
    Text(&'a str),
}

/// A document after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The document.
    pub json: Vec<u8>,
    /// Whether anything was written. Only a query may match nothing; then the document is unchanged.
    pub matched: bool,
}

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A write needs a place.
    #[error("path cannot be empty")]
    Empty,
    /// The path goes through an array by something that is not an index.
    #[error("cannot set array element for non-numeric key '{key}'")]
    NonNumericKey {
        /// The component.
        key: String,
    },
    /// The array would be almost all padding.
    #[error("index {index} needs more than {limit} nulls before it")]
    IndexTooFar {
        /// The index.
        index: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A query would write the value at so many places that the document would become too large.
    #[error("the document would have more than {limit} bytes")]
    TooLarge {
        /// How many are allowed.
        limit: usize,
    },
    /// The document would nest so deeply that nothing could read it.
    #[error("path has more than {limit} components")]
    TooDeep {
        /// How many are allowed.
        limit: usize,
    },
    /// A path that starts with `$` is not one of RFC 9535.
    #[error("{path} is not a JSONPath (RFC 9535): {reason}")]
    JsonPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A path of RFC 9535 is no place to write to.
    #[error("{path} is a JSONPath (RFC 9535), which can only be read: leave out the `$`")]
    JsonPathWrite {
        /// The path.
        path: String,
    },
}

/// All that a path of RFC 9535 finds; `None` if it would take too long to look.
///
/// # Errors
/// If it is not such a path.
pub(crate) fn select_all<'a>(json: &'a [u8], path: &str) -> Result<Option<Vec<&'a [u8]>>, Error> {
    let spans = JsonPath::compile(path)?.try_get(json);
    let values = spans.map(|spans| spans.into_iter().map(|(start, end)| &json[start..end]));
    Ok(values.map(Iterator::collect))
}

impl Path {
    /// Compiles a path. Every text is a path, except what starts with `$` and is not of RFC 9535.
    ///
    /// # Errors
    /// [`Error::JsonPath`].
    pub fn compile(text: &str) -> Result<Self, Error> {
        let bytes = text.as_bytes();
        let jsonpath = if JsonPath::is_meant(text) {
            Some(Box::new(JsonPath::compile(text)?))
        } else {
            None
        };
        Ok(Self {
            text: text.into(),
            plain: Plain::compile(bytes),
            jsonpath,
            place: Place::compile(bytes),
        })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the path finds. Of duplicate keys the first is taken.
    pub fn get<'a>(&self, json: &'a [u8]) -> Found<'a> {
        self.get_within(json, &mut Work::for_document(json))
    }

    /// As [`Path::get`], for one of several paths.
    pub fn find<'a>(&self, document: &Document<'a>) -> Found<'a> {
        match (&self.plain, &self.jsonpath) {
            (Some(plain), None) => plain.get(document.json, &document.skips),
            _ => self.get(document.json),
        }
    }

    fn get_within<'a>(&self, json: &'a [u8], work: &mut Work) -> Found<'a> {
        let found = match &self.plain {
            Some(plain) => plain.get(json, &Skips::default()),
            None => lookup::get(json, self.text.as_bytes(), work),
        };
        match &self.jsonpath {
            Some(jsonpath) if !found.exists() => jsonpath.get(json),
            _ => found,
        }
    }

    /// Whether a write takes the path for a query, which changes only what is there already.
    pub fn is_query(&self) -> bool {
        matches!(self.place, Place::Query)
    }

    /// The document with `value` at the path; what leads there is made where it is missing.
    ///
    /// # Errors
    /// If the path is no place to write to in this document.
    pub fn set(&self, json: &[u8], value: Write<'_>) -> Result<Set, Error> {
        if self.jsonpath.is_some() {
            return Err(Error::JsonPathWrite {
                path: self.text.to_string(),
            });
        }
        match &self.place {
            Place::Nowhere => Err(Error::Empty),
            Place::Steps(steps) => write::set_steps(json, steps, value),
            Place::Query => write::set_query(json, self.text.as_bytes(), value),
        }
    }

    /// Why the path finds nothing in `json`; None if it does find something, or finding out would
    /// take too long.
    pub fn explain(&self, json: &[u8]) -> Option<Missing> {
        let mut work = Work::for_document(json);
        if self.get_within(json, &mut work).exists() {
            return None;
        }
        Missing::explain(self, json, &mut work)
    }
}

impl<'a> Document<'a> {
    /// Reads through `json` once; `None` if it is no JSON (see [`is_valid`](crate::json::is_valid)).
    pub fn read(json: &'a [u8]) -> Option<Self> {
        let mut skips = Skips::default();
        is_valid_for(json, &mut skips).then_some(Self { json, skips })
    }

    /// Its text.
    pub fn json(&self) -> &'a [u8] {
        self.json
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Path {}
