//! A web server that remembers what it was asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tiphys_testbed::Certificates;
use tiphys_tests::eventually;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn answer(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

impl Answer {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// A running web server; it ends with the story.
pub(crate) struct Web {
    address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
    _server: JoinSet<()>,
}

impl Web {
    pub(crate) async fn start(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), answers).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serve(address, None, Arc::new(answers)).await
    }

    /// A server that shows a certificate.
    pub(crate) async fn start_tls(
        of: &Certificates,
        answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let certificates = CertificateDer::pem_slice_iter(of.server.certificate.as_bytes());
        let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(of.server.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        let address = ([127, 0, 0, 1], 0).into();
        Self::serve(address, Some(Arc::new(config).into()), Arc::new(answers)).await
    }

    async fn serve(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        answers: Arc<dyn Fn(&Asked) -> Answer + Send + Sync>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
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

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What was asked, as soon as it is so much.
    pub(crate) async fn asked_times(&self, count: usize) -> Vec<Asked> {
        eventually("requests come", || async {
            Some(self.asked()).filter(|asked| asked.len() >= count)
        })
        .await
    }
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
                asked.lock().unwrap().push(request.clone());
                let Answer {
                    status,
                    headers,
                    body,
                } = answers(&request);
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
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
        path: head.uri.path_and_query().unwrap().to_string(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: body.collect().await.unwrap().to_bytes(),
    }
}
