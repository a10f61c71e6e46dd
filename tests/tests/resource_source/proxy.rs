//! A connection that can be cut: what a network does between an event source and its API server.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Hands connections on to an address, unless it is cut.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_cut, cut) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(hand_on(connection, to.clone(), cut.clone()));
            }
        });
        Self {
            address,
            is_cut,
            _tasks: tasks,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and the next ones too.
    pub(crate) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub(crate) fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn hand_on(mut from: TcpStream, to: String, mut cut: watch::Receiver<bool>) {
    if *cut.borrow() {
        return;
    }
    let Ok(mut to) = TcpStream::connect(to).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut from, &mut to) => {}
        _ = cut.wait_for(|is_cut| *is_cut) => {}
    }
}
