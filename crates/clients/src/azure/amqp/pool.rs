//! Senders that are kept.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tiphys_base::Cache;
use tokio::sync::Mutex;

use super::sender::Sender;
use super::{Config, Connection, Error, Kind, Outgoing};
use crate::Clients;

/// How many senders are kept.
const SENDERS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Senders by the settings that they were made with, and by what they send to.
pub struct Pool(Cache<[u8; 32], Arc<Mutex<Option<Link>>>>);

/// A sender on its connection.
struct Link {
    /// Tells it from the one before.
    number: u64,
    connection: Connection,
    sender: Sender,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("azure::amqp::Pool")
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self(Cache::new(SENDERS))
    }
}

impl Pool {
    /// Connects to a queue, topic or hub, unless that is done.
    ///
    /// # Errors
    /// If nobody answers, or sending is refused.
    pub async fn warm(
        &self,
        clients: &Clients,
        config: &Config,
        target: &str,
    ) -> Result<(), Error> {
        let link = self.link(config, target);
        let mut link = link.lock().await;
        usable(&mut link, clients, config, target).await.map(drop)
    }

    /// Sends a message to a queue, topic or hub, and returns when it was taken.
    ///
    /// # Errors
    /// If it was not, or that is not known.
    pub async fn send(
        &self,
        clients: &Clients,
        config: &Config,
        target: &str,
        message: Outgoing,
    ) -> Result<(), Error> {
        let kept = self.link(config, target);
        let mut link = kept.lock().await;
        let known = usable(&mut link, clients, config, target).await?;
        let number = known.number;
        let sent = known.sender.send(message).await;
        if sent.as_ref().is_err_and(ends_link) {
            *link = None;
        }
        // Others send meanwhile.
        drop(link);
        let taken = sent?.await;
        if taken.as_ref().is_err_and(ends_link) {
            let mut link = kept.lock().await;
            link.take_if(|known| known.number == number);
        }
        taken
    }

    fn link(&self, config: &Config, target: &str) -> Arc<Mutex<Option<Link>>> {
        let mut digest = Sha256::new();
        digest.update(config.digest());
        digest.update(target);
        self.0
            .get_or_insert(digest.finalize().into(), Arc::default())
    }
}

/// The sender, on a connection that stands as far as one can tell.
async fn usable<'a>(
    link: &'a mut Option<Link>,
    clients: &Clients,
    config: &Config,
    target: &str,
) -> Result<&'a mut Link, Error> {
    if let Some(known) = link {
        // Azure ends a link on which nothing was sent for ten minutes.
        let is_ended = known.sender.ended().is_some();
        if is_ended || known.connection.refresh(clients).await.is_err() {
            *link = None;
        }
    }
    if let Some(link) = link {
        Ok(link)
    } else {
        let mut connection = Connection::open(clients, config, target).await?;
        let sender = connection.send(target).await?;
        Ok(link.insert(Link {
            number: fastrand::u64(..),
            connection,
            sender,
        }))
    }
}

/// Whether the link that it happened to may do nothing any more.
fn ends_link(error: &Error) -> bool {
    !matches!(error.kind(), Kind::TooLarge | Kind::Refused)
}
