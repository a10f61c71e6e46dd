//! Free TCP ports on the loopback address.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use anyhow::Context as _;

/// Below the range from which Linux and macOS take the ports of outgoing connections, so that a
/// stopped server finds its port still free when it is started again.
const RANGE: Range<u16> = 20_000..32_000;

const ATTEMPTS: usize = 1_000;

/// A port on which nobody listens.
///
/// Another process may take it before it is used: a server that finds it taken is started again on
/// another one.
///
/// # Errors
/// When no free port was found.
pub fn free_port() -> anyhow::Result<u16> {
    (0..ATTEMPTS)
        .map(|_| random_port())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .with_context(|| format!("find a free port in {RANGE:?}"))
}

fn random_port() -> u16 {
    let width = u64::from(RANGE.end - RANGE.start);
    let offset = RandomState::new().hash_one(()) % width;
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_bound() {
        let port = free_port().unwrap();
        assert!(RANGE.contains(&port));
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn ports_differ_from_call_to_call() {
        let ports: Vec<u16> = (0..8).map(|_| free_port().unwrap()).collect();
        assert!(ports.iter().any(|port| *port != ports[0]), "{ports:?}");
    }
}
