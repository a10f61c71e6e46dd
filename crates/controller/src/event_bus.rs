//! The `EventBus`.

mod certificates;
mod change;
mod credentials;
mod desired;
pub(crate) mod edit;
mod names;
mod secrets;
mod server_config;
mod stream_config;
pub mod versions;

use std::sync::Arc;

use kube::runtime::controller::Action;
use tiphys_api::EventBus;

use crate::{Context, Error};

/// Makes what is right for the object.
///
/// # Errors
/// What may go away by itself.
pub async fn reconcile(_object: Arc<EventBus>, _context: Arc<Context>) -> Result<Action, Error> {
    Ok(Action::await_change())
}
