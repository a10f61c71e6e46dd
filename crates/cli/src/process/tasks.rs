//! Tasks that are stopped and awaited together.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Tasks of one kind, and what stops them.
#[derive(Default)]
pub(crate) struct Group {
    tasks: JoinSet<(String, anyhow::Result<()>)>,
    /// Tells them to finish.
    pub(crate) stop: CancellationToken,
}

/// How a task ended.
type Ended = Result<(String, anyhow::Result<()>), JoinError>;

impl Group {
    /// Starts a task; `start` gets what tells it to finish.
    pub(crate) fn spawn<F>(&mut self, name: String, start: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = start(self.stop.clone());
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits for a task to end, and says why it did; `None` if there is none.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(crate) async fn ended(&mut self) -> Option<()> {
        let ended = self.tasks.join_next().await?;
        report(ended);
        Some(())
    }

    /// Whether none of them runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Waits for all of them.
    pub(crate) async fn finish(&mut self) {
        while self.ended().await.is_some() {}
    }

    /// Tells all of them to finish, and ends those that take longer than `time`.
    pub(crate) async fn end_within(mut self, time: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(time, self.finish()).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

fn report(ended: Ended) {
    match ended {
        Ok((_, Ok(()))) => {}
        Ok((name, Err(error))) => error!(error = format!("{error:#}"), "Stopped: {name}"),
        Err(error) => error!(error = error.to_string(), "A task died"),
    }
}
