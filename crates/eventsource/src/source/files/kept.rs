//! What a pod has told of a directory, kept on the bus: an entry a file, under its name.

use std::ffi::OsStr;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tiphys_eventbus::{Error as BusError, State};

use super::snapshot::{Entry, Snapshot, decoded, encoded};
use crate::context::SourceContext;
use crate::cursor::{Keys, state};
use crate::error::{Reason, SourceError};

/// Where it is kept which files were looked at, even if there were none.
const BEGUN: &str = "files";

/// What is before the name of a file.
const FILE: &str = "file/";

/// What is before the digest of a name that is too long for a key.
const LONG: &str = "long/";

/// How many bytes of a name and its event go into a key as they are: the bus takes 1,024, and three for each that
/// it escapes.
const LONGEST: usize = 330;

/// How many writes are on their way at a time.
const AT_ONCE: usize = 256;

/// What was told.
#[derive(Debug)]
pub(super) struct Kept {
    state: Arc<dyn State>,
    keys: Keys,
    event: Arc<str>,
}

/// How a file was.
#[derive(Serialize, Deserialize)]
struct Value {
    /// What it is called, where the key does not say it.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(flatten)]
    entry: Entry,
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
            let Ok(Value { name: long, entry }) = serde_json::from_slice(&entry.value) else {
                continue;
            };
            let name = match (name.strip_prefix(FILE), name.strip_prefix(LONG)) {
                (Some(name), _) => Some(name.to_owned()),
                (None, Some(_)) => long,
                (None, None) => None,
            };
            snapshot.extend(name.map(|name| (decoded(&name), entry)));
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
                let (key, name) = self.key(name);
                acks.push(match entry {
                    Some(entry) => {
                        let value = Value {
                            name,
                            entry: *entry,
                        };
                        let value = serde_json::to_vec(&value).unwrap_or_default();
                        self.state.put(&key, value.into()).await?
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

impl Kept {
    /// The key of a file, and its name if that is not in it.
    fn key(&self, name: &OsStr) -> (String, Option<String>) {
        let name = encoded(name);
        if name.len() + self.event.len() <= LONGEST {
            return (self.keys.of(&format!("{FILE}{name}")), None);
        }
        let digest = HEXLOWER.encode(&Sha256::digest(&name));
        (self.keys.of(&format!("{LONG}{digest}")), Some(name))
    }
}

fn failed(verb: &str, event: &str, error: BusError) -> SourceError {
    let act = format!("{verb} what was told of the files of event {event}");
    SourceError::new(Reason::State, act).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FlakyBus, Stage};

    #[tokio::test(start_paused = true)]
    async fn a_name_of_any_length_comes_back() {
        let spec = r#"{"file": {"ev": {"eventType": "CREATE", "watchPathConfig": {"directory": "/d", "path": "x"}}}}"#;
        let now = "2026-01-02T03:04:05Z";
        let stage = Stage::on(FlakyBus::new(now), spec, now);
        let outlet = stage.outlet();
        let kept = Kept {
            state: state(&outlet.bus, &outlet.event).await.unwrap(),
            keys: Keys::new("ev"),
            event: "ev".into(),
        };
        let entry = |size| Entry {
            inode: None,
            modified: 7,
            size,
            mode: 0,
        };
        let names = ["a%b.txt".to_owned(), "ü".repeat(127), "long/".repeat(200)];
        let seen: Snapshot = (0..)
            .zip(names)
            .map(|(size, name)| (name.into(), entry(size)))
            .collect();
        kept.begin("/d == x", &Snapshot::new(), &seen)
            .await
            .unwrap();
        assert_eq!(
            kept.load().await.unwrap(),
            (Some("/d == x".to_owned()), seen.clone())
        );
        // Other files come in their place.
        let seen = Snapshot::from([("b".into(), entry(1))]);
        let (_, before) = kept.load().await.unwrap();
        kept.begin("/e == x", &before, &seen).await.unwrap();
        assert_eq!(
            kept.load().await.unwrap(),
            (Some("/e == x".to_owned()), seen)
        );
    }
}
