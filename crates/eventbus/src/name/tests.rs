//! Names that must stay as Argo Events writes them, and names that must not collide.

use tiphys_base::Reason;

use super::{disjoint, given_key, joined, stored_key};
use crate::{Bucket, Durable, Subject};

#[test]
fn kubernetes_names_make_the_subject_that_argo_uses() {
    assert_eq!(
        Subject::event("webhook", "example").as_str(),
        "default.webhook.example"
    );
}

#[test]
fn names_that_nats_cannot_hold_are_escaped_and_read_back() {
    for (event_source, event, subject) in [
        ("a.b", "ev", "default.a%2Eb.ev"),
        ("a", "*", "default.a.%2A"),
        ("a", "b>c d", "default.a.b%3Ec%20d"),
        ("50%", "\n\u{a0}", "default.50%25.%0A%C2%A0"),
        ("", "ü", "default.%.ü"),
    ] {
        let made = Subject::event(event_source, event);
        assert_eq!(made.as_str(), subject);
        assert_eq!(
            made.names(),
            Some((event_source.to_owned(), event.to_owned()))
        );
    }
}

#[test]
fn a_dependency_on_a_star_listens_to_any_name() {
    let any = Subject::dependency("webhook", "*");
    assert_eq!(any.as_str(), "default.webhook.*");
    assert_eq!(any.names(), None);
    assert!(any.matches(&Subject::event("webhook", "a.b")));
    assert!(!any.matches(&Subject::event("other", "a")));
    assert_eq!(
        Subject::dependency("webhook", "a*").as_str(),
        "default.webhook.*"
    );
}

#[test]
fn what_is_published_again_is_for_one_consumer_and_no_star() {
    let durable = Durable::trigger("ns", "my.sensor", "t");
    let replay = Subject::replay(&durable);
    assert_eq!(replay.as_str(), "default.%replay.ns__my_2Esensor__t");
    assert!(replay.is_replay());
    assert_eq!(replay.names(), None);
    assert!(replay.matches(&replay));
    assert!(!replay.matches(&Subject::replay(&Durable::trigger("ns", "my.sensor", "u"))));
    for star in [
        Subject::dependency("*", "*"),
        Subject::dependency("r*", "*"),
    ] {
        assert!(!star.matches(&replay), "{star}");
        assert!(!star.is_replay());
    }
    // No name of an event source is written so.
    let alike = Subject::event("%replay", "ns__my_2Esensor__t");
    assert_eq!(alike.as_str(), "default.%25replay.ns__my_2Esensor__t");
    assert!(!alike.is_replay());
    // The bus refuses to let a program publish there by itself.
    assert!(Subject::is_event(replay.as_str()));
}

#[test]
fn overlapping_subjects_become_filters_that_do_not_overlap() {
    let filters = |pairs: &[(&str, &str)]| -> Vec<String> {
        let subjects: Vec<_> = pairs
            .iter()
            .map(|(a, b)| Subject::dependency(a, b))
            .collect();
        disjoint(&subjects)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        filters(&[("a", "x"), ("b", "x"), ("a", "x")]),
        ["default.a.x", "default.b.x"]
    );
    assert_eq!(
        filters(&[("a", "x"), ("a", "*"), ("b", "x")]),
        ["default.a.*", "default.b.x"]
    );
    assert_eq!(
        filters(&[("a", "*"), ("*", "x"), ("c", "y")]),
        ["default.*.*"]
    );
}

#[test]
fn consumers_of_different_triggers_never_share_a_name() {
    assert_eq!(
        Durable::trigger("argo-events", "my-sensor", "on.create").as_str(),
        "argo-events__my-sensor__on_2Ecreate"
    );
    assert_ne!(
        Durable::trigger("n", "a-b", "c"),
        Durable::trigger("n", "a", "b-c")
    );
    assert_ne!(
        Durable::trigger("n", "a_", "_c"),
        Durable::trigger("n", "a", "__c")
    );
    assert_ne!(
        Durable::trigger("n", "a", "_2E"),
        Durable::trigger("n", "a", ".")
    );
}

#[test]
fn long_names_are_cut_and_still_differ() {
    let long = "x".repeat(400);
    let (one, other) = (joined(&[&long, "a"]), joined(&[&long, "b"]));
    assert!(one.len() <= 240);
    assert_ne!(one, other);
}

#[test]
fn a_sensor_keeps_its_state_where_argo_keeps_it() {
    assert_eq!(Bucket::sensor("my-sensor").as_str(), "my-sensor");
    assert_eq!(Bucket::sensor("a.b").as_str(), "a_2Eb");
    assert_eq!(
        Bucket::event_source("ns", "es").as_str(),
        "tiphys__source__ns__es"
    );
}

#[test]
fn keys_stay_as_argo_writes_them_and_others_are_read_back() {
    for (key, stored) in [
        ("Triggers", "Triggers"),
        ("my-trigger/my_dep", "my-trigger/my_dep"),
        ("a.b/c", "a.b/c"),
        (".a..b.", "=2Ea=2E=2Eb=2E"),
        ("a b*=ü", "a=20b=2A=3D=C3=BC"),
        ("", "="),
    ] {
        assert_eq!(stored_key(key).unwrap(), stored);
        assert_eq!(given_key(stored), key);
    }
    assert_eq!(
        stored_key(&"x".repeat(2000)).unwrap_err().reason(),
        Reason::KeyTooLong
    );
}

#[test]
fn a_consumer_says_whose_it_is() {
    let names = |names: [&str; 3]| {
        let [namespace, sensor, trigger] = names;
        Durable::trigger(namespace, sensor, trigger).names()
    };
    for given in [
        ["harbour", "gate", "note"],
        ["n", "my.sensor", "a_b __ c"],
        ["n", "s", ""],
    ] {
        let expected = given.map(ToOwned::to_owned);
        let found = names(given).map(|(namespace, sensor, trigger)| [namespace, sensor, trigger]);
        assert_eq!(found, Some(expected));
    }
    assert_eq!(names(["n", "s", &"long".repeat(100)]), None);
    for other in ["x", "group-1234", "a__b", "a__b__c__d", "a_"] {
        assert_eq!(Durable::from_wire(other).names(), None, "{other}");
    }
}
