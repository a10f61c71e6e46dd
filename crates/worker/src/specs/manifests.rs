//! Objects of manifests that somebody else reads: at the start, and again after each edit.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream::{BoxStream, iter, pending};
use jiff::Timestamp;
use tracing::info;

use super::{Change, Changes};
use crate::Key;
use crate::spec::Spec;

/// All objects of manifests, as they are at a time.
#[derive(Debug, Default)]
pub struct Edition {
    /// Those that can run, the paused ones among them.
    pub specs: Vec<Spec>,
    /// Those that have faults: what ran before goes on.
    pub faulty: Vec<Key>,
    /// Whether that is all: otherwise what is not among them may be there all the same, and goes on.
    pub is_whole: bool,
}

/// What is known of the objects of the last edition.
#[derive(Debug, Default)]
struct Known {
    /// Since when each is there.
    since: BTreeMap<Key, Timestamp>,
    running: BTreeSet<Key>,
    paused: BTreeSet<Key>,
}

/// The objects of the first edition, and what each later one changes. What a cluster once said of them,
/// which a dumped manifest has, is not about them.
pub(crate) fn manifests(
    first: Edition,
    edits: BoxStream<'static, Edition>,
    now: fn() -> Timestamp,
) -> Changes {
    let mut known = Known::default();
    let editions = iter([first]).chain(edits);
    let changes = editions.flat_map(move |edition| iter(known.take(edition, now())));
    changes.chain(pending()).boxed()
}

impl Known {
    /// What the next edition changes.
    fn take(&mut self, edition: Edition, now: Timestamp) -> Vec<Change> {
        let Edition {
            specs,
            faulty,
            is_whole,
        } = edition;
        let keys = specs.iter().map(|spec| &spec.key).chain(&faulty);
        let there: BTreeSet<Key> = keys.cloned().collect();
        let is_gone = |key: &Key| is_whole && !there.contains(key);
        self.since.retain(|key, _| !is_gone(key));
        self.paused.retain(|key| !is_gone(key));
        let gone = self.running.extract_if(.., is_gone);
        let mut changes: Vec<Change> = gone
            .inspect(|key| say(key, "In no manifest any more: it does not run"))
            .map(Change::Deleted)
            .collect();
        changes.extend(specs.into_iter().filter_map(|spec| self.next(spec, now)));
        changes
    }

    fn next(&mut self, spec: Spec, now: Timestamp) -> Option<Change> {
        let key = spec.key.clone();
        let since = *self.since.entry(key.clone()).or_insert(now);
        if spec.is_paused {
            let was_running = self.running.remove(&key);
            if self.paused.insert(key.clone()) {
                say(&key, "Paused by its annotation: it does not run");
            }
            return was_running.then_some(Change::Deleted(key));
        }
        self.paused.remove(&key);
        self.running.insert(key);
        Some(Change::Applied(Spec {
            created: Some(since),
            generation: None,
            ..spec
        }))
    }
}

fn say(key: &Key, message: &str) {
    let (kind, namespace, name) = (key.kind.as_str(), &*key.namespace, &*key.name);
    info!(kind, namespace, name, "{message}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tiphys_api::Sensor;

    use super::*;

    fn spec(name: &str, paused: &str) -> Spec {
        let object = json!({"metadata": {"name": name, "namespace": "ns",
                "creationTimestamp": "2020-01-01T00:00:00Z",
                "annotations": {"events.argoproj.io/paused": paused}},
            "spec": {
                "dependencies": [{"name": "d", "eventSourceName": "e", "eventName": "v"}],
                "triggers": [{"template": {"name": "t", "log": {}}}]}});
        let sensor: Sensor = serde_json::from_str(&object.to_string()).unwrap();
        let compiled = tiphys_check::sensor(&sensor).program.unwrap();
        Spec::sensor(sensor, compiled)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn edition(specs: Vec<Spec>) -> Edition {
        Edition {
            specs,
            faulty: Vec::new(),
            is_whole: true,
        }
    }

    /// Each change as a text: what it is, of what, and since when that is there.
    fn texts(changes: &[Change]) -> Vec<String> {
        let text = |change: &Change| match change {
            Change::Applied(spec) => {
                let since = spec.created.unwrap().as_second();
                format!("+{} {since}", spec.key.name)
            }
            Change::Refused(refused) => format!("?{refused}"),
            Change::Deleted(key) => format!("-{}", key.name),
        };
        changes.iter().map(text).collect()
    }

    #[test]
    fn an_edit_pauses_resumes_and_removes() {
        let mut known = Known::default();
        let first = edition(vec![spec("a", "false"), spec("b", "true")]);
        assert_eq!(texts(&known.take(first, at(1))), ["+a 1"]);
        let second = edition(vec![spec("a", "true"), spec("b", "true")]);
        assert_eq!(texts(&known.take(second, at(2))), ["-a"]);
        // What was created paused begins with what came since then.
        let third = edition(vec![spec("b", "false"), spec("c", "false")]);
        assert_eq!(texts(&known.take(third, at(3))), ["+b 1", "+c 3"]);
        let fourth = edition(vec![spec("c", "false")]);
        assert_eq!(texts(&known.take(fourth, at(4))), ["-b", "+c 3"]);
    }

    #[test]
    fn what_has_faults_after_an_edit_goes_on() {
        let mut known = Known::default();
        known.take(edition(vec![spec("a", "false")]), at(1));
        let faulty = Edition {
            faulty: vec![spec("a", "false").key],
            ..edition(Vec::new())
        };
        assert_eq!(texts(&known.take(faulty, at(2))), [""; 0]);
        // A file is no YAML for the moment.
        let partial = Edition {
            is_whole: false,
            ..edition(Vec::new())
        };
        assert_eq!(texts(&known.take(partial, at(2))), [""; 0]);
        let again = edition(vec![spec("a", "false")]);
        assert_eq!(texts(&known.take(again, at(3))), ["+a 1"]);
    }
}
