//! How far the partitions of a hub are done: decides where they are read from, and what is kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;
use crate::error::SourceError;
use crate::incoming::Verdict;

/// Before the first event.
const NOTHING: i64 = -1;

/// How far the partitions are done, on the bus.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Position {
    /// The namespace and the hub.
    hub: String,
    /// The sequence number of the last event that is done, by the name of its partition.
    partitions: BTreeMap<String, i64>,
}

/// How far the partitions are done.
#[derive(Debug)]
pub(super) struct Progress {
    done: BTreeMap<String, Done>,
    kept: BTreeMap<String, i64>,
}

#[derive(Debug)]
struct Done {
    sequence: i64,
    /// An event was given back: nothing behind it is kept.
    is_stuck: bool,
}

impl Position {
    pub(super) fn new(hub: String, partitions: BTreeMap<String, i64>) -> Self {
        Self { hub, partitions }
    }

    /// What was stored last of this hub; nothing, if that was another one.
    pub(super) async fn load(
        cursor: &Cursor,
        hub: &str,
    ) -> Result<BTreeMap<String, i64>, SourceError> {
        let stored = cursor.load().await?;
        // What another kind of the same name has left says nothing.
        let stored: Option<Self> = stored.and_then(|stored| serde_json::from_slice(&stored).ok());
        let stored = stored.filter(|stored| stored.hub == hub);
        Ok(stored.map(|stored| stored.partitions).unwrap_or_default())
    }

    pub(super) async fn store(&self, cursor: &Cursor) -> Result<(), SourceError> {
        // Texts and numbers can always be written.
        let text = serde_json::to_vec(self).unwrap_or_default();
        cursor.store(text.into()).await
    }
}

/// After which event a partition is read, of which `known` was the last one that was done and `last` is the last
/// one that is there: a hub that ends before what was done is another one of that name.
pub(super) fn begin(known: Option<i64>, last: i64) -> i64 {
    match known {
        None => last,
        Some(known) if known <= last => known,
        Some(_) => NOTHING,
    }
}

impl Progress {
    /// Everything up to these events is done, and kept.
    pub(super) fn new(kept: BTreeMap<String, i64>) -> Self {
        let done = kept.iter().map(|(partition, sequence)| {
            let done = Done {
                sequence: *sequence,
                is_stuck: false,
            };
            (partition.clone(), done)
        });
        Self {
            done: done.collect(),
            kept,
        }
    }

    /// What became of an event. Verdicts come in the order of a partition's events.
    pub(super) fn settled(&mut self, partition: &str, sequence: i64, verdict: Verdict) {
        let Some(done) = self.done.get_mut(partition) else {
            return;
        };
        match verdict {
            Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
                if !done.is_stuck {
                    done.sequence = sequence;
                }
            }
            Verdict::GivenBack(_) => done.is_stuck = true,
        }
    }

    /// What is to be kept, if that has changed.
    pub(super) fn due(&self) -> Option<BTreeMap<String, i64>> {
        let done = self.done.iter();
        let done: BTreeMap<String, i64> = done
            .map(|(partition, done)| (partition.clone(), done.sequence))
            .collect();
        (done != self.kept).then_some(done)
    }

    /// It is kept.
    pub(super) fn kept(&mut self, kept: BTreeMap<String, i64>) {
        self.kept = kept;
    }
}

/// Nobody holds it for long.
pub(super) fn locked(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming::GiveBack;

    fn partitions(all: &[(&str, i64)]) -> BTreeMap<String, i64> {
        let all = all.iter();
        all.map(|(name, number)| ((*name).to_owned(), *number))
            .collect()
    }

    #[test]
    fn a_partition_goes_on_where_it_was_and_begins_at_its_end() {
        for (known, last, expected) in [
            (None, 41, 41),
            (None, -1, -1),
            (Some(7), 41, 7),
            (Some(41), 41, 41),
            // The hub was made anew.
            (Some(41), 3, -1),
        ] {
            assert_eq!(begin(known, last), expected, "{known:?} of {last}");
        }
    }

    #[test]
    fn what_is_done_is_due_until_it_is_kept() {
        let mut progress = Progress::new(partitions(&[("0", -1), ("1", 9)]));
        assert_eq!(progress.due(), None);
        progress.settled("0", 0, Verdict::Stored);
        progress.settled("1", 12, Verdict::Filtered);
        let due = partitions(&[("0", 0), ("1", 12)]);
        assert_eq!(progress.due(), Some(due.clone()));
        progress.kept(due);
        assert_eq!(progress.due(), None);
    }

    #[test]
    fn nothing_behind_what_was_given_back_is_due() {
        let mut progress = Progress::new(partitions(&[("0", -1)]));
        progress.settled("0", 0, Verdict::DeadLettered);
        progress.settled("0", 1, Verdict::GivenBack(GiveBack::Stopping));
        progress.settled("0", 2, Verdict::Stored);
        assert_eq!(progress.due(), Some(partitions(&[("0", 0)])));
    }
}
