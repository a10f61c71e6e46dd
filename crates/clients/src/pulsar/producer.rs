//! Messages to a topic, each with its receipt.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::frame::Frame;
use super::link::Link;
use super::proto::{Command, KeyValue, Metadata, NewProducer, Send};
use super::{Config, Error, Kind, lookup};

/// The number of the one producer on its connection.
const ID: u64 = 0;

/// How long a receipt may take: as long as Pulsar's own clients wait.
const RECEIPT_WITHIN: Duration = Duration::from_secs(30);

/// How many messages of a partition may wait for their receipts.
const IN_FLIGHT: usize = 256;

/// What the metadata of a message may take beside its properties, in bytes.
const AROUND: usize = 256;

/// A message.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its content.
    pub body: Bytes,
    /// What is said of it.
    pub properties: Vec<(String, String)>,
    /// When it is sent.
    pub publish_time: Timestamp,
    /// What chooses its partition: the same one for the same text.
    pub spread_by: String,
}

/// Sends messages to a topic.
pub struct Producer {
    config: Config,
    topic: String,
    /// The connection to each part of the topic, if it stands.
    lanes: Vec<(String, Mutex<Option<Lane>>)>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pulsar::Producer({})", self.topic)
    }
}

/// Messages to one partition, over one connection.
#[derive(Debug, Clone)]
struct Lane {
    jobs: mpsc::Sender<Job>,
    largest: usize,
    /// Ends with the last who may send.
    _task: std::sync::Arc<JoinSet<()>>,
}

#[derive(Debug)]
struct Job {
    message: Outgoing,
    done: oneshot::Sender<Result<(), Error>>,
}

/// What was sent and has no receipt yet.
type Waiting = BTreeMap<u64, (Instant, oneshot::Sender<Result<(), Error>>)>;

impl Producer {
    /// Finds out what a topic consists of, by its whole name.
    ///
    /// # Errors
    /// If no server can be reached, or it refuses.
    pub async fn connect(config: &Config, topic: &str) -> Result<Self, Error> {
        let parts = lookup::parts(config, topic).await?.into_iter();
        Ok(Self {
            config: config.clone(),
            topic: topic.to_owned(),
            lanes: parts.map(|part| (part, Mutex::default())).collect(),
        })
    }

    /// Sends a message, and returns when the broker has it.
    ///
    /// # Errors
    /// If it has not, or it is not known whether it has ([`Kind::Unconfirmed`]).
    ///
    /// # Cancellation
    /// The message may be sent all the same.
    pub async fn send(&self, message: Outgoing) -> Result<(), Error> {
        let hash = crc32c::crc32c(message.spread_by.as_bytes()) as usize;
        let number = hash % self.lanes.len();
        let lane = self.lane(number).await?;
        let properties = message.properties.iter();
        let properties = properties.map(|(name, value)| name.len() + value.len() + AROUND);
        let size = message.body.len() + properties.sum::<usize>() + AROUND;
        if size > lane.largest {
            let why = format!(
                "the message has {} bytes, the broker takes {}",
                message.body.len(),
                lane.largest
            );
            return Err(Error::new(Kind::TooLarge, why));
        }
        let (done, receipt) = oneshot::channel();
        let unsent = || Error::new(Kind::Unreachable, "the connection is lost");
        let job = Job { message, done };
        lane.jobs.send(job).await.map_err(|_| unsent())?;
        // What was sent is always answered; what was not is dropped with the connection.
        receipt.await.unwrap_or_else(|_| Err(unsent()))
    }

    /// The connection to a partition, which is opened if there is none.
    async fn lane(&self, number: usize) -> Result<Lane, Error> {
        let (part, lane) = &self.lanes[number];
        let mut lane = lane.lock().await;
        if let Some(open) = lane.as_ref().filter(|lane| !lane.jobs.is_closed()) {
            return Ok(open.clone());
        }
        let opened = Lane::open(&self.config, part).await?;
        Ok(lane.insert(opened).clone())
    }
}

impl Lane {
    async fn open(config: &Config, topic: &str) -> Result<Self, Error> {
        let mut link = lookup::find(config, topic).await?;
        let question = |request_id| NewProducer {
            topic: topic.to_owned(),
            producer_id: ID,
            request_id,
        };
        let name = match link.ask(question).await? {
            Command::ProducerSuccess(answer) => answer.producer_name,
            other => return Err(link.strange(&other)),
        };
        let (jobs, received) = mpsc::channel(IN_FLIGHT);
        let largest = link.largest();
        let mut task = JoinSet::new();
        task.spawn(carry(link, name, received));
        Ok(Self {
            jobs,
            largest,
            _task: std::sync::Arc::new(task),
        })
    }
}

/// Sends messages and tells of their receipts, until the connection is lost.
async fn carry(mut link: Link, name: String, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Waiting::new();
    let mut next = 0;
    let error = loop {
        if let Err(error) = link.flush().await {
            break error;
        }
        let deadline = waiting.values().map(|(deadline, _)| *deadline).min();
        tokio::select! {
            biased;
            frame = link.next() => match frame {
                Ok(None) => {}
                Ok(Some(frame)) => if let Err(error) = received(frame, &mut waiting, &link) {
                    break error;
                },
                Err(error) => break error,
            },
            job = jobs.recv(), if waiting.len() < IN_FLIGHT => {
                let Some(job) = job else { return };
                send(&mut link, &name, next, &job.message);
                waiting.insert(next, (Instant::now() + RECEIPT_WITHIN, job.done));
                next += 1;
            }
            () = until(deadline) => {
                let why = format!("no receipt in {} s", RECEIPT_WITHIN.as_secs());
                break link.failed(Kind::Unreachable, &why);
            }
        }
    };
    // What has not been sent is told by the end of the channel.
    for (_, (_, done)) in waiting {
        // Nobody may want to know any longer.
        drop(done.send(Err(error.clone().with_kind(Kind::Unconfirmed))));
    }
}

fn send(link: &mut Link, producer: &str, sequence_id: u64, message: &Outgoing) {
    let properties = message.properties.iter();
    let properties = properties.map(|(key, value)| KeyValue {
        key: key.clone(),
        value: value.clone().into(),
    });
    let milliseconds = message.publish_time.as_millisecond();
    let metadata = Metadata {
        producer_name: producer.to_owned(),
        sequence_id,
        publish_time: u64::try_from(milliseconds).unwrap_or_default(),
        properties: properties.collect(),
        ..Metadata::default()
    };
    let send = Send {
        producer_id: ID,
        sequence_id,
        num_messages: Some(1),
    };
    link.say_entry(send, &metadata, &message.body);
}

fn received(frame: Frame, waiting: &mut Waiting, link: &Link) -> Result<(), Error> {
    let (sequence, result) = match frame.command {
        Some(Command::SendReceipt(receipt)) => (receipt.sequence_id, Ok(())),
        Some(Command::SendError(refusal)) => {
            let error = Error::said(refusal.error, &refusal.message);
            // Some of the broker's disks may have it.
            let error = match error.kind() {
                Kind::Unreachable => error.with_kind(Kind::Unconfirmed),
                _ => error,
            };
            (refusal.sequence_id, Err(error))
        }
        Some(Command::CloseProducer(_)) => {
            let why = "the broker ends the producer: the topic is unloaded or deleted";
            return Err(link.failed(Kind::Moved, why));
        }
        _ => return Ok(()),
    };
    if let Some((_, done)) = waiting.remove(&sequence) {
        // Nobody may want to know any longer.
        drop(done.send(result));
    }
    Ok(())
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
