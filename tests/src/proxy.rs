//! A line between a program and a server: what a network does to their connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::wait::pause;

/// How much is handed on at a time, and is late on a slow line.
const CHUNK: usize = 16 << 10;

/// Hands connections on to an address, as its line is.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Line {
    Open,
    /// All that is sent is late by this.
    Slow(Duration),
    /// Nothing arrives, and nothing says so. What was sent arrives later.
    Silent,
    /// Connections break, the next ones too.
    Cut,
}

impl Proxy {
    /// A proxy on any port for the server at `to`: `127.0.0.1:80`.
    ///
    /// # Panics
    /// When there is no port free.
    pub async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        let (line, state) = watch::channel(Line::Open);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(hand_on(connection, to.clone(), state.clone()));
                // Those that have ended are not kept.
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            line,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and the next ones too.
    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    /// Keeps back what is sent, and says nothing.
    pub fn silence(&self) {
        self.line.send_replace(Line::Silent);
    }

    /// Makes all that is sent late.
    pub fn slow(&self, latency: Duration) {
        self.line.send_replace(Line::Slow(latency));
    }

    /// Hands on everything at once again.
    pub fn mend(&self) {
        self.line.send_replace(Line::Open);
    }
}

async fn hand_on(from: TcpStream, to: String, line: watch::Receiver<Line>) {
    let mut cut = line.clone();
    tokio::select! {
        biased;
        _ = cut.wait_for(|line| *line == Line::Cut) => {}
        // Whichever side breaks, the other one is told by the end of its connection.
        _ = connect(from, to, line) => {}
    }
}

async fn connect(client: TcpStream, to: String, line: watch::Receiver<Line>) -> io::Result<()> {
    let (answers, requests) = TcpStream::connect(to).await?.into_split();
    let (from_client, to_client) = client.into_split();
    tokio::try_join!(
        carry(from_client, requests, line.clone()),
        carry(answers, to_client, line),
    )?;
    Ok(())
}

/// Carries one direction to its end.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
) -> io::Result<()> {
    let mut bytes = vec![0; CHUNK];
    loop {
        let length = from.read(&mut bytes).await?;
        let state = line.wait_for(|line| *line != Line::Silent).await;
        let state = state.map_or(Line::Cut, |line| *line);
        if let Line::Slow(latency) = state {
            pause(latency).await;
        }
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{in_silence, within};

    /// A server that sends back what it gets.
    async fn echo() -> (String, JoinSet<()>) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut connection, _)) = server.accept().await {
                open.spawn(async move {
                    let (mut from, mut to) = connection.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        (address, tasks)
    }

    async fn say(connection: &mut TcpStream, byte: u8) {
        connection.write_all(&[byte]).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_kept_back_arrives_later_and_a_cut_line_breaks() {
        let (server, _tasks) = echo().await;
        let proxy = Proxy::start(server).await;
        let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
        say(&mut connection, 1).await;
        assert_eq!(within("an echo", connection.read_u8()).await.unwrap(), 1);

        proxy.silence();
        say(&mut connection, 2).await;
        assert!(in_silence(connection.read_u8()).await.is_none());
        proxy.slow(Duration::from_millis(1));
        assert_eq!(within("an echo", connection.read_u8()).await.unwrap(), 2);

        proxy.cut();
        assert!(within("the end", connection.read_u8()).await.is_err());
        let mut next = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(within("the end", next.read_u8()).await.is_err());
        proxy.mend();
        let mut last = TcpStream::connect(proxy.address()).await.unwrap();
        say(&mut last, 3).await;
        assert_eq!(within("an echo", last.read_u8()).await.unwrap(), 3);
    }
}
