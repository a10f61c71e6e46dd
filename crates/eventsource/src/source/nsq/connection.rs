//! A connection to an nsqd: how it begins, and frames and commands on it.

use std::time::Duration;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use tiphys_api::message::shortened;
use tiphys_clients::socket::{self, SocketError, Stream};
use tiphys_clients::tls::Tls;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, timeout, timeout_at};

use super::Nsq;
use super::frame::{Command, Frame, FrameError, VERSION, decode};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// How long it may take until messages can be asked for.
const OPEN_WITHIN: Duration = Duration::from_secs(8);

/// How often nsqd shows that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A connection on which nothing has come for so long is lost: two heartbeats have not come.
const SILENT: Duration = Duration::from_secs(40);

/// How long nsqd may take to read what it is sent.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// How long nsqd may take at the end to read the last of it.
const CLOSE_WITHIN: Duration = Duration::from_millis(300);

/// How many bytes are read at a time.
const READ: usize = 64 * 1024;

/// How much of what nsqd says of a failure is reported, in bytes.
const LONGEST_REASON: usize = 200;

/// What nsqd says to show that it is there.
pub(super) const HEARTBEAT_SAID: &[u8] = b"_heartbeat_";

/// An open connection.
pub(super) struct Connection {
    address: String,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    arrived: BytesMut,
    heard: Instant,
    out: Vec<u8>,
    terms: Terms,
}

/// What the client says of itself.
#[derive(Serialize)]
struct Identity<'a> {
    client_id: &'a str,
    hostname: &'a str,
    user_agent: &'a str,
    feature_negotiation: bool,
    heartbeat_interval: u128,
    tls_v1: bool,
}

/// What nsqd answers.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub(super) struct Terms {
    /// How many messages a client may ask for.
    pub(super) max_rdy_count: usize,
    /// How long it waits for a message to be done with, in milliseconds.
    msg_timeout: u64,
    tls_v1: bool,
    auth_required: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            max_rdy_count: 2500,
            msg_timeout: 60_000,
            tls_v1: false,
            auth_required: false,
        }
    }
}

/// Why a connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the connection is lost")]
    Ended,
    #[error("nothing has come for {} s", SILENT.as_secs())]
    Silent,
    #[error("what is sent is not read")]
    Stuck,
    #[error("the connection is lost")]
    Io(#[from] std::io::Error),
    #[error("what came is not of nsqd")]
    Malformed(#[from] FrameError),
}

/// What an answer is to: it decides what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Identify,
    Auth,
    Subscribe,
}

impl Connection {
    /// Connects, agrees on encryption, logs in, and subscribes.
    pub(super) async fn open(
        source: &Nsq,
        context: &SourceContext,
        address: &str,
    ) -> Result<Self, SourceError> {
        let opened = timeout(OPEN_WITHIN, Self::begin(source, context, address)).await;
        opened.unwrap_or_else(|_| {
            let why = format!("no answer in {} s", OPEN_WITHIN.as_secs());
            let failed = SourceError::new(Reason::Unreachable, reach(address));
            Err(failed.because(why))
        })
    }

    async fn begin(
        source: &Nsq,
        context: &SourceContext,
        address: &str,
    ) -> Result<Self, SourceError> {
        let tls = context.tls(source.tls.as_ref()).await?;
        let stream = socket::connect(address, None).await;
        let stream = stream.map_err(|error| unreachable(error, address, source))?;
        let mut connection = Self::on(address.to_owned(), stream);
        connection.out.extend_from_slice(VERSION);
        let who = identity(context.pod(), tls.is_some());
        let command = Command::Identify(&who);
        let answer = connection.ask(Step::Identify, command, source).await?;
        connection.terms = serde_json::from_slice(&answer)
            .map_err(|error| SourceError::new(Reason::Malformed, reach(address)).because(error))?;
        if let Some(tls) = &tls {
            connection = connection.encrypt(tls, source).await?;
        }
        if connection.terms.auth_required {
            connection.log_in(source, context).await?;
        }
        let (topic, channel) = (&*source.topic, &*source.channel);
        let subscribe = Command::Subscribe { topic, channel };
        connection.ask(Step::Subscribe, subscribe, source).await?;
        Ok(connection)
    }

    async fn encrypt(self, tls: &Tls, source: &Nsq) -> Result<Self, SourceError> {
        let Self {
            address,
            reader,
            writer,
            arrived,
            terms,
            ..
        } = self;
        let failed = |reason| SourceError::new(reason, reach(&address));
        if !terms.tls_v1 {
            let hint = format!("remove {}.tls, or set TLS up at nsqd", source.path);
            return Err(failed(Reason::Refused)
                .because("it has no TLS")
                .with_hint(hint));
        }
        // What came in the clear could be anybody's.
        if !arrived.is_empty() {
            let why = "it says more before the connection is encrypted";
            return Err(failed(Reason::Malformed).because(why));
        }
        let stream = socket::encrypt(reader.unsplit(writer), &address, tls).await;
        let stream = stream.map_err(|error| unreachable(error, &address, source))?;
        let mut connection = Self::on(address, Box::new(stream));
        connection.terms = terms;
        connection.answer(Step::Identify, source).await?;
        Ok(connection)
    }

    async fn log_in(&mut self, source: &Nsq, context: &SourceContext) -> Result<(), SourceError> {
        let secret = context.text(source.auth.as_ref()).await?;
        if secret.is_empty() {
            let act = format!("log in at {}", self.address);
            return Err(SourceError::new(Reason::Unauthorized, act)
                .because("it wants a secret")
                .with_hint(format!("set {}.authSecret", source.path)));
        }
        let auth = Command::Auth(secret.as_bytes());
        self.ask(Step::Auth, auth, source).await.map(drop)
    }

    fn on(address: String, stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = split(stream);
        Self {
            address,
            reader,
            writer,
            arrived: BytesMut::new(),
            heard: Instant::now(),
            out: Vec::new(),
            terms: Terms::default(),
        }
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What nsqd has agreed to.
    pub(super) fn terms(&self) -> Terms {
        self.terms
    }

    /// The next frame.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Frame, Lost> {
        loop {
            if let Some(frame) = decode(&mut self.arrived)? {
                return Ok(frame);
            }
            self.arrived.reserve(READ);
            let reading = self.reader.read_buf(&mut self.arrived);
            match timeout_at(self.heard + SILENT, reading).await {
                Ok(Ok(0)) => return Err(Lost::Ended),
                Ok(read) => read?,
                Err(_) => return Err(Lost::Silent),
            };
            self.heard = Instant::now();
        }
    }

    /// Adds a command to what is sent with the next [`Self::flush`].
    pub(super) fn say(&mut self, command: Command<'_>) {
        command.encode(&mut self.out);
    }

    /// Sends what was said.
    pub(super) async fn flush(&mut self) -> Result<(), Lost> {
        if self.out.is_empty() {
            return Ok(());
        }
        let writing = async {
            self.writer.write_all(&self.out).await?;
            self.writer.flush().await
        };
        timeout(WRITE_WITHIN, writing)
            .await
            .map_err(|_| Lost::Stuck)??;
        self.out.clear();
        Ok(())
    }

    /// Ends the connection. What is still on its way here is read, or nsqd might lose what it was sent last.
    pub(super) async fn close(mut self) -> Result<(), Lost> {
        self.flush().await?;
        let closing = async {
            self.writer.shutdown().await?;
            loop {
                self.arrived.clear();
                self.arrived.reserve(READ);
                if self.reader.read_buf(&mut self.arrived).await? == 0 {
                    return Ok(());
                }
            }
        };
        timeout(CLOSE_WITHIN, closing).await.unwrap_or(Ok(()))
    }

    async fn ask(
        &mut self,
        step: Step,
        command: Command<'_>,
        source: &Nsq,
    ) -> Result<Vec<u8>, SourceError> {
        self.say(command);
        self.flush()
            .await
            .map_err(|error| self.lost(step, error, source))?;
        self.answer(step, source).await
    }

    async fn answer(&mut self, step: Step, source: &Nsq) -> Result<Vec<u8>, SourceError> {
        loop {
            let frame = self
                .next()
                .await
                .map_err(|error| self.lost(step, error, source))?;
            match frame {
                Frame::Response(said) if said == HEARTBEAT_SAID => self.say(Command::Nop),
                Frame::Response(said) => return Ok(said.to_vec()),
                Frame::Error(said) => return Err(refused(step, &said, &self.address, source)),
                Frame::Message(_) => {
                    return Err(SourceError::new(Reason::Malformed, reach(&self.address))
                        .because("a message came before one was asked for"));
                }
            }
        }
    }

    fn lost(&self, step: Step, error: Lost, source: &Nsq) -> SourceError {
        let reason = match error {
            Lost::Malformed(_) => Reason::Malformed,
            _ => Reason::Unreachable,
        };
        let failed = SourceError::new(reason, reach(&self.address)).because(error);
        // A server that does not like a client's certificate ends the connection.
        if step == Step::Identify && source.tls.is_some() {
            failed.with_hint(format!("check {}.tls", source.path))
        } else {
            failed
        }
    }
}

impl Terms {
    /// How often a message in hand is said to take longer: one such word may get lost.
    pub(super) fn touch_every(self) -> Duration {
        (Duration::from_millis(self.msg_timeout) / 3).max(Duration::from_millis(50))
    }
}

fn reach(address: &str) -> String {
    format!("reach nsqd {address}")
}

fn unreachable(error: SocketError, address: &str, source: &Nsq) -> SourceError {
    let field = match error {
        SocketError::Unreachable { .. } => "hostAddress, which names this nsqd",
        SocketError::Settings { .. } | SocketError::Tls { .. } => "tls",
    };
    SourceError::new(Reason::Unreachable, reach(address))
        .because(error)
        .with_hint(format!("check {}.{field}", source.path))
}

fn identity(pod: &str, is_encrypted: bool) -> Vec<u8> {
    let identity = Identity {
        client_id: pod,
        hostname: pod,
        user_agent: concat!("tiphys/", env!("CARGO_PKG_VERSION")),
        feature_negotiation: true,
        heartbeat_interval: HEARTBEAT.as_millis(),
        tls_v1: is_encrypted,
    };
    // Texts and numbers can be written as JSON.
    serde_json::to_vec(&identity).unwrap_or_default()
}

/// What a refusal means, and which field to look at.
fn refused(step: Step, said: &str, address: &str, source: &Nsq) -> SourceError {
    let code = said.split(' ').next().unwrap_or_default();
    let (reason, act, field) = match (step, code) {
        (Step::Auth, _) | (_, "E_AUTH_FIRST" | "E_AUTH_FAILED") => (
            Reason::Unauthorized,
            format!("log in at {address}"),
            "authSecret",
        ),
        (Step::Subscribe, "E_UNAUTHORIZED") => {
            let act = format!("subscribe to {} of {address}", source.topic);
            (Reason::Forbidden, act, "authSecret")
        }
        (Step::Subscribe, "E_BAD_TOPIC") => {
            let act = format!("subscribe to {} of {address}", source.topic);
            (Reason::Invalid, act, "topic")
        }
        (Step::Subscribe, "E_BAD_CHANNEL") => {
            let act = format!("subscribe to {} of {address}", source.channel);
            (Reason::Invalid, act, "channel")
        }
        (_, "E_INVALID") if said.contains("TLS") => (Reason::Refused, reach(address), "tls"),
        _ => (Reason::Refused, reach(address), ""),
    };
    let failed = SourceError::new(reason, act).because(shortened(said, LONGEST_REASON));
    if field.is_empty() {
        failed
    } else {
        failed.with_hint(format!("check {}.{field}", source.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::chain;

    #[test]
    fn a_client_says_who_it_is_and_what_it_wants() {
        let expected = format!(
            "{{\"client_id\":\"pod-0\",\"hostname\":\"pod-0\",\"user_agent\":\"tiphys/{}\",\
             \"feature_negotiation\":true,\"heartbeat_interval\":15000,\"tls_v1\":true}}",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(
            String::from_utf8(identity("pod-0", true)).unwrap(),
            expected
        );
    }

    #[test]
    fn a_message_is_said_to_take_longer_before_nsqd_sends_it_again() {
        let terms = r#"{"max_rdy_count":2500,"version":"1.3.0","msg_timeout":30000,"tls_v1":false,
            "auth_required":true,"sample_rate":0}"#;
        let terms: Terms = serde_json::from_str(terms).unwrap();
        assert_eq!(terms.touch_every(), Duration::from_secs(10));
        assert!(terms.auth_required);
        assert_eq!(Terms::default().touch_every(), Duration::from_secs(20));
    }

    #[test]
    fn a_refusal_names_the_field() {
        let spec = r#"{"hostAddress":"l:4161","topic":"orders","channel":"c"}"#;
        let source = crate::source::nsq::tests::compiled(spec);
        for (step, said, reason, text, hint) in [
            (
                Step::Auth,
                "E_AUTH_FAILED AUTH failed",
                Reason::Unauthorized,
                "log in at n:4150: E_AUTH_FAILED AUTH failed",
                "check spec.nsq.ev.authSecret",
            ),
            (
                Step::Subscribe,
                "E_UNAUTHORIZED AUTH failed for SUB on \"orders\" \"c\"",
                Reason::Forbidden,
                "subscribe to orders of n:4150: E_UNAUTHORIZED AUTH failed for SUB on \"orders\" \"c\"",
                "check spec.nsq.ev.authSecret",
            ),
            (
                Step::Subscribe,
                "E_INVALID cannot SUB in current state (TLS required)",
                Reason::Refused,
                "reach nsqd n:4150: E_INVALID cannot SUB in current state (TLS required)",
                "check spec.nsq.ev.tls",
            ),
            (
                Step::Identify,
                "E_BAD_BODY",
                Reason::Refused,
                "reach nsqd n:4150: E_BAD_BODY",
                "",
            ),
        ] {
            let error = refused(step, said, "n:4150", &source);
            assert_eq!(error.reason(), reason);
            assert_eq!(chain(&error), text);
            assert_eq!(error.hint(), hint);
        }
    }
}
