//! An nsqd and the nsqlookupd that knows it: a fake of what clients see of them, with topics, channels,
//! messages in flight that time out, attempts, heartbeats, TLS and logins.
//!
//! There is no build of the real ones that could be had; this one follows NSQ's description of its protocol,
//! and refuses what nsqd refuses.

mod channel;
mod client;
mod command;

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tiphys_testbed::{Certificates, free_port};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use self::channel::Topics;
use crate::web::{Answer, Asked, Web, answer};

/// How long a client may keep a message without a word: nsqd's default is a minute.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(3);

/// What is different from an nsqd that lets everybody in.
#[derive(Debug, Clone, Copy, Default)]
pub struct NsqOptions {
    /// What clients log in with.
    pub secret: Option<&'static str>,
    /// Both sides show certificates, and nothing is said in the clear.
    pub tls: bool,
}

/// A running nsqd with its nsqlookupd; both end with the story.
#[derive(Debug)]
pub struct Nsqd {
    port: u16,
    shared: Arc<Shared>,
    certificates: Option<Certificates>,
    lookupd: Web,
    serving: Option<JoinSet<()>>,
}

/// What all connections share.
struct Shared {
    secret: Option<&'static str>,
    tls: Option<TlsAcceptor>,
    topics: Mutex<Topics>,
    /// A number that grows with each change of a topic.
    changes: watch::Sender<u64>,
    is_up: watch::Sender<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn topics(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().expect("nobody panics")
    }

    /// Changes topics, and wakes who waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut Topics) -> T) -> T {
        let changed = change(&mut self.topics());
        self.changes.send_modify(|changes| *changes += 1);
        changed
    }
}

impl Nsqd {
    /// Starts both. The topics are there.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(options: NsqOptions, topics: &[&str]) -> Self {
        let certificates = options
            .tls
            .then(|| Certificates::generate().expect("certificates can be made"));
        let shared = Arc::new(Shared {
            secret: options.secret,
            tls: certificates
                .as_ref()
                .map(|certificates| acceptor(certificates, true)),
            topics: Mutex::new(Topics::new(topics, MESSAGE_TIMEOUT)),
            changes: watch::Sender::new(0),
            is_up: watch::Sender::new(false),
        });
        let port = free_port().expect("there is a free port");
        let known = shared.clone();
        let lookupd = Web::start(move |asked| {
            let nsqds = [(&*known, port)];
            looked_up(asked, &nsqds)
        });
        let mut nsqd = Self {
            port,
            shared,
            certificates,
            lookupd: lookupd.await,
            serving: None,
        };
        nsqd.restart();
        nsqd
    }

    /// Host and port of its nsqlookupd.
    pub fn lookupd(&self) -> String {
        self.lookupd.address().to_string()
    }

    /// Host and port of nsqd.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// An nsqlookupd that knows several.
    pub async fn lookupd_of(nsqds: &[&Self]) -> Web {
        let known = nsqds.iter().map(|nsqd| (nsqd.shared.clone(), nsqd.port));
        let known: Vec<_> = known.collect();
        Web::start(move |asked| {
            let nsqds: Vec<_> = known
                .iter()
                .map(|(shared, port)| (&**shared, *port))
                .collect();
            looked_up(asked, &nsqds)
        })
        .await
    }

    /// The certificates, if connections are encrypted.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Publishes messages, as `MPUB` does.
    pub fn publish(&self, topic: &str, bodies: impl IntoIterator<Item = Vec<u8>>) {
        self.shared.change(|topics| {
            for body in bodies {
                topics.publish(topic, body);
            }
        });
    }

    /// How many messages of a channel are not finished.
    pub fn depth(&self, topic: &str, channel: &str) -> usize {
        self.shared.topics().depth(topic, channel)
    }

    /// How many messages of a channel are with clients.
    pub fn in_flight(&self, topic: &str, channel: &str) -> usize {
        self.shared.topics().in_flight(topic, channel)
    }

    /// Ends nsqd: its connections break, and what was in flight goes back, as nsqd does at its end.
    pub fn kill(&mut self) {
        self.serving = None;
        self.shared.is_up.send_replace(false);
        self.shared.change(Topics::restart);
    }

    /// Starts nsqd on its port, with its messages.
    ///
    /// # Panics
    /// When its port is not free.
    pub fn restart(&mut self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = StdListener::bind(address).expect("the port is free");
        listener.set_nonblocking(true).expect("it can be awaited");
        let listener = TcpListener::from_std(listener).expect("it can be awaited");
        let shared = self.shared.clone();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, shared));
        self.serving = Some(serving);
        self.shared.is_up.send_replace(true);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut clients = JoinSet::new();
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        number += 1;
        clients.spawn(client::serve(stream, number, shared.clone()));
    }
}

/// What nsqlookupd answers, of those that are up.
fn looked_up(asked: &Asked, nsqds: &[(&Shared, u16)]) -> Answer {
    let Some(topic) = asked.path.strip_prefix("/lookup?topic=") else {
        return answer(404).body(r#"{"message":"NOT_FOUND"}"#);
    };
    let producers: Vec<Value> = nsqds
        .iter()
        .filter(|(shared, _)| *shared.is_up.borrow() && shared.topics().has(topic))
        .map(|(_, port)| {
            json!({
                "remote_address": "127.0.0.1:50000", "hostname": "nsqd", "broadcast_address": "127.0.0.1",
                "tcp_port": port, "http_port": port + 1, "version": "1.3.0",
            })
        })
        .collect();
    if producers.is_empty() {
        return answer(404).body(r#"{"message":"TOPIC_NOT_FOUND"}"#);
    }
    let body = json!({"channels": [], "producers": producers}).to_string();
    answer(200)
        .header("X-NSQ-Content-Type", "nsq; version=1.0")
        .body(body)
}

/// Shows the certificate of the server, and may ask for that of the client.
pub(crate) fn acceptor(certificates: &Certificates, asks: bool) -> TlsAcceptor {
    let chain = |pem: &str| {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        chain.expect("the certificates can be read")
    };
    let mut roots = RootCertStore::empty();
    for authority in chain(&certificates.authority) {
        roots.add(authority).expect("it is an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let key = PrivateKeyDer::from_pem_slice(certificates.server.key.as_bytes());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them");
    let config = if asks {
        config.with_client_cert_verifier(clients.build().expect("there is an authority"))
    } else {
        config.with_no_client_auth()
    };
    let config = config
        .with_single_cert(
            chain(&certificates.server.certificate),
            key.expect("the key can be read"),
        )
        .expect("the key is that of the certificate");
    Arc::new(config).into()
}
