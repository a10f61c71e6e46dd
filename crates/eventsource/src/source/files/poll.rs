//! Files that somebody else has, listed in intervals.

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tiphys_api::parse_duration;
use tokio::time::sleep;

use super::{Rules, Snapshot, Telling};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::status::Condition;

/// How many files may count: each takes some hundred bytes of memory, and as many on the bus.
pub(in crate::source) const MOST_FILES: usize = 100_000;

/// The shortest pause: a server is no busier with a client than with a user at a terminal.
const SHORTEST_PAUSE: SignedDuration = SignedDuration::from_millis(100);

/// Lists files.
#[async_trait]
pub(in crate::source) trait Lister: Send + Sync {
    /// All files that count, at most [`MOST_FILES`].
    async fn list(&self) -> Result<Snapshot, SourceError>;
}

/// Tells what happens to files until the context's `shutdown`: what happened since they were listed last,
/// by whatever pod.
///
/// # Errors
/// If they cannot be listed, or the bus cannot be asked. What was handed on until then is kept.
pub(in crate::source) async fn poll(
    rules: &Rules,
    context: &SourceContext,
    lister: &dyn Lister,
    pause: Duration,
) -> Result<(), SourceError> {
    let seen = tokio::select! {
        biased;
        () = context.shutdown().cancelled() => return Ok(()),
        seen = lister.list() => seen?,
    };
    let mut telling = Telling::new(rules, context, seen);
    telling.catch_up().await?;
    context.condition(Condition::Working);
    let look = || {
        Box::pin(async {
            sleep(pause).await;
            lister.list().await
        })
    };
    let mut looking = look();
    let ended = loop {
        tokio::select! {
            biased;
            () = context.shutdown().cancelled() => break Ok(()),
            settled = telling.settled() => telling.settle(settled).await?,
            permit = context.publisher().permit(), if !telling.is_idle() => telling.hand_on(permit),
            // What is to be told is bounded by what one list shows.
            seen = &mut looking, if telling.is_idle() => match seen {
                Ok(seen) => {
                    telling.compare(seen).await?;
                    looking = look();
                }
                Err(error) => break Err(error),
            }
        }
    };
    telling.finish().await?;
    ended
}

/// The pause between two looks that a spec says, or `usual`.
///
/// # Errors
/// What is wrong with it.
pub(in crate::source) fn pause(text: &str, usual: SignedDuration) -> Result<Duration, String> {
    let pause = match text {
        "" => usual,
        text => parse_duration(text).map_err(|error| error.to_string())?,
    };
    if pause < SHORTEST_PAUSE {
        return Err(format!("{text:?} is shorter than 100ms"));
    }
    pause
        .try_into()
        .map_err(|_| format!("{text:?} is no pause"))
}
