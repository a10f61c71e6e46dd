use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use tiphys_eventbus::embedded::Embedded;
use tiphys_eventbus::{DeadLetterFilter, Delivery, Subscription, SubscriptionConfig};

use super::super::tests::letter;
use super::*;

/// A bus with one letter of the trigger `open`.
async fn bus(change: impl FnOnce(&mut DeadLetter)) -> (EventBus, Position, DeadLetter) {
    let bus = EventBus::from(Embedded::new());
    let mut letter = letter("open", "no port", "2026-01-01T00:00:00Z");
    change(&mut letter);
    bus.dead_letters.store(letter.clone()).await.unwrap();
    (bus, Position::from_wire(1), letter)
}

/// The consumer of a trigger of `harbour/gate`, which asks for all events and for its replays.
async fn consumer(bus: &EventBus, trigger: &str) -> Subscription {
    let durable = Durable::trigger("harbour", "gate", trigger);
    let subjects = vec![Subject::dependency("*", "*"), Subject::replay(&durable)];
    subscription(bus, durable, subjects).await
}

async fn subscription(bus: &EventBus, durable: Durable, subjects: Vec<Subject>) -> Subscription {
    let config = SubscriptionConfig {
        durable,
        subjects,
        start: StartAt::First,
        ack_wait: Duration::from_secs(30),
        max_in_flight: 10,
    };
    bus.events.subscribe(config).await.unwrap()
}

fn delivered(subscription: &mut Subscription) -> Option<Delivery> {
    let next = subscription.deliveries.next().now_or_never()?;
    Some(next.unwrap().unwrap())
}

async fn letters(bus: &EventBus) -> usize {
    let all = DeadLetterFilter::default();
    bus.dead_letters.list(&all).await.unwrap().len()
}

const LISTENING: Outcome = Outcome::Replayed { is_listening: true };

#[tokio::test]
async fn a_letter_goes_to_its_trigger_alone_and_once() {
    let (bus, position, letter) = bus(|_| {}).await;
    let (mut own, mut other) = (consumer(&bus, "open").await, consumer(&bus, "shut").await);
    let mut replayer = Replayer::new(&bus, false);
    assert_eq!(replayer.look(position, &letter).await.unwrap(), LISTENING);
    assert_eq!(letters(&bus).await, 1);
    assert!(delivered(&mut own).is_none());

    let outcome = replayer.replay(position, &letter).await.unwrap();
    assert_eq!(outcome, LISTENING);
    assert_eq!(letters(&bus).await, 0);
    let delivery = delivered(&mut own).unwrap();
    assert_eq!(delivery.payload, letter.payload);
    assert_eq!(delivery.subject, letter.subject);
    assert_eq!(delivery.event_stored_at(), letter.dead_lettered_at);
    assert!(delivered(&mut other).is_none());

    // Whoever else had seen the letter.
    for mut replayer in [replayer, Replayer::new(&bus, false)] {
        let outcome = replayer.replay(position, &letter).await.unwrap();
        assert_eq!(outcome, Outcome::Before);
    }
    assert!(delivered(&mut own).is_none());
}

#[tokio::test]
async fn a_replay_is_found_when_the_duplicates_window_is_over() {
    let second = Arc::new(AtomicI64::new(0));
    let clock = {
        let second = Arc::clone(&second);
        move || Timestamp::from_second(second.load(Ordering::Relaxed)).unwrap()
    };
    let bus = EventBus::from(Embedded::with_clock(Arc::new(clock)));
    let letter = letter("open", "no port", "2026-01-01T00:00:00Z");
    let position = Position::from_wire(1);
    let mut own = consumer(&bus, "open").await;
    let replay = async |is_forced| {
        let mut replayer = Replayer::new(&bus, is_forced);
        replayer.replay(position, &letter).await.unwrap()
    };
    assert_eq!(replay(false).await, LISTENING);
    assert!(delivered(&mut own).is_some());
    // An hour; Argo Events' window has five minutes.
    second.store(3600, Ordering::Relaxed);
    assert_eq!(replay(false).await, Outcome::Before);
    assert!(delivered(&mut own).is_none());
    assert_eq!(replay(true).await, LISTENING);
    assert!(delivered(&mut own).is_some());
}

#[tokio::test]
async fn force_delivers_again_what_was_replayed_before() {
    let (bus, position, letter) = bus(|letter| letter.may_be_done = true).await;
    let mut own = consumer(&bus, "open").await;
    let mut gentle = Replayer::new(&bus, false);
    let refused = Outcome::Refused(Refusal::MayBeDone);
    assert_eq!(gentle.replay(position, &letter).await.unwrap(), refused);
    assert_eq!(letters(&bus).await, 1);
    let mut forceful = Replayer::new(&bus, true);
    let outcome = forceful.replay(position, &letter).await.unwrap();
    assert_eq!(outcome, LISTENING);
    assert!(delivered(&mut own).unwrap().replay.unwrap().is_forced);
    // Two people that use force at the same time are one.
    let outcome = forceful.replay(position, &letter).await.unwrap();
    assert_eq!(outcome, Outcome::Before);
    assert!(delivered(&mut own).is_none());
}

#[tokio::test]
async fn a_trigger_that_nobody_runs_gets_it_when_somebody_does() {
    let (bus, position, letter) = bus(|_| {}).await;
    drop(consumer(&bus, "open").await);
    let outcome = Replayer::new(&bus, false).replay(position, &letter).await;
    let is_listening = false;
    assert_eq!(outcome.unwrap(), Outcome::Replayed { is_listening });
    assert!(delivered(&mut consumer(&bus, "open").await).is_some());
}

#[tokio::test]
async fn what_cannot_be_replayed_stays_and_says_why() {
    type Change = fn(&mut DeadLetter);
    let cases: [(Change, &str); 4] = [
        (
            |letter| (letter.sensor, letter.trigger) = (String::new(), String::new()),
            "1  event e1 of default.berths.taken: refused: it is of an event source, which could not publish it: \
             no trigger has seen it\n",
        ),
        (
            |letter| letter.cut_from = Some(3_000_000),
            "1  event e1 to harbour/gate open: refused: its event had 3000000 bytes and was cut to be kept\n",
        ),
        (
            |letter| letter.payload = "ahoy".into(),
            "1  event - to harbour/gate open: refused: it is no event: ",
        ),
        (
            |letter| letter.trigger = "gone".to_owned(),
            "1  event e1 to harbour/gate gone: refused: its trigger has no consumer on the bus: \
             nobody would ever receive it (is the Sensor, or the trigger, still there?)\n",
        ),
    ];
    for (change, expected) in cases {
        let (bus, position, letter) = bus(change).await;
        let mut own = consumer(&bus, "open").await;
        let mut replayer = Replayer::new(&bus, true);
        let outcome = replayer.replay(position, &letter).await.unwrap();
        let line = outcome.line(position, &letter, false);
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(letters(&bus).await, 1, "{line}");
        assert!(delivered(&mut own).is_none());
    }
}

#[tokio::test]
async fn a_consumer_that_does_not_ask_for_replays_gets_none() {
    let (bus, position, letter) = bus(|_| {}).await;
    let durable = Durable::trigger("harbour", "gate", "open");
    let subjects = vec![Subject::event("berths", "taken")];
    let _former = subscription(&bus, durable, subjects).await;
    let outcome = Replayer::new(&bus, false).replay(position, &letter).await;
    assert_eq!(outcome.unwrap(), Outcome::Refused(Refusal::NotAsked));
    assert_eq!(letters(&bus).await, 1);
}

#[test]
fn outcomes_are_told_to_people_and_programs() {
    let mut letter = letter("open", "no port", "2026-01-01T00:00:00Z");
    letter.dependencies = vec!["a".to_owned(), "b".to_owned()];
    let position = Position::from_wire(7);
    assert_eq!(
        LISTENING.line(position, &letter, true),
        "7  event e1 to harbour/gate open, a, b: would be replayed\n"
    );
    let waits = Outcome::Replayed {
        is_listening: false,
    };
    assert_eq!(
        waits.line(position, &letter, false),
        "7  event e1 to harbour/gate open, a, b: replayed; nobody is listening there: it waits on the bus \
         until the Sensor runs, for as long as the bus keeps events\n"
    );
    assert_eq!(
        Outcome::Before.line(position, &letter, false),
        "7  event e1 to harbour/gate open, a, b: had been replayed before, its letter is removed\n"
    );
    assert_eq!(
        Outcome::Refused(Refusal::Cut(5)).to_json(position, &letter, false),
        json!({
            "number": 7, "namespace": "harbour", "sensor": "gate", "trigger": "open",
            "dependencies": ["a", "b"], "eventId": "e1", "outcome": "refused", "isDryRun": false,
            "isListening": null, "why": "its event had 5 bytes and was cut to be kept",
        })
    );
}
