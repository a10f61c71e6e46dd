use jiff::Timestamp;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn firing(sensor: &'static str, trigger: &'static str, event: &str, second: i64) -> Firing {
    Firing {
        sensor,
        trigger,
        event: event.to_owned(),
        at: at(second),
    }
}

fn letter(sensor: &str, trigger: &str, event: &str, reason: &'static str) -> Letter {
    Letter {
        sensor: sensor.to_owned(),
        trigger: trigger.to_owned(),
        event: event.to_owned(),
        reason,
        error: "why".to_owned(),
    }
}

/// One event of each source, and everybody did what was to be done.
fn right() -> Seen {
    let event = |source: &str, id: &str| (source.to_owned(), id.to_owned());
    Seen {
        events: vec![
            event("audit-es", "e1"),
            event("ingress-es", "e2"),
            event("hostile", "burn-0"),
        ],
        letters: vec![letter("hostile", "burn", "burn-0", "transform-failed")],
        deliveries: 4,
        firings: vec![
            firing("audit", "print", "e1", 1),
            firing("audit", "call", "e1", 1),
            firing("ingress-sn", "log", "e2", 1),
        ],
        interruptions: Vec::new(),
    }
}

fn expected() -> Expected {
    Expected {
        sent: vec![Sent {
            attack: Attack::Burn,
            id: "burn-0".to_owned(),
        }],
        ..Expected::default()
    }
}

#[track_caller]
fn check(edit: impl FnOnce(&mut Seen), lost: &[&str], wrong: &[&str], twice: &[&str]) {
    let mut seen = right();
    edit(&mut seen);
    let findings = Findings::of(&seen, &expected());
    assert_eq!(findings.lost, lost);
    assert_eq!(findings.wrong, wrong);
    assert_eq!(findings.repeats.unexplained, twice);
    let nothing = lost.is_empty() && wrong.is_empty() && twice.is_empty();
    assert_eq!(findings.are_right(), nothing);
}

#[test]
fn a_right_end_has_nothing_to_say() {
    check(|_| {}, &[], &[], &[]);
}

#[test]
fn whatever_did_not_happen_is_lost() {
    let lost = |at: usize, line: &str| {
        let leave_out = |seen: &mut Seen| drop(seen.firings.remove(at));
        check(leave_out, &[line], &[], &[]);
    };
    lost(0, "print did nothing about e1");
    lost(1, "call did nothing about e1");
    lost(2, "log did nothing about e2");
    let no_letter = |seen: &mut Seen| seen.letters.clear();
    check(no_letter, &["burn did nothing about burn-0"], &[], &[]);
}

#[test]
fn a_kill_may_cost_what_acts_at_most_once_and_nothing_else() {
    let mut seen = right();
    seen.firings.clear();
    let expected = Expected {
        engine_was_killed: true,
        ..expected()
    };
    let findings = Findings::of(&seen, &expected);
    assert_eq!(findings.left_out, 1);
    assert_eq!(
        findings.lost,
        ["print did nothing about e1", "call did nothing about e1"]
    );
}

#[test]
fn a_stop_may_leave_what_acts_at_most_once_to_the_dead_letters() {
    let stop = |seen: &mut Seen| {
        seen.firings.remove(2);
        let letter = letter("ingress-sn", "log", "e2", "interrupted");
        seen.letters.push(letter);
    };
    check(stop, &[], &[], &[]);
}

#[test]
fn a_dead_letter_of_a_healthy_trigger_is_wrong() {
    check(
        |seen| {
            let letter = letter("ingress-sn", "ingress", "e2", "retries-exhausted");
            seen.letters.push(letter);
        },
        &[],
        &["ingress-sn ingress dead-lettered e2 (retries-exhausted): why"],
        &[],
    );
}

#[test]
fn an_event_that_is_published_twice_is_wrong() {
    let twice = |seen: &mut Seen| seen.events.push(seen.events[0].clone());
    check(twice, &[], &["audit-es published e1 twice"], &[]);
}

#[test]
fn nothing_explains_a_repeat_of_what_acts_at_most_once() {
    check(
        |seen| {
            seen.firings.push(firing("audit", "call", "e1", 3));
            seen.firings.push(firing("ingress-sn", "log", "e2", 3));
            for object in ["audit", "ingress-sn"] {
                seen.interruptions.push(Interruption { object, at: at(2) });
            }
        },
        &[],
        &[],
        &["ingress-sn log acted on e2 at 1970-01-01T00:00:01Z and at 1970-01-01T00:00:03Z"],
    );
}
