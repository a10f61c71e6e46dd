//! A namespace of Azure Service Bus and Event Hubs: a fake of what clients see of them over AMQP 1.0, with claims
//! that are checked, locks that end, sessions that are required, duplicates that are found, and partitions that
//! are read from any place.
//!
//! There is no build of the real ones; this one follows Microsoft's description of the protocol, and refuses what
//! Azure refuses.

mod claims;
mod entity;
mod hub;
mod links;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tiphys_testbed::{Certificates, free_port};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional, duplex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use self::entity::Taken;
use self::entity::{Entity, Kept};
use self::hub::Hub;
use self::queue::Queue;
use crate::nsq::acceptor;

/// How long a message is locked: shorter than in Azure, where five seconds are the least.
const LOCKED_FOR: Duration = Duration::from_secs(4);

/// The largest message, as in the standard tier.
const LARGEST: u64 = 256 * 1024;

/// How soon a port is tried again that is not free yet.
const RETRY: Duration = Duration::from_millis(10);

/// How much of a connection is on its way.
const BUFFER: usize = 64 * 1024;

/// The name of the policy that may do all.
pub const POLICY: &str = "all";

/// What is different from a namespace that is not encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encryption {
    /// It is an emulator.
    #[default]
    None,
    /// It shows a certificate.
    Server,
    /// Both sides show certificates.
    Both,
}

/// A running namespace, which ends with the story.
#[derive(Debug)]
pub struct Azure {
    port: u16,
    shared: Arc<Shared>,
    certificates: Option<Certificates>,
    serving: Option<JoinSet<()>>,
}

/// What all connections share.
struct Shared {
    key: Mutex<String>,
    /// Tokens of Entra that let in.
    tokens: Mutex<BTreeSet<String>>,
    tls: Option<TlsAcceptor>,
    entities: Mutex<BTreeMap<String, Entity>>,
    /// A number that grows with each change of an entity.
    changes: watch::Sender<u64>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn entities(&self) -> MutexGuard<'_, BTreeMap<String, Entity>> {
        self.entities.lock().expect("nobody panics")
    }

    /// Changes an entity, if it is there, and wakes who waits for that.
    fn change<T>(&self, entity: &str, change: impl FnOnce(&mut Entity) -> T) -> Option<T> {
        let changed = self.entities().get_mut(entity).map(change);
        self.changes.send_modify(|changes| *changes += 1);
        changed
    }
}

impl Azure {
    /// Starts a namespace without entities, whose policy has this key.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(key: &str, encryption: Encryption) -> Self {
        let certificates = (encryption != Encryption::None)
            .then(|| Certificates::generate().expect("certificates can be made"));
        let tls = certificates
            .as_ref()
            .map(|certificates| acceptor(certificates, encryption == Encryption::Both));
        let shared = Arc::new(Shared {
            key: Mutex::new(key.to_owned()),
            tokens: Mutex::default(),
            tls,
            entities: Mutex::default(),
            changes: watch::Sender::new(0),
        });
        let mut azure = Self {
            port: free_port().expect("there is a free port"),
            shared,
            certificates,
            serving: None,
        };
        azure.restart();
        azure
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// What stands for the host of a namespace that is not encrypted.
    pub fn fqdn(&self) -> String {
        format!("{};UseDevelopmentEmulator=true", self.address())
    }

    /// A connection string with this key.
    pub fn connection_string(&self, key: &str) -> String {
        let emulator = match self.shared.tls {
            Some(_) => "",
            None => ";UseDevelopmentEmulator=true",
        };
        let address = self.address();
        format!(
            "Endpoint=sb://{address}/;SharedAccessKeyName={POLICY};SharedAccessKey={key}{emulator}"
        )
    }

    /// The certificates, if connections are encrypted.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Lets in who shows this token of Entra.
    ///
    /// # Panics
    /// Never.
    pub fn let_in(&self, token: &str) {
        let mut tokens = self.shared.tokens.lock().expect("nobody panics");
        tokens.insert(token.to_owned());
    }

    /// Makes a queue, a topic or a subscription.
    pub fn add_queue(&self, path: &str) {
        self.add(path, Entity::Queue(Queue::default()));
    }

    /// Makes a queue whose messages are handed out by sessions.
    pub fn add_queue_of_sessions(&self, path: &str) {
        self.add(path, Entity::Queue(Queue::of_sessions()));
    }

    /// Makes a hub with so many partitions.
    pub fn add_hub(&self, name: &str, partitions: usize) {
        self.add(name, Entity::Hub(Hub::new(partitions)));
    }

    fn add(&self, path: &str, entity: Entity) {
        self.shared.entities().insert(path.to_owned(), entity);
    }

    /// Sends messages.
    pub fn send(&self, path: &str, bodies: impl IntoIterator<Item = Vec<u8>>) {
        self.shared.change(path, |entity| {
            for body in bodies {
                entity.take(Kept::of(body), None);
            }
        });
    }

    /// Sends an event to a partition of a hub.
    pub fn send_to(&self, hub: &str, partition: usize, body: Vec<u8>) {
        self.shared
            .change(hub, |entity| entity.take(Kept::of(body), Some(partition)));
    }

    /// Empties the hub of this name, as if it had been made anew.
    pub fn renew_hub(&self, name: &str, partitions: usize) {
        self.shared
            .change(name, |hub| *hub = Entity::Hub(Hub::new(partitions)));
    }

    /// How many messages are kept.
    pub fn depth(&self, path: &str) -> usize {
        self.shared.entities().get(path).map_or(0, Entity::depth)
    }

    /// How many messages of a queue are locked.
    pub fn locked(&self, path: &str) -> usize {
        self.shared.entities().get(path).map_or(0, Entity::locked)
    }

    /// Every message that was sent, whether it is kept or not, and whether or not it was found to be a duplicate.
    pub fn taken(&self, path: &str) -> Vec<Taken> {
        let entities = self.shared.entities();
        entities.get(path).map_or_else(Vec::new, Entity::taken)
    }

    /// Ends it: its connections break. Locks last until they end.
    pub fn kill(&mut self) {
        self.serving = None;
    }

    /// Starts it on its port, with its messages.
    ///
    /// # Panics
    /// When its port cannot be listened to.
    pub fn restart(&mut self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        // What was killed lets go of its port a moment later.
        let listener = loop {
            match StdListener::bind(address) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    std::thread::sleep(RETRY);
                }
                bound => break bound.expect("the port can be listened to"),
            }
        };
        listener.set_nonblocking(true).expect("it can be awaited");
        let listener = TcpListener::from_std(listener).expect("it can be awaited");
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, self.shared.clone()));
        self.serving = Some(serving);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut clients = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        clients.spawn(async move {
            match shared.tls.clone() {
                None => relay(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        relay(stream, shared).await;
                    }
                }
            }
        });
    }
}

/// Serves a client, and breaks its connection when this ends: the library does not let go of it at once.
async fn relay(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let (mut near, far) = duplex(BUFFER);
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut near) => {}
        () = links::serve(far, shared) => {}
    }
}
