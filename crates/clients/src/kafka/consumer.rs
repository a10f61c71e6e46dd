//! Records of a topic: those of the partitions that a group gives its member, or of one partition.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use krafka::admin::DescribeClusterOptions;
use krafka::consumer::{
    AutoOffsetReset, ConsumerBuilder, ConsumerRebalanceListener, IsolationLevel, OffsetAndMetadata,
    PartitionAssignmentStrategy, TopicPartition,
};
use krafka::{CloseOptions, Kafka};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::config::ANSWER_WITHIN;
use super::{Config, Error, Kind};

/// How long one look for records takes: between two of them a member keeps up with its group.
const LOOK: Duration = Duration::from_secs(1);

/// How long a look that has nowhere to look waits.
const IDLE: Duration = Duration::from_millis(100);

/// How often it is asked whether the brokers are still there: the library tries for ever to read.
const CHECK: Duration = Duration::from_secs(3);

/// How long they have to answer. A frozen one leaves time for another.
const CHECK_WITHIN: Duration = Duration::from_secs(ANSWER_WITHIN.as_secs() + 1);

/// How many changes may wait for whoever reads them: the group waits for them, too.
const CHANGES: usize = 4;

/// How many records are handed out at a time, and kept beside them.
const RECORDS: i32 = 256;

/// How much a batch may grow when it is decompressed: more is an attack.
const DECOMPRESSED: usize = 64 << 20;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// When it was made, or stored, in milliseconds since 1970; negative if nobody knows.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` says that what has its key was deleted.
    pub value: Option<Bytes>,
    /// Its headers, in their order.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// A group that shares the partitions of a topic out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// A group that has read nothing yet begins with the oldest record, instead of the next one.
    pub oldest: bool,
    /// How it shares them out.
    pub strategy: Strategy,
}

/// How a group shares partitions out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Neighbours stay together.
    Range,
    /// In turns.
    RoundRobin,
    /// With as few moves as possible.
    Sticky,
}

/// What a consumer takes at a time, and how it keeps up with its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A broker answers when it has so many bytes, or after `wait`.
    pub min_bytes: i32,
    /// How many bytes of a partition one answer has at most, unless a single record is larger.
    pub partition_bytes: i32,
    /// How many bytes one answer has at most, unless a single record is larger.
    pub bytes: i32,
    /// How long a broker waits for `min_bytes`.
    pub wait: Duration,
    /// After so long without a sign of life a member is out of its group.
    pub session: Duration,
    /// How often it gives one.
    pub heartbeat: Duration,
    /// How long members have to give their partitions back when the group shares them out anew.
    pub rebalance: Duration,
    /// Records of transactions that are open or have failed are left out.
    pub committed_only: bool,
}

impl Default for Limits {
    /// What Argo Events' client has, except that memory is bounded.
    fn default() -> Self {
        Self {
            min_bytes: 1,
            partition_bytes: 1 << 20,
            bytes: 4 << 20,
            wait: Duration::from_millis(500),
            session: Duration::from_secs(10),
            heartbeat: Duration::from_secs(3),
            rebalance: Duration::from_mins(1),
            committed_only: false,
        }
    }
}

/// Where one begins to read a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At this offset; with the oldest record if the partition no longer has it.
    At(i64),
    /// With what comes next.
    Newest,
}

/// What a group does with the partitions of its member.
#[derive(Debug)]
pub enum Change {
    /// These come to it.
    Assigned(Vec<i32>),
    /// These go to another member as soon as `done` is used or dropped: until then their offsets can be
    /// committed.
    Revoked {
        /// Which.
        partitions: Vec<i32>,
        /// Lets them go.
        done: oneshot::Sender<()>,
    },
    /// These have gone to another member already.
    Lost(Vec<i32>),
}

/// Reads a topic. Clones are the same.
#[derive(Clone)]
pub struct Consumer {
    kafka: Kafka,
    inner: Arc<krafka::consumer::Consumer>,
    topic: Arc<str>,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka::Consumer({})", self.topic)
    }
}

impl Consumer {
    /// Becomes a member of a group. Read its changes beside [`Consumer::next`], which waits for that.
    ///
    /// # Errors
    /// If the settings make no sense, or no broker can be reached.
    pub async fn join(
        config: &Config,
        topic: &str,
        group: &Group,
        limits: &Limits,
    ) -> Result<(Self, mpsc::Receiver<Change>), Error> {
        let kafka = config.connect().await?;
        let (sender, changes) = mpsc::channel(CHANGES);
        let reset = if group.oldest {
            AutoOffsetReset::Earliest
        } else {
            AutoOffsetReset::Latest
        };
        let builder = limited(kafka.consumer(group.name.as_str()), limits)
            .auto_offset_reset(reset)
            .partition_assignment_strategy(match group.strategy {
                Strategy::Range => PartitionAssignmentStrategy::Range,
                Strategy::RoundRobin => PartitionAssignmentStrategy::RoundRobin,
                Strategy::Sticky => PartitionAssignmentStrategy::CooperativeSticky,
            })
            .rebalance_listener(Listener(sender));
        let inner = builder.build().await?;
        inner.subscribe([topic]).await?;
        Ok((Self::new(kafka, inner, topic), changes))
    }

    /// Reads one partition on its own, and says at which offset it begins.
    ///
    /// # Errors
    /// If the settings make no sense, no broker can be reached, or there is no such partition.
    pub async fn read(
        config: &Config,
        topic: &str,
        partition: i32,
        start: Start,
        limits: &Limits,
    ) -> Result<(Self, i64), Error> {
        let kafka = config.connect().await?;
        let builder = limited(kafka.consumer_without_group(), limits);
        let builder = builder.auto_offset_reset(AutoOffsetReset::Earliest);
        let inner = builder.build().await?;
        inner.assign(topic, vec![partition]).await?;
        let found = inner.fetch_metadata(Some(topic)).await?;
        let is_there = |topic: &krafka::TopicInfo| topic.partition(partition).is_some();
        if !found.topics.iter().any(is_there) {
            let message = format!("topic {topic} has no partition {partition}");
            return Err(Error::new(Kind::NotFound, message));
        }
        let offset = match start {
            Start::At(offset) => offset,
            Start::Newest => inner.fetch_watermarks(topic, partition).await?.1,
        };
        inner.seek(topic, partition, offset).await?;
        Ok((Self::new(kafka, inner, topic), offset))
    }

    fn new(kafka: Kafka, inner: krafka::consumer::Consumer, topic: &str) -> Self {
        Self {
            kafka,
            inner: Arc::new(inner),
            topic: topic.into(),
        }
    }

    /// The next records; none, if there are none for a moment, or if they are not `wanted`: then it only
    /// keeps up with the group, though records of partitions that come meanwhile may be among the answer.
    ///
    /// # Cancellation
    /// No record is lost. What the group does may be: do not drop it, unless the consumer is closed next.
    pub fn next(&self, wanted: bool) -> BoxFuture<'static, Result<Vec<Record>, Error>> {
        let (inner, topic) = (self.inner.clone(), self.topic.clone());
        async move {
            if wanted {
                return Ok(inner.poll(LOOK).await?.into_iter().map(record).collect());
            }
            let assigned = inner.assignment().await;
            let partitions = assigned.get(&*topic).map_or(&[][..], Vec::as_slice);
            inner.pause(&topic, partitions).await;
            let polled = inner.poll(LOOK).await;
            inner.resume(&topic, partitions).await;
            Ok(polled?.into_iter().map(record).collect())
        }
        .boxed()
    }

    /// Where reading begins in those of some partitions for which the group has committed nothing yet.
    ///
    /// # Errors
    /// If the brokers do not say.
    pub async fn starts(&self, partitions: &[i32]) -> Result<Vec<(i32, i64)>, Error> {
        let topic = &*self.topic;
        let asked: Vec<(&str, i32)> = partitions.iter().map(|number| (topic, *number)).collect();
        let committed = self.inner.committed(&asked).await?;
        let mut starts = Vec::new();
        for partition in partitions {
            if committed.contains_key(&(topic.to_owned(), *partition)) {
                continue;
            }
            let offset = self.inner.position(topic, *partition).await;
            let unknown =
                || format!("no broker says where partition {partition} of {topic} begins");
            let offset = offset.ok_or_else(|| Error::new(Kind::Unreachable, unknown()))?;
            starts.push((*partition, offset));
        }
        Ok(starts)
    }

    /// Commits for the group that everything before these offsets is done.
    ///
    /// # Errors
    /// If the brokers do not take it: a group that shares partitions out anew does not.
    pub async fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Error> {
        let offsets = offsets.iter().map(|(partition, offset)| {
            let partition = TopicPartition::new(&*self.topic, *partition);
            (partition, OffsetAndMetadata::new(*offset))
        });
        Ok(self.inner.commit_offsets(offsets).await?)
    }

    /// Returns when no broker answers any more, and says what is wrong.
    pub async fn lost(&self) -> Error {
        let admin = self.kafka.admin();
        loop {
            sleep(CHECK).await;
            let options = DescribeClusterOptions::default().timeout(CHECK_WITHIN);
            if let Err(error) = admin.describe_cluster(options).await {
                return error.into();
            }
        }
    }

    /// Leaves the group, within a time. Nobody has to read the changes any more.
    ///
    /// # Errors
    /// If the brokers do not hear of it: they notice later.
    pub async fn close(&self, within: Duration) -> Result<(), Error> {
        let options = CloseOptions::new().timeout(within);
        Ok(self.inner.close_with(options).await?)
    }
}

fn limited(builder: ConsumerBuilder, limits: &Limits) -> ConsumerBuilder {
    let isolation = if limits.committed_only {
        IsolationLevel::ReadCommitted
    } else {
        IsolationLevel::ReadUncommitted
    };
    builder
        .enable_auto_commit(false)
        .fetch_min_bytes(limits.min_bytes)
        .max_partition_fetch_bytes(limits.partition_bytes)
        .fetch_max_bytes(limits.bytes)
        .fetch_max_wait(limits.wait)
        .session_timeout(limits.session)
        .heartbeat_interval(limits.heartbeat)
        .max_poll_interval(limits.rebalance)
        .isolation_level(isolation)
        .max_poll_records(RECORDS)
        .max_buffered_records(RECORDS)
        .max_decompressed_size(DECOMPRESSED)
        .idle_poll_backoff(IDLE)
        .metrics_push(false)
}

fn record(record: krafka::ConsumerRecord) -> Record {
    Record {
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key,
        value: record.value,
        headers: record.headers,
    }
}

/// Tells of changes. When nobody reads them any more, nothing waits for that.
struct Listener(mpsc::Sender<Change>);

impl Listener {
    async fn tell(&self, change: Change) {
        // The reader is gone when the consumer is being closed.
        drop(self.0.send(change).await);
    }
}

fn numbers(partitions: &[TopicPartition]) -> Vec<i32> {
    partitions.iter().map(TopicPartition::partition).collect()
}

impl ConsumerRebalanceListener for Listener {
    async fn on_partitions_assigned(&self, partitions: &[TopicPartition]) {
        self.tell(Change::Assigned(numbers(partitions))).await;
    }

    async fn on_partitions_revoked(&self, partitions: &[TopicPartition]) {
        let (done, let_go) = oneshot::channel();
        let partitions = numbers(partitions);
        self.tell(Change::Revoked { partitions, done }).await;
        drop(let_go.await);
    }

    async fn on_partitions_lost(&self, partitions: &[TopicPartition]) {
        self.tell(Change::Lost(numbers(partitions))).await;
    }
}
