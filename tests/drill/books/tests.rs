use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn firing(trigger: &'static str, event: &str, second: i64) -> Firing {
    Firing {
        sensor: "s",
        trigger,
        event: event.to_owned(),
        at: at(second),
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_event_of_two_triggers_is_no_repeat() {
    let firings = [
        firing("a", "e", 1),
        firing("b", "e", 2),
        firing("a", "f", 3),
    ];
    let repeats = Repeats::among(&firings.each_ref(), &[]);
    assert_eq!(repeats, Repeats::default());
}

#[test]
fn a_repeat_is_explained_by_somebody_who_began_in_between() {
    let firings = [
        firing("a", "e", 15),
        firing("a", "e", 1),
        firing("a", "e", 19),
    ];
    let interruption = |object, second| Interruption {
        object,
        at: at(second),
    };
    let interruptions = [interruption("s", 3), interruption("another", 17)];
    let repeats = Repeats::among(&firings.each_ref(), &interruptions);
    assert_eq!(repeats.explained, 1);
    assert_eq!(
        repeats.unexplained,
        ["s a acted on e at 1970-01-01T00:00:15Z and at 1970-01-01T00:00:19Z"]
    );
}

/// Seen in a drill: a trigger acted, the bus was killed, and the process began anew and acted again.
#[test]
fn an_acknowledgement_that_a_killed_bus_forgot_explains_a_repeat() {
    let interruption = |object, second| Interruption {
        object,
        at: at(second),
    };
    for (killed, begun, explained) in [
        (11, 13, 1),
        (9, 13, 0),
        (12, 13, 0),
        (11, 10, 0),
        (11, 19, 0),
    ] {
        let firings = [firing("log", "e", 10), firing("log", "e", 18)];
        let interruptions = [interruption("bus", killed), interruption("engine", begun)];
        let repeats = Repeats::forgotten(&firings.each_ref(), &interruptions, "bus", "engine");
        assert_eq!(repeats.explained, explained, "{killed} {begun}");
        assert_eq!(repeats.unexplained.len(), 1 - explained, "{killed} {begun}");
    }
}

/// Seen in a drill: pods that were frozen for 19 s acted 0.1 s after they went on, and again 7 s later.
#[test]
fn a_repeat_is_explained_by_somebody_who_went_on_just_before() {
    let firings = [firing("a", "e", 20), firing("a", "e", 27)];
    let went_on = |second| Interruption {
        object: "s",
        at: at(second),
    };
    let repeats = Repeats::among(&firings.each_ref(), &[went_on(15)]);
    assert_eq!((repeats.explained, repeats.unexplained.len()), (1, 0));
    let repeats = Repeats::among(&firings.each_ref(), &[went_on(14)]);
    assert_eq!((repeats.explained, repeats.unexplained.len()), (0, 1));
}

#[test]
fn an_event_without_an_end_is_lost() {
    assert_eq!(
        lost("a", &set(&["e", "f"]), &set(&["e", "g"])),
        ["a did nothing about f"]
    );
}

const BALANCED: &str = r#"# HELP tiphys_eventsource_events Where it is.
tiphys_eventsource_events{namespace="n",eventsource_name="es",event_name="ev",outcome="received"} 5
tiphys_eventsource_events{namespace="n",eventsource_name="es",event_name="ev",outcome="published"} 3
tiphys_eventsource_events{namespace="n",eventsource_name="es",event_name="ev",outcome="filtered"} 2
tiphys_eventsource_events{namespace="n",eventsource_name="es",event_name="ev",outcome="in-hand"} 0
tiphys_sensor_events{namespace="n",sensor_name="sn",trigger_name="t",outcome="fired"} 3
tiphys_sensor_events{namespace="n",sensor_name="sn",trigger_name="t",outcome="in_flight"} 0
build_info{version="1"} 1
"#;

#[test]
fn books_that_balance_have_nothing_to_say() {
    assert_eq!(imbalances(BALANCED), [""; 0]);
}

#[test]
fn what_is_in_no_place_or_on_its_way_is_told() {
    let metrics = BALANCED
        .replace("\"published\"} 3", "\"published\"} 2")
        .replace("\"in_flight\"} 0", "\"in_flight\"} 4");
    assert_eq!(
        imbalances(&metrics),
        [
            "5 received of namespace=\"n\",eventsource_name=\"es\",event_name=\"ev\", \
             and 4 in all places",
            "4 in_flight of namespace=\"n\",sensor_name=\"sn\",trigger_name=\"t\"",
        ]
    );
}
