//! A connection to a namespace: the session on it, and the claims that are shown there.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use super::claim::Claim;
use super::receiver::Receiver;
use super::requests::{ANSWER_WITHIN, Management, Requests};
use super::sender::Sender;
use super::{Config, Error, Kind, Login};
use crate::Clients;
use crate::socket::{Stream, connect};

/// A connection on which nothing comes for so long is lost: both sides send something before.
const QUIET: Duration = Duration::from_secs(30);

/// How long the other side may take to say goodbye.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// How long it takes until a claim is shown again that could not be.
const SHOWN_AGAIN: Duration = Duration::from_secs(10);

/// A connection to a namespace, on behalf of one queue, topic, subscription or hub.
pub struct Connection {
    handle: ConnectionHandle<()>,
    session: SessionHandle<()>,
    claims: Requests,
    login: Login,
    /// What claims are about, such as `sb://shop/orders`.
    resource: String,
    /// What was shown last.
    token: String,
    renewed_at: Option<Instant>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, and shows what lets in to `entity`: the path of a queue, topic, subscription or hub.
    ///
    /// # Errors
    /// If nobody answers, or the claim is refused.
    pub async fn open(clients: &Clients, config: &Config, entity: &str) -> Result<Self, Error> {
        let namespace = &config.namespace;
        let usual = crate::tls::Tls::default();
        let tls = config.tls.as_ref().unwrap_or(&usual);
        let tls = namespace.is_encrypted.then_some(tls);
        let stream = connect(&namespace.address(), tls).await?;
        let opening = async {
            let mut connection = fe2o3_amqp::Connection::builder()
                .container_id(format!("tiphys-{:016x}", fastrand::u64(..)))
                .hostname(namespace.host.as_str())
                .idle_time_out(u32::try_from(QUIET.as_millis()).unwrap_or(u32::MAX))
                // Who asks is said by claims.
                .sasl_profile(SaslProfile::Anonymous)
                .open_with_stream(Socket(stream))
                .await?;
            let mut session = fe2o3_amqp::Session::begin(&mut connection).await?;
            let claims = Requests::attach(&mut session, "$cbs").await?;
            Ok::<_, Error>((connection, session, claims))
        };
        let (connection, session, claims) = in_time(opening).await?;
        let mut opened = Self {
            handle: connection,
            session,
            claims,
            login: config.login.clone(),
            resource: format!("sb://{}/{entity}", namespace.host),
            token: String::new(),
            renewed_at: None,
        };
        opened.show(clients).await?;
        Ok(opened)
    }

    /// Shows what lets in.
    async fn show(&mut self, clients: &Clients) -> Result<(), Error> {
        let claim = Claim::of(&self.login, &self.resource, clients).await?;
        let shown = self.claims.put_token(&claim, &self.resource).await;
        if let (Err(error), Login::Entra(service)) = (&shown, &self.login)
            && error.kind() == Kind::Unauthorized
        {
            clients.entra.forget(service);
        }
        shown?;
        self.token = claim.token;
        self.renewed_at = claim.renewed_in.map(|time| Instant::now() + time);
        Ok(())
    }

    /// Receives messages from `source`, which nobody else gets until they are settled.
    ///
    /// # Errors
    /// If the other side refuses it.
    pub async fn receive(&mut self, source: &str) -> Result<Receiver, Error> {
        in_time(Receiver::attach(&mut self.session, source)).await
    }

    /// Reads a partition of a hub, which keeps its events, after the one of this sequence number.
    ///
    /// # Errors
    /// If the other side refuses it.
    pub async fn read(&mut self, source: &str, after: i64) -> Result<Receiver, Error> {
        in_time(Receiver::attach_reader(&mut self.session, source, after)).await
    }

    /// Sends messages to `target`.
    ///
    /// # Errors
    /// If the other side refuses it.
    pub async fn send(&mut self, target: &str) -> Result<Sender, Error> {
        in_time(Sender::attach(&mut self.session, target)).await
    }

    /// What can be asked about an entity, at this node.
    ///
    /// # Errors
    /// If the other side refuses it.
    pub async fn manage(&mut self, node: &str) -> Result<Management, Error> {
        let attaching = Requests::attach(&mut self.session, node);
        let requests = in_time(attaching).await?;
        Ok(Management::new(requests, self.token.clone()))
    }

    /// Shows claims again before they end, for as long as the connection stands. Why it does not any more.
    ///
    /// # Cancellation
    /// Nothing is lost: call it again.
    pub async fn keep(&mut self, clients: &Clients) -> Error {
        loop {
            let due = self.renewed_at;
            let due = async {
                match due {
                    Some(moment) => sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = self.handle.on_close() => {
                    return match ended {
                        Ok(()) => Error::lost("the connection was closed"),
                        Err(fe2o3_amqp::connection::Error::RemoteClosedWithError(error)) => error.into(),
                        Err(error) => Error::lost(format!("the connection was lost: {error}")),
                    };
                }
                () = due => {
                    // It is tried again, or the other side ends the links of whom it knows no more.
                    self.renewed_at = Some(Instant::now() + SHOWN_AGAIN);
                    if let Err(error) = self.show(clients).await {
                        tracing::warn!(%error, "Failed to show a claim to Azure again");
                    }
                }
            }
        }
    }

    /// Shows a claim again, if it is time to.
    pub(super) async fn refresh(&mut self, clients: &Clients) -> Result<(), Error> {
        match self.renewed_at {
            Some(moment) if Instant::now() >= moment => self.show(clients).await,
            _ => Ok(()),
        }
    }

    /// Says goodbye, after what has been said before.
    pub async fn close(mut self) {
        // Who does not answer has gone.
        let closing = self.handle.close();
        drop(timeout(CLOSE_WITHIN, closing).await);
    }
}

async fn in_time<T, E: Into<Error>>(
    acting: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    let Ok(done) = timeout(ANSWER_WITHIN, acting).await else {
        let seconds = ANSWER_WITHIN.as_secs();
        return Err(Error::lost(format!("no answer in {seconds} s")));
    };
    done.map_err(Into::into)
}

/// A connection below, which the library wants to be able to print.
struct Socket(Box<dyn Stream>);

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
