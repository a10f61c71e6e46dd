//! An AMQP broker: how it is reached, as whom, and how a connection to it ends.

use std::pin::pin;
use std::time::Duration;

use amqprs::callbacks::{ChannelCallback, ConnectionCallback};
use amqprs::channel::Channel;
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::error::Error;
use amqprs::tls::TlsAdaptor;
use amqprs::{Ack, BasicProperties, Cancel, Close, CloseChannel, Nack, Return};
use async_trait::async_trait;
use futures::FutureExt as _;
use tiphys_api::{AmqpEventSource, BasicAuth, Problem, SecretKeySelector, TlsConfig};
use tiphys_clients::SettingsError;
use tiphys_clients::socket::{self, SocketError, Stream};
use tiphys_clients::tls::{Tls, connector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::source::broker::{Address, Scheme};

/// How long the broker may take to let us in, or to end a connection in peace. RabbitMQ takes three
/// seconds to turn somebody away.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// How long the broker's reason may come behind a failure, or its greeting.
const REASON_WITHIN: Duration = Duration::from_secs(1);

/// What a client says first.
const PROTOCOL: &[u8] = b"AMQP\x00\x00\x09\x01";

/// How often, in seconds, both sides show that they are there: as in Argo Events.
const HEARTBEAT: u16 = 10;

/// Who to be if nothing is said, and the virtual host: as in Argo Events.
const GUEST: &str = "guest";
const VIRTUAL_HOST: &str = "/";

/// The longest name that the protocol has room for, in bytes.
pub(super) const LONGEST: usize = 255;

const SCHEMES: [Scheme; 2] = [
    Scheme {
        name: "amqp",
        port: 5672,
        is_encrypted: false,
    },
    Scheme {
        name: "amqps",
        port: 5671,
        is_encrypted: true,
    },
];

/// A broker, and who to be there.
#[derive(Debug)]
pub(super) struct Server {
    /// The event's place in the spec.
    path: String,
    url: Url,
    auth: Option<BasicAuth>,
    tls: Option<TlsConfig>,
}

/// Where the broker is.
#[derive(Debug)]
enum Url {
    Said(Address),
    Secret(SecretKeySelector),
}

/// An open connection with one channel.
pub(super) struct Opened {
    connection: Connection,
    pub(super) channel: Channel,
    /// What the broker says as it ends a connection, a channel or a consumer.
    told: watch::Receiver<Option<String>>,
}

/// Hears it.
struct Listener(watch::Sender<Option<String>>);

impl Server {
    pub(super) fn compile(path: &str, spec: &AmqpEventSource) -> Result<Self, Vec<Problem>> {
        let url = match &spec.url_secret {
            Some(secret) => Url::Secret(secret.clone()),
            None => match address(&spec.url) {
                Ok(address) => Url::Said(address),
                Err(why) => return Err(vec![Problem::error(format!("{path}.url"), why)]),
            },
        };
        Ok(Self {
            path: path.to_owned(),
            url,
            auth: spec.auth.clone(),
            tls: spec.tls.clone(),
        })
    }

    /// Opens a connection and a channel.
    pub(super) async fn open(&self, context: &SourceContext) -> Result<Opened, SourceError> {
        let address = self.address(context).await?;
        let login = if let Some(auth) = &self.auth {
            context.user(auth).await?
        } else {
            let or_guest = |said: &Option<String>| said.clone().unwrap_or(GUEST.to_owned());
            (or_guest(&address.user), or_guest(&address.password))
        };
        let tls = context.tls(self.tls.as_ref()).await?;
        let tls = tls.or_else(|| address.is_encrypted.then(Tls::default));
        let arguments = arguments(&address, &login, tls.as_ref()).map_err(|error| {
            let act = format!("use {}.tls", self.path);
            SourceError::new(Reason::Configuration, act).because(error)
        })?;
        match timeout(ANSWER_WITHIN, opened(&arguments)).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => Err(self.not_let_in(error, &address, tls.as_ref()).await),
            Err(_) => {
                let why = format!("no answer in {} s", ANSWER_WITHIN.as_secs());
                let act = format!("log in at {}", address.place());
                Err(SourceError::new(Reason::Unreachable, act)
                    .because(why)
                    .with_hint(format!("check {}.{}", self.path, self.url_field())))
            }
        }
    }

    async fn address(&self, context: &SourceContext) -> Result<Address, SourceError> {
        match &self.url {
            Url::Said(address) => Ok(address.clone()),
            Url::Secret(secret) => address(&context.secret(secret).await?.text()).map_err(|why| {
                let act = format!("read the URL that {}.urlSecret names", self.path);
                SourceError::new(Reason::Configuration, act).because(why)
            }),
        }
    }

    /// Why there is no connection. The library does not tell one failure from another.
    async fn not_let_in(&self, error: Error, address: &Address, tls: Option<&Tls>) -> SourceError {
        let failed = |reason, act, field| {
            SourceError::new(reason, act).with_hint(format!("check {}.{field}", self.path))
        };
        let Error::NetworkError(_) = error else {
            let act = format!("open a connection to {}", address.place());
            return failed(Reason::Refused, act, self.url_field()).because(error);
        };
        let act = "reach the AMQP broker".to_owned();
        let stream = match socket::connect(&address.place(), tls).await {
            Err(error @ SocketError::Unreachable { .. }) => {
                return failed(Reason::Unreachable, act, self.url_field()).because(error);
            }
            Err(error) => return failed(Reason::Unreachable, act, "tls").because(error),
            Ok(stream) => stream,
        };
        if let Err(error) = greeted(stream).await {
            // A client whose certificate is refused hears of it behind the handshake.
            let field = if tls.is_some() {
                "tls"
            } else {
                self.url_field()
            };
            return failed(Reason::Unreachable, act, field).because(error);
        }
        // The broker closes the connection of whom it does not let in, without a word.
        let act = format!("log in at {}", address.place());
        let field = if self.auth.is_some() {
            "auth"
        } else {
            self.url_field()
        };
        failed(Reason::Unauthorized, act, field).because("the broker ended the connection")
    }

    /// Why an act failed that the broker may have ended the channel for.
    pub(super) async fn refused(
        &self,
        act: String,
        field: &str,
        error: Error,
        opened: &Opened,
    ) -> SourceError {
        let failed = SourceError::new(Reason::Refused, act)
            .with_hint(format!("check {}.{field}", self.path));
        match timeout(REASON_WITHIN, opened.ended()).await {
            Ok(why) => failed.because(why),
            Err(_) => failed.because(error),
        }
    }

    fn url_field(&self) -> &'static str {
        match self.url {
            Url::Said(_) => "url",
            Url::Secret(_) => "urlSecret",
        }
    }
}

impl Opened {
    /// Waits for the end of the connection, of the channel or of the consumer, and says why.
    pub(super) async fn ended(&self) -> String {
        let mut told = self.told.clone();
        let told = async {
            let why = told.wait_for(Option::is_some).await;
            why.ok().and_then(|why| why.clone())
        };
        let mut failure = pin!(self.connection.listen_network_io_failure());
        // The first poll subscribes: what failed before that shows in the state alone.
        let lost = async {
            if (&mut failure).now_or_never().is_none() && self.connection.is_open() {
                failure.await;
            }
        };
        tokio::select! {
            biased;
            // Nothing, once the library has dropped its listeners: then the connection is lost as well.
            Some(why) = told => why,
            () = lost => "the connection is lost".to_owned(),
        }
    }

    /// Ends the connection when all that was said has gone out.
    pub(super) async fn close(self) -> Result<(), Error> {
        let closing = async {
            self.channel.close().await?;
            self.connection.close().await
        };
        match timeout(ANSWER_WITHIN, closing).await {
            Ok(closed) => closed,
            Err(_) => Err(Error::ConnectionCloseError("no answer".to_owned())),
        }
    }
}

/// Whether an AMQP broker is at the other end, and lets us speak.
async fn greeted(mut stream: Box<dyn Stream>) -> std::io::Result<()> {
    let greeting = async {
        stream.write_all(PROTOCOL).await?;
        stream.read_u8().await.map(drop)
    };
    timeout(REASON_WITHIN, greeting).await?
}

async fn opened(arguments: &OpenConnectionArguments) -> Result<Opened, Error> {
    let (sender, told) = watch::channel(None);
    let connection = Connection::open(arguments).await?;
    connection
        .register_callback(Listener(sender.clone()))
        .await?;
    let channel = connection.open_channel(None).await?;
    channel.register_callback(Listener(sender)).await?;
    Ok(Opened {
        connection,
        channel,
        told,
    })
}

fn arguments(
    address: &Address,
    (user, password): &(String, String),
    tls: Option<&Tls>,
) -> Result<OpenConnectionArguments, SettingsError> {
    let place = address.place();
    let host = place.rsplit_once(':').map_or(&*place, |(host, _)| host);
    let mut arguments = OpenConnectionArguments::new(host, address.port, user, password);
    arguments
        .virtual_host(match &*address.path {
            "" => VIRTUAL_HOST,
            path => path,
        })
        .connection_name("tiphys")
        .heartbeat(HEARTBEAT);
    if let Some(tls) = tls {
        let adaptor = TlsAdaptor::new(connector(tls)?, address.host().to_owned());
        arguments.tls_adaptor(adaptor);
    }
    Ok(arguments)
}

fn address(text: &str) -> Result<Address, String> {
    let address = Address::read(text, &SCHEMES)?;
    if address.path.len() > LONGEST {
        return Err(format!("its virtual host has more than {LONGEST} bytes"));
    }
    Ok(address)
}

impl Listener {
    /// The first reason counts.
    fn tell(&self, why: String) {
        self.0.send_if_modified(|told| {
            let is_first = told.is_none();
            if is_first {
                *told = Some(why);
            }
            is_first
        });
    }
}

#[async_trait]
impl ConnectionCallback for Listener {
    async fn close(&mut self, _: &Connection, close: Close) -> Result<(), Error> {
        self.tell(format!("the broker closed the connection: {close}"));
        Ok(())
    }

    async fn blocked(&mut self, _: &Connection, _: String) {}

    async fn unblocked(&mut self, _: &Connection) {}

    async fn secret_updated(&mut self, _: &Connection) {}
}

#[async_trait]
impl ChannelCallback for Listener {
    async fn close(&mut self, _: &Channel, close: CloseChannel) -> Result<(), Error> {
        self.tell(format!("the broker closed the channel: {close}"));
        Ok(())
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Result<(), Error> {
        self.tell("the broker cancelled the consumer: the queue is gone".to_owned());
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, _: Ack) {}

    async fn publish_nack(&mut self, _: &Channel, _: Nack) {}

    async fn publish_return(&mut self, _: &Channel, _: Return, _: BasicProperties, _: Vec<u8>) {}
}
