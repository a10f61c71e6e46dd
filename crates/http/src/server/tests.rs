//! A port and its clients, on loopback.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use http::{Method, StatusCode};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use super::*;
use crate::{Admission, Body, Handler, Head, Request, Response, Route, text};

/// The longest that anything here may take; only a fault takes so long.
const DEADLINE: Duration = Duration::from_mins(1);

/// Answers with what it was sent.
struct Echo;

#[async_trait]
impl Handler for Echo {
    fn admit(&self, head: &Head) -> Admission {
        if head.headers.contains_key("x-refuse") {
            return Admission::Answered(text(StatusCode::UNAUTHORIZED, "who are you"));
        }
        Admission::Body { limit: 100_000 }
    }

    async fn answer(&self, request: Request) -> Response {
        text(StatusCode::OK, request.body)
    }
}

/// Answers when it may.
#[derive(Default)]
struct Slow {
    begun: Notify,
    go: Notify,
}

#[async_trait]
impl Handler for Slow {
    async fn answer(&self, _: Request) -> Response {
        self.begun.notify_one();
        self.go.notified().await;
        text(StatusCode::OK, "at last")
    }
}

/// Answers without an end.
struct Endless;

#[async_trait]
impl Handler for Endless {
    async fn answer(&self, _: Request) -> Response {
        let first = stream::iter([Bytes::from_static(b"line\n")]);
        Response::new(Body::stream(futures::StreamExt::chain(
            first,
            stream::pending(),
        )))
    }
}

struct Port {
    address: SocketAddr,
    slow: Arc<Slow>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Port {
    async fn open(limits: Limits) -> Self {
        Self::with(limits, None).await
    }

    async fn with(limits: Limits, certificate: Option<Arc<Certificate>>) -> Self {
        let slow = Arc::new(Slow::default());
        let route = |path: &str, method: Method, handler: Arc<dyn Handler>| Route {
            path: path.to_owned(),
            method: Some(method),
            handler,
        };
        let routes = [
            route("/echo", Method::POST, Arc::new(Echo)),
            route("/slow", Method::GET, slow.clone()),
            route("/endless", Method::GET, Arc::new(Endless)),
        ];
        let fixed = Arc::new(Router::fixed(routes, Arc::new(Nothing)));
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let mut server = Server::new(listener, fixed, limits);
        if let Some(certificate) = certificate {
            server = server.with_certificate(certificate).unwrap();
        }
        let address = server.address().unwrap();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(stop.clone()));
        Self {
            address,
            slow,
            stop,
            tasks,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ended(&mut self) {
        within(self.tasks.join_next()).await.unwrap().unwrap();
    }
}

struct Nothing;

#[async_trait]
impl Handler for Nothing {
    async fn answer(&self, _: Request) -> Response {
        text(StatusCode::NOT_FOUND, "not found")
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap()
}

fn post(body: &str) -> String {
    format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one answer: its status and body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (u16, String) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (_, rest) = head.split_once("content-length: ").unwrap();
            let length: usize = rest.lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                return (text[9..12].parse().unwrap(), body[..length].to_owned());
            }
        }
        let mut byte = [0];
        assert_eq!(within(stream.read(&mut byte)).await.unwrap(), 1, "{text}");
        read.push(byte[0]);
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

/// Returns when the other side has closed.
async fn closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    // A reset is an end as well.
    within(stream.read_to_end(&mut rest)).await.ok();
}

#[tokio::test]
async fn a_connection_is_kept_from_one_request_to_the_next() {
    let port = Port::open(Limits::default()).await;
    let mut stream = port.connect().await;
    for body in ["one", "two", ""] {
        assert_eq!(ask(&mut stream, &post(body)).await, (200, body.to_owned()));
    }
    let refused = "GET /echo HTTP/1.1\r\nhost: x\r\n\r\n";
    let why = "the method has to be post".to_owned();
    assert_eq!(ask(&mut stream, refused).await, (405, why));
    let missing = "GET /none HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(
        ask(&mut stream, missing).await,
        (404, "not found".to_owned())
    );
}

#[tokio::test]
async fn a_body_in_many_pieces_comes_whole() {
    let port = Port::open(Limits::default()).await;
    let mut stream = port.connect().await;
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in ["3\r\nabc\r\n", "2\r\nde\r\n", "0\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(answer(&mut stream).await, (200, "abcde".to_owned()));
}

#[tokio::test]
async fn a_client_that_sends_too_much_can_read_why_it_was_refused() {
    let port = Port::open(Limits::default()).await;
    for head in [
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1e8480\r\n",
    ] {
        let mut stream = port.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        // The answer may come, and the connection close, before all of it is sent.
        stream.write_all(&vec![b'x'; 2_000_000]).await.ok();
        let why = "the request is larger than 100000 bytes".to_owned();
        assert_eq!(answer(&mut stream).await, (413, why));
        closed(&mut stream).await;
    }
}

#[tokio::test]
async fn headers_without_an_end_are_refused() {
    let port = Port::open(Limits::default()).await;
    let mut stream = port.connect().await;
    let head = format!(
        "POST /echo HTTP/1.1\r\nx: {}",
        "y".repeat(port_header_bytes())
    );
    stream.write_all(head.as_bytes()).await.ok();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.ok();
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{answer:?}");
}

fn port_header_bytes() -> usize {
    Limits::default().header_bytes + 1
}

#[tokio::test]
async fn headers_decide_before_the_body_is_read() {
    let port = Port::open(Limits::default()).await;
    let mut stream = port.connect().await;
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\nx-refuse: 1\r\ncontent-length: 5\r\n\r\n";
    let why = "who are you".to_owned();
    assert_eq!(ask(&mut stream, head).await, (401, why));
}

#[tokio::test]
async fn a_port_full_of_silent_connections_still_answers() {
    let limits = Limits {
        connections: 8,
        ..Limits::default()
    };
    let port = Port::open(limits).await;
    let mut begun = port.connect().await;
    begun
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    within(port.slow.begun.notified()).await;
    let mut silent = Vec::new();
    for at in 0..64 {
        let mut stream = port.connect().await;
        if at % 2 == 0 {
            stream.write_all(b"POST /echo HT").await.unwrap();
        }
        silent.push(stream);
    }
    let mut stream = port.connect().await;
    assert_eq!(
        ask(&mut stream, &post("here")).await,
        (200, "here".to_owned())
    );
    port.slow.go.notify_one();
    assert_eq!(answer(&mut begun).await, (200, "at last".to_owned()));
}

#[tokio::test]
async fn bodies_that_do_not_come_make_room_for_others() {
    let limits = Limits {
        body_bytes: 50_000,
        ..Limits::default()
    };
    let port = Port::open(limits).await;
    let mut hanging = Vec::new();
    for _ in 0..8 {
        let mut stream = port.connect().await;
        let head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; 40_000]).await.unwrap();
        hanging.push(stream);
    }
    let mut stream = port.connect().await;
    let body = "y".repeat(9_000);
    let answered = ask(&mut stream, &post(&body)).await;
    assert_eq!(answered, (200, body));
    let mut cut = hanging.swap_remove(0);
    let why = "the request did not come in time".to_owned();
    assert_eq!(answer(&mut cut).await, (408, why));
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_refused() {
    let limits = Limits {
        body_time: Duration::from_millis(1),
        ..Limits::default()
    };
    let port = Port::open(limits).await;
    let mut stream = port.connect().await;
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n";
    let why = "the request did not come in time".to_owned();
    assert_eq!(ask(&mut stream, head).await, (408, why));
}

#[tokio::test]
async fn idle_connections_and_slow_headers_are_closed() {
    let limits = Limits {
        header_time: Duration::from_millis(1),
        idle_time: Duration::from_millis(1),
        ..Limits::default()
    };
    let port = Port::open(limits).await;
    let mut silent = port.connect().await;
    closed(&mut silent).await;
    let mut slow = port.connect().await;
    slow.write_all(b"POST /echo HT").await.unwrap();
    closed(&mut slow).await;
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once() {
    let limits = Limits {
        requests: 1,
        ..Limits::default()
    };
    let port = Port::open(limits).await;
    let mut first = port.connect().await;
    let slow = "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";
    first.write_all(slow.as_bytes()).await.unwrap();
    within(port.slow.begun.notified()).await;
    let mut second = port.connect().await;
    let why = "too many requests at a time".to_owned();
    assert_eq!(ask(&mut second, &post("x")).await, (503, why));
    port.slow.go.notify_one();
    assert_eq!(answer(&mut first).await, (200, "at last".to_owned()));
}

#[tokio::test]
async fn what_is_being_answered_is_finished_at_the_end_and_nothing_else_begun() {
    let mut port = Port::open(Limits::default()).await;
    let mut idle = port.connect().await;
    ask(&mut idle, &post("x")).await;
    let mut endless = port.connect().await;
    endless
        .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 15];
    within(endless.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    let mut begun = port.connect().await;
    begun
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    within(port.slow.begun.notified()).await;
    port.stop.cancel();
    closed(&mut idle).await;
    closed(&mut endless).await;
    port.slow.go.notify_one();
    assert_eq!(answer(&mut begun).await, (200, "at last".to_owned()));
    port.ended().await;
    TcpStream::connect(port.address).await.unwrap_err();
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_handler_for_ever() {
    let limits = Limits {
        drain_time: Duration::from_millis(1),
        ..Limits::default()
    };
    let mut port = Port::open(limits).await;
    let mut begun = port.connect().await;
    begun
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    within(port.slow.begun.notified()).await;
    port.stop.cancel();
    port.ended().await;
    closed(&mut begun).await;
}

fn certificate() -> (rustls::sign::CertifiedKey, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let certified = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let root = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
    (certified, root)
}

async fn ask_trusting(port: &Port, root: &CertificateDer<'static>) -> io::Result<(u16, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = within(connector.connect(name, port.connect().await)).await?;
    Ok(ask(&mut stream, &post("secret")).await)
}

#[tokio::test]
async fn another_certificate_is_shown_to_those_who_come_later() {
    let (first, first_root) = certificate();
    let (second, second_root) = certificate();
    let shown = Arc::new(Certificate::new(first));
    let port = Port::with(Limits::default(), Some(shown.clone())).await;
    let answered = (200, "secret".to_owned());
    assert_eq!(ask_trusting(&port, &first_root).await.unwrap(), answered);
    ask_trusting(&port, &second_root).await.unwrap_err();
    shown.replace(second);
    assert_eq!(ask_trusting(&port, &second_root).await.unwrap(), answered);
    ask_trusting(&port, &first_root).await.unwrap_err();
}
