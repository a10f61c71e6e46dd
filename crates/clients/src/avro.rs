//! Avro: values in binary, by the schema that they were written with, and as JSON.
//!
//! The JSON is that of the Avro specification (1.11, "JSON Encoding"): a value of a union other than null is an
//! object with the name of its branch, bytes are a text with a character for each of them. Names of branches with
//! a logical type are those of `goavro`, which Argo Events reads with: `long.timestamp-millis`.

mod read;
mod registry;
mod schema;
mod write;

pub use read::ReadError;
pub use registry::{Registry, RegistryError, Schemas, frame, framed};
pub use schema::{Schema, SchemaError};
pub use write::WriteError;

/// How deep values may be nested, which schemas may be without end.
const DEPTH: usize = 128;

/// Most bytes of a value, as JSON and in binary: what is written takes more room than what it is made of.
const LARGEST: usize = 16 << 20;

#[cfg(test)]
mod tests;
