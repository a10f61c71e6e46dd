//! Entries of Redis streams as a source, through a consumer group: an entry is acknowledged after the bus
//! has its event, and whatever was not is read again. All pods share the entries; each is a consumer of
//! its own.

mod group;
mod reply;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tiphys_api::{Problem, RedisStreamEventSource};
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::group::{Group, is_group_missing};
use self::reply::Entry;
use super::broker::Members;
use super::redis::server::{ANSWER_WITHIN, Server};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::{Incoming, Verdict};
use crate::pump::InHand;
use crate::served::payload::metadata;
use crate::status::Condition;

/// The group if the spec names none: that of Argo Events.
const GROUP: &str = "argo-events-cg";

/// How many entries of each stream are read at a time if the spec says nothing: as in Argo Events.
const COUNT: u32 = 10;

/// How long a read waits for entries.
const BLOCK: Duration = Duration::from_secs(2);

/// How often what is in hand is shown to be worked on, and what others have left is looked for.
const LOOK: Duration = Duration::from_secs(20);

/// Entries of some streams.
#[derive(Debug)]
pub(crate) struct RedisStream {
    server: Server,
    streams: Vec<String>,
    group: String,
    count: u32,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

/// What is being read, and what was.
struct Work<'a> {
    source: &'a RedisStream,
    context: &'a SourceContext,
    group: Group<'a>,
    reader: MultiplexedConnection,
    reading: Option<BoxFuture<'static, Result<Value, RedisError>>>,
    /// What was read and not handed on yet, each with the number of its stream.
    ready: VecDeque<(usize, Entry)>,
    in_hand: InHand<(usize, String)>,
}

impl SourceKind for RedisStream {
    type Spec = RedisStreamEventSource;

    fn compile(path: &str, spec: &RedisStreamEventSource) -> Result<Self, Vec<Problem>> {
        let count = match *spec.max_msg_count_per_read {
            0 => COUNT,
            count => u32::try_from(count).map_err(|_| {
                let path = format!("{path}.maxMsgCountPerRead");
                vec![Problem::error(path, "a number above 0 is needed")]
            })?,
        };
        let group = Some(spec.consumer_group.to_string()).filter(|group| !group.is_empty());
        Ok(Self {
            server: Server {
                path: path.to_owned(),
                address: spec.host_address.to_string(),
                username: spec.username.to_string(),
                password: spec.password.clone(),
                db: *spec.db,
                tls: spec.tls.clone(),
            },
            streams: (*spec.streams).clone(),
            group: group.unwrap_or_else(|| GROUP.to_owned()),
            count,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for RedisStream {
    fn placement(&self) -> Placement {
        Placement::AllPods
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        // A read that waits holds up what comes behind it on its connection.
        let reader = self.server.connection(context, BLOCK + ANSWER_WITHIN);
        let (reader, reading) = reader.await?;
        let (control, controlling) = self.server.connection(context, ANSWER_WITHIN).await?;
        tokio::select! {
            ended = self.work(reader, control, context) => ended,
            () = reading => Err(self.lost()),
            () = controlling => Err(self.lost()),
        }
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        // The body of an entry is an object of texts.
        let values: BTreeMap<String, String> = match input {
            Input::Example => BTreeMap::from([("message".to_owned(), "hello".to_owned())]),
            Input::Body { body, .. } => serde_json::from_slice(body)?,
            _ => return Err(input.unfit("redisStream")),
        };
        let stream = self.streams.first().map_or("", String::as_str);
        let entry = Entry {
            id: format!("{}-0", now.as_millisecond()),
            fields: Some(
                values
                    .into_iter()
                    .map(|(name, value)| (name.into_bytes(), value.into_bytes()))
                    .collect(),
            ),
        };
        let fields = entry.fields.as_deref().unwrap_or_default();
        Ok(Draft::of(self.payload(stream, &entry.id, fields)))
    }
}

impl RedisStream {
    async fn work(
        &self,
        reader: MultiplexedConnection,
        control: MultiplexedConnection,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        let group = Group::open(self, control, context.pod()).await?;
        context.condition(Condition::Working);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let work = Work {
            source: self,
            context,
            group,
            reader,
            reading: None,
            ready: VecDeque::new(),
            in_hand: context.publisher().in_hand(),
        };
        work.run(look).await
    }

    fn lost(&self) -> SourceError {
        let act = format!("read from {}", self.server.address);
        SourceError::new(Reason::Unreachable, act).because("the connection is lost")
    }

    /// Nothing, if the entry was deleted from the stream after it was read for the first time.
    fn incoming(&self, stream: usize, entry: &Entry) -> Option<Incoming> {
        let stream = &*self.streams[stream];
        let payload = self.payload(stream, &entry.id, entry.fields.as_deref()?);
        Some(Incoming::new(payload).identified_by([stream, &entry.id]))
    }

    fn payload(&self, stream: &str, id: &str, fields: &[(Vec<u8>, Vec<u8>)]) -> Bytes {
        // The last of several fields with one name stays, as in Argo Events.
        let values: BTreeMap<&[u8], &[u8]> = fields
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        let size = fields.iter().map(|(name, value)| name.len() + value.len());
        Members::with_room_for(size.sum())
            .text("stream", stream.as_bytes())
            .text("message_id", id.as_bytes())
            .texts("values", values)
            .finish(&self.metadata)
    }
}

impl Work<'_> {
    async fn run(mut self, mut look: Interval) -> Result<(), SourceError> {
        loop {
            if self.ready.is_empty() && self.reading.is_none() {
                self.reading = Some(self.group.read(&self.reader));
            }
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break,
                settled = self.in_hand.settled() => self.settle(settled).await?,
                permit = self.context.publisher().permit(), if !self.ready.is_empty() => {
                    let Some((stream, entry)) = self.ready.pop_front() else {
                        continue;
                    };
                    match self.source.incoming(stream, &entry) {
                        Some(incoming) => {
                            self.in_hand.hand_on(permit, incoming, (stream, entry.id));
                        }
                        None => self.group.acknowledge(stream, &[entry.id]).await?,
                    }
                }
                reply = read(&mut self.reading) => {
                    self.reading = None;
                    self.received(reply).await?;
                }
                _ = look.tick() => self.look().await?,
            }
        }
        while !self.in_hand.is_empty() {
            let settled = self.in_hand.settled().await;
            self.settle(settled).await?;
        }
        Ok(())
    }

    async fn received(&mut self, reply: Result<Value, RedisError>) -> Result<(), SourceError> {
        match reply {
            Ok(value) => {
                let read = self.group.received(value);
                self.ready.extend(read);
                Ok(())
            }
            Err(error) if is_group_missing(&error) => self.group.restore().await,
            Err(error) => Err(self.group.failed("read", error)),
        }
    }

    /// Acknowledges what has a verdict, all of it at once.
    async fn settle(&mut self, first: ((usize, String), Verdict)) -> Result<(), SourceError> {
        let mut done: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut next = Some(first);
        while let Some(((stream, id), verdict)) = next {
            match verdict {
                Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
                    done.entry(stream).or_default().push(id);
                }
                // It stays pending, and is read again by the next start or another pod.
                Verdict::GivenBack(_) => {}
            }
            next = self.in_hand.settled().now_or_never();
        }
        for (stream, ids) in done {
            self.group.acknowledge(stream, &ids).await?;
        }
        Ok(())
    }

    /// Shows what is worked on, and takes over what others have left.
    async fn look(&mut self) -> Result<(), SourceError> {
        let mut held: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (stream, id) in self.in_hand.upstreams() {
            held.entry(*stream).or_default().push(id);
        }
        for (stream, entry) in &self.ready {
            held.entry(*stream).or_default().push(&entry.id);
        }
        for (stream, ids) in held {
            self.group.keep(stream, &ids).await?;
        }
        if self.ready.is_empty() {
            let left = self.group.take_over().await?;
            self.ready.extend(left);
        }
        Ok(())
    }
}

async fn read(
    reading: &mut Option<BoxFuture<'static, Result<Value, RedisError>>>,
) -> Result<Value, RedisError> {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_members_of_argo_events() {
        let spec = r#"{"hostAddress":"a:1","streams":["orders"],"metadata":{"a":"1"}}"#;
        let source = serde_json::from_str(spec).unwrap();
        let source = RedisStream::compile("spec.redisStream.ev", &source).unwrap();
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let fields = [field("z", "1"), field("a \"", "{}"), field("z", "2")];
        let payload = source.payload("orders", "1526919030474-55", &fields);
        assert_eq!(
            payload,
            concat!(
                r#"{"stream":"orders","message_id":"1526919030474-55","#,
                r#""values":{"a \"":"{}","z":"2"},"metadata":{"a":"1"}}"#
            )
        );
        assert_eq!(source.group, "argo-events-cg");
        assert_eq!(source.count, 10);
    }

    #[test]
    fn a_negative_count_is_a_fault() {
        let spec = r#"{"hostAddress":"a:1","streams":["s"],"maxMsgCountPerRead":-1}"#;
        let spec = serde_json::from_str(spec).unwrap();
        let problems = RedisStream::compile("spec.redisStream.ev", &spec).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "error: spec.redisStream.ev.maxMsgCountPerRead: a number above 0 is needed"
        );
    }
}
