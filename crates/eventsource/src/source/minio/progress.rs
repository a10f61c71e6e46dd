//! Up to where a bucket has been told of: what is kept on the bus, so that what is created while nobody
//! listens can be found afterwards. All times are those of the server.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How much later than an object is there its notification may come.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// How many objects that were told within the margin are remembered.
const MOST: usize = 10_000;

/// One state of an object: what a notification and a listing both say of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ObjectState {
    pub(super) key: String,
    pub(super) etag: String,
}

/// Up to where a bucket has been told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    /// What was created until then was told.
    until: Timestamp,
    /// What was created since, and was told, and when.
    #[serde(default)]
    told: Vec<(ObjectState, Timestamp)>,
    /// When what has arrived and was not told yet is from.
    #[serde(skip)]
    pending: BTreeMap<Timestamp, usize>,
}

impl Progress {
    /// Nothing has been told, and nothing from before `now` is to be.
    pub(super) fn begin(now: Timestamp) -> Self {
        Self {
            until: now,
            told: Vec::new(),
            pending: BTreeMap::new(),
        }
    }

    /// Something of this time is to be told.
    pub(super) fn arrived(&mut self, time: Timestamp) {
        *self.pending.entry(time).or_default() += 1;
    }

    /// It was told.
    pub(super) fn told(&mut self, object: Option<ObjectState>, time: Timestamp) {
        if let Some(count) = self.pending.get_mut(&time) {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&time);
            }
        }
        if let Some(object) = object.filter(|_| time > self.until) {
            self.told.push((object, time));
            if self.told.len() > MOST {
                self.told.remove(0);
            }
        }
    }

    /// Everything until `now` has arrived.
    pub(super) fn reached(&mut self, now: Timestamp) {
        let pending = self.pending.keys().next();
        let until = pending.map_or(now, |first| now.min(*first));
        // A server may say any time.
        let until = until.saturating_sub(MARGIN).unwrap_or(until);
        self.until = self.until.max(until);
        self.told.retain(|(_, time)| *time > self.until);
    }

    /// Whether an object that a listing has was not told.
    pub(super) fn is_missed(&self, object: &ObjectState, modified: Timestamp) -> bool {
        modified > self.until && !self.told.iter().any(|(told, _)| told == object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn object(key: &str) -> ObjectState {
        ObjectState {
            key: key.to_owned(),
            etag: "e".to_owned(),
        }
    }

    #[test]
    fn what_was_created_before_the_first_start_is_not_told() {
        let progress = Progress::begin(at(100));
        assert!(!progress.is_missed(&object("a"), at(100)));
        assert!(progress.is_missed(&object("a"), at(101)));
    }

    #[test]
    fn what_was_told_is_not_missed_and_what_was_not_is() {
        let mut progress = Progress::begin(at(100));
        for (key, time) in [("a", 107), ("b", 108), ("c", 103)] {
            progress.arrived(at(time));
            progress.told(Some(object(key)), at(time));
        }
        progress.reached(at(110));
        assert!(!progress.is_missed(&object("a"), at(107)));
        assert!(progress.is_missed(&object("x"), at(107)));
        // The margin is over.
        assert!(!progress.is_missed(&object("c"), at(103)));
        assert!(!progress.is_missed(&object("x"), at(105)));
        let changed = ObjectState {
            etag: "f".to_owned(),
            ..object("a")
        };
        assert!(progress.is_missed(&changed, at(109)));
    }

    #[test]
    fn what_was_not_told_yet_holds_it_up() {
        let mut progress = Progress::begin(at(100));
        progress.arrived(at(120));
        progress.arrived(at(120));
        progress.arrived(at(150));
        progress.told(Some(object("b")), at(150));
        progress.told(Some(object("a")), at(120));
        progress.reached(at(200));
        assert!(progress.is_missed(&object("x"), at(116)));
        assert!(!progress.is_missed(&object("x"), at(115)));
        assert!(!progress.is_missed(&object("b"), at(150)));
        progress.told(None, at(120));
        progress.reached(at(200));
        assert!(!progress.is_missed(&object("x"), at(195)));
    }

    #[test]
    fn it_is_kept_as_json() {
        let mut progress = Progress::begin(at(100));
        progress.arrived(at(107));
        progress.told(Some(object("a")), at(107));
        progress.arrived(at(108));
        let kept = serde_json::to_string(&progress).unwrap();
        assert_eq!(
            kept,
            concat!(
                r#"{"until":"1970-01-01T00:01:40Z","#,
                r#""told":[[{"key":"a","etag":"e"},"1970-01-01T00:01:47Z"]]}"#
            )
        );
        let read: Progress = serde_json::from_str(&kept).unwrap();
        assert!(!read.is_missed(&object("a"), at(107)));
        assert!(read.is_missed(&object("b"), at(108)));
    }
}
