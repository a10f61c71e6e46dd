//! Who looks, and what he may do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tiphys_live::access::{Right, Who};
use tokio::sync::Semaphore;

use crate::fail::Failure;
use crate::logins::{Logins, Session};

/// How long rights count that were asked for, while somebody only looks: one that is taken away ends within it.
pub(crate) const RECENT: Duration = Duration::from_secs(10);

/// Somebody, with his rights as they were a moment ago.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// His name, if a cluster knows it.
    pub name: Option<String>,
    /// The rights that he does not have, each with what would give it.
    pub missing: BTreeMap<Right, String>,
}

impl Caller {
    pub(crate) fn may(&self, right: Right) -> bool {
        !self.missing.contains_key(&right)
    }

    pub(crate) fn needs(&self, right: Right) -> Result<(), Failure> {
        let Some(why) = self.missing.get(&right) else {
            return Ok(());
        };
        let name = self.name.as_deref().unwrap_or("whoever started it");
        let what = match right {
            Right::Look => "see what is here",
            Right::Payload => "see the values of events",
            Right::Replay => "replay dead letters",
            Right::Drop => "drop dead letters",
            Right::Send => "publish events",
            Right::Pause => "pause anything, or let it go on",
        };
        Err(Failure::forbidden(format!("{name} may not {what}")).hint(why.as_str()))
    }
}

impl From<Who> for Caller {
    fn from(Who { name, missing }: Who) -> Self {
        let name = Some(name).filter(|name| !name.is_empty());
        Self { name, missing }
    }
}

/// Whoever sent a request: his rights are asked for when they count.
#[derive(Clone)]
pub(crate) enum Visitor {
    /// Who started the console.
    Owner(Arc<Caller>),
    /// Who has logged in.
    Guest(Arc<Logins>, Arc<Session>),
}

impl Visitor {
    /// The places for his tabs, if they are counted: on a desk all are his.
    pub(crate) fn tabs(&self) -> Option<&Arc<Semaphore>> {
        match self {
            Self::Owner(_) => None,
            Self::Guest(_, session) => Some(&session.tabs),
        }
    }

    /// He, with rights that were asked for at most so long ago.
    ///
    /// # Errors
    /// If the cluster does not know him any more, or does not answer.
    pub(crate) async fn caller(&self, at_most: Duration) -> Result<Arc<Caller>, Failure> {
        match self {
            Self::Owner(owner) => Ok(Arc::clone(owner)),
            Self::Guest(logins, session) => logins.caller(session, at_most).await,
        }
    }
}
