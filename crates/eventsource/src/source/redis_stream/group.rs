//! The consumer group: made on demand, and put back where it was if it disappears.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, Value, cmd};

use super::reply::{Entry, last_delivered, read, taken_over};
use super::{BLOCK, RedisStream};
use crate::error::SourceError;

/// Entries that are pending for so long are claimed by other consumers.
const LEFT_AFTER: Duration = Duration::from_mins(1);

/// Reads what this consumer has read before and not acknowledged, from the start.
const PENDING: &str = "0-0";

/// Reads what no consumer of the group has read.
const NEW: &str = ">";

/// Starts behind everything that is there.
const END: &str = "$";

/// One consumer of a group.
pub(super) struct Group<'a> {
    source: &'a RedisStream,
    control: MultiplexedConnection,
    consumer: &'a str,
    /// One for each stream.
    places: Vec<Place>,
}

/// Where the group is in a stream.
struct Place {
    /// What to read next.
    next: String,
    /// The newest entry that the group is known to have got.
    last: String,
    /// Where looking for what others have left goes on.
    left: String,
}

impl<'a> Group<'a> {
    /// Makes the group where it is missing.
    pub(super) async fn open(
        source: &'a RedisStream,
        control: MultiplexedConnection,
        consumer: &'a str,
    ) -> Result<Self, SourceError> {
        let place = || Place {
            next: PENDING.to_owned(),
            last: END.to_owned(),
            left: PENDING.to_owned(),
        };
        let places = source.streams.iter().map(|_| place()).collect();
        let mut group = Self {
            source,
            control,
            consumer,
            places,
        };
        group.restore().await?;
        Ok(group)
    }

    /// Makes the group where it is missing: behind what it has got already, which is behind everything
    /// when it is new.
    pub(super) async fn restore(&mut self) -> Result<(), SourceError> {
        let (streams, name) = (&self.source.streams, &self.source.group);
        for (stream, place) in streams.iter().zip(&mut self.places) {
            let act = || format!("create the consumer group {name} of {stream}");
            let mut create = cmd("XGROUP");
            create.arg("CREATE").arg(stream).arg(name).arg(&place.last);
            create.arg("MKSTREAM");
            match create.query_async::<Value>(&mut self.control).await {
                Err(error) if error.code() != Some("BUSYGROUP") => {
                    let failed = self.source.server.failed(act(), error);
                    return Err(failed);
                }
                _ => {}
            }
            let mut info = cmd("XINFO");
            info.arg("GROUPS").arg(stream);
            let reply = info.query_async::<Value>(&mut self.control).await;
            let reply = reply.map_err(|error| self.source.server.failed(act(), error))?;
            if let Some(last) = last_delivered(reply, name) {
                place.last = last;
            }
        }
        Ok(())
    }

    /// Reads the next entries.
    pub(super) fn read(
        &self,
        reader: &MultiplexedConnection,
    ) -> BoxFuture<'static, Result<Value, RedisError>> {
        let mut command = self.command("XREADGROUP");
        let mut reader = reader.clone();
        command.arg("COUNT").arg(self.source.count);
        command
            .arg("BLOCK")
            .arg(u64::try_from(BLOCK.as_millis()).unwrap_or(1));
        command.arg("STREAMS").arg(&self.source.streams);
        for place in &self.places {
            command.arg(&place.next);
        }
        async move { command.query_async(&mut reader).await }.boxed()
    }

    /// The entries that were read, each with the number of its stream; the next read goes on behind them.
    pub(super) fn received(&mut self, reply: Value) -> Vec<(usize, Entry)> {
        let mut received = Vec::new();
        for (name, entries) in read(reply) {
            let mut streams = self.source.streams.iter();
            let Some(stream) = streams.position(|stream| stream.as_bytes() == name) else {
                continue;
            };
            let place = &mut self.places[stream];
            match entries.last() {
                Some(newest) if place.next == NEW => place.last.clone_from(&newest.id),
                Some(newest) => place.next.clone_from(&newest.id),
                // There is nothing left that this consumer has read before.
                None => NEW.clone_into(&mut place.next),
            }
            received.extend(entries.into_iter().map(|entry| (stream, entry)));
        }
        received
    }

    /// Acknowledges entries.
    pub(super) async fn acknowledge(
        &mut self,
        stream: usize,
        ids: &[String],
    ) -> Result<(), SourceError> {
        let mut command = cmd("XACK");
        command
            .arg(&self.source.streams[stream])
            .arg(&self.source.group)
            .arg(ids);
        self.ask("acknowledge entries of", &command).await.map(drop)
    }

    /// Shows that entries are still being worked on.
    pub(super) async fn keep(&mut self, stream: usize, ids: &[&str]) -> Result<(), SourceError> {
        let mut command = cmd("XCLAIM");
        command
            .arg(&self.source.streams[stream])
            .arg(&self.source.group)
            .arg(self.consumer);
        command.arg(0).arg(ids).arg("JUSTID");
        self.ask("keep entries of", &command).await.map(drop)
    }

    /// Takes over what other consumers have left, such as pods that are gone.
    pub(super) async fn take_over(&mut self) -> Result<Vec<(usize, Entry)>, SourceError> {
        let mut all = Vec::new();
        for stream in 0..self.places.len() {
            let mut command = cmd("XAUTOCLAIM");
            command
                .arg(&self.source.streams[stream])
                .arg(&self.source.group)
                .arg(self.consumer);
            command.arg(u64::try_from(LEFT_AFTER.as_millis()).unwrap_or(u64::MAX));
            command
                .arg(&self.places[stream].left)
                .arg("COUNT")
                .arg(self.source.count);
            match command.query_async::<Value>(&mut self.control).await {
                Ok(reply) => {
                    if let Some((next, entries)) = taken_over(reply) {
                        self.places[stream].left = next;
                        all.extend(entries.into_iter().map(|entry| (stream, entry)));
                    }
                }
                // The next read makes it again.
                Err(error) if is_group_missing(&error) => {}
                // Servers before 6.2 cannot: then only a pod of the same name goes on with them.
                Err(error) if is_unknown(&error) => return Ok(all),
                Err(error) => return Err(self.failed("take over entries of", error)),
            }
        }
        Ok(all)
    }

    /// Why something with the group failed.
    pub(super) fn failed(&self, verb: &str, error: RedisError) -> SourceError {
        let act = format!(
            "{verb} {} as group {}",
            self.source.streams.join(", "),
            self.source.group
        );
        self.source.server.failed(act, error)
    }

    async fn ask(&mut self, verb: &str, command: &Cmd) -> Result<Value, SourceError> {
        let answer = command.query_async(&mut self.control).await;
        answer.map_err(|error| self.failed(verb, error))
    }

    fn command(&self, name: &str) -> Cmd {
        let mut command = cmd(name);
        command
            .arg("GROUP")
            .arg(&self.source.group)
            .arg(self.consumer);
        command
    }
}

/// Somebody has deleted the stream or the group.
pub(super) fn is_group_missing(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}

fn is_unknown(error: &RedisError) -> bool {
    error
        .detail()
        .is_some_and(|detail| detail.contains("unknown command"))
}
