//! How a trigger's loop ends: it hands over to another one, or drains because the process stops.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{DRAIN, TriggerLoop};
use crate::Error;

impl TriggerLoop {
    /// Gives back to the bus what another runner can do, as soon as nobody is at it any more. False
    /// after a stop: then there is no other runner.
    pub(super) async fn hand_over(&mut self, shutdown: &CancellationToken) -> Result<bool, Error> {
        if shutdown.is_cancelled() {
            return Ok(false);
        }
        let deadline = Instant::now() + DRAIN;
        self.shared.yields.cancel();
        loop {
            self.keep_released();
            self.start();
            if self.running.len() <= self.shared.released().len() {
                break;
            }
            let is_patient = !self.shared.abort_held.is_cancelled();
            let finished = tokio::select! {
                () = shutdown.cancelled() => return Ok(false),
                Some(finished) = self.running.join_next() => finished?,
                () = sleep_until(deadline), if is_patient => {
                    self.shared.abort_held.cancel();
                    continue;
                }
            };
            self.finish(finished).await;
        }
        self.give_back().await;
        let (over, flights) = self.tally.split();
        self.tally = over;
        self.show();
        self.tally = flights;
        Ok(true)
    }

    /// Drops work that was not started, unless the bus will not deliver its event again.
    fn keep_released(&mut self) {
        let released = self.shared.released();
        self.work.retain(|_, work| {
            let delivery = work.delivery();
            delivery.is_some_and(|delivery| released.contains(&delivery.sequence))
        });
    }

    /// Finishes what is in flight; what is not done in time is delivered again later.
    pub(super) async fn drain(&mut self, shutdown: &CancellationToken) -> Result<(), Error> {
        let abort = self.shared.abort.clone();
        let deadline = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let mut deadline = std::pin::pin!(deadline);
        self.start();
        while !self.running.is_empty() {
            let finished = tokio::select! {
                Some(finished) = self.running.join_next() => finished?,
                () = &mut deadline, if !abort.is_cancelled() => {
                    abort.cancel();
                    self.ready.clear();
                    continue;
                }
            };
            self.finish(finished).await;
            if !abort.is_cancelled() {
                self.start();
            }
        }
        self.give_back().await;
        Ok(())
    }

    /// Lets the bus deliver again what nobody is at.
    async fn give_back(&mut self) {
        let released = self.shared.released().clone();
        for (sequence, flight) in std::mem::take(&mut self.in_flight) {
            if released.contains(&sequence) {
                self.in_flight.insert(sequence, flight);
                continue;
            }
            self.tally.give_back();
            let delivery = flight.delivery.borrow().clone();
            delivery
                .retry_after(Duration::ZERO)
                .await
                .unwrap_or_default();
        }
    }
}
