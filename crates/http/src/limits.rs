//! What a port allows its clients.

use std::time::Duration;

/// What a port allows its clients, all of them together and each.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time. Beyond, the one that has been idle for the longest time is closed.
    pub connections: usize,
    /// Requests that are being answered at a time. Beyond, a request is answered with 503 at once.
    pub requests: usize,
    /// Bytes of a request's line and headers, at least 8 KiB. Beyond, it is answered with 431.
    pub header_bytes: usize,
    /// How long the headers of a request may take once they have begun, and a TLS handshake.
    pub header_time: Duration,
    /// How long a connection may be silent between two requests.
    pub idle_time: Duration,
    /// How long a body may take. Beyond, the request is answered with 408.
    pub body_time: Duration,
    /// Bytes of all bodies together that are still coming. Beyond, the oldest of them is answered with
    /// 408.
    pub body_bytes: usize,
    /// How long requests have to be answered once the port closes.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A connection takes about 10 KiB while it is idle.
            connections: 512,
            requests: 256,
            header_bytes: 64 * 1024,
            header_time: Duration::from_secs(10),
            // Load balancers keep connections for 60 s: a server that closes first loses requests.
            idle_time: Duration::from_secs(75),
            body_time: Duration::from_secs(10),
            body_bytes: 16 * 1024 * 1024,
            // Whoever stops a process expects it to end within five seconds.
            drain_time: Duration::from_secs(4),
        }
    }
}
