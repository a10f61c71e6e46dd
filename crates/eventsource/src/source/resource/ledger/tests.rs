//! Tables of what is said and what is published.

use bytes::Bytes;
use tiphys_api::ResourceEventType::{self, Add, Delete, Update};

use super::{Change, EventFilter, Ledger, Listing, RecordOp, Step};
use crate::source::resource::object::{Object, Version};

/// Wants some types, and lets everything pass that does not say `no`.
struct Wants(&'static [ResourceEventType]);

const ALL: Wants = Wants(&[Add, Update, Delete]);

impl EventFilter for Wants {
    fn wants(&self, kind: ResourceEventType) -> bool {
        self.0.contains(&kind)
    }

    fn passes(&self, object: &[u8], _: ResourceEventType) -> bool {
        !String::from_utf8_lossy(object).contains("no")
    }
}

/// `name/uid@version text`
fn object(text: &str) -> Object {
    let (head, spec) = text.split_once(' ').unwrap_or((text, ""));
    let (name, rest) = head.split_once('/').unwrap();
    let (uid, version) = rest.split_once('@').unwrap();
    let raw = format!(
        r#"{{"metadata":{{"name":"{name}","uid":"{uid}","resourceVersion":"{version}"}},"spec":"{spec}"}}"#
    );
    Object::parse(Bytes::from(raw)).unwrap()
}

/// The version and the spec of an object: `3:x`.
fn short(body: &Bytes) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    format!(
        "{}:{}",
        text(&value["metadata"]["resourceVersion"]),
        text(&value["spec"])
    )
}

fn shown(step: &Step) -> String {
    let publication = match &step.publication {
        None => "-".to_owned(),
        Some(publication) => {
            let old = publication
                .old
                .as_ref()
                .map_or_else(String::new, |old| format!(" was {}", short(old)));
            format!(
                "{} {} {}{old}",
                publication.kind.name(),
                step.uid,
                short(&publication.body)
            )
        }
    };
    let record = match &step.record {
        RecordOp::Keep => String::new(),
        RecordOp::Put => " put".to_owned(),
        RecordOp::Tombstone(version) => format!(" tombstone@{version}"),
    };
    format!("{publication}{record}")
}

struct Story {
    ledger: Ledger,
    filter: Wants,
}

impl Story {
    fn new(filter: Wants) -> Self {
        Self {
            ledger: Ledger::new(&filter),
            filter,
        }
    }

    fn done(&mut self, steps: &[Step]) -> Vec<String> {
        for step in steps {
            self.ledger.seal(&step.uid);
        }
        steps.iter().map(shown).collect()
    }

    #[track_caller]
    fn watch(&mut self, line: &str, expected: &[&str]) {
        let (kind, text) = line.split_once(' ').unwrap();
        let change = match kind {
            "ADDED" => Change::Added(object(text)),
            "MODIFIED" => Change::Modified(object(text)),
            _ => Change::Deleted(object(text)),
        };
        let steps = self.ledger.observe(change, &self.filter);
        assert_eq!(self.done(&steps), expected, "{line}");
    }

    #[track_caller]
    fn list(&mut self, version: &str, objects: &[&str], expected: &[&str]) {
        let mut listing = Listing::default();
        for text in objects {
            listing.add(object(text), &self.ledger);
        }
        let mut shown = Vec::new();
        for todo in listing.finish(&mut self.ledger) {
            let steps = self
                .ledger
                .settle(todo, &Version::from(version), &self.filter);
            shown.extend(self.done(&steps));
        }
        assert_eq!(shown, expected);
    }

    /// What is recorded, in another process, under another filter.
    fn restarted(&mut self, filter: Wants) -> Self {
        let mut ledger = Ledger::new(&filter);
        let uids: Vec<_> = self.ledger.objects.keys().cloned().collect();
        for uid in uids {
            if let Some(record) = self.ledger.seal(&uid) {
                ledger.restore(uid, record);
            }
        }
        for (uid, tombstone) in &self.ledger.tombstones {
            ledger.restore(uid.clone(), super::Record::Gone(tombstone.clone()));
        }
        Self { ledger, filter }
    }
}

#[test]
fn a_watch_is_published_as_it_is_said() {
    let mut story = Story::new(ALL);
    story.watch("ADDED a/1@5 x", &["ADD 1 5:x put"]);
    story.watch("MODIFIED a/1@6 y", &["UPDATE 1 6:y was 5:x put"]);
    story.watch("ADDED b/2@7 x", &["ADD 2 7:x put"]);
    story.watch("DELETED a/1@8 y", &["DELETE 1 8:y tombstone@8"]);
    story.watch("MODIFIED b/2@9 z", &["UPDATE 2 9:z was 7:x put"]);
}

#[test]
fn what_was_published_is_not_published_again() {
    let mut story = Story::new(ALL);
    story.watch("ADDED a/1@5 x", &["ADD 1 5:x put"]);
    story.watch("ADDED a/1@5 x", &[]);
    story.watch("MODIFIED a/1@10 y", &["UPDATE 1 10:y was 5:x put"]);
    story.watch("MODIFIED a/1@9 z", &[]);
    story.watch("DELETED a/1@9 z", &[]);
    story.watch("DELETED a/1@11 y", &["DELETE 1 11:y tombstone@11"]);
    story.watch("ADDED a/1@5 x", &[]);
    story.watch("DELETED a/1@11 y", &[]);
}

#[test]
fn an_object_that_comes_back_is_added_again() {
    let mut story = Story::new(ALL);
    story.watch("ADDED a/1@5 x", &["ADD 1 5:x put"]);
    story.watch("DELETED a/1@6 x", &["DELETE 1 6:x tombstone@6"]);
    story.watch("ADDED a/1@8 x", &["ADD 1 8:x put"]);
    story.watch("DELETED a/1@9 x", &["DELETE 1 9:x tombstone@9"]);
}

#[test]
fn what_is_not_known_is_published_without_what_it_was() {
    let mut story = Story::new(ALL);
    story.watch("MODIFIED a/1@5 x", &["UPDATE 1 5:x put"]);
    story.watch("DELETED b/2@6 x", &["DELETE 2 6:x tombstone@6"]);
}

#[test]
fn another_object_of_the_same_name_means_that_the_first_one_went() {
    let mut story = Story::new(ALL);
    story.watch("ADDED a/1@5 x", &["ADD 1 5:x put"]);
    story.watch(
        "ADDED a/2@9 y",
        &["DELETE 1 5:x tombstone@9", "ADD 2 9:y put"],
    );
    story.watch(
        "MODIFIED a/3@11 z",
        &["DELETE 2 9:y tombstone@11", "ADD 3 11:z put"],
    );
}

#[test]
fn a_list_publishes_what_happened_in_a_gap() {
    let mut story = Story::new(ALL);
    let before = ["a/1@1 x", "b/2@2 x", "c/3@3 x", "d/4@4 x"];
    story.list(
        "10",
        &before,
        &[
            "ADD 1 1:x put",
            "ADD 2 2:x put",
            "ADD 3 3:x put",
            "ADD 4 4:x put",
        ],
    );
    story.list("10", &before, &[]);
    // A went, B was created anew, C changed, E came.
    story.list(
        "30",
        &["e/6@21 x", "c/3@20 y", "b/5@19 x", "d/4@4 x"],
        &[
            "DELETE 1 1:x tombstone@30",
            "DELETE 2 2:x tombstone@30",
            "ADD 5 19:x put",
            "UPDATE 3 20:y was 3:x put",
            "ADD 6 21:x put",
        ],
    );
}

#[test]
fn a_list_of_a_restored_cluster_counts_whatever_its_versions_are() {
    let mut story = Story::new(ALL);
    story.list("100", &["a/1@90 x"], &["ADD 1 90:x put"]);
    story.list("50", &["a/1@40 y"], &["UPDATE 1 40:y was 90:x put"]);
}

#[test]
fn a_list_after_a_restart_publishes_the_same_as_without() {
    let mut story = Story::new(ALL);
    story.list(
        "10",
        &["a/1@1 x", "b/2@2 x", "n/3@3 no"],
        &["ADD 1 1:x put", "ADD 2 2:x put", "-"],
    );
    let mut again = story.restarted(ALL);
    again.list("10", &["a/1@1 x", "b/2@2 x", "n/3@3 no"], &["-"]);
    again.list(
        "20",
        &["b/2@12 y"],
        &[
            "DELETE 1 1:x tombstone@20",
            "-",
            "UPDATE 2 12:y was 2:x put",
        ],
    );
}

#[test]
fn what_the_filter_rejects_is_known_but_not_published() {
    let mut story = Story::new(ALL);
    story.watch("ADDED a/1@5 no", &["-"]);
    story.watch("MODIFIED a/1@6 yes", &["UPDATE 1 6:yes was 5:no put"]);
    story.watch("MODIFIED a/1@7 no", &["- put"]);
    story.watch("MODIFIED a/1@8 no2", &["-"]);
    let mut again = story.restarted(ALL);
    // As if the watch had never broken: its last state does not pass.
    again.list("20", &[], &["- tombstone@20"]);
    story.watch("MODIFIED a/1@9 yes", &["UPDATE 1 9:yes was 8:no2 put"]);
    story.watch("DELETED a/1@10 no", &["- tombstone@10"]);
}

#[test]
fn what_never_passed_leaves_no_record() {
    let mut story = Story::new(ALL);
    story.watch("ADDED a/1@5 no", &["-"]);
    story.watch("DELETED a/1@6 no", &["-"]);
    assert!(story.ledger.is_empty());
    assert!(story.ledger.tombstones.is_empty());
}

#[test]
fn only_wanted_types_are_published() {
    let mut story = Story::new(Wants(&[Delete]));
    story.watch("ADDED a/1@5 x", &["- put"]);
    story.watch("MODIFIED a/1@6 y", &["- put"]);
    story.list("9", &[], &["DELETE 1 6:y tombstone@9"]);

    let mut story = Story::new(Wants(&[Add]));
    story.watch("ADDED a/1@5 x", &["ADD 1 5:x put"]);
    story.watch("MODIFIED a/1@6 y", &["-"]);
    story.list("9", &[], &["- tombstone@9"]);
    story.list("10", &["a/2@10 x"], &["ADD 2 10:x put"]);
}

#[test]
fn objects_are_kept_only_if_somebody_will_ask() {
    let kept = |filter: Wants, text: &str| {
        let mut story = Story::new(filter);
        let steps = story
            .ledger
            .observe(Change::Added(object(text)), &story.filter);
        story.done(&steps);
        !matches!(story.ledger.objects["1"].body, super::Body::None)
    };
    assert!(!kept(Wants(&[Add]), "a/1@5 x"));
    assert!(kept(Wants(&[Delete]), "a/1@5 x"));
    assert!(!kept(Wants(&[Delete]), "a/1@5 no"));
    assert!(kept(Wants(&[Update]), "a/1@5 no"));
}

#[test]
fn a_replay_after_a_restart_publishes_nothing_twice() {
    let mut story = Story::new(ALL);
    story.watch("ADDED a/1@5 x", &["ADD 1 5:x put"]);
    story.watch("MODIFIED a/1@6 y", &["UPDATE 1 6:y was 5:x put"]);
    story.watch("ADDED b/2@7 x", &["ADD 2 7:x put"]);
    story.watch("DELETED b/2@8 x", &["DELETE 2 8:x tombstone@8"]);
    let mut again = story.restarted(ALL);
    again.watch("ADDED a/1@5 x", &[]);
    again.watch("MODIFIED a/1@6 y", &[]);
    again.watch("ADDED b/2@7 x", &[]);
    again.watch("DELETED b/2@8 x", &[]);
    again.watch("MODIFIED a/1@9 z", &["UPDATE 1 9:z was 6:y put"]);
}

#[test]
fn what_was_published_without_a_record_is_adopted() {
    let mut story = Story::new(ALL);
    story.watch("ADDED a/1@5 x", &["ADD 1 5:x put"]);
    let step = story.ledger.adopt(Update, object("a/1@6 y")).unwrap();
    assert_eq!(shown(&step), "- put");
    assert_eq!(story.ledger.adopt(Update, object("a/1@6 y")), None);
    assert_eq!(story.ledger.adopt(Add, object("a/1@5 x")), None);
    story.watch("MODIFIED a/1@6 y", &[]);
    story.watch("MODIFIED a/1@7 z", &["UPDATE 1 7:z was 6:y put"]);

    let step = story.ledger.adopt(Delete, object("a/1@8 z")).unwrap();
    assert_eq!(shown(&step), "- tombstone@8");
    story.watch("DELETED a/1@8 z", &[]);
    assert_eq!(story.ledger.adopt(Delete, object("a/1@8 z")), None);
}

#[test]
fn a_deletion_goes_by_the_version_published_before_however_it_was_noticed() {
    let publication = |steps: Vec<Step>| steps[0].publication.clone().unwrap().version;
    let mut watched = Story::new(ALL);
    watched.watch("ADDED a/1@5 x", &["ADD 1 5:x put"]);
    let mut listed = watched.restarted(ALL);
    assert_eq!(
        publication(
            watched
                .ledger
                .observe(Change::Deleted(object("a/1@9 x")), &ALL)
        ),
        "5".into()
    );
    for todo in Listing::default().finish(&mut listed.ledger) {
        assert_eq!(
            publication(listed.ledger.settle(todo, &"10".into(), &ALL)),
            "5".into()
        );
    }
}

#[test]
fn another_filter_judges_again_without_telling() {
    struct Other;
    impl EventFilter for Other {
        fn wants(&self, _: ResourceEventType) -> bool {
            true
        }
        fn passes(&self, object: &[u8], _: ResourceEventType) -> bool {
            !String::from_utf8_lossy(object).contains('x')
        }
    }
    let mut story = Story::new(ALL);
    story.list(
        "10",
        &["a/1@1 x", "b/2@2 y"],
        &["ADD 1 1:x put", "ADD 2 2:y put"],
    );
    story.ledger.reevaluate();
    let mut listing = Listing::default();
    listing.add(object("a/1@1 x"), &story.ledger);
    listing.add(object("b/2@2 y"), &story.ledger);
    let todos = listing.finish(&mut story.ledger);
    let steps: Vec<String> = todos
        .into_iter()
        .flat_map(|todo| story.ledger.settle(todo, &"11".into(), &Other))
        .map(|step| shown(&step))
        .collect();
    assert_eq!(steps, ["- put"]);
    // It left by the filter, so it does not leave again.
    let todos = Listing::default().finish(&mut story.ledger);
    let steps: Vec<String> = todos
        .into_iter()
        .flat_map(|todo| story.ledger.settle(todo, &"12".into(), &Other))
        .map(|step| shown(&step))
        .collect();
    assert_eq!(steps, ["- tombstone@12", "DELETE 2 2:y tombstone@12"]);
}
