//! A server that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server that takes requests and answers none.
#[derive(Debug)]
pub struct Hanging {
    port: u16,
    requests: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

impl Hanging {
    /// A server on any port.
    ///
    /// # Panics
    /// When there is none free.
    pub async fn start() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await;
        let server = server.expect("there is a free port");
        let port = server.local_addr().expect("it has an address").port();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut connection, _)) = server.accept().await {
                let count = Arc::clone(&count);
                open.spawn(async move {
                    let mut first = [0; 1];
                    if connection.read_exact(&mut first).await.is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    std::future::pending::<()>().await;
                });
            }
        });
        Self {
            port,
            requests,
            _connections: connections,
        }
    }

    /// Where it listens, on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections have brought a request.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}
