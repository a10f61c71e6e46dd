//! Entries: what a producer sent at once, one message or a batch of them.

use bytes::{Buf as _, Bytes};
use prost::Message as _;

use super::codec::decompress;
use super::frame;
use super::proto::{Delivery, MessageId, Metadata, SingleMetadata};

/// An entry of a topic, or of one partition of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is acknowledged by.
    pub id: EntryId,
    /// Its messages that are not acknowledged yet; there may be none.
    pub messages: Result<Vec<Message>, Unreadable>,
    /// How many messages the broker has counted for it.
    pub permits: usize,
}

/// What an entry is known by in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    /// The ledger.
    pub ledger: u64,
    /// The number in the ledger.
    pub entry: u64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place in the batch that its entry is; -1 if that is none.
    pub batch_index: i32,
    /// Its key; empty if it has none.
    pub key: String,
    /// When it was sent, in milliseconds since 1970.
    pub publish_time: u64,
    /// Its content.
    pub body: Bytes,
}

/// Why an entry has no messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The entry as it came.
    pub raw: Bytes,
    /// What is wrong with it.
    pub why: String,
}

impl From<&MessageId> for EntryId {
    fn from(id: &MessageId) -> Self {
        Self {
            ledger: id.ledger,
            entry: id.entry,
        }
    }
}

impl From<EntryId> for MessageId {
    fn from(id: EntryId) -> Self {
        Self {
            ledger: id.ledger,
            entry: id.entry,
        }
    }
}

impl Entry {
    /// What a broker has delivered.
    pub(super) fn read(delivery: &Delivery, rest: Bytes) -> Self {
        let id = EntryId::from(&delivery.id);
        let unreadable = |raw: Bytes, why: String, permits| Self {
            id,
            messages: Err(Unreadable { raw, why }),
            permits,
        };
        let (metadata, payload) = match frame::entry(rest.clone()) {
            Ok(entry) => entry,
            Err(error) => return unreadable(rest, error.to_string(), 1),
        };
        let is_left = |index| is_left(&delivery.ack_set, index);
        let permits = match metadata.num_messages_in_batch {
            Some(count) => (0..count).filter(|index| is_left(*index)).count(),
            None => 1,
        };
        if metadata.marker_type.is_some() {
            return Self {
                id,
                messages: Ok(Vec::new()),
                permits,
            };
        }
        match messages(&metadata, payload.clone(), is_left) {
            Ok(messages) => Self {
                id,
                messages: Ok(messages),
                permits,
            },
            Err(why) => unreadable(payload, why, permits),
        }
    }
}

/// The messages of an entry, or why they cannot be read.
fn messages(
    metadata: &Metadata,
    payload: Bytes,
    is_left: impl Fn(i32) -> bool,
) -> Result<Vec<Message>, String> {
    if metadata.num_chunks.is_some_and(|chunks| chunks > 1) {
        return Err("it is one of several chunks of a message, which are not put together".into());
    }
    if !metadata.encryption_keys.is_empty() {
        return Err("it is encrypted by its producer".into());
    }
    let payload = decompress(metadata, payload).map_err(|error| error.to_string())?;
    let Some(count) = metadata.num_messages_in_batch else {
        return Ok(vec![Message {
            batch_index: -1,
            key: metadata.key.clone().unwrap_or_default(),
            publish_time: metadata.publish_time,
            body: payload,
        }]);
    };
    unpack(count, metadata.publish_time, payload, is_left)
        .ok_or_else(|| format!("it is no batch of {count} messages"))
}

fn unpack(
    count: i32,
    publish_time: u64,
    mut payload: Bytes,
    is_left: impl Fn(i32) -> bool,
) -> Option<Vec<Message>> {
    let mut messages = Vec::new();
    for batch_index in 0..count {
        let length = payload.try_get_u32().ok()? as usize;
        if payload.len() < length {
            return None;
        }
        let single = SingleMetadata::decode(payload.split_to(length)).ok()?;
        let length = usize::try_from(single.payload_size).ok()?;
        if payload.len() < length {
            return None;
        }
        let body = payload.split_to(length);
        if is_left(batch_index) && !single.is_compacted_out.unwrap_or_default() {
            messages.push(Message {
                batch_index,
                key: single.key.unwrap_or_default(),
                publish_time,
                body,
            });
        }
    }
    Some(messages)
}

/// Whether a message of a batch is not acknowledged yet.
fn is_left(ack_set: &[i64], index: i32) -> bool {
    let Ok(index) = usize::try_from(index) else {
        return true;
    };
    ack_set.is_empty()
        || ack_set
            .get(index / 64)
            .is_some_and(|bits| bits >> (index % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::super::proto::{Command, KeyValue, Ping};
    use super::*;

    fn entry(ack_set: &[i64], metadata: &Metadata, payload: &[u8]) -> Entry {
        let mut out = Vec::new();
        frame::encode_entry(Command::from(Ping {}), metadata, payload, &mut out);
        // Two lengths and the command come first.
        let rest = Bytes::from(out).slice(13..);
        let delivery = Delivery {
            consumer_id: 0,
            id: MessageId {
                ledger: 7,
                entry: 9,
            },
            ack_set: ack_set.to_vec(),
        };
        Entry::read(&delivery, rest)
    }

    fn metadata(batch: Option<i32>) -> Metadata {
        Metadata {
            publish_time: 5,
            key: Some("k".to_owned()),
            num_messages_in_batch: batch,
            ..Metadata::default()
        }
    }

    fn read(entry: &Entry) -> String {
        match &entry.messages {
            Ok(messages) => {
                let messages = messages.iter().map(|message| {
                    let body = String::from_utf8_lossy(&message.body);
                    format!("{}/{}/{body}", message.batch_index, message.key)
                });
                messages.collect::<Vec<_>>().join(" ")
            }
            Err(unreadable) => unreadable.why.clone(),
        }
    }

    /// A batch of `a` with the key `x`, `bb` that was compacted out, and `c`.
    const BATCH: &[u8] =
        b"\0\0\0\x05\x12\x01x\x18\x01a\0\0\0\x04\x18\x02\x20\x01bb\0\0\0\x02\x18\x01c";

    #[test]
    fn a_message_stands_alone_or_in_a_batch() {
        let alone = entry(&[], &metadata(None), b"hi");
        assert_eq!(read(&alone), "-1/k/hi");
        assert_eq!((alone.permits, alone.id.ledger, alone.id.entry), (1, 7, 9));
        let batch = entry(&[], &metadata(Some(3)), BATCH);
        assert_eq!(read(&batch), "0/x/a 2//c");
        assert_eq!(batch.permits, 3);
        assert_eq!(batch.messages.unwrap()[0].publish_time, 5);
    }

    #[test]
    fn what_others_have_acknowledged_of_a_batch_does_not_come_again() {
        let batch = entry(&[0b110], &metadata(Some(3)), BATCH);
        assert_eq!((&*read(&batch), batch.permits), ("2//c", 2));
        assert!(is_left(&[0, 1], 64));
        assert!(!is_left(&[-1], 64));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let chunk = Metadata {
            num_chunks: Some(3),
            ..metadata(None)
        };
        let encrypted = Metadata {
            encryption_keys: vec![KeyValue::default()],
            ..metadata(None)
        };
        for (metadata, payload, expected) in [
            (
                chunk,
                &b"hi"[..],
                "it is one of several chunks of a message, which are not put together",
            ),
            (encrypted, b"hi", "it is encrypted by its producer"),
            (metadata(Some(4)), BATCH, "it is no batch of 4 messages"),
            (
                metadata(Some(1)),
                b"\0\0\0\x02\x18\x63a",
                "it is no batch of 1 messages",
            ),
        ] {
            let entry = entry(&[], &metadata, payload);
            assert_eq!(read(&entry), expected);
            assert_eq!(entry.messages.unwrap_err().raw, payload);
        }
        let broken = Delivery {
            id: MessageId {
                ledger: 7,
                entry: 9,
            },
            ..Delivery::default()
        };
        let broken = Entry::read(&broken, Bytes::from_static(b"\x0e\x01\0\0\0\0\0\0\0\0"));
        assert_eq!(read(&broken), "the checksum does not match");
    }

    #[test]
    fn what_brokers_tell_each_other_has_no_messages() {
        let marker = Metadata {
            marker_type: Some(22),
            ..metadata(None)
        };
        let marker = entry(&[], &marker, b"?");
        assert_eq!((&*read(&marker), marker.permits), ("", 1));
    }
}
