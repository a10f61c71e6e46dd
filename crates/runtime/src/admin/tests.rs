//! The port as callers see it.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;

/// A port whose report needs a key, the sender of reports, and the task that serves the port.
async fn opened() -> (SocketAddr, watch::Sender<Bytes>, JoinSet<()>) {
    let (told, latest) = watch::channel(Bytes::from_static(b"first\n"));
    let report = Report {
        latest,
        key: Some("sesame".to_owned()),
    };
    let admin = Arc::new(Admin::new(Registry::default(), Some(report)));
    let server = open("127.0.0.1:0".parse().unwrap(), admin).await.unwrap();
    let address = server.address().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(CancellationToken::new()));
    (address, told, tasks)
}

async fn asked(address: SocketAddr, authorization: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/report HTTP/1.1\r\nHost: x\r\n{authorization}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

#[tokio::test]
async fn the_report_is_for_those_who_know_its_key() {
    let (address, _told, _tasks) = opened().await;
    for authorization in [
        "",
        "Authorization: Bearer open\r\n",
        "Authorization: Bearer sesame2\r\n",
        "Authorization: sesame\r\n",
        "Authorization: Basic sesame\r\n",
    ] {
        let mut connection = asked(address, authorization).await;
        let mut begin = [0; 12];
        connection.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 401", "{authorization}");
    }
}

/// Some idle connections cut the controller off, and the status of a Sensor said that no pod reports.
#[tokio::test]
async fn whoever_asks_nothing_takes_the_report_from_nobody() {
    let (address, told, _tasks) = opened().await;
    let connection = asked(address, "Authorization: Bearer sesame\r\n").await;
    let mut lines = BufReader::new(connection).lines();
    while lines.next_line().await.unwrap().unwrap() != "first" {}
    let mut others = Vec::new();
    for _ in 0..2 * MAX_CONNECTIONS {
        let idle = TcpStream::connect(address).await.unwrap();
        let mut refused = asked(address, "").await;
        let mut begin = [0; 12];
        // One of too many may be closed before it is answered.
        if refused.read_exact(&mut begin).await.is_ok() {
            assert_eq!(&begin, b"HTTP/1.1 401");
        }
        others.extend([idle, refused]);
    }
    told.send_replace(Bytes::from_static(b"second\n"));
    while lines.next_line().await.unwrap().unwrap() != "second" {}
}

async fn ready(address: SocketAddr) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    connection.read_exact(&mut begin).await.unwrap();
    String::from_utf8_lossy(&begin).into_owned()
}

/// The kubelet asked in the first moments of each pod, and made a warning of the answer.
#[tokio::test]
async fn whoever_asks_a_process_that_starts_waits_until_it_is_ready() {
    let admin = Arc::new(Admin::new(Registry::default(), None));
    let server = open("127.0.0.1:0".parse().unwrap(), Arc::clone(&admin)).await;
    let server = server.unwrap();
    let address = server.address().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(CancellationToken::new()));
    // It does not become ready in time.
    assert_eq!(ready(address).await, "HTTP/1.1 503");
    let asked = ready(address);
    let becomes = async {
        tokio::task::yield_now().await;
        admin.set_ready(false);
        admin.set_ready(true);
    };
    let (answer, ()) = tokio::join!(asked, becomes);
    assert_eq!(answer, "HTTP/1.1 200");
    // One that stops says so at once.
    admin.set_ready(false);
    assert_eq!(ready(address).await, "HTTP/1.1 503");
}
