//! How Redis is started.

use std::process::Command;

use super::{BrokerServer, answer};

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) {
    command
        .args(["--bind", "127.0.0.1", "--port"])
        .arg(server.port.to_string())
        // What was answered survives a crash.
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        .args(["--save", "", "--dir"])
        .arg(server.scratch.path());
    if let Some(password) = &server.options.password {
        command.args(["--requirepass", password]);
    }
    if server.options.tls {
        command
            .args(["--tls-auth-clients", "yes", "--tls-port"])
            .arg(server.tls_port.to_string())
            .args(["--tls-cert-file", "server.pem", "--tls-key-file"])
            .args(["server.key", "--tls-ca-cert-file", "ca.pem"]);
    }
}

/// It may want a password; while it still reads its data it says `-LOADING`.
pub(super) fn serves(port: u16) -> bool {
    answer(port, b"PING\r\n")
        .is_some_and(|said: [u8; 7]| [*b"+PONG\r\n", *b"-NOAUTH"].contains(&said))
}
