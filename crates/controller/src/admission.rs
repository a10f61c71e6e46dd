//! The admission webhook: says what is wrong with an object when it is applied.
//!
//! ```text
//!  API server ──AdmissionReview──▶ server ──▶ Review::read ──▶ Review::answer ──▶ allowed, warnings
//!                                                │                                or denied, why
//!                                                └─ which bus? ──▶ API server
//! ```
//!
//! * [`Review`] decides (pure). It asks what `lint` asks, [`tiphys_check`], and whether an `EventBus`
//!   may change so.
//! * [`server`] carries reviews in and answers out, each bounded in size and time.
//! * [`certificate`] and [`store`] make, keep and renew what it shows to the API server;
//!   [`registration`] registers it with the API server: its address, and the authority to trust.
//!
//! Nothing depends on it: the API server goes on without it when it is unavailable, and what it would have
//! said stands in the object's conditions.

pub mod certificate;
mod change;
mod metrics;
pub mod registration;
mod review;
pub mod server;
pub mod store;
mod text;
mod webhook;

pub use metrics::Metrics;
pub use review::{Answer, Bus, BusName, ReadError, Review};
pub use webhook::{Identity, Webhook};
