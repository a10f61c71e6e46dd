//! How Moto is started.

use std::process::Command;

use super::{BrokerServer, speaks_http};

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) {
    command
        .args(["--host", "127.0.0.1", "--port"])
        .arg(server.port.to_string());
}

pub(super) fn serves(port: u16) -> bool {
    speaks_http(port)
}
