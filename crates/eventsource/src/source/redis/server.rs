//! A Redis server: how it is reached, and as whom.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError, ServerErrorKind};
use tiphys_api::{SecretKeySelector, TlsConfig};
use tiphys_clients::socket::{self, CONNECT_WITHIN, SocketError, Stream};
use tokio::time::timeout;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// How long an answer may take.
pub(in crate::source) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A server, and who to be there.
#[derive(Debug)]
pub(in crate::source) struct Server {
    /// The event's place in the spec.
    pub(in crate::source) path: String,
    /// Host and port.
    pub(in crate::source) address: String,
    pub(in crate::source) username: String,
    pub(in crate::source) password: Option<SecretKeySelector>,
    pub(in crate::source) db: i32,
    pub(in crate::source) tls: Option<TlsConfig>,
}

impl Server {
    /// A connection for subscriptions.
    pub(in crate::source) async fn subscriber(
        &self,
        context: &SourceContext,
    ) -> Result<PubSub, SourceError> {
        let (stream, login) = self.open(context).await?;
        self.in_time(PubSub::new(&login, stream)).await
    }

    /// A connection for commands, and what has to be polled for it to go on: it ends with the connection.
    /// An answer may take `within`.
    pub(in crate::source) async fn connection(
        &self,
        context: &SourceContext,
        within: Duration,
    ) -> Result<(MultiplexedConnection, BoxFuture<'static, ()>), SourceError> {
        let (stream, login) = self.open(context).await?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(within));
        let opening = async {
            let opened = MultiplexedConnection::new_with_config(&login, stream, config);
            let (connection, carrying) = opened.await?;
            Ok((connection, carrying.boxed()))
        };
        self.in_time(opening).await
    }

    async fn open(
        &self,
        context: &SourceContext,
    ) -> Result<(Box<dyn Stream>, RedisConnectionInfo), SourceError> {
        let mut login = RedisConnectionInfo::default()
            .set_db(self.db.into())
            .set_lib_name("tiphys", env!("CARGO_PKG_VERSION"));
        if let Some(password) = &self.password {
            let password = context.secret(password).await?;
            login = login.set_password(password.text());
        }
        if !self.username.is_empty() {
            login = login.set_username(&self.username);
        }
        let tls = context.tls(self.tls.as_ref()).await?;
        let stream = socket::connect(&self.address, tls.as_ref()).await;
        let stream = stream.map_err(|error| {
            let field = match error {
                SocketError::Unreachable { .. } => "hostAddress",
                SocketError::Settings { .. } | SocketError::Tls { .. } => "tls",
            };
            SourceError::new(Reason::Unreachable, "reach the Redis server")
                .because(error)
                .with_hint(format!("check {}.{field}", self.path))
        })?;
        Ok((stream, login))
    }

    async fn in_time<T>(
        &self,
        opening: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, SourceError> {
        let act = format!("log in at {}", self.address);
        match timeout(CONNECT_WITHIN, opening).await {
            Ok(opened) => opened.map_err(|error| self.failed(act, error)),
            Err(_) => Err(SourceError::new(Reason::Unreachable, act)
                .because(format!("no answer in {} s", CONNECT_WITHIN.as_secs()))),
        }
    }

    /// Why an act failed, with the field to look at.
    pub(in crate::source) fn failed(
        &self,
        act: impl Into<String>,
        error: RedisError,
    ) -> SourceError {
        let (reason, field) = match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
                (Reason::Unauthorized, self.login())
            }
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) | (_, Some("NOPERM")) => {
                (Reason::Forbidden, self.login())
            }
            (ErrorKind::Server(_) | ErrorKind::Extension, _) => (Reason::Refused, ""),
            _ => (Reason::Unreachable, ""),
        };
        let failed = SourceError::new(reason, act).because(error);
        if field.is_empty() {
            failed
        } else {
            failed.with_hint(format!("check {}.{field}", self.path))
        }
    }

    /// The field that says who to be.
    fn login(&self) -> &'static str {
        if self.username.is_empty() {
            "password"
        } else {
            "username and password"
        }
    }
}
