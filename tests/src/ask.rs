//! A plain HTTP client: what is sent is what the story says, and nothing else.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wait::within;

/// What a server answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Values by names in lower case; of several headers of a name, the last one.
    pub headers: BTreeMap<String, String>,
    /// As text.
    pub body: String,
}

impl Reply {
    /// The body of an answer that is well.
    ///
    /// # Panics
    /// When the status is not 200, or the body not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).expect("the answer is JSON")
    }

    /// The first part of the cookie that it sets: its name and its value.
    ///
    /// # Panics
    /// When it sets none.
    #[track_caller]
    pub fn cookie(&self) -> String {
        let cookie = &self.headers["set-cookie"];
        let first = cookie.split(';').next().expect("a text has a first part");
        first.to_owned()
    }
}

/// Sends a request as a page of a console at `host` does: from there, and with its cookie.
///
/// # Panics
/// When there is no answer.
pub async fn ask_as_page(host: &str, method: &str, path: &str, cookie: &str, body: &str) -> Reply {
    let headers = [
        &*format!("Host: {host}"),
        &*format!("Origin: http://{host}"),
        &*format!("Cookie: {cookie}"),
        "Content-Type: application/json",
    ];
    ask(host, method, path, &headers, body).await
}

/// Sends a request to `host`, an address with a port, and reads the answer to its end. A host, as headers may say, is
/// not added.
///
/// # Panics
/// When there is no answer.
pub async fn ask(host: &str, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
    let mut stream = TcpStream::connect(host).await.expect("it can be reached");
    let headers = [headers, &[""]].concat().join("\r\n");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let written = stream.write_all(request.as_bytes()).await;
    written.expect("a request can be sent");
    let mut bytes = Vec::new();
    let read = within("an answer", stream.read_to_end(&mut bytes)).await;
    read.expect("an answer can be read");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.expect("an answer has a head");
    let head = String::from_utf8_lossy(&bytes[..end]);
    let headers = head.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    });
    Reply {
        status: head[9..12].parse().expect("an answer has a status"),
        headers: headers.collect(),
        body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned(),
    }
}
