//! How Mosquitto is started.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::process::Command;

use data_encoding::BASE64;
use ring::pbkdf2;

use super::{BrokerServer, answer};

/// A connection without a name, and the beginning of its answer.
const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00";
const ANSWER: [u8; 1] = [0x20];

/// How often a password is hashed; as often as its own tool does.
const ROUNDS: NonZeroU32 = NonZeroU32::new(101).unwrap();

/// Nobody has to find it out.
const SALT: [u8; 12] = *b"tiphystiphys";

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) -> anyhow::Result<()> {
    let scratch = &server.scratch;
    if let Some(password) = &server.options.password {
        scratch.write("passwords", &passwords(password))?;
    }
    scratch.write("mosquitto.conf", &configuration(server)?)?;
    command.args(["-c", "mosquitto.conf"]);
    Ok(())
}

pub(super) fn serves(port: u16) -> bool {
    answer(port, CONNECT) == Some(ANSWER)
}

fn configuration(server: &BrokerServer) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "user root\n\
         persistence true\n\
         persistence_location {}/\n\
         max_queued_messages 0\n\
         log_dest stderr\n\
         listener {} 127.0.0.1\n",
        server.scratch.path().display(),
        server.port
    );
    match server.options.password {
        Some(_) => text.push_str("allow_anonymous false\npassword_file passwords\n"),
        None => text.push_str("allow_anonymous true\n"),
    }
    if server.options.tls {
        writeln!(
            text,
            "listener {} 127.0.0.1\n\
             cafile ca.pem\n\
             certfile server.pem\n\
             keyfile server.key\n\
             require_certificate true",
            server.tls_port
        )?;
    }
    Ok(text)
}

/// A user, as the tool of Mosquitto writes it.
fn passwords(password: &str) -> String {
    let mut hash = [0; 64];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA512;
    pbkdf2::derive(algorithm, ROUNDS, &SALT, password.as_bytes(), &mut hash);
    let (salt, hash) = (BASE64.encode(&SALT), BASE64.encode(&hash));
    format!("tiphys:$7${ROUNDS}${salt}${hash}\n")
}
