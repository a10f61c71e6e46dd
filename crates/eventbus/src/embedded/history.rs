//! Reads the messages of the embedded bus back.

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};

use super::{Core, Inner};
use crate::{Error, Past, StartAt, Until};

pub(super) fn read(
    inner: &Arc<Inner>,
    start: StartAt,
    until: Until,
) -> BoxStream<'static, Result<Past, Error>> {
    let core = inner.core();
    let end = (until == Until::Now).then(|| core.log.next());
    let next = core.log.first_of(start);
    drop(core);
    let read = stream::unfold(
        (Arc::clone(inner), next),
        move |(inner, mut next)| async move {
            loop {
                let stored = {
                    let mut core = inner.core();
                    if let Some(past) = past(&mut core, &inner, next, end) {
                        next = past.message.position.to_wire() + 1;
                        drop(core);
                        return Some((Ok(past), (inner, next)));
                    }
                    if end.is_some() {
                        return None;
                    }
                    // Made before the lock is given back: what is stored then wakes it.
                    Arc::clone(&core.stored).notified_owned()
                };
                tokio::select! {
                    () = inner.closed.cancelled() => return None,
                    () = stored => {}
                }
            }
        },
    );
    read.boxed()
}

/// The first message from `next` on, unless it lies behind the end.
fn past(core: &mut Core, inner: &Inner, next: u64, end: Option<u64>) -> Option<Past> {
    core.log.expire((inner.clock)());
    let entry = core.log.from(next).next()?;
    let end = end.unwrap_or(core.log.next());
    let left = end.checked_sub(entry.sequence + 1)?;
    Some(Past::of(entry.subject.clone(), entry.stored(), left))
}
