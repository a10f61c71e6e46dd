//! A web server that remembers what it was asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tiphys_testbed::Certificates;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::wait::{eventually, pause};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET`, `POST`, ….
    pub method: String,
    /// Path and query.
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As it was sent.
    pub body: Bytes,
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// As it is sent.
    pub body: Vec<u8>,
    /// How long the server takes for it.
    pub delay: Duration,
}

/// An answer with nothing but a status.
pub fn answer(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

impl Answer {
    /// With a further header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// After a while.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// A running web server; it ends with the story.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
    _server: JoinSet<()>,
}

impl Web {
    /// A server on any port.
    pub async fn start(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), answers).await
    }

    /// A server at an address where there was none.
    pub async fn start_at(
        address: SocketAddr,
        answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serve(address, None, Arc::new(answers)).await
    }

    /// A server that shows a certificate.
    ///
    /// # Panics
    /// When the certificate cannot be used.
    pub async fn start_tls(
        of: &Certificates,
        answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let address = ([127, 0, 0, 1], 0).into();
        Self::serve(
            address,
            Some(Arc::new(server_config(of)).into()),
            Arc::new(answers),
        )
        .await
    }

    async fn serve(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        answers: Arc<dyn Fn(&Asked) -> Answer + Send + Sync>,
    ) -> Self {
        let listener = TcpListener::bind(address).await;
        let listener = listener.expect("the address is free");
        let address = listener.local_addr().expect("it has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut server = JoinSet::new();
        server.spawn(serve(listener, tls, asked.clone(), answers));
        Self {
            address,
            scheme,
            asked,
            _server: server,
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked, in order.
    ///
    /// # Panics
    /// When the server has panicked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the server runs").clone()
    }

    /// What was asked, as soon as it is so much.
    pub async fn asked_times(&self, count: usize) -> Vec<Asked> {
        eventually("requests come", || async {
            Some(self.asked()).filter(|asked| asked.len() >= count)
        })
        .await
    }
}

/// How a server that shows a certificate speaks TLS.
///
/// # Panics
/// When the certificate cannot be used.
pub fn server_config(of: &Certificates) -> rustls::ServerConfig {
    let certificates = CertificateDer::pem_slice_iter(of.server.certificate.as_bytes());
    let certificates = certificates.collect::<Result<Vec<_>, _>>();
    let certificates = certificates.expect("the certificates can be read");
    let key = PrivateKeyDer::from_pem_slice(of.server.key.as_bytes());
    let key = key.expect("the key can be read");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("the key is that of the certificate")
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<dyn Fn(&Asked) -> Answer + Send + Sync>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (asked, answers) = (asked.clone(), answers.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (asked, answers) = (asked.clone(), answers.clone());
            async move {
                let request = read(request).await;
                asked.lock().expect("nobody panics").push(request.clone());
                let Answer {
                    status,
                    headers,
                    body,
                    delay,
                } = answers(&request);
                pause(delay).await;
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                let response = response.body(Full::new(Bytes::from(body)));
                Ok::<_, Infallible>(response.expect("the answer can be sent"))
            }
        });
        let tls = tls.clone();
        // A client that goes away is none of the story's business.
        connections.spawn(async move {
            match tls {
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else {
                        return;
                    };
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                }
                None => {
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                }
            }
        });
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter();
    Asked {
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: headers
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body: body
            .collect()
            .await
            .map(Collected::to_bytes)
            .unwrap_or_default(),
    }
}
