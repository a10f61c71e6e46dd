//! Frames: a command, and with some of them an entry of a topic.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message as _;

use super::proto::{Command, Envelope, Metadata};

/// How large an entry may be if a broker says nothing.
pub(super) const USUAL_LARGEST: usize = 5 << 20;

/// The largest entry that is received, whatever a broker allows.
const LARGEST: usize = 64 << 20;

/// What a frame has beside an entry's payload, at most: that much brokers add themselves.
const AROUND: usize = 10 << 10;

/// What stands before the checksum of an entry.
const MAGIC: [u8; 2] = [0x0e, 0x01];

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    /// `None`: one that is not known here.
    pub(super) command: Option<Command>,
    /// What follows the command; empty with most of them.
    pub(super) rest: Bytes,
}

/// Why what came is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame of {0} bytes")]
    Large(usize),
    #[error("a command that is longer than its frame")]
    Command,
    #[error("a command that cannot be read")]
    Unreadable(#[from] prost::DecodeError),
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EntryError {
    #[error("the checksum does not match")]
    Checksum,
    #[error("the metadata cannot be read")]
    Metadata,
}

/// Takes the first whole frame; nothing, if there is none yet. No entry is larger than `largest`.
pub(super) fn decode(arrived: &mut BytesMut, largest: usize) -> Result<Option<Frame>, FrameError> {
    let Some(size) = arrived.first_chunk::<4>() else {
        return Ok(None);
    };
    let size = u32::from_be_bytes(*size) as usize;
    if size > largest.min(LARGEST) + AROUND {
        return Err(FrameError::Large(size));
    }
    if arrived.len() < size + 4 {
        return Ok(None);
    }
    arrived.advance(4);
    let mut frame = arrived.split_to(size).freeze();
    if frame.len() < 4 {
        return Err(FrameError::Command);
    }
    let length = frame.get_u32() as usize;
    if frame.len() < length {
        return Err(FrameError::Command);
    }
    let command = Envelope::decode(frame.split_to(length))?.command;
    Ok(Some(Frame {
        command,
        rest: frame,
    }))
}

/// Appends a command.
pub(super) fn encode(command: Command, out: &mut Vec<u8>) {
    let command = Envelope::from(command);
    let length = command.encoded_len();
    out.put_u32(size(length + 4));
    out.put_u32(size(length));
    put(&command, out);
}

/// Appends a command with an entry.
pub(super) fn encode_entry(
    command: Command,
    metadata: &Metadata,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    let command = Envelope::from(command);
    let mut entry = Vec::with_capacity(4 + metadata.encoded_len());
    entry.put_u32(size(metadata.encoded_len()));
    put(metadata, &mut entry);
    let length = command.encoded_len();
    out.put_u32(size(
        length + 4 + MAGIC.len() + 4 + entry.len() + payload.len(),
    ));
    out.put_u32(size(length));
    put(&command, out);
    out.put_slice(&MAGIC);
    let checksum = crc32c::crc32c(&entry);
    out.put_u32(crc32c::crc32c_append(checksum, payload));
    out.put_slice(&entry);
    out.put_slice(payload);
}

/// Takes an entry apart that followed a command.
pub(super) fn entry(mut rest: Bytes) -> Result<(Metadata, Bytes), EntryError> {
    // Very old producers send no checksum.
    if rest.starts_with(&MAGIC) {
        rest.advance(MAGIC.len());
        if rest.len() < 4 || rest.get_u32() != crc32c::crc32c(&rest) {
            return Err(EntryError::Checksum);
        }
    }
    if rest.len() < 4 {
        return Err(EntryError::Metadata);
    }
    let length = rest.get_u32() as usize;
    if rest.len() < length {
        return Err(EntryError::Metadata);
    }
    let metadata = Metadata::decode(rest.split_to(length));
    Ok((metadata.map_err(|_| EntryError::Metadata)?, rest))
}

/// A vector has room for whatever is put into it.
fn put(message: &impl prost::Message, out: &mut Vec<u8>) {
    message.encode(out).unwrap_or_default();
}

/// No message comes near four gigabytes: what is sent is smaller than what the broker takes.
fn size(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::proto::{Ping, Send};
    use super::*;

    /// A message `hi` of the producer `p`, with the checksum of what follows it.
    const SENT: &[u8] = b"\x00\x00\x00\x24\x00\x00\x00\x08\x08\x06\x32\x04\x08\x01\x10\x07\
        \x0e\x01\xfb\xea\x2f\x4d\x00\x00\x00\x0c\x0a\x01p\x10\x07\x18\x80\x90\x92\x82\xe7\x33hi";

    fn metadata() -> Metadata {
        Metadata {
            producer_name: "p".to_owned(),
            sequence_id: 7,
            publish_time: 1_780_000_000_000,
            ..Metadata::default()
        }
    }

    #[test]
    fn a_command_has_its_length_twice() {
        let mut out = Vec::new();
        encode(Ping {}.into(), &mut out);
        assert_eq!(out, b"\x00\x00\x00\x09\x00\x00\x00\x05\x08\x12\x92\x01\x00");
        let mut arrived = BytesMut::from(&out[..]);
        arrived.extend_from_slice(&out[..6]);
        let frame = decode(&mut arrived, USUAL_LARGEST).unwrap().unwrap();
        assert_eq!(frame.command, Some(Command::Ping(Ping {})));
        assert_eq!(frame.rest, "");
        assert_eq!(decode(&mut arrived, USUAL_LARGEST), Ok(None));
        assert_eq!(arrived.len(), 6);
    }

    #[test]
    fn an_entry_has_a_checksum() {
        let mut out = Vec::new();
        let send = Send {
            producer_id: 1,
            sequence_id: 7,
            num_messages: None,
        };
        encode_entry(send.into(), &metadata(), b"hi", &mut out);
        assert_eq!(out, SENT, "{out:02x?}");
        let frame = decode(&mut BytesMut::from(SENT), USUAL_LARGEST);
        let rest = frame.unwrap().unwrap().rest;
        assert_eq!(
            entry(rest.clone()),
            Ok((metadata(), Bytes::from_static(b"hi")))
        );
        let mut broken = rest.to_vec();
        *broken.last_mut().unwrap() = b'o';
        assert_eq!(entry(broken.into()), Err(EntryError::Checksum));
        assert_eq!(entry(rest.slice(..5)), Err(EntryError::Checksum));
        // Without a checksum nothing is checked.
        assert_eq!(entry(rest.slice(6..)).unwrap().1, "hi");
        assert_eq!(entry(rest.slice(6..12)), Err(EntryError::Metadata));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 400"[..], FrameError::Large(0x4854_5450)),
            (b"\0\0\0\x02\0\0", FrameError::Command),
            (b"\0\0\0\x05\0\0\0\x09\x08", FrameError::Command),
        ] {
            let found = decode(&mut BytesMut::from(bytes), USUAL_LARGEST);
            assert_eq!(found, Err(expected), "{bytes:?}");
        }
        let bytes = &b"\0\0\0\x06\0\0\0\x02\x08\xff"[..];
        let found = decode(&mut BytesMut::from(bytes), USUAL_LARGEST);
        assert!(matches!(found, Err(FrameError::Unreadable(_))), "{found:?}");
    }
}
