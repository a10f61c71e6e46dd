//! What a pod has told of a directory, kept on the bus: an entry a file, under its name.

use std::ffi::OsStr;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use tiphys_eventbus::{Error as BusError, State};

use super::snapshot::{Entry, Snapshot, decoded, encoded};
use crate::context::SourceContext;
use crate::cursor::{Keys, state};
use crate::error::{Reason, SourceError};

/// Where it is kept which files were looked at, even if there were none.
const BEGUN: &str = "files";

/// What is before the name of a file.
const FILE: &str = "file/";

/// How many writes are on their way at a time.
const AT_ONCE: usize = 256;

/// What was told.
#[derive(Debug)]
pub(super) struct Kept {
    state: Arc<dyn State>,
    keys: Keys,
    event: Arc<str>,
}

impl Kept {
    pub(super) async fn open(context: &SourceContext) -> Result<Self, SourceError> {
        let event = context.event();
        let kept = |state| Self {
            state,
            keys: Keys::new(&event.name),
            event: event.name.clone(),
        };
        match state(&context.outlet.bus, event).await {
            Ok(state) => Ok(kept(state)),
            Err(error) => Err(failed("open", &event.name, error)),
        }
    }

    /// Of which files something was told, if of any, and what.
    pub(super) async fn load(&self) -> Result<(Option<String>, Snapshot), SourceError> {
        let entries = self.state.entries().await;
        let entries = entries.map_err(|error| failed("read", &self.event, error))?;
        let mut whose = None;
        let mut snapshot = Snapshot::new();
        for entry in entries {
            let Some(name) = self.keys.name(&entry.key) else {
                continue;
            };
            if name == BEGUN {
                whose = Some(String::from_utf8_lossy(&entry.value).into_owned());
            }
            if let (Some(name), Ok(known)) = (
                name.strip_prefix(FILE),
                serde_json::from_slice::<Entry>(&entry.value),
            ) {
                snapshot.insert(decoded(name), known);
            }
        }
        Ok((whose, snapshot))
    }

    /// Keeps a first look, in the place of what was told of other files.
    pub(super) async fn begin(
        &self,
        whose: &str,
        before: &Snapshot,
        seen: &Snapshot,
    ) -> Result<(), SourceError> {
        let gone = before.keys().filter(|name| !seen.contains_key(*name));
        let gone = gone.map(|name| (&**name, None));
        let files = seen.iter().map(|(name, entry)| (&**name, Some(entry)));
        self.store(gone.chain(files)).await?;
        let begun = async {
            let whose = Bytes::copy_from_slice(whose.as_bytes());
            let begun = self.state.put(&self.keys.of(BEGUN), whose).await?;
            begun.await
        };
        let begun = begun.await.map(drop);
        begun.map_err(|error| failed("store", &self.event, error))
    }

    /// Keeps how files are; `None`: gone.
    pub(super) async fn store(
        &self,
        files: impl Iterator<Item = (&OsStr, Option<&Entry>)>,
    ) -> Result<(), SourceError> {
        let stored = async {
            let mut acks = Vec::new();
            for (name, entry) in files {
                let key = self.keys.of(&format!("{FILE}{}", encoded(name)));
                acks.push(match entry {
                    Some(entry) => {
                        let entry = serde_json::to_vec(entry).unwrap_or_default();
                        self.state.put(&key, entry.into()).await?
                    }
                    None => self.state.delete(&key).await?,
                });
                if acks.len() == AT_ONCE {
                    try_join_all(acks.drain(..)).await?;
                }
            }
            try_join_all(acks).await
        };
        let stored = stored.await.map(drop);
        stored.map_err(|error| failed("store", &self.event, error))
    }
}

fn failed(verb: &str, event: &str, error: BusError) -> SourceError {
    let act = format!("{verb} what was told of the files of event {event}");
    SourceError::new(Reason::State, act).because(error)
}
