//! What a client of nsqd says.

use bytes::{Buf as _, Bytes, BytesMut};

/// A line, and the body that some have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<String>,
    pub(super) body: Bytes,
}

/// The next command, if it has arrived in full.
pub(super) fn decode(arrived: &mut BytesMut) -> Option<Command> {
    let end = arrived.iter().position(|&byte| byte == b'\n')?;
    let line = String::from_utf8_lossy(&arrived[..end]).into_owned();
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let has_body = matches!(&*words[0], "IDENTIFY" | "AUTH");
    let mut body = Bytes::new();
    let mut whole = end + 1;
    if has_body {
        let size = arrived.get(whole..)?.first_chunk().copied()?;
        let size = usize::try_from(u32::from_be_bytes(size)).ok()?;
        whole += 4 + size;
        if arrived.len() < whole {
            return None;
        }
    }
    let mut command = arrived.split_to(whole).freeze();
    command.advance(end + 1);
    if has_body {
        command.advance(4);
        body = command;
    }
    Some(Command { words, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_they_arrive() {
        let bytes = b"IDENTIFY\n\0\0\0\x02{}SUB a b\nNOP\n";
        let mut arrived = BytesMut::new();
        let mut seen = Vec::new();
        for byte in bytes {
            arrived.extend_from_slice(&[*byte]);
            while let Some(command) = decode(&mut arrived) {
                seen.push((command.words.join(" "), command.body));
            }
        }
        let expected = [
            ("IDENTIFY".to_owned(), Bytes::from_static(b"{}")),
            ("SUB a b".to_owned(), Bytes::new()),
            ("NOP".to_owned(), Bytes::new()),
        ];
        assert_eq!(seen, expected);
    }
}
