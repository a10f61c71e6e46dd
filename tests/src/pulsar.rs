//! A Pulsar broker of a few literals: it answers what clients ask first, delivers what it was given, and remembers
//! what it was told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What comes after a message was sent.
#[derive(Debug, Clone, Copy)]
pub enum Receipt {
    /// It is stored.
    Stored,
    /// It is refused.
    Refused,
    /// The connection ends.
    Lost,
}

/// A broker. It ends with the story.
#[derive(Debug)]
pub struct Pulsar {
    port: u16,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    port: u16,
    /// What is sent on each connection that asks for messages, one after the other.
    deliveries: Mutex<Vec<Vec<u8>>>,
    receipts: Mutex<Vec<Receipt>>,
    told: Mutex<Vec<Vec<u8>>>,
}

/// The kinds of commands that are answered.
mod kind {
    pub(super) const CONNECT: u8 = 2;
    pub(super) const SUBSCRIBE: u8 = 4;
    pub(super) const PRODUCER: u8 = 5;
    pub(super) const SEND: u8 = 6;
    pub(super) const FLOW: u8 = 11;
    pub(super) const CLOSE_CONSUMER: u8 = 16;
    pub(super) const PARTITIONED_METADATA: u8 = 21;
    pub(super) const LOOKUP: u8 = 23;
}

impl Pulsar {
    /// Starts a broker that delivers these bytes, one element on each connection that asks for messages, and
    /// says this of what it is sent.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(deliveries: &[&[u8]], receipts: &[Receipt]) -> Self {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            port,
            deliveries: Mutex::new(
                deliveries
                    .iter()
                    .rev()
                    .map(|bytes| bytes.to_vec())
                    .collect(),
            ),
            receipts: Mutex::new(receipts.iter().rev().copied().collect()),
            told: Mutex::default(),
        });
        let mut serving = JoinSet::new();
        let all = Arc::clone(&shared);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&all)));
            }
        });
        Self {
            port,
            shared,
            _serving: serving,
        }
    }

    /// `pulsar://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("pulsar://127.0.0.1:{}", self.port)
    }

    /// What was told of this kind, all bytes behind the length of the frame.
    pub fn told(&self, kind: u8) -> Vec<Vec<u8>> {
        let told = self.shared.told.lock();
        let told = told.unwrap_or_else(PoisonError::into_inner);
        let of_kind = told.iter().filter(|frame| frame[5] == kind);
        of_kind.cloned().collect()
    }
}

/// A frame with a command, and with an entry behind it.
///
/// # Panics
/// When it is larger than a frame may be.
pub fn frame(command: &[u8], entry: &[u8]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).expect("a small frame").to_be_bytes();
    let whole = length(4 + command.len() + entry.len());
    [&whole[..], &length(command.len()), command, entry].concat()
}

/// Answers one client until it goes, or is to lose its connection.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut requests = 0;
    while let Some(told) = read(&mut stream).await {
        let kind = told[5];
        shared
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(told);
        if matches!(
            kind,
            kind::SUBSCRIBE
                | kind::PRODUCER
                | kind::CLOSE_CONSUMER
                | kind::PARTITIONED_METADATA
                | kind::LOOKUP
        ) {
            requests += 1;
        }
        let Some(answer) = answer(kind, requests, &shared) else {
            return;
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// What is said to a command of this kind; nothing, if the connection ends.
fn answer(kind: u8, request: u8, shared: &Shared) -> Option<Vec<u8>> {
    let command = match kind {
        kind::CONNECT => b"\x08\x03\x1a\x08\x0a\x04fake\x10\x0f".to_vec(),
        kind::SUBSCRIBE | kind::CLOSE_CONSUMER => vec![8, 13, 0x6a, 2, 8, request],
        kind::PARTITIONED_METADATA => {
            vec![8, 22, 0xb2, 1, 6, 8, 0, 0x10, request, 0x18, 0]
        }
        kind::LOOKUP => {
            let url = format!("pulsar://127.0.0.1:{}", shared.port);
            let length = u8::try_from(url.len()).expect("a short URL");
            let head = [8, 24, 0xc2, 1, length + 6, 0x0a, length];
            [&head[..], url.as_bytes(), &[0x18, 1, 0x20, request]].concat()
        }
        kind::PRODUCER => [&[8, 17, 0x8a, 1, 8, 8, request][..], b"\x12\x04name"].concat(),
        kind::SEND => {
            let mut receipts = shared
                .receipts
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match receipts.pop()? {
                Receipt::Stored => b"\x08\x07\x3a\x04\x08\x00\x10\x00".to_vec(),
                Receipt::Refused => b"\x08\x08\x42\x0a\x08\x00\x10\x00\x18\x16\x22\x02no".to_vec(),
                Receipt::Lost => return None,
            }
        }
        kind::FLOW => {
            let mut deliveries = shared
                .deliveries
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            return Some(deliveries.pop().unwrap_or_default());
        }
        _ => return Some(Vec::new()),
    };
    Some(frame(&command, &[]))
}

async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut frame = vec![0; stream.read_u32().await.ok()? as usize];
    stream.read_exact(&mut frame).await.ok()?;
    Some(frame)
}
