//! How the server of Google Pub/Sub is started.

use std::process::Command;

use super::{BrokerServer, answer};

/// What a client of HTTP/2 says first, with settings that are all as usual.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The kind of a frame of settings, which a server says first: RFC 9113, section 6.5.
const SETTINGS: u8 = 4;

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) {
    command.arg(server.port.to_string());
}

pub(super) fn serves(port: u16) -> bool {
    answer(port, HELLO).is_some_and(|said: [u8; 9]| said[3] == SETTINGS)
}
