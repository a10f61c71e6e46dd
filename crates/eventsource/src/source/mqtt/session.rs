//! A session with an MQTT broker: how it is reached, as whom, what is subscribed to, and how it is read.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rumqttc::{
    AckMode, AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions,
    Packet, Publish, QoS, StateError, SubscribeReasonCode, valid_filter,
};
use tiphys_api::{BasicAuth, Problem, TlsConfig};
use tiphys_clients::socket::{self, SocketError, Stream};
use tiphys_clients::tls::Tls;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::source::broker::{Address, Scheme};

/// How long the broker may take to let us in and to confirm the subscription.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often, in seconds, the broker is shown that somebody is there, and has to show it: one that is
/// silent is known after twice that.
const KEEP_ALIVE: u16 = 10;

/// The largest packet that the protocol has.
const MAX_PACKET: usize = 268_435_455;

/// How many messages may wait here while nothing may be handed on: more than brokers send without an
/// acknowledgement, so that the connection is read, and kept alive, all the same.
const MAX_WAITING: usize = 256;

/// What URLs may begin with, as in Argo Events.
const SCHEMES: [Scheme; 7] = [
    plain("tcp"),
    plain("mqtt"),
    encrypted("ssl"),
    encrypted("tls"),
    encrypted("mqtts"),
    encrypted("mqtt+ssl"),
    encrypted("tcps"),
];

const fn plain(name: &'static str) -> Scheme {
    Scheme {
        name,
        port: 1883,
        is_encrypted: false,
    }
}

const fn encrypted(name: &'static str) -> Scheme {
    Scheme {
        name,
        port: 8883,
        is_encrypted: true,
    }
}

/// A broker, and who to be there.
#[derive(Debug)]
pub(in crate::source) struct Server {
    pub(in crate::source) address: Address,
    pub(in crate::source) auth: Option<BasicAuth>,
    pub(in crate::source) tls: Option<TlsConfig>,
    pub(in crate::source) fields: Fields,
}

/// Where the spec says what, to name it when it is wrong.
#[derive(Debug)]
pub(in crate::source) struct Fields {
    /// The event's place in the spec.
    pub(in crate::source) path: String,
    pub(in crate::source) url: &'static str,
    pub(in crate::source) auth: &'static str,
    pub(in crate::source) topic: &'static str,
}

/// What is wanted of a session.
#[derive(Debug)]
pub(in crate::source) struct Wanted<'a> {
    pub(in crate::source) client_id: &'a str,
    /// The broker keeps it, with what was not acknowledged, for the next connection.
    pub(in crate::source) is_kept: bool,
    pub(in crate::source) topic: &'a str,
    /// What the topic is called, if it holds a key.
    pub(in crate::source) name: &'a str,
    pub(in crate::source) qos: QoS,
}

/// An open session.
pub(in crate::source) struct Session {
    /// Acknowledges and disconnects.
    pub(in crate::source) client: AsyncClient,
    pub(in crate::source) messages: mpsc::Receiver<Publish>,
    pub(in crate::source) reader: Reader,
}

/// Carries what comes and what goes. Nothing goes out unless it is polled.
pub(in crate::source) struct Reader {
    events: EventLoop,
    /// What came before the subscription was confirmed.
    early: Vec<Publish>,
    messages: mpsc::Sender<Publish>,
}

/// Reads the URL of a broker; one without a scheme is host and port.
pub(in crate::source) fn address(path: String, text: &str) -> Result<Address, Problem> {
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("tcp://{text}")
    };
    Address::read(&whole, &SCHEMES).map_err(|why| Problem::error(path, why))
}

/// Refuses what no topic filter is.
pub(in crate::source) fn check_topic(path: String, topic: &str) -> Result<(), Problem> {
    if valid_filter(topic) {
        return Ok(());
    }
    let message = format!("{topic:?} is no topic: + stands alone in its level, # at the end");
    Err(Problem::error(path, message))
}

impl Server {
    /// Opens a session, and subscribes.
    pub(in crate::source) async fn open(
        &self,
        wanted: &Wanted<'_>,
        context: &SourceContext,
    ) -> Result<Session, SourceError> {
        let login = self.login(context).await?;
        let tls = context.tls(self.tls.as_ref()).await?;
        let tls = tls.or_else(|| self.address.is_encrypted.then(Tls::default));
        let stream = socket::connect(&self.address.place(), tls.as_ref()).await;
        let stream = stream.map_err(|error| {
            let field = match error {
                SocketError::Unreachable { .. } => self.fields.url,
                SocketError::Settings { .. } | SocketError::Tls { .. } => "tls",
            };
            self.failed(Reason::Unreachable, "reach the MQTT broker", field)
                .because(error)
        })?;
        let options = options(wanted, login, stream);
        // As many acknowledgements as there are messages in hand may wait to go out.
        let (client, events) = AsyncClient::builder(options).unbounded().build();
        let (sender, messages) = mpsc::channel(MAX_WAITING);
        let mut session = Session {
            client,
            messages,
            reader: Reader {
                events,
                early: Vec::new(),
                messages: sender,
            },
        };
        let subscribed = timeout(ANSWER_WITHIN, self.subscribe(&mut session, wanted)).await;
        subscribed.unwrap_or_else(|_| {
            let act = format!("log in at {}", self.address.place());
            let why = format!("no answer in {} s", ANSWER_WITHIN.as_secs());
            Err(SourceError::new(Reason::Unreachable, act).because(why))
        })?;
        Ok(session)
    }

    async fn login(
        &self,
        context: &SourceContext,
    ) -> Result<Option<(String, String)>, SourceError> {
        if let Some(auth) = &self.auth {
            return context.user(auth).await.map(Some);
        }
        let Address { user, password, .. } = &self.address;
        let user = user.clone();
        Ok(user.map(|user| (user, password.clone().unwrap_or_default())))
    }

    async fn subscribe(
        &self,
        session: &mut Session,
        wanted: &Wanted<'_>,
    ) -> Result<(), SourceError> {
        let act = || format!("subscribe to {}", wanted.name);
        let asked = session.client.subscribe(wanted.topic, wanted.qos).await;
        asked.map_err(|error| SourceError::new(Reason::Subscribe, act()).because(error))?;
        let Reader { events, early, .. } = &mut session.reader;
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::SubAck(answer))) => {
                    if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                        let failed = self.failed(Reason::Forbidden, act(), self.fields.topic);
                        return Err(failed.because("the broker refuses it"));
                    }
                    return Ok(());
                }
                Ok(Event::Incoming(Packet::Publish(message))) => early.push(message),
                Ok(_) => {}
                Err(error) => return Err(self.not_let_in(error)),
            }
        }
    }

    fn not_let_in(&self, error: ConnectionError) -> SourceError {
        use ConnectReturnCode::{
            BadClientId, BadUserNamePassword, NotAuthorized, RefusedProtocolVersion,
        };
        let act = format!("log in at {}", self.address.place());
        let ConnectionError::ConnectionRefused(code) = &error else {
            // A client whose certificate is refused hears of it behind the handshake.
            let field = if error.to_string().contains("fatal alert") {
                "tls"
            } else {
                self.fields.url
            };
            return self.failed(Reason::Unreachable, act, field).because(error);
        };
        let (reason, field, why) = match code {
            BadUserNamePassword | NotAuthorized => (
                Reason::Unauthorized,
                self.login_field(),
                "user and password are refused",
            ),
            BadClientId => (Reason::Refused, "clientId", "the client id is refused"),
            RefusedProtocolVersion => (
                Reason::Refused,
                self.fields.url,
                "the broker does not speak MQTT 3.1.1",
            ),
            _ => (
                Reason::Unreachable,
                self.fields.url,
                "the broker is not available",
            ),
        };
        self.failed(reason, act, field).because(why)
    }

    fn login_field(&self) -> &'static str {
        if self.auth.is_none() && self.address.user.is_some() {
            self.fields.url
        } else {
            self.fields.auth
        }
    }

    /// Why the session has ended.
    pub(in crate::source) fn lost(&self, error: ConnectionError) -> SourceError {
        let act = format!("listen at {}", self.address.place());
        let lost = SourceError::new(Reason::Unreachable, act);
        match error {
            ConnectionError::MqttState(StateError::AwaitPingResp) => {
                lost.because(format!("no answer in {KEEP_ALIVE} s"))
            }
            error => lost.because(error),
        }
    }

    fn failed(&self, reason: Reason, act: impl Into<String>, field: &str) -> SourceError {
        SourceError::new(reason, act).with_hint(format!("check {}.{field}", self.fields.path))
    }
}

impl Reader {
    /// Reads messages for as long as there is a connection, and says how it ended. While nobody takes
    /// them nothing more is read; when nobody is there to take them, they are left to the broker.
    pub(in crate::source) async fn read(mut self) -> ConnectionError {
        for message in self.early {
            // Nobody takes it.
            if self.messages.send(message).await.is_err() {
                break;
            }
        }
        loop {
            let place = self.messages.reserve().await.ok();
            let message = loop {
                match self.events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(message))) => break message,
                    Ok(_) => {}
                    Err(error) => return error,
                }
            };
            if let Some(place) = place {
                place.send(message);
            }
        }
    }
}

fn options(
    wanted: &Wanted<'_>,
    login: Option<(String, String)>,
    stream: Box<dyn Stream>,
) -> MqttOptions {
    let mut options = MqttOptions::new(wanted.client_id, ("", 0));
    options
        .set_clean_session(!wanted.is_kept)
        .set_keep_alive(KEEP_ALIVE)
        .set_ack_mode(AckMode::Manual)
        .set_max_packet_size(MAX_PACKET, MAX_PACKET);
    if let Some((user, password)) = login {
        options.set_credentials(user, password);
    }
    // There is one connection: what ends it ends the session.
    let stream = Mutex::new(Some(stream));
    options.set_socket_connector(move |_, _| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { stream.ok_or_else(|| std::io::Error::other("the connection has ended")) }
    });
    options
}
