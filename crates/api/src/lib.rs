//! What users of tiphys write: the `EventSource`, `EventBus` and `Sensor` objects of Argo Events.
//!
//! * Types that decode and encode every manifest Argo Events accepts, losing nothing.
//! * The CRDs, generated from those types (`crds/`).
//! * Manifests as files, with a line and a column for every field.
//! * The static rules; programs inside a spec (jq, Lua, regexes, conditions) are
//!   compiled by the crates that run them, which report the same `Problem`.
//!
//! No client, no I/O, no clock.

mod artifact;
mod auth;
mod backoff;
mod condition;
mod duration;
mod event_bus;
mod event_source;
pub mod field_path;
mod filter;
mod given;
mod parameter;
mod scalar;
mod schema;
mod secret;
mod sensor;
mod template;
mod tls;
mod trigger;

pub use artifact::*;
pub use auth::*;
pub use backoff::{Backoff, BackoffError, RetryPolicy};
pub use condition::{Condition, ConditionStatus, Status};
pub use duration::{DurationError, parse_duration};
pub use event_bus::*;
pub use event_source::*;
pub use filter::*;
pub use given::Given;
pub use parameter::*;
pub use scalar::{Amount, Int64OrString, RawJson};
pub use secret::{ConfigMapKeySelector, SecretKeySelector};
pub use sensor::*;
pub use template::*;
pub use tls::{TlsConfig, TlsError, TlsMode};
pub use trigger::*;

/// The API group of all objects.
pub const GROUP: &str = "argoproj.io";

/// The only version of the API.
pub const VERSION: &str = "v1alpha1";

/// What `apiVersion` says in a manifest.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
