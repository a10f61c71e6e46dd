//! Hands on what an upstream says that asks for no acknowledgement.

use futures::{FutureExt as _, Stream, StreamExt as _};

use super::backlog::Backlog;
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::incoming::Incoming;
use crate::pump::InHand;

/// Hands on what comes from `messages`, in that order, until the context's `shutdown` or until
/// `broken` says what has failed. The upstream waits for nobody: what comes while nothing may be handed
/// on waits in a bounded queue, and what has no room there is lost, which is counted and said.
pub(in crate::source) async fn forward(
    context: &SourceContext,
    messages: impl Stream<Item = Incoming>,
    broken: impl Future<Output = SourceError>,
) -> Result<(), SourceError> {
    let mut messages = std::pin::pin!(messages.fuse());
    let mut broken = std::pin::pin!(broken);
    let mut in_hand = context.publisher().in_hand();
    let mut backlog = Backlog::default();
    let ended = loop {
        tokio::select! {
            biased;
            () = context.shutdown().cancelled() => break Ok(()),
            _ = in_hand.settled() => {}
            permit = context.publisher().permit(), if backlog.len() > 0 => {
                if let Some(incoming) = backlog.pop() {
                    in_hand.hand_on(permit, incoming, ());
                }
            }
            Some(incoming) = messages.next() => lost(backlog.push(incoming), context),
            error = &mut broken => break Err(error),
        }
    };
    // What has arrived in full is still wanted.
    while let Some(Some(incoming)) = messages.next().now_or_never() {
        lost(backlog.push(incoming), context);
    }
    finish(backlog, &mut in_hand, context);
    ended
}

/// Hands on what waits, as far as that is possible at once.
fn finish(mut backlog: Backlog, in_hand: &mut InHand<()>, context: &SourceContext) {
    while backlog.len() > 0 {
        let Some(permit) = context.publisher().permit().now_or_never() else {
            break;
        };
        if let Some(incoming) = backlog.pop() {
            in_hand.hand_on(permit, incoming, ());
        }
    }
    lost(backlog.len(), context);
}

fn lost(messages: usize, context: &SourceContext) {
    for _ in 0..messages {
        context.refused(
            "a message was lost: it came while the bus took none, and more than 8 MiB waited",
        );
    }
}
