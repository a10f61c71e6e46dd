//! Stories of one trigger in virtual time: what happens, and every effect that it has.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tiphys_api::RetryPolicy;
use tiphys_base::Reason;
use tiphys_eventbus::{Context, DeadLetterReason, Event, Replay, Subject};
use tiphys_lang::expr::conditions::Conditions;

use super::super::wake::{Act, Arrival, Arrived, Attempt, Cancel, Content, Fired, Performs};
use super::super::{Effect, Level, Limits, Member, Now, Plan, Resets, Round, TriggerState};
use crate::filter::Verdict;

type Wake = super::super::Wake<&'static str>;

/// What follows a `@` is the target, and one that begins with `repeatable` is.
impl Act for &'static str {
    fn target(&self) -> u64 {
        let (_, target) = self.split_once('@').unwrap_or_default();
        target.bytes().map(u64::from).sum()
    }

    fn is_repeatable(&self) -> bool {
        self.starts_with("repeatable")
    }
}

/// The dependencies of all triggers here.
const NAMES: [&str; 3] = ["a", "b", "c"];

const ONE: RetryPolicy = RetryPolicy {
    duration: Duration::from_secs(1),
    factor: 2.0,
    jitter: 0.0,
    attempts: 1,
};

fn plan(conditions: &str) -> Plan {
    Plan {
        conditions: Arc::new(Conditions::compile(conditions, &NAMES).unwrap()),
        names: NAMES.map(Arc::from).into(),
        resets: Resets::default(),
        levels: vec![Level {
            name: "t".into(),
            retry: ONE,
            interval: None,
            patience: Duration::from_hours(1),
            at_least_once: false,
        }],
    }
}

fn tried(mut plan: Plan, attempts: u32) -> Plan {
    plan.levels[0].retry.attempts = attempts;
    plan
}

fn limited(mut plan: Plan, seconds: u64) -> Plan {
    plan.levels[0].interval = Some(Duration::from_secs(seconds));
    plan
}

fn at_least_once(mut plan: Plan) -> Plan {
    plan.levels[0].at_least_once = true;
    plan
}

fn with_dlq(mut plan: Plan) -> Plan {
    plan.levels.push(Level {
        name: "dlq".into(),
        ..plan.levels[0].clone()
    });
    plan.levels[1].at_least_once = false;
    plan
}

/// At every full hour.
fn reset_hourly(mut plan: Plan) -> Plan {
    let spec = serde_json::json!([{"byTime": {"cron": "0 * * * *"}}]);
    let spec: Vec<_> = serde_json::from_value(spec).unwrap();
    let mut problems = Vec::new();
    plan.resets = Resets::compile(&spec, "conditionsReset", &mut problems);
    assert!(problems.is_empty());
    plan
}

/// Half a second before the hour is full.
fn start() -> Timestamp {
    "2026-01-01T11:59:59.5Z".parse().unwrap()
}

fn member(sequence: u64, object: Option<u64>) -> Member {
    let context = Context {
        id: format!("e{sequence}"),
        ..Context::default()
    };
    Member {
        event: Arc::new(Event {
            context: context.into(),
            data: None,
        }),
        sequence,
        stored_at: start(),
        object,
        replay: None,
    }
}

fn event(sequence: u64, id: &str, arrivals: Vec<(usize, Arrival)>) -> Wake {
    let context = Context {
        id: id.to_owned(),
        ..Context::default()
    };
    Wake::Delivered(Arrived {
        sequence,
        weight: 1,
        content: Content::Event {
            context: context.into(),
            replay: None,
            arrivals,
        },
    })
}

/// An event for these dependencies, by their places.
fn comes(sequence: u64, dependencies: &[usize]) -> Wake {
    about(sequence, dependencies, None)
}

/// The same about an object.
fn about(sequence: u64, dependencies: &[usize], object: impl Into<Option<u64>>) -> Wake {
    let object = object.into();
    let taken = |place: &usize| (*place, Arrival::Taken(member(sequence, object)));
    let arrivals = dependencies.iter().map(taken).collect();
    event(sequence, &format!("e{sequence}"), arrivals)
}

fn rendered(work: u64) -> Wake {
    rendered_as(work, "act")
}

fn rendered_as(work: u64, action: &'static str) -> Wake {
    let fired = Fired::Rendered(action);
    Wake::Fired { work, fired }
}

/// One action waits for its target for so many seconds, a second one for the same, and a third, about an
/// object, does not wait in memory any more; another event about that object comes after it.
fn crowd(seconds: u64) -> Vec<(u64, Wake)> {
    vec![
        (0, comes(1, &[0])),
        (0, fired(0, unavailable(Some(seconds)))),
        (1, comes(2, &[0])),
        (1, rendered_as(1, "repeatable")),
        (2, about(3, &[0], 7)),
        (2, rendered_as(2, "repeatable")),
        (3, about(4, &[0], 7)),
    ]
}

fn fired(work: u64, attempt: Attempt) -> Wake {
    let fired = Fired::Performed("act", attempt);
    Wake::Fired { work, fired }
}

fn performed(work: u64, attempt: Attempt) -> Wake {
    Wake::Performed { work, attempt }
}

fn refused() -> Attempt {
    Attempt::Refused("no".into())
}

fn unavailable(retry_after: Option<u64>) -> Attempt {
    Attempt::Unavailable {
        reason: Reason::Forbidden,
        message: "nobody".into(),
        hint: None,
        retry_after: retry_after.map(Duration::from_secs),
    }
}

fn stored(work: u64) -> Wake {
    let is_stored = true;
    Wake::Stored { work, is_stored }
}

fn not_stored(work: u64) -> Wake {
    let is_stored = false;
    Wake::Stored { work, is_stored }
}

fn confirmed(sequence: u64, is_confirmed: bool) -> Wake {
    Wake::Confirmed {
        sequence,
        is_confirmed,
    }
}

const LIMITS: Limits = Limits {
    in_flight: 100,
    running: 4,
    waiting: 2,
    given_back: 10,
};

/// Wakes a trigger at these milliseconds, and whenever something is due before; `expected` has a line
/// for each effect, with the time where it changes.
#[track_caller]
fn check(plan: Plan, wakes: impl IntoIterator<Item = (u64, Wake)>, expected: &str) {
    let story = tell(plan, wakes);
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(story.trim(), expected.join("\n"), "\n{story}");
}

fn tell(plan: Plan, wakes: impl IntoIterator<Item = (u64, Wake)>) -> String {
    let names = plan.names.clone();
    let mut state = TriggerState::new(plan, LIMITS, 1, at(0));
    let mut story = String::new();
    let mut wake_up = |state: &mut TriggerState<_>, ms: u64, wake| {
        let effects: Vec<String> = state
            .on(wake, at(ms))
            .map(|effect| words(&effect, &names))
            .collect();
        if !effects.is_empty() {
            writeln!(story, "{ms}: {}", effects.join("; ")).unwrap();
        }
    };
    let mut now = 0;
    for (ms, wake) in wakes {
        while let Some(due) = state.next_due(at(now)) {
            let due = u64::try_from(due.as_millis()).unwrap();
            if due > ms || (due <= now && now == ms) {
                break;
            }
            now = now.max(due);
            wake_up(&mut state, now, Wake::Deadline);
        }
        now = ms;
        wake_up(&mut state, ms, wake);
    }
    story
}

fn at(ms: u64) -> Now {
    let uptime = Duration::from_millis(ms);
    Now {
        time: start() + SignedDuration::try_from(uptime).unwrap(),
        uptime,
    }
}

fn ids(round: &Round) -> String {
    let ids = round
        .iter()
        .map(|(_, member)| member.event.context.id.as_str());
    ids.collect::<Vec<_>>().join("+")
}

/// What a dead letter's delivery came for.
fn of(dependencies: &[usize], names: &[Arc<str>]) -> String {
    if dependencies.is_empty() {
        return String::new();
    }
    let names = dependencies.iter().map(|place| &*names[*place]);
    format!(" of {}", names.collect::<Vec<_>>().join("+"))
}

/// An effect in a few words.
fn words(effect: &Effect<&'static str>, names: &[Arc<str>]) -> String {
    let held = |is_held: &bool| if *is_held { " held" } else { "" };
    match effect {
        Effect::Keep {
            work,
            dependency,
            member,
        } => format!(
            "keep/{work} {}={}",
            names[*dependency], member.event.context.id
        ),
        Effect::Forget { work, dependencies } => {
            let places = dependencies.iter().map(|place| &*names[*place]);
            format!("forget/{work} {}", places.collect::<Vec<_>>().join(","))
        }
        Effect::DeadLetter {
            work,
            sequence,
            letter,
        } => format!(
            "dead-letter/{work} {sequence} ({}: {}, {} attempts, {}){}{}",
            letter.reason,
            letter.error.text(),
            letter.attempts,
            letter.action.unwrap_or("no action"),
            of(&letter.dependencies, names),
            if letter.may_be_done {
                ", may be done"
            } else {
                ""
            }
        ),
        Effect::Fire {
            work,
            level,
            round,
            performs,
            is_held,
        } => {
            let performs = match performs {
                Performs::Always => " at once",
                Performs::IfRepeatable => "",
                Performs::Never => " rendered only",
            };
            let level = if *level > 0 { " by dlq" } else { "" };
            format!(
                "fire/{work} {}{level}{performs}{}",
                ids(round),
                held(is_held)
            )
        }
        Effect::GivesWay { work } => format!("gives way/{work}"),
        Effect::GiveBack { sequence, delay } => format!("give back {sequence} for {delay:?}"),
        Effect::Recall { sequences } => format!("recall {sequences:?}"),
        Effect::Perform { work, is_held, .. } => format!("perform/{work}{}", held(is_held)),
        Effect::Cancel(Cancel::Held) => "cancel held".to_owned(),
        Effect::Cancel(Cancel::All) => "cancel all".to_owned(),
        Effect::Confirm { sequence } => format!("confirm {sequence}"),
        Effect::Acknowledge { sequence } => format!("ack {sequence}"),
        Effect::NegativeAcknowledge { sequence } => format!("nak {sequence}"),
        Effect::Release { sequence } => format!("release {sequence}"),
        Effect::InProgress { sequences } => format!("in progress {sequences:?}"),
        Effect::Decided(decision) if decision.reason.is_empty() => {
            format!("{} {}", decision.event_id, decision.outcome)
        }
        Effect::Decided(decision) => {
            let (id, outcome, reason) = (&decision.event_id, decision.outcome, &decision.reason);
            format!("{id} {outcome} ({reason})")
        }
        Effect::Refused { dependency, .. } => format!("refused by {}", names[*dependency]),
        Effect::Succeeded { .. } => "success".to_owned(),
        Effect::GaveUp {
            error, attempts, ..
        } => format!("gave up after {attempts}: {}", error.text()),
        Effect::Waits {
            reason, message, ..
        } => format!("waits: {} ({reason})", message.text()),
        Effect::WaitsNoMore { .. } => "waits no more".to_owned(),
        Effect::Reset { events } => format!("reset {events}"),
        Effect::HandedOver(_) => "handed over".to_owned(),
        Effect::Ended => "ended".to_owned(),
    }
}

#[test]
fn an_action_that_cannot_be_recognised_starts_after_its_acknowledgement_is_confirmed() {
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (5, rendered(0)),
            (9, confirmed(1, true)),
            (12, performed(0, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         5: confirm 1
         9: perform/0
         12: success; e1 fired; release 1",
    );
}

#[test]
fn a_repeatable_action_is_acknowledged_after_it_is_done() {
    check(
        plan("a"),
        [(0, comes(1, &[0])), (5, fired(0, Attempt::Done))],
        "0: fire/0 e1 held
         5: success; e1 fired; ack 1",
    );
}

#[test]
fn at_least_once_means_acknowledged_after_it_is_done() {
    check(
        at_least_once(plan("a")),
        [(0, comes(1, &[0])), (5, fired(0, Attempt::Done))],
        "0: fire/0 e1 at once held
         5: success; e1 fired; ack 1",
    );
}

#[test]
fn a_refused_action_is_tried_again_after_growing_waits_and_then_dead_lettered() {
    check(
        tried(plan("a"), 3),
        [
            (0, comes(1, &[0])),
            (0, fired(0, refused())),
            (1000, performed(0, refused())),
            (3000, performed(0, refused())),
            (3001, stored(0)),
        ],
        "0: fire/0 e1 held
         1000: perform/0 held
         3000: perform/0 held
         3000: gave up after 3: no; dead-letter/0 1 (retries-exhausted: no, 3 attempts, act) of a
         3001: e1 dead_lettered (no); ack 1",
    );
}

#[test]
fn at_most_once_a_refused_action_is_tried_again_without_its_delivery() {
    check(
        tried(plan("a"), 2),
        [
            (0, comes(1, &[0])),
            (0, rendered(0)),
            (0, confirmed(1, true)),
            (0, performed(0, refused())),
            (1000, performed(0, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         0: confirm 1
         0: perform/0
         1000: perform/0
         1000: success; e1 fired; release 1",
    );
}

#[test]
fn jitter_stretches_a_wait_by_its_share_at_most_and_the_same_seed_by_the_same() {
    let mut plan = tried(plan("a"), 2);
    plan.levels[0].retry.jitter = 0.5;
    let waits = |seed: u64| {
        let mut state = TriggerState::new(plan.clone(), LIMITS, seed, at(0));
        state.on(comes(1, &[0]), at(0));
        state.on(fired(0, refused()), at(0));
        state.next_due(at(0)).unwrap()
    };
    let waited: Vec<Duration> = (0..50).map(waits).collect();
    let second = Duration::from_secs(1);
    assert!(
        waited
            .iter()
            .all(|wait| (second..second * 3 / 2).contains(wait))
    );
    assert!(waited.iter().any(|wait| *wait != waited[0]));
    assert_eq!(waits(7), waits(7));
}

#[test]
fn an_unavailable_target_costs_no_attempt_and_is_asked_after_growing_waits() {
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (0, fired(0, unavailable(None))),
            (100, performed(0, unavailable(None))),
            (300, performed(0, unavailable(Some(2)))),
            (2300, performed(0, refused())),
            (2300, stored(0)),
        ],
        "0: fire/0 e1 held
         0: waits: nobody (Forbidden)
         100: perform/0 held
         300: perform/0 held
         2300: perform/0 held
         2300: waits no more; gave up after 1: no; dead-letter/0 1 (retries-exhausted: no, 1 attempts, act) of a
         2300: e1 dead_lettered (no); ack 1",
    );
}

#[test]
fn an_answer_between_absences_makes_the_waits_short_again() {
    check(
        tried(plan("a"), 2),
        [
            (0, comes(1, &[0])),
            (0, fired(0, unavailable(None))),
            (100, performed(0, refused())),
            (1100, performed(0, unavailable(None))),
            (1200, performed(0, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         0: waits: nobody (Forbidden)
         100: perform/0 held
         100: waits no more
         1100: perform/0 held
         1100: waits: nobody (Forbidden)
         1200: perform/0 held
         1200: waits no more; success; e1 fired; ack 1",
    );
}

#[test]
fn a_target_is_not_waited_for_longer_than_five_minutes_at_its_own_wish() {
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (1, fired(0, unavailable(Some(86_400)))),
            (2, Wake::Shutdown),
        ],
        "0: fire/0 e1 held
         1: waits: nobody (Forbidden)",
    );
    let mut state = TriggerState::new(plan("a"), LIMITS, 1, at(0));
    state.on(comes(1, &[0]), at(0));
    state.on(fired(0, unavailable(Some(86_400))), at(0));
    let mut now = 0;
    while now < 300_000 {
        now = u64::try_from(state.next_due(at(now)).unwrap().as_millis()).unwrap();
        let performs = |effect: Effect<_>| matches!(effect, Effect::Perform { .. });
        let is_asked = state.on(Wake::Deadline, at(now)).any(performs);
        assert_eq!(is_asked, now == 300_000, "{now}");
    }
}

#[test]
fn a_rate_limit_delays_an_action_before_its_delivery_is_acknowledged() {
    check(
        limited(plan("a"), 2),
        [
            (0, comes(1, &[0])),
            (0, comes(2, &[0])),
            (1, rendered(0)),
            (2000, rendered(1)),
            (2001, Wake::Deadline),
        ],
        "0: fire/0 e1 held
         1: confirm 1
         2000: fire/1 e2 held
         2000: confirm 2",
    );
}

#[test]
fn a_trigger_that_takes_over_is_not_limited() {
    check(
        limited(with_dlq(at_least_once(plan("a"))), 100),
        [
            (0, comes(1, &[0])),
            (1, fired(0, refused())),
            (2, fired(0, Attempt::Done)),
        ],
        "0: fire/0 e1 at once held
         1: gave up after 1: no; fire/0 e1 by dlq held
         2: success; e1 fired; ack 1",
    );
}

#[test]
fn a_trigger_that_takes_over_is_not_repeated_either_if_it_cannot_be_recognised() {
    check(
        with_dlq(at_least_once(plan("a"))),
        [
            (0, comes(1, &[0])),
            (1, fired(0, refused())),
            (2, rendered(0)),
            (3, confirmed(1, true)),
            (4, performed(0, Attempt::Refused("never".into()))),
            (5, stored(0)),
        ],
        "0: fire/0 e1 at once held
         1: gave up after 1: no; fire/0 e1 by dlq held
         2: confirm 1
         3: perform/0
         4: gave up after 1: never; dead-letter/0 1 (retries-exhausted: no; then dlqTrigger dlq: never, 1 attempts, act) of a
         5: e1 dead_lettered (no; then dlqTrigger dlq: never); release 1",
    );
}

#[test]
fn what_cannot_be_rendered_is_dead_lettered_after_one_attempt() {
    let fired = Fired::NotRendered("no such path".into());
    check(
        tried(plan("a"), 5),
        [
            (0, comes(1, &[0])),
            (1, Wake::Fired { work: 0, fired }),
            (2, stored(0)),
        ],
        "0: fire/0 e1 held
         1: gave up after 1: no such path; dead-letter/0 1 (render-failed: no such path, 1 attempts, no action) of a
         2: e1 dead_lettered (no such path); ack 1",
    );
}

#[test]
fn events_about_one_object_fire_in_order_and_others_beside_them() {
    check(
        plan("a"),
        [
            (0, about(1, &[0], 7)),
            (0, about(2, &[0], 7)),
            (0, about(3, &[0], 8)),
            (1, fired(2, Attempt::Done)),
            (2, fired(0, Attempt::Done)),
            (3, fired(1, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         0: fire/2 e3 held
         1: success; e3 fired; ack 3
         2: success; e1 fired; ack 1; fire/1 e2 held
         3: success; e2 fired; ack 2",
    );
}

#[test]
fn no_more_firings_run_than_there_are_places() {
    let mut wakes: Vec<_> = (1..=5).map(|event| (0, comes(event, &[0]))).collect();
    wakes.push((1, fired(1, Attempt::Done)));
    check(
        plan("a"),
        wakes,
        "0: fire/0 e1 held
         0: fire/1 e2 held
         0: fire/2 e3 rendered only held
         0: fire/3 e4 rendered only held
         1: success; e2 fired; ack 2; fire/4 e5 rendered only held",
    );
}

/// One that hangs leaves places to the others.
#[test]
fn a_target_has_half_of_the_places_at_most() {
    let mut plan = plan("a");
    plan.levels[0].at_least_once = true;
    let act = |work, action| (1, rendered_as(work, action));
    let mut wakes: Vec<_> = (1..=3).map(|event| (0, comes(event, &[0]))).collect();
    wakes.extend([act(0, "act@slow"), act(1, "act@slow"), act(2, "act@slow")]);
    wakes.extend([(2, comes(4, &[0])), act(3, "act@fast")]);
    wakes.extend([
        (3, performed(0, Attempt::Done)),
        (4, performed(3, Attempt::Done)),
    ]);
    let wakes = wakes.into_iter().map(|(ms, wake)| (ms.max(2), wake));
    check(
        plan,
        wakes,
        "2: fire/0 e1 at once held
         2: fire/1 e2 at once held
         2: fire/2 e3 rendered only held
         2: perform/0 held
         2: perform/1 held
         2: gives way/2
         2: fire/3 e4 rendered only held
         2: perform/3 held
         3: success; e1 fired; ack 1; perform/2 held
         4: success; e4 fired; ack 4",
    );
}

/// What waits for one target holds up nobody who has another.
#[test]
fn one_firing_tries_an_unavailable_target_for_all_others() {
    let act = rendered_as;
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (0, fired(0, unavailable(None))),
            (1, comes(2, &[0])),
            (1, act(1, "repeatable")),
            (2, comes(3, &[0])),
            (2, act(2, "repeatable@other")),
            (3, performed(2, Attempt::Done)),
            (100, performed(0, unavailable(None))),
            (300, performed(1, Attempt::Done)),
            (301, performed(0, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         0: waits: nobody (Forbidden)
         1: fire/1 e2 rendered only held
         1: gives way/1
         2: fire/2 e3 rendered only held
         2: perform/2 held
         3: success; e3 fired; ack 3
         100: perform/0 held
         300: perform/1 held
         300: success; e2 fired; ack 2; perform/0 held
         301: waits no more; success; e1 fired; ack 1",
    );
}

#[test]
fn what_waits_for_longer_than_it_may_is_dead_lettered() {
    let mut plan = plan("a");
    plan.levels[0].patience = Duration::from_secs(2);
    check(
        plan,
        [
            (0, comes(1, &[0])),
            (0, fired(0, unavailable(Some(1)))),
            (1000, performed(0, unavailable(Some(1)))),
            (2000, performed(0, unavailable(Some(1)))),
            (2001, stored(0)),
        ],
        "0: fire/0 e1 held
         0: waits: nobody (Forbidden)
         1000: perform/0 held
         2000: perform/0 held
         2000: waits no more; gave up after 0: nobody; dead-letter/0 1 (target-unavailable: nobody, 0 attempts, act) of a
         2001: e1 dead_lettered (nobody); ack 1",
    );
}

/// Two may wait in memory here. The place in the order of its object stays with what is given back.
#[test]
fn what_is_too_much_to_wait_in_memory_is_given_back_and_recalled() {
    let mut wakes = crowd(60);
    wakes.extend([
        (60_000, performed(0, Attempt::Done)),
        (60_001, performed(1, Attempt::Done)),
        (60_002, about(3, &[0], 7)),
        (60_003, rendered_as(2, "repeatable")),
        (60_004, performed(2, Attempt::Done)),
    ]);
    check(
        plan("a"),
        wakes,
        "0: fire/0 e1 held
         0: waits: nobody (Forbidden)
         1: fire/1 e2 rendered only held
         1: gives way/1
         2: fire/2 e3 rendered only held
         2: gives way/2; give back 3 for 30s
         10000: in progress [1, 2, 4]
         20000: in progress [1, 2, 4]
         30000: in progress [1, 2, 4]
         40000: in progress [1, 2, 4]
         50000: in progress [1, 2, 4]
         60000: in progress [1, 2, 4]; perform/0 held
         60000: recall [3]; waits no more; success; e1 fired; ack 1; perform/1 held
         60001: success; e2 fired; ack 2
         60002: fire/2 e3 held
         60003: perform/2 held
         60004: success; e3 fired; ack 3; fire/3 e4 held",
    );
}

#[test]
fn what_was_given_back_and_never_comes_gives_up_its_turn() {
    let mut plan = plan("a");
    plan.levels[0].patience = Duration::MAX;
    let mut wakes = crowd(300);
    wakes.extend([
        (300_000, performed(0, unavailable(Some(300)))),
        (600_000, performed(1, unavailable(Some(300)))),
        (630_003, Wake::Deadline),
    ]);
    let story = tell(plan, wakes);
    assert!(
        story.contains("2: gives way/2; give back 3 for 30s\n"),
        "{story}"
    );
    let end = "630002: release 3; fire/3 e4 rendered only held";
    assert_eq!(story.lines().last(), Some(end), "{story}");
}

/// All events about one object wait behind the first.
#[test]
fn what_waits_behind_what_waits_is_given_back_too() {
    let act = |work| rendered_as(work, "repeatable");
    let mut wakes = vec![(0, about(1, &[0], 7)), (0, fired(0, unavailable(Some(5))))];
    wakes.extend((2..=7).map(|event| (event, about(event, &[0], 7))));
    wakes.extend([
        (5_000, performed(0, Attempt::Done)),
        (5_001, act(1)),
        (5_002, performed(1, Attempt::Done)),
        (5_003, act(2)),
        (5_004, performed(2, Attempt::Done)),
        // It comes late; what was behind it had been recalled, too.
        (5_005, about(6, &[0], 7)),
        (5_006, act(3)),
        (5_007, performed(3, Attempt::Done)),
        (5_008, about(5, &[0], 7)),
    ]);
    check(
        plan("a"),
        wakes,
        "0: fire/0 e1 held
         0: waits: nobody (Forbidden)
         5: give back 5 for 30s
         6: give back 6 for 30.02s
         7: give back 7 for 30.04s
         5000: perform/0 held
         5000: waits no more; success; e1 fired; ack 1; fire/1 e2 held
         5001: perform/1 held
         5002: success; e2 fired; ack 2; fire/2 e3 held
         5003: perform/2 held
         5004: success; e3 fired; ack 3; fire/3 e4 held
         5006: perform/3 held
         5007: success; e4 fired; ack 4; recall [5]
         5008: fire/4 e5 held",
    );
}

/// Another runner is to have it, and in the order of the stream.
#[test]
fn what_was_given_back_is_recalled_for_another_runner() {
    let mut wakes = crowd(60);
    wakes.push((4, Wake::Handover));
    check(
        plan("a"),
        wakes,
        "0: fire/0 e1 held
         0: waits: nobody (Forbidden)
         1: fire/1 e2 rendered only held
         1: gives way/1
         2: fire/2 e3 rendered only held
         2: gives way/2; give back 3 for 30s
         4: recall [3]; waits no more; nak 1; nak 2; nak 4; handed over; ended",
    );
}

#[test]
fn a_round_is_forgotten_before_an_action_that_may_run_only_once() {
    check(
        plan("a && b"),
        [
            (0, comes(1, &[0])),
            (1, stored(0)),
            (2, comes(2, &[1])),
            (3, rendered(1)),
            (4, stored(1)),
            (5, comes(3, &[0])),
            (6, confirmed(2, true)),
            (7, stored(2)),
            (8, performed(1, Attempt::Done)),
        ],
        "0: keep/0 a=e1
         1: e1 waiting; ack 1
         2: fire/1 e1+e2 held
         3: forget/1 a,b
         4: confirm 2
         5: keep/2 a=e3
         6: perform/1
         7: e3 waiting; ack 3
         8: success; e1 fired; e2 fired; release 2",
    );
}

#[test]
fn a_round_is_forgotten_after_an_action_that_can_be_repeated() {
    check(
        plan("a && b"),
        [
            (0, comes(1, &[0])),
            (1, stored(0)),
            (2, comes(2, &[1])),
            (3, comes(3, &[0])),
            (4, fired(1, Attempt::Done)),
            (5, stored(1)),
            (6, stored(2)),
        ],
        "0: keep/0 a=e1
         1: e1 waiting; ack 1
         2: fire/1 e1+e2 held
         4: success; forget/1 a,b
         5: e1 fired; e2 fired; ack 2; keep/2 a=e3
         6: e3 waiting; ack 3",
    );
}

#[test]
fn the_newest_event_of_a_dependency_takes_the_place_of_the_older() {
    check(
        plan("a && b"),
        [
            (0, comes(1, &[0])),
            (1, stored(0)),
            (2, comes(2, &[0])),
            (3, stored(1)),
        ],
        "0: keep/0 a=e1
         1: e1 waiting; ack 1
         2: keep/1 a=e2
         3: e1 filtered (a newer event took its place); e2 waiting; ack 2",
    );
}

#[test]
fn an_event_that_is_kept_in_another_place_is_stored_before_it_is_acknowledged() {
    // It completes a round through `c`, and waits for the next one through `a`.
    let both = event(
        1,
        "e1",
        vec![
            (2, Arrival::Taken(member(1, None))),
            (0, Arrival::Taken(member(1, None))),
        ],
    );
    check(
        plan("c || a && b"),
        [
            (0, both),
            (1, rendered(0)),
            (2, stored(0)),
            (3, stored(1)),
            (4, confirmed(1, true)),
            (5, performed(0, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         1: forget/0 c
         2: keep/1 a=e1
         3: confirm 1
         4: perform/0
         5: success; e1 fired; release 1",
    );
}

#[test]
fn kept_events_are_forgotten_at_the_time_of_a_reset() {
    check(
        reset_hourly(plan("a && b")),
        [
            (0, comes(1, &[0])),
            (1, stored(0)),
            (501, stored(1)),
            (502, comes(2, &[1])),
        ],
        "0: keep/0 a=e1
         1: e1 waiting; ack 1
         500: reset 1; forget/1 a
         501: e1 filtered (forgotten by a reset)
         502: keep/2 b=e2",
    );
}

#[test]
fn a_backlog_is_reset_by_the_times_at_which_its_events_were_stored() {
    let late = |sequence, place| {
        let mut member = member(sequence, None);
        member.stored_at = "2026-01-01T12:00:00Z".parse().unwrap();
        event(sequence, "late", vec![(place, Arrival::Taken(member))])
    };
    check(
        reset_hourly(plan("a && b")),
        [
            (0, comes(1, &[0])),
            (1, stored(0)),
            (2, late(2, 1)),
            (3, stored(1)),
        ],
        "0: keep/0 a=e1
         1: e1 waiting; ack 1
         2: reset 1; forget/1 a
         3: e1 filtered (forgotten by a reset); keep/2 b=e2",
    );
}

#[test]
fn what_an_earlier_runner_kept_completes_a_round_and_is_reset_if_it_is_too_old() {
    let old = Member {
        stored_at: "2026-01-01T10:59:59Z".parse().unwrap(),
        ..member(1, None)
    };
    let restored = |dependency, member| Wake::Restored { dependency, member };
    check(
        reset_hourly(plan("a && b && c")),
        [
            (0, restored(0, old)),
            (0, restored(1, member(2, None))),
            (1, stored(0)),
            (2, comes(3, &[0])),
            (3, stored(1)),
            (4, comes(4, &[2])),
        ],
        "0: reset 1; forget/0 a
         2: keep/1 a=e3
         3: e3 waiting; ack 3
         4: fire/2 e3+e2+e4 held",
    );
}

#[test]
fn an_uncertain_acknowledgement_is_asked_for_again_when_the_message_comes_again() {
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (0, rendered(0)),
            (5000, confirmed(1, false)),
            (30_000, comes(1, &[0])),
            (30_001, confirmed(1, true)),
        ],
        "0: fire/0 e1 held
         0: confirm 1
         30000: confirm 1
         30001: perform/0",
    );
}

#[test]
fn an_acknowledgement_is_certain_when_nothing_comes_for_long_enough() {
    // The bus is away in between: as long as it cannot deliver, silence says nothing.
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (0, rendered(0)),
            (5000, confirmed(1, false)),
            (20_000, Wake::Connection(false)),
            (25_000, Wake::Connection(true)),
            (64_999, Wake::Deadline),
            (65_000, Wake::Deadline),
        ],
        "0: fire/0 e1 held
         0: confirm 1
         65000: perform/0",
    );
}

#[test]
fn what_comes_again_while_it_is_worked_on_is_not_worked_on_twice() {
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (1, comes(1, &[0])),
            (2, rendered(0)),
            (3, confirmed(1, true)),
            (4, comes(1, &[0])),
            (5, performed(0, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         2: confirm 1
         3: perform/0
         5: success; e1 fired; ack 1",
    );
}

#[test]
fn an_event_is_not_fired_twice_within_a_minute() {
    let again = |sequence| event(sequence, "e1", vec![(0, Arrival::Taken(member(1, None)))]);
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (1, fired(0, Attempt::Done)),
            (2, again(2)),
            (59_999, again(3)),
            (60_000, again(4)),
        ],
        "0: fire/0 e1 held
         1: success; e1 fired; ack 1
         2: e1 deduplicated (it has been here); ack 2
         59999: e1 deduplicated (it has been here); ack 3
         60000: fire/1 e1 held",
    );
}

#[test]
fn what_nobody_wants_is_acknowledged() {
    let filtered = Arrival::Filtered(Verdict::Reject("too small".to_owned()));
    check(
        plan("a"),
        [
            (0, event(1, "e1", vec![(0, filtered)])),
            (0, event(2, "e2", Vec::new())),
        ],
        "0: refused by a; e1 filtered (its filters do not take it); ack 1
         0: e2 filtered (no dependency waits for it); ack 2",
    );
}

#[test]
fn what_cannot_be_used_is_dead_lettered_as_often_as_the_bus_needs_it() {
    let failed = Arrival::Failed("bad jq".into());
    let content = Content::Unusable(DeadLetterReason::Malformed, "no JSON".into());
    let sequence = 2;
    check(
        plan("a"),
        [
            (0, event(1, "e1", vec![(0, failed)])),
            (
                0,
                Wake::Delivered(Arrived {
                    sequence,
                    weight: 1,
                    content,
                }),
            ),
            (1, stored(1)),
            (10, not_stored(0)),
            (110, not_stored(0)),
            (310, stored(0)),
        ],
        "0: dead-letter/0 1 (transform-failed: bad jq, 0 attempts, no action) of a
         0: dead-letter/1 2 (malformed: no JSON, 0 attempts, no action)
         1:  dead_lettered (no JSON); ack 2
         110: dead-letter/0 1 (transform-failed: bad jq, 0 attempts, no action) of a
         310: dead-letter/0 1 (transform-failed: bad jq, 0 attempts, no action) of a
         310: e1 dead_lettered (bad jq); ack 1",
    );
}

#[test]
fn the_bus_hears_of_what_it_waits_for_until_it_is_acknowledged() {
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (0, comes(2, &[0])),
            (10_001, rendered(0)),
            (10_002, confirmed(1, true)),
            (20_001, fired(1, Attempt::Done)),
            (30_001, Wake::Deadline),
        ],
        "0: fire/0 e1 held
         0: fire/1 e2 held
         10000: in progress [1, 2]
         10001: confirm 1
         10002: perform/0
         20000: in progress [2]
         20001: success; e2 fired; ack 2",
    );
}

#[test]
fn a_panic_costs_the_delivery_it_happens_for_and_no_other() {
    let panicked = |work| Wake::Panicked {
        work,
        message: "index out of bounds".to_owned(),
    };
    check(
        tried(plan("a"), 5),
        [
            (0, about(1, &[0], 7)),
            (0, about(2, &[0], 7)),
            (1, panicked(0)),
            (2, stored(0)),
            (3, fired(1, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         1: gave up after 1: panicked: index out of bounds; dead-letter/0 1 (panicked: panicked: index out of bounds, 1 attempts, no action) of a
         2: e1 dead_lettered (panicked); ack 1; fire/1 e2 held
         3: success; e2 fired; ack 2",
    );
    check(
        plan("a && b"),
        [
            (0, comes(1, &[0])),
            (1, panicked(0)),
            (2, stored(0)),
            (3, comes(2, &[1])),
        ],
        "0: keep/0 a=e1
         1: dead-letter/0 1 (panicked: panicked: index out of bounds, 0 attempts, no action) of a
         2: e1 dead_lettered (panicked); ack 1
         3: keep/1 b=e2",
    );
}

#[test]
fn a_handover_gives_back_what_only_waits_and_finishes_what_was_acknowledged() {
    check(
        tried(plan("a"), 9),
        [
            // Acknowledged early, and refused: it is tried again here.
            (0, comes(1, &[0])),
            (0, rendered(0)),
            (0, confirmed(1, true)),
            (0, performed(0, refused())),
            // Held and refused, held and running, held and not begun.
            (0, comes(2, &[0])),
            (0, fired(1, refused())),
            (0, Wake::Handover),
            (0, comes(4, &[0])),
            (1000, performed(0, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         0: confirm 1
         0: perform/0
         0: fire/1 e2 held
         0: nak 2; handed over
         0: nak 4
         1000: perform/0
         1000: success; e1 fired; release 1; ended",
    );
}

#[test]
fn a_handover_waits_for_attempts_and_for_the_bus_before_another_may_begin() {
    check(
        plan("a || b && c"),
        [
            (0, comes(1, &[0])),
            (0, comes(2, &[0])),
            (0, comes(3, &[1])),
            (0, rendered(0)),
            (1, Wake::Handover),
            (2, stored(0)),
            (3, confirmed(1, true)),
            (4, performed(0, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         0: forget/0 a
         1: nak 2; nak 3
         2: confirm 1
         3: perform/0; handed over
         4: success; e1 fired; release 1; ended",
    );
}

#[test]
fn a_handover_cuts_held_attempts_short_after_four_seconds() {
    let may_be_done = true;
    check(
        plan("a"),
        [
            (0, about(1, &[0], 7)),
            (0, about(2, &[0], 7)),
            (1, Wake::Handover),
            (4100, fired(0, Attempt::Interrupted { may_be_done })),
        ],
        "0: fire/0 e1 held
         1: nak 2
         4001: cancel held
         4100: nak 1; handed over; ended",
    );
}

#[test]
fn a_stop_finishes_what_is_in_hand() {
    check(
        plan("a"),
        [
            (0, about(1, &[0], 7)),
            (0, about(2, &[0], 7)),
            (1, Wake::Shutdown),
            (2, fired(0, Attempt::Done)),
            (3, fired(1, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         2: success; e1 fired; ack 1; fire/1 e2 held
         3: success; e2 fired; ack 2; ended",
    );
}

#[test]
fn a_stop_that_takes_too_long_gives_back_what_is_held_and_dead_letters_what_is_not() {
    let may_be_done = true;
    check(
        tried(plan("a"), 9),
        [
            (0, comes(1, &[0])),
            (0, rendered(0)),
            (0, confirmed(1, true)),
            (0, comes(2, &[0])),
            (0, comes(3, &[0])),
            (0, fired(1, unavailable(Some(60)))),
            (0, rendered(2)),
            (1, Wake::Shutdown),
            (4100, performed(0, Attempt::Interrupted { may_be_done })),
            (4101, stored(0)),
        ],
        "0: fire/0 e1 held
         0: confirm 1
         0: perform/0
         0: fire/1 e2 held
         0: fire/2 e3 rendered only held
         0: waits: nobody (Forbidden)
         0: gives way/2
         4001: cancel all; waits no more; nak 2; nak 3
         4100: dead-letter/0 1 (interrupted: the process stopped while the action was under way: it may be done, 1 attempts, act) of a, may be done
         4101: e1 dead_lettered (the process stopped while the action was under way: it may be done); release 1; ended",
    );
}

#[test]
fn a_stop_dead_letters_what_may_be_acknowledged() {
    check(
        plan("a"),
        [
            (0, comes(1, &[0])),
            (0, rendered(0)),
            (1, Wake::Shutdown),
            (4100, confirmed(1, false)),
            (4101, stored(0)),
        ],
        "0: fire/0 e1 held
         0: confirm 1
         4001: cancel all
         4100: dead-letter/0 1 (interrupted: the process stopped before the acknowledgement was confirmed, 0 attempts, act) of a
         4101: e1 dead_lettered (the process stopped before the acknowledgement was confirmed); ack 1; ended",
    );
}

#[test]
fn what_is_in_flight_is_bounded() {
    let limits = Limits {
        in_flight: 2,
        running: 1,
        ..LIMITS
    };
    let mut state = TriggerState::new(plan("a"), limits, 1, at(0));
    state.on(comes(1, &[0]), at(0));
    assert!(state.has_room());
    state.on(comes(2, &[0]), at(0));
    assert!(!state.has_room());
    state.on(fired(0, Attempt::Done), at(0));
    assert!(state.has_room());
    state.on(Wake::Shutdown, at(0));
    assert!(!state.has_room());
}

/// The event `e` of a dead letter, delivered again for these dependencies.
fn replayed(sequence: u64, letter: &str, dependencies: &[usize]) -> Wake {
    let replay = Arc::new(Replay {
        letter: letter.to_owned(),
        subject: Subject::event("source", "event"),
        stored_at: start(),
        dependencies: Vec::new(),
        is_forced: false,
    });
    let taken = |place: &usize| {
        let member = Member {
            replay: Some(Arc::clone(&replay)),
            ..member(sequence, None)
        };
        (*place, Arrival::Taken(member))
    };
    let context = Context {
        id: "e".to_owned(),
        ..Context::default()
    };
    Wake::Delivered(Arrived {
        sequence,
        weight: 1,
        content: Content::Event {
            context: context.into(),
            arrivals: dependencies.iter().map(taken).collect(),
            replay: Some(replay),
        },
    })
}

#[test]
fn the_event_of_a_dead_letter_is_not_taken_for_a_repeat_unless_its_letter_is_one() {
    let no_path = || Fired::NotRendered("no path".into());
    let fails = |work| Wake::Fired {
        work,
        fired: no_path(),
    };
    let taken = Arrival::Taken(member(1, None));
    check(
        plan("a"),
        [
            (0, event(1, "e", vec![(0, taken)])),
            (0, fails(0)),
            (0, stored(0)),
            (1, replayed(2, "7", &[0])),
            (1, fails(1)),
            (1, stored(1)),
            (2, replayed(3, "7", &[0])),
            (3, replayed(4, "8", &[0])),
            (3, fired(2, Attempt::Done)),
        ],
        "0: fire/0 e1 held
         0: gave up after 1: no path; dead-letter/0 1 (render-failed: no path, 1 attempts, no action) of a
         0: e dead_lettered (no path); ack 1
         1: fire/1 e2 held
         1: gave up after 1: no path; dead-letter/1 2 (render-failed: no path, 1 attempts, no action) of a
         1: e dead_lettered (no path); ack 2
         2: e deduplicated (it has been here); ack 3
         3: fire/2 e4 held
         3: success; e fired; ack 4",
    );
}

#[test]
fn a_dead_letter_names_the_dependencies_that_its_delivery_came_for() {
    let fails = |work| Wake::Fired {
        work,
        fired: Fired::NotRendered("no path".into()),
    };
    // Each fires by itself, and the other one may have succeeded.
    check(
        plan("a || b"),
        [
            (0, comes(1, &[0, 1])),
            (1, fired(0, Attempt::Done)),
            (2, fails(1)),
        ],
        "0: fire/0 e1 held; fire/1 e1 held
         1: success
         2: gave up after 1: no path; dead-letter/1 1 (render-failed: no path, 1 attempts, no action) of b",
    );
    // The round needs it in both places, and `c` has come with another delivery.
    check(
        plan("a && b && c"),
        [
            (0, comes(1, &[2])),
            (0, stored(0)),
            (1, comes(2, &[0, 1])),
            (1, stored(1)),
            (2, fails(2)),
        ],
        "0: keep/0 c=e1
         0: e1 waiting; ack 1
         1: keep/1 a=e2
         1: fire/2 e2+e2+e1 held
         2: gave up after 1: no path; dead-letter/2 2 (render-failed: no path, 1 attempts, no action) of a+b",
    );
}
