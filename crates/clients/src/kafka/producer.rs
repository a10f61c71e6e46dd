//! Messages to a cluster of brokers, each with its acknowledgement.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use krafka::producer::Partitioner;
use krafka::{Compression, Record};
use serde::Serialize;

use super::config::ANSWER_WITHIN;
use super::{Config, Error};

/// How long a message may wait until the topic and its brokers are known, or for room.
const BLOCK_WITHIN: Duration = Duration::from_secs(10);

/// How much may wait for its acknowledgement.
const MEMORY: usize = 8 << 20;

/// How messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Production {
    /// Which acknowledgement is waited for.
    pub acks: Acks,
    /// Messages are compressed with snappy.
    pub is_compressed: bool,
    /// How long a message waits for others to go with.
    pub linger: Duration,
}

/// Which acknowledgement is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Acks {
    /// That of the partition's leader.
    Leader,
    /// Those of all replicas that are in sync.
    All,
}

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// What chooses its partition. `None`: any of them.
    pub key: Option<String>,
    /// Its value.
    pub value: Bytes,
    /// Its headers.
    pub headers: Vec<(String, Bytes)>,
}

/// Sends messages.
pub struct Producer(krafka::producer::Producer);

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kafka::Producer")
    }
}

impl Producer {
    /// Reaches the brokers.
    ///
    /// # Errors
    /// If the settings make no sense, or no broker can be reached.
    pub async fn connect(config: &Config, production: &Production) -> Result<Self, Error> {
        let kafka = config.connect().await?;
        let Production {
            acks,
            is_compressed,
            linger,
        } = *production;
        let builder = kafka
            .producer()
            .acks(match acks {
                Acks::Leader => krafka::producer::Acks::Leader,
                Acks::All => krafka::producer::Acks::All,
            })
            // What is sent again by the library is stored once.
            .idempotent(acks == Acks::All)
            .compression(if is_compressed {
                Compression::Snappy
            } else {
                Compression::None
            })
            .linger(linger)
            .delivery_timeout(linger + ANSWER_WITHIN * 2)
            .max_block(BLOCK_WITHIN)
            .buffer_memory(MEMORY)
            .partitioner(ByKey)
            .metrics_push(false);
        Ok(Self(builder.build().await?))
    }

    /// Sends a message, and returns when it is acknowledged.
    ///
    /// # Errors
    /// If it is not.
    ///
    /// # Cancellation
    /// The message may be sent all the same.
    pub async fn send(&self, message: Message) -> Result<(), Error> {
        let record = Record::new(message.topic, message.value);
        let record = match message.key {
            Some(key) => record.key(key),
            None => record,
        };
        let headers = message.headers.into_iter();
        let record = headers.fold(record, |record, (name, value)| record.header(name, value));
        self.0.send(record).await.map(drop).map_err(Error::from)
    }
}

/// Chooses partitions as Argo Events' client does: whoever takes over from it keeps the order of a key.
struct ByKey;

impl Partitioner for ByKey {
    fn partition(&self, _topic: &str, key: Option<&[u8]>, count: usize) -> i32 {
        let count = i32::try_from(count).unwrap_or(i32::MAX).max(1);
        match key {
            Some(key) => (fnv1a(key).cast_signed() % count).abs(),
            None => fastrand::i32(0..count),
        }
    }
}

/// The hash FNV-1a of 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_partition_that_sarama_gives_it() {
        // Published vectors of FNV-1a.
        assert_eq!(fnv1a(b""), 0x811c_9dc5);
        assert_eq!(fnv1a(b"a"), 0xe40c_292c);
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
        // 0xe40c292c is -468965076 as a signed number, and 0xbf9cf968 is -1080231576.
        assert_eq!(ByKey.partition("t", Some(b"a"), 7), 6);
        assert_eq!(ByKey.partition("t", Some(b"foobar"), 10), 6);
        for _ in 0..100 {
            assert!((0..3).contains(&ByKey.partition("t", None, 3)));
        }
    }
}
