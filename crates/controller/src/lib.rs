//! Reconcilers: `EventBus`, `EventSource` and `Sensor` objects become servers and pods, and their
//! conditions say how those are.
//!
//! ```text
//!  watches ──▶ index, stores ──wake──▶ reconcile ──▶ desired() ──▶ apply ──▶ API server
//!                 (what is)                        │        (what should be)
//!                                                  └──▶ status, Kubernetes Events
//! ```
//!
//! * For each kind, `desired` computes (pure) and `reconcile` acts.
//! * Level-based: a reconcile looks at what is and at what should be, never at what has happened.
//!   It runs when something it looked at has changed, and at no other time.
//! * `index` knows what is: of everything that the reconcilers own, the metadata and what its status
//!   says; the pods and their reports. It is pure state, and knows nobody. `apply` sends what should be, unless it is there already.
//! * `condition` computes a status and compares it with the one that is written; only a difference
//!   is sent.
//! * What a user has to mend is a condition and not an error; an [`Error`] is what may pass by
//!   itself, and is tried again.

pub mod admission;
mod apply;
mod checks;
mod condition;
mod context;
mod error;
mod event;
pub mod event_bus;
mod event_source;
mod guard;
mod index;
mod metrics;
mod name;
mod patch;
mod resources;
mod run;
mod sensor;
pub mod settings;
mod takeover;
mod wakes;
mod workload;

use context::Context;

pub use error::Error;
pub use metrics::Metrics;
pub use run::{Options, run};
pub use settings::Settings;

/// The field manager of everything that the controller writes.
pub(crate) const FIELD_MANAGER: &str = "tiphys-controller";

/// Label of everything that the controller makes: which reconciler made it.
pub(crate) const CONTROLLER_LABEL: &str = "controller";

/// Label of everything that the controller makes: the name of the object that it is for, as
/// `name::label_value` writes it.
pub(crate) const OWNER_LABEL: &str = "owner-name";
