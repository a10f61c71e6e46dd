//! Reads what a stream holds, once, in few round trips.

use std::collections::HashSet;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::message::Message;
use futures::StreamExt as _;

use super::connect::{ANSWER_WITHIN, ApiError, Connection};

/// How many messages a request asks for.
const BATCH: usize = 500;

/// When the server forgets a reader that does not read.
const FORGET_AFTER: Duration = Duration::from_secs(20);

/// Hands the messages under `subjects` to `take`, in the order of the stream, at most `limit`.
pub(super) async fn messages(
    connection: &Connection,
    stream: &str,
    subjects: &str,
    deliver: DeliverPolicy,
    limit: usize,
    mut take: impl FnMut(u64, Message) + Send,
) -> Result<(), ApiError> {
    let config = pull::Config {
        deliver_policy: deliver,
        ack_policy: AckPolicy::None,
        filter_subject: subjects.to_owned(),
        inactive_threshold: FORGET_AFTER,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    let consumer = connection
        .context
        .create_consumer_on_stream(config, stream)
        .await?;
    let pending = usize::try_from(consumer.cached_info().num_pending).unwrap_or(usize::MAX);
    let mut left = pending.min(limit);
    // What is overwritten meanwhile comes again: it must not count twice.
    let mut seen = HashSet::new();
    while left > 0 {
        let batch = consumer
            .batch()
            .max_messages(left.min(BATCH))
            .expires(ANSWER_WITHIN);
        let mut batch = batch
            .messages()
            .await
            .map_err(|err| ApiError::Unavailable(err.into()))?;
        let mut got = 0;
        while let Some(message) = batch.next().await {
            let message = message.map_err(ApiError::Unavailable)?;
            let info = message.info().map_err(ApiError::Unavailable)?;
            let (sequence, pending) = (info.stream_sequence, info.pending);
            got += 1;
            left = left.saturating_sub(1);
            if seen.insert(sequence) {
                take(sequence, message);
            }
            if pending == 0 {
                left = 0;
                break;
            }
        }
        if got == 0 {
            return Err(ApiError::Unavailable("the stream stopped sending".into()));
        }
    }
    Ok(())
}
