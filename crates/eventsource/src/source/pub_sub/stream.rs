//! A stream of messages.

use tiphys_clients::grpc::Error;
use tiphys_clients::grpc::pubsub::{Messages, StreamingPullResponse};
use tokio::time::Instant;

/// A stream of messages.
pub(super) struct Listening {
    pub(super) messages: Messages,
    pub(super) since: Instant,
    /// Nobody has refused it.
    pub(super) is_agreed: bool,
    /// The first ping that has no answer yet.
    pub(super) pinged: Option<Instant>,
}

impl Listening {
    pub(super) fn new(messages: Messages) -> Self {
        let now = Instant::now();
        let mut stream = Self {
            messages,
            since: now,
            is_agreed: false,
            pinged: Some(now),
        };
        // Who answers it has agreed.
        stream.messages.ping();
        stream
    }
}

/// What comes next on a stream; never, if there is none.
pub(super) async fn said(
    stream: &mut Option<Listening>,
) -> Result<Option<StreamingPullResponse>, Error> {
    match stream {
        Some(stream) => stream.messages.next().await,
        None => std::future::pending().await,
    }
}
