//! The small languages inside the YAML of an EventSource or a Sensor.
//!
//! Each is its own module and follows one pattern: a program is compiled once, when its object
//! arrives, and every fault is reported then; running takes `&self` and bytes, and is bounded in
//! time, memory and nesting. Nothing here knows Kubernetes, tokio or the clock of the machine
//! (deadlines and `now` of programs excepted).
//!
//! | module | language |
//! |---|---|
//! | [`json`] | the documents all others work on, as Go reads and writes them |
//! | [`regex`] | RE2 as Go's `regexp` reads it |
//! | [`path`] | gjson lookups and sjson writes; RFC 9535 behind `$` |
//! | [`template`] | Go `text/template` with sprig |
//! | [`expr`] | govaluate expressions, trigger conditions, expression filters |
//! | [`jq`] | jq as gojq speaks it |
//! | [`lua`] | Lua 5.1 as gopher-lua speaks it |
//! | [`yaml`] | YAML 1.1 as Kubernetes reads it |

pub mod deadline;
pub mod effort;
pub mod expr;
mod gomath;
mod gotime;
pub mod jq;
pub mod json;
pub mod lua;
mod memory;
pub mod path;
mod refused;
pub mod regex;
pub mod template;
pub mod yaml;

pub use memory::Memory;
pub use refused::Refused;
