//! Points in time as a source: an event at each of them.
//!
//! The last tick that the bus has is kept on the bus, so that a restart or another pod goes on where this
//! one was; the id of an event is made of its tick, so that one that was published and not yet kept is
//! not published again.

mod schedule;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tiphys_api::{CalendarEventSource, Problem};
use tokio::time::{Instant, sleep};

use self::schedule::{Schedule, whole_seconds};
use super::go_time::go_time;
use super::{Placement, Source, SourceKind};
use crate::clock::Clock;
use crate::context::SourceContext;
use crate::cursor::Cursor;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::{Incoming, Verdict};
use crate::status::Condition;

/// How long the clock is not looked at: it may be set while a tick is waited for.
const LOOK: Duration = Duration::from_secs(30);

/// A tick that is so late is one that was missed.
const LATE: SignedDuration = SignedDuration::from_secs(1);

/// Ticks are published, and kept, in this order.
const ORDER: &str = "ticks";

/// A calendar that is ready to run.
#[derive(Debug)]
pub(crate) struct Calendar {
    schedule: Schedule,
    metadata: BTreeMap<String, String>,
}

/// What is kept on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Position {
    /// The last tick that is published; before the first one, when it all began.
    last_tick: Timestamp,
}

impl SourceKind for Calendar {
    type Spec = CalendarEventSource;

    fn compile(path: &str, spec: &CalendarEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            schedule: Schedule::compile(path, spec)?,
            metadata: (*spec.metadata).clone(),
        })
    }
}

#[async_trait]
impl Source for Calendar {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        tokio::select! {
            biased;
            () = context.shutdown().cancelled() => Ok(()),
            ended = self.tick(context) => ended,
        }
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let Input::Example = input else {
            return Err(input.unfit("calendar"));
        };
        let tick = self.schedule.next(now).unwrap_or(now);
        Ok(Draft {
            identity: self.incoming(tick, None).id,
            ..Draft::of(self.payload(&go_time(tick, &self.schedule.zone)))
        })
    }
}

impl Calendar {
    /// Publishes ticks until there are no more.
    async fn tick(&self, context: &SourceContext) -> Result<(), SourceError> {
        let clock = context.clock();
        let began = Instant::now();
        let cursor = context.cursor().await?;
        let now = clock.now();
        let last = if let Some(Position { last_tick }) = load(&cursor).await? {
            self.schedule.resume(last_tick, now)
        } else {
            let began = whole_seconds(now);
            store(&cursor, began).await?;
            began
        };
        context.condition(Condition::Working);
        let publisher = context.publisher();
        let mut in_hand = publisher.in_hand();
        let mut next = self.expect(last, context);
        loop {
            let due = async {
                match next {
                    Some(tick) => {
                        until(tick, clock).await;
                        let (time, uptime) = (clock.now(), began.elapsed());
                        let is_late = time.duration_since(tick) >= LATE;
                        let fired = (!is_late).then_some((time, uptime));
                        (publisher.permit().await, tick, fired)
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                settled = in_hand.settled() => {
                    let mut tick = moved(settled)?;
                    // However many are settled, the cursor moves once.
                    while let Some(settled) = in_hand.settled().now_or_never() {
                        tick = moved(settled)?;
                    }
                    store(&cursor, tick).await?;
                }
                (permit, tick, fired) = due => {
                    in_hand.hand_on(permit, self.incoming(tick, fired), tick);
                    next = self.expect(tick, context);
                }
            }
        }
    }

    /// The tick after `last`.
    fn expect(&self, last: Timestamp, context: &SourceContext) -> Option<Timestamp> {
        let tick = self.schedule.next(last)?;
        if tick > context.clock().now() {
            tracing::info!(
                namespace = %context.event().namespace,
                eventSourceName = %context.event().source,
                eventName = %context.event().name,
                eventSourceType = "calendar",
                time = %tick,
                "expected next calendar event"
            );
        }
        Some(tick)
    }

    /// The event of a tick, which was fired at a time and so long after the start; not if it is late.
    fn incoming(&self, tick: Timestamp, fired: Option<(Timestamp, Duration)>) -> Incoming {
        let time = match fired {
            // As Argo Events, which prints what the timer gives it: in UTC, with the process' uptime.
            Some((time, uptime)) => format!(
                "{} m=+{}.{:09}",
                go_time(time, &TimeZone::UTC),
                uptime.as_secs(),
                uptime.subsec_nanos()
            ),
            None => go_time(tick, &self.schedule.zone),
        };
        Incoming::new(self.payload(&time))
            .identified_by([tick.to_string()])
            .in_order(ORDER)
    }

    fn payload(&self, event_time: &str) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload<'a> {
            event_time: &'a str,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            metadata: &'a BTreeMap<String, String>,
        }
        let payload = Payload {
            event_time,
            metadata: &self.metadata,
        };
        // Texts can always be written.
        serde_json::to_vec(&payload).unwrap_or_default().into()
    }
}

/// Waits until it is time.
async fn until(tick: Timestamp, clock: &Clock) {
    loop {
        let wait = tick.duration_since(clock.now());
        if wait <= SignedDuration::ZERO {
            return;
        }
        sleep(Duration::try_from(wait).unwrap_or(LOOK).min(LOOK)).await;
    }
}

/// Up to where the cursor may move.
fn moved((tick, verdict): (Timestamp, Verdict)) -> Result<Timestamp, SourceError> {
    match verdict {
        Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => Ok(tick),
        // A calendar may wait for ever, so this is the end of the event.
        Verdict::GivenBack(_) => {
            let act = format!("publish the event of {tick}");
            Err(SourceError::new(Reason::Unreachable, act))
        }
    }
}

async fn load(cursor: &Cursor) -> Result<Option<Position>, SourceError> {
    let stored = cursor.load().await?;
    // What another kind of the same name has left says nothing.
    Ok(stored.and_then(|stored| serde_json::from_slice(&stored).ok()))
}

async fn store(cursor: &Cursor, last_tick: Timestamp) -> Result<(), SourceError> {
    let position = serde_json::to_vec(&Position { last_tick });
    cursor.store(position.unwrap_or_default().into()).await
}

#[cfg(test)]
mod tests;
