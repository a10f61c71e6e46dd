//! How Azurite is started: its queues alone.

use std::process::Command;

use super::{BrokerServer, speaks_http};

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) {
    command
        .args(["--queueHost", "127.0.0.1", "--queuePort"])
        .arg(server.port.to_string())
        .args([
            "--skipApiVersionCheck",
            "--disableTelemetry",
            "--silent",
            "--location",
        ])
        .arg(server.scratch.path());
}

pub(super) fn serves(port: u16) -> bool {
    speaks_http(port)
}
