//! Tasks that are stopped and awaited together.

use std::error::Error;
use std::time::Duration;

use tiphys_api::message::with_causes;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Why a task has stopped, whatever kind of task it was.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Tasks of one kind, and what stops them.
#[derive(Default)]
pub struct Group {
    tasks: JoinSet<(String, Result<(), BoxError>)>,
    /// Asks them to finish.
    pub stop: CancellationToken,
}

/// How a task ended.
type Ended = Result<(String, Result<(), BoxError>), JoinError>;

impl Group {
    /// Starts a task; `start` gets the token that asks it to finish.
    pub fn spawn<F>(&mut self, name: String, start: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let task = start(self.stop.clone());
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits for a task to end, and says why it did; `None` if there is none.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn ended(&mut self) -> Option<()> {
        let ended = self.tasks.join_next().await?;
        report(ended);
        Some(())
    }

    /// Whether none of them runs.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Waits for all of them.
    pub async fn finish(&mut self) {
        while self.ended().await.is_some() {}
    }

    /// Asks all of them to finish, and ends those that take longer than `time`.
    pub async fn end_within(mut self, time: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(time, self.finish()).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

fn report(ended: Ended) {
    match ended {
        Ok((_, Ok(()))) => {}
        Ok((name, Err(error))) => error!(error = with_causes(&*error), "Stopped: {name}"),
        Err(error) => error!(error = error.to_string(), "A task died"),
    }
}
