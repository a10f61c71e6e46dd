//! The `Sensor`.

use std::sync::Arc;

use kube::runtime::controller::Action;
use tiphys_api::Sensor;

use crate::{Context, Error};

/// Makes what is right for the object.
///
/// # Errors
/// What may go away by itself.
pub async fn reconcile(_object: Arc<Sensor>, _context: Arc<Context>) -> Result<Action, Error> {
    Ok(Action::await_change())
}
