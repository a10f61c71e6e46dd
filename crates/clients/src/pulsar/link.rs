//! A connection to a broker, or through a proxy to one: how it begins, and frames on it.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, timeout, timeout_at};

use super::config::Login;
use super::error::tls_fault;
use super::frame::{self, Frame, USUAL_LARGEST};
use super::proto::{AuthData, AuthResponse, Command, Connect, Metadata, Ping, Pong, Send};
use super::{Config, Error, Kind};
use crate::socket::{self, Stream};

/// What this client is called.
const CLIENT: &str = concat!("tiphys ", env!("CARGO_PKG_VERSION"));

/// The version of the protocol: batches, checksums, logins that are asked for again. Later ones have nothing
/// that is used here.
const VERSION: i32 = 15;

/// How long an answer of a broker may take. It opens a topic that nobody has used for a while first.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// When a broker that says nothing is asked whether it is there, and when it is lost.
const QUIET: Duration = Duration::from_secs(10);
const LOST: Duration = Duration::from_secs(20);

/// How long a broker may take to read what it is sent.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// How many bytes are read at a time.
const READ: usize = 64 << 10;

/// A connection on which the client is known.
pub(super) struct Link {
    address: String,
    login: Login,
    is_encrypted: bool,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    arrived: BytesMut,
    heard: Instant,
    /// It was asked whether it is there, and nothing has come since.
    is_asked: bool,
    out: Vec<u8>,
    /// How large an entry may be.
    largest: usize,
    requests: u64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.address)
    }
}

impl Link {
    /// Connects to a host and port, and logs in; with `behind`, at that broker behind a proxy.
    pub(super) async fn open(
        config: &Config,
        address: &str,
        behind: Option<&str>,
    ) -> Result<Self, Error> {
        let encryption = config.encryption();
        let stream = socket::connect(address, encryption).await?;
        let (reader, writer) = split(stream);
        let mut link = Self {
            address: address.to_owned(),
            login: config.login.clone(),
            is_encrypted: encryption.is_some(),
            reader,
            writer,
            arrived: BytesMut::new(),
            heard: Instant::now(),
            is_asked: false,
            out: Vec::new(),
            largest: USUAL_LARGEST,
            requests: 0,
        };
        link.say(Connect {
            client_version: CLIENT.to_owned(),
            auth_data: link.login.spoken().map(|(_, told)| told.to_owned().into()),
            protocol_version: Some(VERSION),
            auth_method_name: link.login.spoken().map(|(name, _)| name.to_owned()),
            proxy_to_broker_url: behind.map(str::to_owned),
        });
        link.known().await?;
        Ok(link)
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// How large an entry may be.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    /// Adds a command to what is sent with the next [`Self::flush`].
    pub(super) fn say(&mut self, command: impl Into<Command>) {
        frame::encode(command.into(), &mut self.out);
    }

    /// Adds an entry to what is sent with the next [`Self::flush`].
    pub(super) fn say_entry(&mut self, send: Send, metadata: &Metadata, payload: &Bytes) {
        frame::encode_entry(send.into(), metadata, payload, &mut self.out);
    }

    /// Sends what was said.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        if self.out.is_empty() {
            return Ok(());
        }
        let writing = async {
            self.writer.write_all(&self.out).await?;
            self.writer.flush().await
        };
        match timeout(WRITE_WITHIN, writing).await {
            Ok(written) => written.map_err(|error| self.lost(&error))?,
            Err(_) => return Err(self.failed(Kind::Unreachable, "what is sent is not read")),
        }
        self.out.clear();
        Ok(())
    }

    /// The next frame; nothing, if there may be something to flush before one comes.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            let decoded = frame::decode(&mut self.arrived, self.largest);
            let decoded = decoded.map_err(|error| {
                let why = format!("what came is not of Pulsar: {error}");
                self.failed(Kind::Malformed, &why)
            })?;
            match decoded {
                Some(frame) => match frame.command {
                    None | Some(Command::Pong(_)) => {}
                    Some(Command::Ping(_)) => {
                        self.say(Pong {});
                        return Ok(None);
                    }
                    Some(Command::AuthChallenge(_)) => {
                        self.say_login();
                        return Ok(None);
                    }
                    Some(_) => return Ok(Some(frame)),
                },
                None => {
                    if !self.read().await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Asks for something under a number of its own, and waits for the answer.
    pub(super) async fn ask<C: Into<Command>>(
        &mut self,
        question: impl FnOnce(u64) -> C,
    ) -> Result<Command, Error> {
        self.requests += 1;
        let request = self.requests;
        self.say(question(request));
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            let command = self.command(deadline).await?;
            if request_of(&command) != Some(request) {
                continue;
            }
            return match command {
                Command::Error(refusal) => Err(Error::said(refusal.error, &refusal.message)),
                answer => Ok(answer),
            };
        }
    }

    /// Ends the connection.
    pub(super) async fn close(mut self) -> Result<(), Error> {
        self.flush().await?;
        let closed = self.writer.shutdown().await;
        closed.map_err(|error| self.lost(&error))
    }

    /// Why something did not work here.
    pub(super) fn failed(&self, kind: Kind, why: &str) -> Error {
        Error::new(kind, format!("{}: {why}", self.address))
    }

    /// An answer that is not to what was asked.
    pub(super) fn strange(&self, command: &Command) -> Error {
        let why = format!("{} is no answer to what was asked", command.name());
        self.failed(Kind::Malformed, &why)
    }

    /// Waits until the client is known.
    async fn known(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        match self.command(deadline).await {
            Ok(Command::Connected(connected)) => {
                let largest = connected.max_message_size.unwrap_or_default();
                if let Some(largest) = usize::try_from(largest).ok().filter(|size| *size > 0) {
                    self.largest = largest;
                }
                Ok(())
            }
            Ok(Command::Error(refusal)) => {
                let error = Error::said(refusal.error, &refusal.message);
                let kind = error.kind();
                // A proxy says so, too, of a broker that it does not reach.
                let is_login = kind == Kind::Refused && self.login != Login::Nobody;
                Err(error.with_kind(if is_login { Kind::Unauthorized } else { kind }))
            }
            Ok(other) => Err(self.strange(&other)),
            // Who does not like a certificate, or wants one, ends the connection.
            Err(error) if self.is_encrypted && error.kind() == Kind::Unreachable => {
                Err(error.with_kind(Kind::Tls))
            }
            Err(error) => Err(error),
        }
    }

    /// The next command.
    async fn command(&mut self, deadline: Instant) -> Result<Command, Error> {
        loop {
            self.flush().await?;
            let Ok(frame) = timeout_at(deadline, self.next()).await else {
                let why = format!("no answer in {} s", ANSWER_WITHIN.as_secs());
                return Err(self.failed(Kind::Unreachable, &why));
            };
            if let Some(command) = frame?.and_then(|frame| frame.command) {
                return Ok(command);
            }
        }
    }

    /// Reads more, and says whether there is any: if not, the broker is to be asked whether it is there.
    async fn read(&mut self) -> Result<bool, Error> {
        self.arrived.reserve(READ);
        let patience = if self.is_asked { LOST } else { QUIET };
        let reading = self.reader.read_buf(&mut self.arrived);
        match timeout_at(self.heard + patience, reading).await {
            Ok(Ok(0)) => Err(self.failed(Kind::Unreachable, "the connection was closed")),
            Ok(Ok(_)) => {
                self.heard = Instant::now();
                self.is_asked = false;
                Ok(true)
            }
            Ok(Err(error)) => Err(self.lost(&error)),
            Err(_) if self.is_asked => {
                let why = format!("nothing has come for {} s", LOST.as_secs());
                Err(self.failed(Kind::Unreachable, &why))
            }
            Err(_) => {
                self.is_asked = true;
                self.say(Ping {});
                Ok(false)
            }
        }
    }

    fn say_login(&mut self) {
        let (name, told) = self.login.spoken().unwrap_or(("none", ""));
        let response = AuthData {
            auth_method_name: Some(name.to_owned()),
            auth_data: Some(told.to_owned().into()),
        };
        self.say(AuthResponse {
            client_version: Some(CLIENT.to_owned()),
            response: Some(response),
            protocol_version: Some(VERSION),
        });
    }

    fn lost(&self, error: &std::io::Error) -> Error {
        match tls_fault(error) {
            Some(fault) => self.failed(Kind::Tls, &fault),
            None => self.failed(
                Kind::Unreachable,
                &format!("the connection is lost: {error}"),
            ),
        }
    }
}

/// Which question an answer is to.
fn request_of(command: &Command) -> Option<u64> {
    Some(match command {
        Command::Success(answer) => answer.request_id,
        Command::Error(answer) => answer.request_id,
        Command::ProducerSuccess(answer) => answer.request_id,
        Command::PartitionedMetadataResponse(answer) => answer.request_id,
        Command::LookupResponse(answer) => answer.request_id,
        _ => return None,
    })
}
