//! Ports that open and close with their routes.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

struct Says(&'static str);

#[async_trait]
impl Handler for Says {
    fn admit(&self, _: &Head) -> Admission {
        Admission::Body { limit: 100 }
    }

    async fn answer(&self, _: Request) -> Response {
        text(StatusCode::OK, self.0)
    }
}

fn route(path: &str, says: &'static str) -> Route {
    Route {
        path: path.to_owned(),
        method: None,
        handler: Arc::new(Says(says)),
    }
}

fn certificate() -> CertifiedKey {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind(("::", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// The status and the body of the answer to a request with a body, which nobody may have to read.
async fn get(port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("localhost", port)).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].to_owned(), body.to_owned())
}

fn answered(status: &str, body: &str) -> (String, String) {
    (status.to_owned(), body.to_owned())
}

#[tokio::test]
async fn routes_share_a_port_and_leave_it_one_by_one() {
    let (ports, serving) = Ports::new(Limits::default());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(serving.run(stop.clone()));
    let port = free_port().await;
    let first = ports.open(port, route("/a", "first"), None).await.unwrap();
    let second = ports.open(port, route("/b", "second"), None).await.unwrap();
    assert_eq!(get(port, "/a").await, answered("200", "first"));
    assert_eq!(get(port, "/b").await, answered("200", "second"));
    assert_eq!(get(port, "/c").await, answered("404", "not found"));
    assert_eq!(get(port, "/health").await, answered("200", "OK"));
    let taken = ports.open(port, route("/a", "third"), None).await;
    let taken = taken.unwrap_err();
    assert_eq!(taken.to_string(), format!("answer on port {port}"));
    drop(first);
    assert_eq!(get(port, "/a").await, answered("404", "not found"));
    let third = ports.open(port, route("/a", "third"), None).await.unwrap();
    assert_eq!(get(port, "/a").await, answered("200", "third"));
    drop((second, third));
    let message = "the event source is being started";
    assert_eq!(get(port, "/a").await, answered("503", message));
    stop.cancel();
    tasks.join_all().await;
    TcpStream::connect(("localhost", port)).await.unwrap_err();
}

#[tokio::test]
async fn a_port_has_one_certificate_until_nobody_uses_it() {
    let (ports, serving) = Ports::new(Limits::default());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(serving.run(stop.clone()));
    let port = free_port().await;
    let tls = |name: &str| Some((name.to_owned(), certificate()));
    let first = ports.open(port, route("/a", ""), tls("one")).await.unwrap();
    for other in [None, tls("two")] {
        let refused = ports.open(port, route("/b", ""), other).await;
        assert!(matches!(
            refused,
            Err(OpenError::OtherCertificate { port: at }) if at == port
        ));
    }
    drop(ports.open(port, route("/b", ""), tls("one")).await.unwrap());
    drop(first);
    let plain = ports.open(port, route("/a", "plain"), None).await.unwrap();
    assert_eq!(get(port, "/a").await, answered("200", "plain"));
    drop(plain);
    stop.cancel();
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_port_without_routes_closes_after_a_while() {
    let (ports, serving) = Ports::new(Limits::default());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(serving.run(stop.clone()));
    let port = free_port().await;
    drop(ports.open(port, route("/a", ""), None).await.unwrap());
    while TcpStream::connect(("localhost", port)).await.is_ok() {
        tokio::time::sleep(LOOK).await;
    }
    let _again = ports.open(port, route("/a", "again"), None).await.unwrap();
    assert_eq!(get(port, "/a").await, answered("200", "again"));
    stop.cancel();
    tasks.join_all().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let listener = TcpListener::bind(("::", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (ports, _serving) = Ports::new(Limits::default());
    let refused = ports.open(port, route("/a", ""), None).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("open port {port}"));
    assert!(matches!(refused, OpenError::Listen { .. }));
}
