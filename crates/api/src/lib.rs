//! What users of tiphys write: the `EventSource`, `EventBus` and `Sensor` objects of Argo Events.
//!
//! * Types that decode and encode every manifest Argo Events accepts, losing nothing.
//! * The CRDs, generated from those types ([`crd`]).
//! * Manifests as files, with a line and a column for every field ([`manifest`]).
//! * The static rules ([`validate`]); programs inside a spec (jq, Lua, regexes, conditions) are
//!   compiled by the crates that run them, which report the same [`Problem`].
//!
//! No client, no I/O, no clock.

mod artifact;
mod auth;
mod backoff;
mod condition;
pub mod crd;
mod cron;
mod duration;
mod event_bus;
mod event_source;
pub mod field_path;
mod filter;
mod given;
pub mod label;
pub mod manifest;
pub mod message;
mod parameter;
pub mod pause;
mod problem;
mod scalar;
mod schema;
mod secret;
mod sensor;
mod template;
mod tls;
mod trigger;
pub mod validate;
pub mod worker;
mod written;

pub use artifact::*;
pub use auth::*;
pub use backoff::{Backoff, BackoffError, RetryPolicy};
pub use condition::{Condition, ConditionStatus, Status};
pub use cron::{CalendarSchedule, CronError, CronSchedule};
pub use duration::{DurationError, parse_duration};
pub use event_bus::*;
pub use event_source::*;
pub use filter::*;
pub use given::Given;
pub use parameter::*;
pub use problem::{Code, Problem, Severity, suggestion};
pub use scalar::{Amount, Int64OrString, RawJson};
pub use secret::{ConfigMapKeySelector, KeyRef, KeyRefs, SecretKeySelector};
pub use sensor::*;
pub use template::*;
pub use tls::{TlsConfig, TlsError, TlsMode, asks_for_tls};
pub use trigger::*;
pub use written::Written;

/// The API group of all objects.
pub const GROUP: &str = "argoproj.io";

/// The only version of the API.
pub const VERSION: &str = "v1alpha1";

/// What `apiVersion` says in a manifest.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
