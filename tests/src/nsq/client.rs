//! One client's connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};

use super::Shared;
use super::channel::Message;
use super::command::{Command, decode};

/// How often time-outs are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How many messages a client may ask for.
const MOST_READY: usize = 2500;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection and what was agreed on it.
struct Client {
    stream: Box<dyn Stream>,
    arrived: BytesMut,
    number: u64,
    shared: Arc<Shared>,
    is_encrypted: bool,
    is_known: bool,
    heartbeat: Duration,
    heard: Instant,
    subscribed: Option<(String, String)>,
    ready: usize,
    is_closing: bool,
}

/// A refusal, after which nsqd ends the connection or goes on.
struct Refusal {
    said: String,
    is_fatal: bool,
}

fn fatal(said: impl Into<String>) -> Refusal {
    Refusal {
        said: said.into(),
        is_fatal: true,
    }
}

/// Serves a client until it goes, or does what nsqd does not take.
pub(super) async fn serve(mut stream: TcpStream, number: u64, shared: Arc<Shared>) {
    let mut version = [0; 4];
    if stream.read_exact(&mut version).await.is_err() || &version != b"  V2" {
        return;
    }
    let client = Client {
        stream: Box::new(stream),
        arrived: BytesMut::new(),
        number,
        shared,
        is_encrypted: false,
        is_known: false,
        heartbeat: Duration::from_secs(30),
        heard: Instant::now(),
        subscribed: None,
        ready: 0,
        is_closing: false,
    };
    // A client that goes away is none of the story's business.
    client.run().await.ok();
}

impl Client {
    async fn run(mut self) -> io::Result<()> {
        let mut changes = self.shared.changes.subscribe();
        let mut tick = interval(TICK);
        let mut beat = Instant::now() + self.heartbeat;
        loop {
            self.push().await?;
            tokio::select! {
                read = self.stream.read_buf(&mut self.arrived) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    self.heard = Instant::now();
                    while let Some(command) = decode(&mut self.arrived) {
                        if !self.obey(&command).await? {
                            return Ok(());
                        }
                    }
                }
                _ = changes.changed() => {}
                _ = tick.tick() => {
                    if self.heard.elapsed() > 2 * self.heartbeat {
                        return Ok(());
                    }
                    if beat <= Instant::now() {
                        beat = Instant::now() + self.heartbeat;
                        self.frame(0, b"_heartbeat_").await?;
                    }
                }
            }
            beat = beat.min(Instant::now() + self.heartbeat);
        }
    }

    /// Sends what the client is ready for.
    async fn push(&mut self) -> io::Result<()> {
        while let Some((topic, channel)) = self.subscribed.clone()
            && !self.is_closing
        {
            let of = (&*topic, &*channel);
            let message = {
                let mut topics = self.shared.topics();
                topics.take(of, self.number, self.ready, Instant::now())
            };
            let Some(message) = message else { break };
            let Message {
                id,
                timestamp,
                attempts,
                body,
            } = message;
            let head = [
                &timestamp.to_be_bytes()[..],
                &attempts.to_be_bytes(),
                id.as_bytes(),
            ];
            let frame = [&head.concat()[..], &body].concat();
            self.frame(2, &frame).await?;
        }
        Ok(())
    }

    /// Does what a client says, and whether the connection goes on.
    async fn obey(&mut self, command: &Command) -> io::Result<bool> {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let done = match words[..] {
            ["IDENTIFY"] => return self.identify(&command.body).await,
            _ if self.shared.tls.is_some() && !self.is_encrypted => Err(fatal(format!(
                "E_INVALID cannot {} in current state (TLS required)",
                words[0]
            ))),
            ["AUTH"] => self.auth(&command.body),
            ["SUB", topic, channel] => self.subscribe(topic, channel),
            _ => self.of_channel(&words),
        };
        match done {
            Ok(Some(answer)) => self.frame(0, answer.as_bytes()).await.map(|()| true),
            Ok(None) => Ok(true),
            Err(Refusal { said, is_fatal }) => {
                self.frame(1, said.as_bytes()).await?;
                Ok(!is_fatal)
            }
        }
    }

    async fn identify(&mut self, body: &[u8]) -> io::Result<bool> {
        let Ok(wanted) = serde_json::from_slice::<Value>(body) else {
            self.frame(1, b"E_BAD_BODY IDENTIFY failed to decode JSON body")
                .await?;
            return Ok(false);
        };
        if let Some(interval) = wanted["heartbeat_interval"].as_u64() {
            self.heartbeat = Duration::from_millis(interval);
        }
        if wanted["feature_negotiation"] != true {
            self.frame(0, b"OK").await?;
            return Ok(true);
        }
        let tls = self.shared.tls.clone().filter(|_| wanted["tls_v1"] == true);
        let timeout = self.shared.topics().timeout();
        let agreed = json!({
            "max_rdy_count": MOST_READY, "version": "1.3.0", "max_msg_timeout": 900_000,
            "msg_timeout": u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            "tls_v1": tls.is_some(), "deflate": false, "deflate_level": 0, "max_deflate_level": 6,
            "snappy": false, "sample_rate": 0, "auth_required": self.shared.secret.is_some(),
            "output_buffer_size": 16384, "output_buffer_timeout": 250,
        });
        self.frame(0, agreed.to_string().as_bytes()).await?;
        if let Some(tls) = tls {
            let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
            self.stream = Box::new(tls.accept(plain).await?);
            self.is_encrypted = true;
            self.frame(0, b"OK").await?;
        }
        Ok(true)
    }

    fn auth(&mut self, secret: &[u8]) -> Result<Option<String>, Refusal> {
        match self.shared.secret {
            None => Err(fatal("E_AUTH_DISABLED AUTH Disabled")),
            Some(wanted) if wanted.as_bytes() == secret => {
                self.is_known = true;
                let answer =
                    json!({"identity": "story", "identity_url": "", "permission_count": 1});
                Ok(Some(answer.to_string()))
            }
            Some(_) => Err(fatal("E_AUTH_FAILED AUTH failed")),
        }
    }

    fn subscribe(&mut self, topic: &str, channel: &str) -> Result<Option<String>, Refusal> {
        if self.subscribed.is_some() {
            return Err(fatal("E_INVALID cannot SUB in current state"));
        }
        if self.shared.secret.is_some() && !self.is_known {
            return Err(fatal("E_AUTH_FIRST AUTH required before SUB"));
        }
        self.shared
            .change(|topics| topics.subscribe(topic, channel));
        self.subscribed = Some((topic.to_owned(), channel.to_owned()));
        Ok(Some("OK".to_owned()))
    }

    /// What may only be said after a subscription.
    fn of_channel(&mut self, words: &[&str]) -> Result<Option<String>, Refusal> {
        let Some((topic, channel)) = self.subscribed.clone() else {
            return Err(fatal(format!(
                "E_INVALID cannot {} in current state",
                words[0]
            )));
        };
        let of = (&*topic, &*channel);
        let (number, now) = (self.number, Instant::now());
        let done = match *words {
            ["NOP"] => Some(()),
            ["CLS"] => {
                self.is_closing = true;
                return Ok(Some("CLOSE_WAIT".to_owned()));
            }
            ["RDY", count] => match count.parse() {
                Ok(count) if count <= MOST_READY => {
                    self.ready = count;
                    Some(())
                }
                _ => return Err(fatal(format!("E_INVALID RDY count {count} out of range"))),
            },
            ["FIN", id] => {
                let finished = self.shared.change(|topics| topics.finish(of, number, id));
                finished.map(drop)
            }
            ["TOUCH", id] => self.shared.topics().touch(of, number, id, now),
            ["REQ", id, wait] => {
                let wait: u64 = wait
                    .parse()
                    .map_err(|_| fatal("E_INVALID REQ could not parse"))?;
                let at = (wait > 0).then(|| now + Duration::from_millis(wait));
                self.shared
                    .change(|topics| topics.requeue(of, number, id, at))
            }
            _ => return Err(fatal(format!("E_INVALID invalid command {}", words[0]))),
        };
        done.map(|()| None).ok_or_else(|| Refusal {
            said: format!(
                "E_{}_FAILED {} failed ID not in flight",
                words[0],
                words.join(" ")
            ),
            is_fatal: false,
        })
    }

    async fn frame(&mut self, kind: u32, data: &[u8]) -> io::Result<()> {
        let size = u32::try_from(data.len() + 4).unwrap_or(u32::MAX);
        let frame = [&size.to_be_bytes()[..], &kind.to_be_bytes(), data].concat();
        self.stream.write_all(&frame).await?;
        self.stream.flush().await
    }
}
