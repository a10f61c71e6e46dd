//! Which thread the messages of a key belong to, kept on the bus.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tiphys_api::message::with_causes;
use tiphys_base::Cache;
use tiphys_clients::Error;
use tiphys_eventbus::{Bucket, State};
use tokio::sync::Mutex;

use super::post::{Failure, post};
use super::{Action, Thread};
use crate::trigger::Caller;
use crate::trigger::perform::Context;

/// How many threads of a channel are known; of more, the oldest are forgotten.
const THREADS: usize = 1000;

/// How many channels may wait for each other's messages at a time.
const CHANNELS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The threads of a process' Sensors.
pub(in crate::trigger) struct Threads {
    /// Of one channel, one message at a time is posted: two first messages would be two threads.
    turns: Cache<String, Arc<Mutex<()>>>,
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Threads")
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            turns: Cache::new(CHANNELS),
        }
    }
}

/// The threads of a channel, as they are kept: the newest stands last.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Known(Vec<(String, String)>);

impl Threads {
    /// Posts a message in its thread; the first one begins it.
    pub(super) async fn post(
        &self,
        action: &Action,
        thread: &Thread,
        context: &Context,
        caller: Caller<'_>,
    ) -> Result<(), Error> {
        let place = digest(&action.channel);
        let turn = format!("{}/{}/{place}", caller.namespace, caller.sensor);
        let turn = self.turns.get_or_insert(turn, Arc::default());
        let _turn = turn.lock().await;
        let kept = Kept::open(caller, place).await?;
        let mut known = kept.load().await?;
        let key = digest(&thread.key);
        if let Some(first) = known.find(&key) {
            match post(action, Some(first), &context.clients).await {
                Err(Failure::ThreadGone(_)) => {}
                posted => return posted.map(drop).map_err(Failure::into_error),
            }
        }
        let posted = post(action, None, &context.clients).await;
        let first = posted.map_err(Failure::into_error)?;
        known.add(key, first);
        // The message is posted: that it is not known is no reason to post it again.
        if let Err(error) = kept.store(&known).await {
            tracing::warn!(
                namespace = caller.namespace,
                sensorName = caller.sensor,
                triggerName = caller.trigger,
                error = with_causes(&error),
                "The next message of this key begins another thread"
            );
        }
        Ok(())
    }
}

impl Known {
    fn find(&self, key: &str) -> Option<&str> {
        let known = self.0.iter().find(|(known, _)| known == key);
        known.map(|(_, first)| first.as_str())
    }

    fn add(&mut self, key: String, first: String) {
        self.0.retain(|(known, _)| *known != key);
        self.0.push((key, first));
        let extra = self.0.len().saturating_sub(THREADS);
        self.0.drain(..extra);
    }
}

/// What is kept of a channel.
struct Kept {
    state: Option<Arc<dyn State>>,
    key: String,
}

impl Kept {
    async fn open(caller: Caller<'_>, key: String) -> Result<Self, Error> {
        let state = match caller.bus {
            None => None,
            Some(bus) => {
                let bucket = Bucket::threads(caller.namespace, caller.sensor);
                let state = bus.state.open(&bucket).await;
                Some(state.map_err(|error| unavailable("open", &error))?)
            }
        };
        Ok(Self { state, key })
    }

    async fn load(&self) -> Result<Known, Error> {
        let Some(state) = &self.state else {
            return Ok(Known::default());
        };
        let known = state.get(&self.key).await;
        let known = known.map_err(|error| unavailable("read", &error))?;
        let known = known.and_then(|known| serde_json::from_slice(&known).ok());
        Ok(known.unwrap_or_default())
    }

    async fn store(&self, known: &Known) -> Result<(), tiphys_eventbus::Error> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let known = serde_json::to_vec(known).unwrap_or_default();
        state.put(&self.key, known.into()).await?.await.map(drop)
    }
}

fn unavailable(verb: &str, error: &tiphys_eventbus::Error) -> Error {
    Error::unavailable(format!(
        "{verb} the threads of Slack on the bus: {}",
        with_causes(error)
    ))
}

/// Texts from events are no keys, and need not be readable there.
fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text)[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_threads_are_forgotten() {
        let mut known = Known::default();
        for number in 0..1002 {
            known.add(format!("k{number}"), number.to_string());
        }
        known.add("k2".to_owned(), "new".to_owned());
        assert_eq!(known.find("k1"), None);
        assert_eq!(known.find("k2"), Some("new"));
        assert_eq!(known.find("k1001"), Some("1001"));
        assert_eq!(known.0.len(), 1000);
    }
}
