//! The `EventBus`: NATS servers, and how event sources and sensors reach them.

mod certificates;
mod change;
mod credentials;
mod deploy;
mod desired;
pub(crate) mod edit;
mod finalizer;
mod keep;
mod names;
mod reconcile;
mod secrets;
mod server_config;
mod servers;
mod status;
mod unmade;
pub mod versions;
mod volumes;

use std::sync::Arc;

use kube::runtime::controller::Action;
use tiphys_api::EventBus;

use crate::{Context, Error};

pub(crate) use reconcile::AVAILABLE;

/// Brings about what the object asks for, and writes its status.
///
/// # Errors
/// What may pass by itself: it is tried again.
pub async fn reconcile(object: Arc<EventBus>, context: Arc<Context>) -> Result<Action, Error> {
    reconcile::reconcile(&object, &context).await
}
