//! What event sources do, against real servers: one file a kind.

#![cfg(test)]

mod brokers;
mod caller;
mod file;
mod full_disk;
mod google;
mod hosts;
mod logins;
mod pulsar;
mod sftp;
mod sns;
mod stored;
mod webhook;

/// Bytes in hexadecimal digits.
fn base16(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap();
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}
