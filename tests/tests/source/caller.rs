//! Calls a web server over a connection of its own, kept from one request to the next.

use std::sync::Arc;

use tiphys_tests::eventually;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A client.
pub(crate) struct Caller {
    stream: Box<dyn Stream>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header `Retry-After`.
    pub(crate) retry_after: Option<String>,
    /// The header `Allow`.
    pub(crate) allow: Option<String>,
    pub(crate) body: String,
}

/// An answer with a text and nothing else to look at.
pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        retry_after: None,
        allow: None,
        body: body.to_owned(),
    }
}

impl Caller {
    /// Connects as soon as the port is open.
    pub(crate) async fn to(port: u16) -> Self {
        eventually("an open port", || async { Self::connect(port).await.ok() }).await
    }

    /// Connects, if the port is open.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) async fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        Ok(Self {
            stream: Box::new(stream),
        })
    }

    /// Connects over TLS, if the server shows a certificate of this authority.
    pub(crate) async fn trusting(authority: &str, port: u16) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let name = ServerName::try_from("localhost").unwrap();
        let secured = TlsConnector::from(Arc::new(config)).connect(name, stream);
        Some(Self {
            stream: Box::new(secured.await.ok()?),
        })
    }

    /// Sends something, whatever it is.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Asks, with headers such as `a: b`.
    ///
    /// # Errors
    /// If the connection ends before the answer has.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> std::io::Result<Answer> {
        let headers: Vec<String> = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let headers = headers.concat();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(request.as_bytes()).await?;
        self.answer().await
    }

    /// Posts JSON.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> std::io::Result<Answer> {
        let headers = ["Content-Type: application/json"];
        self.ask("POST", path, &headers, body).await
    }

    async fn answer(&mut self) -> std::io::Result<Answer> {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let header = |name: &str| {
                    head.lines().find_map(|line| {
                        let (found, value) = line.split_once(": ")?;
                        found.eq_ignore_ascii_case(name).then(|| value.to_owned())
                    })
                };
                let length = header("content-length").map_or(0, |length| length.parse().unwrap());
                if body.len() >= length {
                    return Ok(Answer {
                        status: head[9..12].parse().unwrap(),
                        retry_after: header("retry-after"),
                        allow: header("allow"),
                        body: body.to_owned(),
                    });
                }
            }
            if self.stream.read_buf(&mut bytes).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
