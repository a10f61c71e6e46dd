//! What nsqd and its clients say to each other: frames one way, commands the other. Bytes of a hostile
//! server become an error that says what was seen, and take no memory that has not arrived.

use bytes::{Buf as _, Bytes, BytesMut};

/// The largest frame that is read, in bytes: 64 times what nsqd takes by default, and more than the bus takes.
const LARGEST: usize = 64 * 1024 * 1024;

/// The bytes of a message before its body: time, attempts and id.
const HEAD: usize = 8 + 2 + 16;

/// What a client begins with.
pub(super) const VERSION: &[u8] = b"  V2";

/// What nsqd says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// An answer to a command, or a heartbeat.
    Response(Bytes),
    /// A command failed.
    Error(String),
    Message(Message),
}

/// What a message is known by to nsqd: 16 letters.
pub(super) type MessageId = [u8; 16];

/// A message of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: MessageId,
    /// When it was published, in nanoseconds since 1970.
    pub(super) timestamp: i64,
    pub(super) body: Bytes,
}

/// What arrived is nothing that nsqd says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame of {0} bytes, and 4 at least belong to one")]
    Short(u32),
    #[error("a frame of {0} bytes, and at most {LARGEST} are read")]
    Large(u32),
    #[error("a frame of type {0}, and there are 0, 1 and 2")]
    Type(u32),
    #[error("a message of {0} bytes, and {HEAD} at least belong to one")]
    Head(usize),
    #[error("a message whose id is not of letters")]
    Id,
}

/// The next frame, if it has arrived in full.
pub(super) fn decode(arrived: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(size) = arrived.first_chunk().copied().map(u32::from_be_bytes) else {
        return Ok(None);
    };
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    match length {
        0..4 => return Err(FrameError::Short(size)),
        _ if length > LARGEST => return Err(FrameError::Large(size)),
        _ if arrived.len() - 4 < length => return Ok(None),
        _ => arrived.advance(4),
    }
    let mut frame = arrived.split_to(length).freeze();
    match frame.get_u32() {
        0 => Ok(Some(Frame::Response(frame))),
        1 => {
            let text = String::from_utf8_lossy(&frame).into_owned();
            Ok(Some(Frame::Error(text)))
        }
        2 => message(frame).map(|message| Some(Frame::Message(message))),
        other => Err(FrameError::Type(other)),
    }
}

fn message(mut frame: Bytes) -> Result<Message, FrameError> {
    if frame.len() < HEAD {
        return Err(FrameError::Head(frame.len()));
    }
    let timestamp = frame.get_i64();
    let _attempts = frame.get_u16();
    let mut id = MessageId::default();
    frame.copy_to_slice(&mut id);
    // It is a part of commands, which end with a line.
    if !id.iter().all(u8::is_ascii_graphic) {
        return Err(FrameError::Id);
    }
    Ok(Message {
        id,
        timestamp,
        body: frame,
    })
}

/// What a client says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command<'a> {
    /// Who it is, and what it wants the connection to be like, as JSON.
    Identify(&'a [u8]),
    /// Its secret.
    Auth(&'a [u8]),
    Subscribe {
        topic: &'a str,
        channel: &'a str,
    },
    /// So many messages may be with it.
    Ready(usize),
    /// A message is done with.
    Finish(&'a MessageId),
    /// A message is to come again, after so many milliseconds.
    Requeue(&'a MessageId, u64),
    /// A message takes longer.
    Touch(&'a MessageId),
    /// No more messages.
    Close,
    /// The answer to a heartbeat.
    Nop,
}

impl Command<'_> {
    /// Appends it as it is sent.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Identify(body) => with_body(b"IDENTIFY\n", body, out),
            Self::Auth(secret) => with_body(b"AUTH\n", secret, out),
            Self::Subscribe { topic, channel } => {
                out.extend_from_slice(format!("SUB {topic} {channel}\n").as_bytes());
            }
            Self::Ready(count) => out.extend_from_slice(format!("RDY {count}\n").as_bytes()),
            Self::Finish(id) => of_message(b"FIN ", id, b"\n", out),
            Self::Requeue(id, wait) => {
                of_message(b"REQ ", id, format!(" {wait}\n").as_bytes(), out);
            }
            Self::Touch(id) => of_message(b"TOUCH ", id, b"\n", out),
            Self::Close => out.extend_from_slice(b"CLS\n"),
            Self::Nop => out.extend_from_slice(b"NOP\n"),
        }
    }
}

fn of_message(verb: &[u8], id: &MessageId, rest: &[u8], out: &mut Vec<u8>) {
    for part in [verb, id, rest] {
        out.extend_from_slice(part);
    }
}

fn with_body(line: &[u8], body: &[u8], out: &mut Vec<u8>) {
    let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
    for part in [line, &size.to_be_bytes(), body] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All frames of some bytes, what is left of them, and what ended it.
    fn decoded(bytes: &[u8]) -> (Vec<Frame>, usize, Option<String>) {
        let mut arrived = BytesMut::from(bytes);
        let mut frames = Vec::new();
        loop {
            match decode(&mut arrived) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, arrived.len(), None),
                Err(error) => return (frames, arrived.len(), Some(error.to_string())),
            }
        }
    }

    const A_MESSAGE: &[u8] = b"\0\0\0\x20\0\0\0\x02\
        \x0f\x43\x4b\x1c\x2c\x3d\x00\x07\0\x01\
        0a1b2c3d4e5f6071hi";

    #[test]
    fn frames_are_read_as_they_arrive() {
        let mut bytes = b"\0\0\0\x0f\0\0\0\0_heartbeat_".to_vec();
        bytes.extend_from_slice(A_MESSAGE);
        bytes.extend_from_slice(b"\0\0\0\x12\0\0\0\x01E_FIN_FAILED x");
        let expected = [
            Frame::Response(Bytes::from_static(b"_heartbeat_")),
            Frame::Message(Message {
                id: *b"0a1b2c3d4e5f6071",
                timestamp: 1_099_805_318_381_895_687,
                body: Bytes::from_static(b"hi"),
            }),
            Frame::Error("E_FIN_FAILED x".to_owned()),
        ];
        assert_eq!(decoded(&bytes), (expected.to_vec(), 0, None));
        for end in 0..bytes.len() {
            let (frames, _, error) = decoded(&bytes[..end]);
            assert_eq!(error, None, "{end}");
            assert_eq!(frames, expected[..frames.len()], "{end}");
        }
    }

    #[test]
    fn what_is_no_frame_is_an_error_that_says_what_was_seen() {
        for (bytes, error) in [
            (
                &b"\x80\0\0\0\0\0\0\x02"[..],
                "a frame of 2147483648 bytes, and at most 67108864 are read",
            ),
            (
                b"\xff\xff\xff\xff",
                "a frame of 4294967295 bytes, and at most 67108864 are read",
            ),
            (
                b"HTTP/1.1 400 Bad Request\r\n",
                "a frame of 1213486160 bytes, and at most 67108864 are read",
            ),
            (
                b"\0\0\0\x03abc",
                "a frame of 3 bytes, and 4 at least belong to one",
            ),
            (
                b"\0\0\0\0",
                "a frame of 0 bytes, and 4 at least belong to one",
            ),
            (
                b"\0\0\0\x04\0\0\0\x03",
                "a frame of type 3, and there are 0, 1 and 2",
            ),
            (
                b"\0\0\0\x08\0\0\0\x02abcd",
                "a message of 4 bytes, and 26 at least belong to one",
            ),
            (
                b"\0\0\0\x1e\0\0\0\x02\0\0\0\0\0\0\0\0\0\x010a1b2c3d4e5f607\n",
                "a message whose id is not of letters",
            ),
        ] {
            assert_eq!(decoded(bytes).2.as_deref(), Some(error));
        }
    }

    #[test]
    fn a_frame_takes_no_memory_that_has_not_arrived() {
        let mut arrived = BytesMut::from(&b"\x03\xff\xff\xff\0\0\0\x02"[..]);
        assert_eq!(decode(&mut arrived), Ok(None));
        assert!(arrived.capacity() < 1024, "{}", arrived.capacity());
    }

    #[test]
    fn commands_are_lines_and_some_have_a_body() {
        let id = b"0a1b2c3d4e5f6071";
        let (topic, channel) = ("orders", "tiphys#ephemeral");
        let mut out = Vec::new();
        for command in [
            Command::Identify(b"{}"),
            Command::Auth(b"secret"),
            Command::Subscribe { topic, channel },
            Command::Ready(8),
            Command::Finish(id),
            Command::Requeue(id, 10_000),
            Command::Touch(id),
            Command::Nop,
            Command::Close,
        ] {
            command.encode(&mut out);
        }
        let expected =
            b"IDENTIFY\n\0\0\0\x02{}AUTH\n\0\0\0\x06secretSUB orders tiphys#ephemeral\nRDY 8\n\
            FIN 0a1b2c3d4e5f6071\nREQ 0a1b2c3d4e5f6071 10000\nTOUCH 0a1b2c3d4e5f6071\nNOP\nCLS\n";
        assert_eq!(out, expected);
    }
}
