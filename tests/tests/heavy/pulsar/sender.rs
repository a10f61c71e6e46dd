//! A producer that writes its bytes by itself, so that what tiphys reads is not what tiphys has written.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Something that is sent at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    pub(crate) key: Option<&'static str>,
    /// The number of a codec, and how many bytes there were before.
    pub(crate) compressed: Option<(u64, usize)>,
    /// How many messages it is a batch of.
    pub(crate) batch: Option<u64>,
    /// Of how many chunks it is the first.
    pub(crate) chunks: Option<u64>,
    pub(crate) payload: Vec<u8>,
}

/// Sends to a topic, and returns when the broker has all of it.
pub(crate) fn send(address: &str, token: Option<&str>, topic: &str, sent: &[Sent]) {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut connect = [text(1, "story"), number(4, 15)].concat();
    if let Some(token) = token {
        connect.extend([text(3, token), text(5, "token")].concat());
    }
    stream.write_all(&framed(2, &connect, &[])).unwrap();
    answer(&mut stream, 3);
    let producer = [text(1, topic), number(2, 0), number(3, 1)].concat();
    stream.write_all(&framed(5, &producer, &[])).unwrap();
    answer(&mut stream, 17);
    for (sequence, sent) in (0..).zip(sent) {
        let command = [
            number(1, 0),
            number(2, sequence),
            number(3, sent.batch.unwrap_or(1)),
        ];
        let entry = entry(sequence, sent);
        stream
            .write_all(&framed(6, &command.concat(), &entry))
            .unwrap();
    }
    for _ in sent {
        answer(&mut stream, 7);
    }
}

/// The payload of a batch of these bodies.
pub(crate) fn batch<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    for body in bodies {
        let single = number(3, body.len() as u64);
        payload.extend(length(&single));
        payload.extend(single);
        payload.extend(body);
    }
    payload
}

fn entry(sequence: u64, sent: &Sent) -> Vec<u8> {
    let mut metadata = [
        text(1, "story"),
        number(2, sequence),
        number(3, 1_767_366_245_120),
    ]
    .concat();
    if let Some(key) = sent.key {
        metadata.extend(text(6, key));
    }
    if let Some((codec, size)) = sent.compressed {
        metadata.extend([number(8, codec), number(9, size as u64)].concat());
    }
    if let Some(count) = sent.batch {
        metadata.extend(number(11, count));
    }
    if let Some(count) = sent.chunks {
        let uuid = text(26, "u");
        metadata.extend([uuid, number(27, count), number(28, 10), number(29, 0)].concat());
    }
    let checked = [&length(&metadata)[..], &metadata, &sent.payload].concat();
    let checksum = crc32c::crc32c(&checked).to_be_bytes();
    [&[0x0e, 0x01], &checksum[..], &checked].concat()
}

/// A frame with the command of this kind, which is in the field of the same number.
fn framed(kind: u64, content: &[u8], entry: &[u8]) -> Vec<u8> {
    let command = [&number(1, kind)[..], &bytes(kind, content)].concat();
    let rest = [&length(&command)[..], &command, entry].concat();
    [&length(&rest)[..], &rest].concat()
}

/// Reads until a command of this kind comes.
fn answer(stream: &mut TcpStream, kind: u8) {
    loop {
        let mut size = [0; 4];
        stream.read_exact(&mut size).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        stream.read_exact(&mut frame).unwrap();
        // The length and the tag of the kind come first.
        let found = frame[5];
        assert!(
            found == kind || found == 18,
            "{}",
            String::from_utf8_lossy(&frame)
        );
        if found == kind {
            return;
        }
    }
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_be_bytes()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn text(field: u64, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [
        &varint(field << 3 | 2)[..],
        &varint(value.len() as u64),
        value,
    ]
    .concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}
