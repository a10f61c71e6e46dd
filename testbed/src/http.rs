//! Just enough HTTP to ask a server of the testbed whether it is ready.
//!
//! HTTP/1.0, because its answers are not chunked and end with the connection.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::PATIENCE;

/// What a server answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// One request. `headers` are lines without their line ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [String],
    pub(crate) body: &'a str,
}

impl<'a> Request<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            headers: &[],
            body: "",
        }
    }
}

/// Sends `request` to a plain-text server on the loopback address.
pub(crate) fn send(port: u16, request: Request<'_>) -> anyhow::Result<Response> {
    exchange(connect(port)?, request)
}

/// Sends `request` to a server whose certificate one of `roots` (PEM) signed.
pub(crate) fn send_tls(port: u16, roots: &str, request: Request<'_>) -> anyhow::Result<Response> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(certificate.context("read a root certificate")?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let connection = ClientConnection::new(Arc::new(config), name)?;
    exchange(StreamOwned::new(connection, connect(port)?), request)
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(mut stream: impl Read + Write, request: Request<'_>) -> anyhow::Result<Response> {
    let Request {
        method,
        path,
        headers,
        body,
    } = request;
    let length = format!("Content-Length: {}", body.len());
    let start = format!("{method} {path} HTTP/1.0");
    let lines: Vec<&str> = [&start, &length]
        .into_iter()
        .chain(headers)
        .map(String::as_str)
        .collect();
    let head = lines.join("\r\n") + "\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Some servers end a TLS connection without saying so.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
        _ => parse(&String::from_utf8_lossy(&answer)),
    }
}

fn parse(answer: &str) -> anyhow::Result<Response> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no end of headers")?;
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .context("the answer has no status code")?;
    Ok(Response {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nok";
        assert_eq!(
            parse(answer).unwrap(),
            Response {
                status: 200,
                body: "ok".to_owned()
            }
        );
    }

    #[test]
    fn a_torn_answer_is_an_error() {
        assert!(parse("HTTP/1.0 200 OK\r\nContent-Ty").is_err());
        assert!(parse("").is_err());
    }
}
