//! Sends messages, each with its outcome.

use std::time::Duration;

use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::Outcome;
use futures::FutureExt as _;
use tokio::time::timeout;

use super::{Error, Kind, Outgoing};

/// How long an outcome may take.
const OUTCOME_WITHIN: Duration = Duration::from_secs(20);

/// Sends messages to one queue, topic or hub.
#[derive(Debug)]
pub struct Sender(fe2o3_amqp::Sender);

impl Sender {
    pub(super) async fn attach(
        session: &mut SessionHandle<()>,
        target: &str,
    ) -> Result<Self, Error> {
        let name = format!("{target}-{:016x}", fastrand::u64(..));
        let sender = fe2o3_amqp::Sender::attach(session, name, target).await?;
        Ok(Self(sender))
    }

    /// Why nothing can be sent any more, if that is so.
    pub(super) fn ended(&mut self) -> Option<Error> {
        self.0.on_detach().now_or_never().map(Error::from)
    }

    /// Sends a message. What comes of it is waited for without the sender.
    ///
    /// # Errors
    /// If it could not be sent, or was not taken, or that is not known.
    pub(super) async fn send(
        &mut self,
        message: Outgoing,
    ) -> Result<impl Future<Output = Result<(), Error>> + use<>, Error> {
        let sending = self.0.send_batchable(message.into_wire());
        let Ok(outcome) = timeout(OUTCOME_WITHIN, sending).await else {
            let why = format!("nothing was taken for {} s", OUTCOME_WITHIN.as_secs());
            return Err(Error::new(Kind::Busy, why));
        };
        let outcome = outcome.map_err(Error::unsent)?;
        Ok(async {
            let Ok(outcome) = timeout(OUTCOME_WITHIN, outcome).await else {
                let why = format!("no outcome in {} s", OUTCOME_WITHIN.as_secs());
                return Err(Error::new(Kind::Unconfirmed, why));
            };
            taken(outcome.map_err(Error::sent)?)
        })
    }
}

fn taken(outcome: Outcome) -> Result<(), Error> {
    match outcome {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Rejected(rejected) => Err(rejected.error.map_or_else(
            || Error::new(Kind::Refused, "it was rejected without a reason"),
            Error::from,
        )),
        Outcome::Released(_) | Outcome::Modified(_) => {
            Err(Error::new(Kind::Busy, "it was given back"))
        }
    }
}
