//! Who comes in where anybody may knock: whoever shows a token that the cluster knows.
//!
//! The token stays in this process and is asked with as long as the session lasts; the browser has a random id as
//! its cookie, and nothing else. Rights are the cluster's: it is asked, with the token of whoever wants something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use tiphys_eventbus::Event;
use tiphys_http::StatusCode;
use tiphys_live::access::{self, BY_ANOTHER};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tracing::warn;

use crate::fail::Failure;
use crate::visitor::Caller;

/// How long a session lasts at most.
const LIFETIME: Duration = Duration::from_hours(12);

/// Sessions at a time: of all, and of somebody. Beyond, his oldest one ends, or the oldest of all.
const MOST: usize = 1000;
const MOST_OF_ONE: usize = 10;

/// Tokens that are asked about at a time: whoever knocks has not shown yet who he is. Nobody waits for a place.
const KNOCKING: usize = 8;

/// How often is said that tokens were wrong.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// Tabs of somebody at a time.
const TABS: usize = 8;

/// The longest token, in bytes.
const LONGEST: usize = 16 << 10;

/// Makes what speaks for whoever has a token.
pub type Clients = Box<dyn Fn(&str) -> Result<Client, String> + Send + Sync>;

/// Who has logged in.
pub struct Logins {
    clients: Clients,
    namespace: String,
    bus: String,
    knocking: Semaphore,
    wrong: Mutex<Wrong>,
    sessions: Mutex<Sessions<Session>>,
}

/// Tokens that the cluster did not know since that was said.
#[derive(Default)]
struct Wrong {
    count: u64,
    said: Option<Instant>,
}

/// Somebody who has logged in.
pub(crate) struct Session {
    id: String,
    client: Client,
    pub(crate) tabs: Arc<Semaphore>,
    /// He, and when the cluster was asked about him.
    known: AsyncMutex<(Instant, Arc<Caller>)>,
}

impl Logins {
    /// Nobody has yet. Rights are those with a bus of a namespace.
    pub fn new(clients: Clients, namespace: String, bus: String) -> Self {
        Self {
            clients,
            namespace,
            bus,
            knocking: Semaphore::new(KNOCKING),
            wrong: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// Lets somebody in who has a token: the id of his session, and who he is.
    ///
    /// # Errors
    /// If the cluster does not know the token, or does not answer.
    pub(crate) async fn enter(&self, token: &str) -> Result<(String, Arc<Caller>), Failure> {
        let token = token.trim();
        // What cannot be a header is no token either.
        let is_one = token.len() <= LONGEST && token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_empty() || !is_one {
            return Err(self.unknown());
        }
        let _place = self.knocking.try_acquire().map_err(|_| {
            let busy = "too many log in at this moment";
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, busy).hint("try again in a moment")
        })?;
        let client = (self.clients)(token).map_err(|error| {
            Failure::new(StatusCode::BAD_GATEWAY, format!("ask the cluster: {error}"))
        })?;
        let caller = self.ask(&client).await?;
        let caller = Arc::new(caller.ok_or_else(|| self.unknown())?);
        // Two ids are 244 random bits.
        let id = Event::new_id() + &Event::new_id();
        let session = Session {
            id: id.clone(),
            client,
            tabs: Arc::new(Semaphore::new(TABS)),
            known: AsyncMutex::new((Instant::now(), Arc::clone(&caller))),
        };
        let name = caller.name.clone().unwrap_or_default();
        self.sessions()
            .open(id.clone(), name, session, Instant::now());
        Ok((id, caller))
    }

    /// The session of an id.
    pub(crate) fn session(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions().find(id, Instant::now())
    }

    /// Ends a session.
    pub(crate) fn leave(&self, session: &Session) {
        self.sessions().close(&session.id);
    }

    /// Who somebody is, with rights that were asked for at most so long ago.
    ///
    /// # Errors
    /// If the session has ended, or the cluster does not answer.
    pub(crate) async fn caller(
        &self,
        session: &Session,
        at_most: Duration,
    ) -> Result<Arc<Caller>, Failure> {
        let mut known = session.known.lock().await;
        // Who waited here may have logged out meanwhile.
        if self.session(&session.id).is_none() {
            return Err(Failure::outside());
        }
        let (asked, caller) = &*known;
        if asked.elapsed() <= at_most {
            return Ok(Arc::clone(caller));
        }
        let Some(caller) = self.ask(&session.client).await? else {
            self.leave(session);
            return Err(Failure::outside());
        };
        let caller = Arc::new(caller);
        *known = (Instant::now(), Arc::clone(&caller));
        Ok(caller)
    }

    async fn ask(&self, client: &Client) -> Result<Option<Caller>, Failure> {
        let who = access::who(client, (&self.namespace, &self.bus), &BY_ANOTHER).await?;
        Ok(who.map(Caller::from))
    }

    /// A token that the cluster does not know: how many there were is said now and then.
    fn unknown(&self) -> Failure {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.count += 1;
        if wrong.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            let count = std::mem::take(&mut wrong.count);
            wrong.said = Some(Instant::now());
            warn!(
                count,
                "Somebody wanted to log in to the console with a token that the cluster does not know"
            );
        }
        let unknown = Failure::outside_because("the cluster does not know this token");
        unknown.hint("`kubectl create token NAME` makes one of a service account; one that has expired counts no more")
    }

    /// The name of the cookie: consoles of several buses may be reached by one host.
    pub(crate) fn cookie(&self) -> String {
        format!("tiphys-console-{}-{}", self.namespace, self.bus)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions by their ids.
struct Sessions<S>(HashMap<String, Open<S>>);

struct Open<S> {
    session: Arc<S>,
    name: String,
    since: Instant,
}

impl<S> Default for Sessions<S> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<S> Sessions<S> {
    fn open(&mut self, id: String, name: String, session: S, now: Instant) {
        self.0.retain(|_, open| is_on(open, now));
        let of_him = self.0.values().filter(|open| open.name == name).count();
        let oldest = if of_him >= MOST_OF_ONE {
            self.oldest(|open| open.name == name)
        } else if self.0.len() >= MOST {
            self.oldest(|_| true)
        } else {
            None
        };
        if let Some(oldest) = oldest {
            self.0.remove(&oldest);
        }
        let session = Arc::new(session);
        let open = Open {
            session,
            name,
            since: now,
        };
        self.0.insert(id, open);
    }

    fn find(&mut self, id: &str, now: Instant) -> Option<Arc<S>> {
        // Whose time is over is not kept, and neither is his token.
        self.0.retain(|_, open| is_on(open, now));
        self.0.get(id).map(|open| Arc::clone(&open.session))
    }

    fn close(&mut self, id: &str) {
        self.0.remove(id);
    }

    fn oldest(&self, is_meant: impl Fn(&Open<S>) -> bool) -> Option<String> {
        let meant = self.0.iter().filter(|(_, open)| is_meant(open));
        let oldest = meant.min_by_key(|(_, open)| open.since);
        oldest.map(|(id, _)| id.clone())
    }
}

fn is_on<S>(open: &Open<S>, now: Instant) -> bool {
    now.duration_since(open.since) < LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, minutes: u64) -> Instant {
        start + Duration::from_mins(minutes)
    }

    #[test]
    fn a_session_lasts_for_half_a_day() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        sessions.open("a".to_owned(), "jason".to_owned(), 1, start);
        assert_eq!(sessions.find("a", after(start, 719)).as_deref(), Some(&1));
        assert!(sessions.find("a", after(start, 720)).is_none());
        sessions.close("a");
        assert!(sessions.find("a", start).is_none());
    }

    /// Whoever logs in again and again sends nobody else away.
    #[test]
    fn somebody_has_ten_sessions_and_his_oldest_one_ends() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        sessions.open("medea".to_owned(), "medea".to_owned(), 0, start);
        for number in 1..=11 {
            let at = after(start, number);
            sessions.open(number.to_string(), "jason".to_owned(), number, at);
        }
        let now = after(start, 12);
        assert!(sessions.find("medea", now).is_some());
        assert!(sessions.find("1", now).is_none());
        assert!(sessions.find("2", now).is_some());
        assert!(sessions.find("11", now).is_some());
    }

    #[test]
    fn there_are_never_more_than_a_thousand() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        for number in 0..1001_u64 {
            let at = start + Duration::from_secs(number);
            sessions.open(number.to_string(), number.to_string(), number, at);
        }
        let now = after(start, 30);
        assert!(sessions.find("0", now).is_none());
        assert!(sessions.find("1", now).is_some());
        assert_eq!(sessions.0.len(), 1000);
    }
}
