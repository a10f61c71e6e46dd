//! What every bus promises. Each function is one promise, kept or broken by the bus it is given.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use tiphys_base::Reason;
use tiphys_eventbus::{
    Bucket, ConsumerLook, DeadLetter, DeadLetterFilter, DeadLetterReason, Delivery, Durable,
    EventBus, Look, Outgoing, Position, Replay, StartAt, StateEntry, StreamReport, Subject,
    Subscription, SubscriptionConfig, Until, open_rounds,
};
use tiphys_tests::{PATIENCE, eventually, in_silence, within};

pub(crate) fn subject() -> Subject {
    Subject::event("source", "event")
}

pub(crate) fn durable() -> Durable {
    Durable::trigger("namespace", "sensor", "trigger")
}

pub(crate) fn config(subjects: &[Subject]) -> SubscriptionConfig {
    SubscriptionConfig {
        durable: durable(),
        subjects: subjects.to_vec(),
        start: StartAt::First,
        // Nothing that gets lost is to be waited for so long.
        ack_wait: PATIENCE * 2,
        max_in_flight: 1000,
    }
}

pub(crate) fn message(subject: &Subject, id: &str) -> Outgoing {
    Outgoing {
        subject: subject.clone(),
        id: id.to_owned(),
        payload: Bytes::copy_from_slice(id.as_bytes()),
    }
}

/// Publishes messages whose payloads are their ids, and waits until they are stored.
pub(crate) async fn publish(bus: &EventBus, subject: &Subject, ids: &[&str]) {
    let mut acks = Vec::new();
    for id in ids {
        acks.push(
            bus.events
                .publish(message(subject, id))
                .await
                .expect("the bus takes a message"),
        );
    }
    for ack in acks {
        ack.await.expect("the message is stored");
    }
}

pub(crate) async fn next(subscription: &mut Subscription) -> Delivery {
    let next = within("a delivery", subscription.deliveries.next()).await;
    next.expect("the bus is open").expect("no interruption")
}

/// The payload of the next delivery, which is acknowledged.
pub(crate) async fn take(subscription: &mut Subscription) -> String {
    let delivery = next(subscription).await;
    delivery
        .ack_confirmed()
        .await
        .expect("the acknowledgement is confirmed");
    text(&delivery.payload)
}

fn text(payload: &Bytes) -> String {
    String::from_utf8(payload.to_vec()).expect("payloads are ids")
}

async fn assert_silent(subscription: &mut Subscription) {
    let next = in_silence(subscription.deliveries.next()).await;
    assert!(next.is_none(), "{next:?}");
}

async fn ready(bus: &EventBus) {
    bus.events
        .ensure_stream(None)
        .await
        .expect("the stream can be made");
}

pub(crate) async fn messages_arrive_in_the_order_they_were_published(bus: &EventBus) {
    ready(bus).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    let ids: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let published = async {
        let mut acks = Vec::new();
        for id in &ids {
            acks.push(bus.events.publish(message(&subject(), id)).await.unwrap());
        }
        let mut positions = Vec::new();
        for ack in acks {
            let ack = ack.await.unwrap();
            assert!(!ack.duplicate);
            positions.push(ack.position);
        }
        positions
    };
    let consumed = async {
        let mut deliveries = Vec::new();
        while deliveries.len() < ids.len() {
            let delivery = next(&mut subscription).await;
            assert_eq!(delivery.attempt, 1);
            assert_eq!(delivery.subject, subject());
            delivery.ack().await.unwrap();
            deliveries.push(delivery);
        }
        deliveries
    };
    let (positions, deliveries) = tokio::join!(published, consumed);
    assert_eq!(
        positions,
        (1..=2000).map(Position::from_wire).collect::<Vec<_>>()
    );
    for (index, delivery) in deliveries.iter().enumerate() {
        assert_eq!(delivery.payload, ids[index]);
        assert_eq!(delivery.position, positions[index]);
    }
    assert_eq!(deliveries[1999].pending, 0);
    assert_silent(&mut subscription).await;
}

pub(crate) async fn a_second_message_with_the_same_id_is_dropped(bus: &EventBus) {
    ready(bus).await;
    let first = bus
        .events
        .publish(message(&subject(), "a"))
        .await
        .unwrap()
        .await
        .unwrap();
    let second = bus
        .events
        .publish(message(&subject(), "a"))
        .await
        .unwrap()
        .await
        .unwrap();
    assert!(!first.duplicate);
    assert!(second.duplicate);
    assert_eq!(first.position, second.position);
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
    assert_silent(&mut subscription).await;
}

pub(crate) async fn a_message_that_nobody_acknowledged_comes_again(bus: &EventBus) {
    ready(bus).await;
    publish(bus, &subject(), &["a"]).await;
    let ack_wait = Duration::from_secs(1);
    let config = SubscriptionConfig {
        ack_wait,
        ..config(&[subject()])
    };
    let mut subscription = bus.events.subscribe(config).await.unwrap();
    let first = next(&mut subscription).await;
    assert_eq!((first.attempt, first.position), (1, Position::from_wire(1)));
    drop(first);
    let second = next(&mut subscription).await;
    assert_eq!(
        (second.attempt, second.position),
        (2, Position::from_wire(1))
    );
    second.ack_confirmed().await.unwrap();
    publish(bus, &subject(), &["b"]).await;
    assert_eq!(take(&mut subscription).await, "b");
}

pub(crate) async fn a_message_given_back_comes_again_after_the_delay(bus: &EventBus) {
    ready(bus).await;
    publish(bus, &subject(), &["a", "b"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    let first = next(&mut subscription).await;
    first.retry_after(Duration::from_millis(500)).await.unwrap();
    assert_eq!(take(&mut subscription).await, "b");
    let again = next(&mut subscription).await;
    assert_eq!((again.payload.as_ref(), again.attempt), (&b"a"[..], 2));
    again.ack_confirmed().await.unwrap();
}

pub(crate) async fn what_a_subscription_left_comes_to_the_next_one_first_and_at_once(
    bus: &EventBus,
) {
    ready(bus).await;
    publish(bus, &subject(), &["a", "b", "c"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    let a = next(&mut subscription).await;
    assert_eq!(take(&mut subscription).await, "b");
    let c = next(&mut subscription).await;
    drop((c, a, subscription));
    publish(bus, &subject(), &["d"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    for id in ["a", "c", "d"] {
        assert_eq!(take(&mut subscription).await, id);
    }
}

pub(crate) async fn no_more_than_the_wanted_number_is_in_flight(bus: &EventBus) {
    ready(bus).await;
    publish(bus, &subject(), &["a", "b", "c", "d", "e"]).await;
    let config = SubscriptionConfig {
        max_in_flight: 3,
        ..config(&[subject()])
    };
    let mut subscription = bus.events.subscribe(config).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut subscription).await);
    }
    assert_silent(&mut subscription).await;
    held[1].ack().await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "d");
    assert_silent(&mut subscription).await;
}

pub(crate) async fn the_position_outlives_the_subscription_and_a_change_of_subjects(
    bus: &EventBus,
) {
    ready(bus).await;
    let other = Subject::event("source", "other");
    publish(bus, &subject(), &["a", "b"]).await;
    publish(bus, &other, &["missed"]).await;
    publish(bus, &subject(), &["c"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    for id in ["a", "b", "c"] {
        assert_eq!(take(&mut subscription).await, id);
    }
    drop(subscription);
    publish(bus, &subject(), &["d"]).await;

    // The same position, whatever start is wanted.
    let later = SubscriptionConfig {
        start: StartAt::Time(Timestamp::MAX),
        ..config(&[subject()])
    };
    let mut subscription = bus.events.subscribe(later).await.unwrap();
    assert_eq!(take(&mut subscription).await, "d");
    drop(subscription);

    publish(bus, &subject(), &["e"]).await;
    publish(bus, &other, &["f"]).await;
    let mut subscription = bus
        .events
        .subscribe(config(&[other.clone(), subject()]))
        .await
        .unwrap();
    for id in ["e", "f"] {
        assert_eq!(take(&mut subscription).await, id);
    }
    drop(subscription);

    publish(bus, &subject(), &["not wanted any more"]).await;
    publish(bus, &other, &["g"]).await;
    let mut subscription = bus.events.subscribe(config(&[other])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "g");
    assert_silent(&mut subscription).await;
}

pub(crate) async fn what_was_confirmed_does_not_come_again(bus: &EventBus) {
    ready(bus).await;
    let ids: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    publish(bus, &subject(), &ids).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    let mut deliveries = Vec::new();
    for _ in &ids {
        deliveries.push(next(&mut subscription).await);
    }
    // One is not acknowledged, among many that are at the same time.
    let kept = deliveries.remove(300);
    let acks = deliveries.iter().map(Delivery::ack_confirmed);
    for ack in futures::future::join_all(acks).await {
        ack.unwrap();
    }
    kept.retry_after(Duration::ZERO).await.unwrap();
    drop((deliveries, kept, subscription));
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "300");
    assert_silent(&mut subscription).await;
}

pub(crate) async fn a_new_consumer_begins_at_the_wanted_time(bus: &EventBus) {
    ready(bus).await;
    publish(bus, &subject(), &["before"]).await;
    let before = bus
        .events
        .last_message(&subject())
        .await
        .unwrap()
        .unwrap()
        .stored_at;
    // Until the clock that stamps the messages has moved on.
    let mut number = 0;
    let first = loop {
        publish(bus, &subject(), &[&number.to_string()]).await;
        let last = bus.events.last_message(&subject()).await.unwrap().unwrap();
        if last.stored_at > before {
            break last;
        }
        number += 1;
    };
    publish(bus, &subject(), &["after"]).await;
    let start = StartAt::Time(first.stored_at);
    let config = SubscriptionConfig {
        start,
        ..config(&[subject()])
    };
    let mut subscription = bus.events.subscribe(config).await.unwrap();
    let delivery = next(&mut subscription).await;
    assert_eq!(delivery.position, first.position);
    assert_eq!(delivery.stored_at, first.stored_at);
    assert_eq!(take(&mut subscription).await, "after");
}

pub(crate) async fn a_star_listens_to_every_event_of_a_source(bus: &EventBus) {
    ready(bus).await;
    publish(bus, &subject(), &["a"]).await;
    publish(bus, &Subject::event("another", "event"), &["not wanted"]).await;
    publish(
        bus,
        &Subject::event("source", "with.dots and * blanks"),
        &["b"],
    )
    .await;
    let any = Subject::dependency("source", "*");
    let mut subscription = bus.events.subscribe(config(&[any])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
    let delivery = next(&mut subscription).await;
    assert_eq!(
        delivery.subject.names(),
        Some(("source".to_owned(), "with.dots and * blanks".to_owned()))
    );
    delivery.ack_confirmed().await.unwrap();
    assert_silent(&mut subscription).await;
}

pub(crate) async fn overlapping_subjects_deliver_each_message_once(bus: &EventBus) {
    ready(bus).await;
    publish(bus, &subject(), &["a"]).await;
    publish(bus, &Subject::event("third", "unrelated"), &["not wanted"]).await;
    publish(bus, &Subject::event("other", "event"), &["b"]).await;
    let wanted = [
        subject(),
        Subject::dependency("source", "*"),
        Subject::dependency("*", "event"),
        subject(),
    ];
    let mut subscription = bus.events.subscribe(config(&wanted)).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
    assert_eq!(take(&mut subscription).await, "b");
    assert_silent(&mut subscription).await;
}

pub(crate) async fn unsubscribing_forgets_the_position(bus: &EventBus) {
    ready(bus).await;
    assert!(!bus.events.unsubscribe(&durable()).await.unwrap());
    publish(bus, &subject(), &["a"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
    drop(subscription);
    assert!(bus.events.unsubscribe(&durable()).await.unwrap());
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
}

pub(crate) async fn the_last_message_of_a_subject_can_be_read(bus: &EventBus) {
    ready(bus).await;
    assert_eq!(bus.events.last_message(&subject()).await.unwrap(), None);
    publish(bus, &subject(), &["a", "b"]).await;
    publish(bus, &Subject::event("other", "event"), &["c"]).await;
    let last = bus.events.last_message(&subject()).await.unwrap().unwrap();
    assert_eq!(
        (last.position, last.payload.as_ref()),
        (Position::from_wire(2), &b"b"[..])
    );
}

pub(crate) async fn messages_are_read_back_from_where_one_wants(bus: &EventBus) {
    let read = async |start| -> Vec<(String, Position)> {
        let messages = bus.events.messages(&subject(), start).await.unwrap();
        let messages: Vec<_> = messages.try_collect().await.unwrap();
        messages
            .iter()
            .map(|message| (text(&message.payload), message.position))
            .collect()
    };
    assert_eq!(read(StartAt::First).await, []);
    ready(bus).await;
    assert_eq!(read(StartAt::First).await, []);
    // More than one request asks for.
    let ids: Vec<String> = (0..1100).map(|number| format!("m{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    publish(bus, &Subject::event("other", "event"), &["not wanted"]).await;
    publish(bus, &subject(), &ids).await;
    let all = read(StartAt::First).await;
    assert_eq!(all.iter().map(|(id, _)| id).collect::<Vec<_>>(), ids);
    assert_eq!(all[0].1, Position::from_wire(2));
    assert_eq!(read(StartAt::After(all[1090].1)).await, all[1091..]);
    assert_eq!(read(StartAt::After(all[1099].1)).await, []);

    let last = bus.events.last_message(&subject()).await.unwrap().unwrap();
    let since = read(StartAt::Time(last.stored_at)).await;
    assert_eq!(since.last(), all.last());
    let later = last.stored_at.checked_add(Duration::from_hours(1)).unwrap();
    assert_eq!(read(StartAt::Time(later)).await, []);

    // Reading leaves the positions of consumers alone.
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "m0");
}

pub(crate) async fn everything_is_read_back_in_order(bus: &EventBus) {
    let read = async |start| -> Vec<(String, String, u64)> {
        let read = bus.history.read(start, Until::Now).await.unwrap();
        let all: Vec<_> = read.try_collect().await.unwrap();
        all.iter()
            .map(|past| {
                let subject = past.subject.as_str().to_owned();
                (subject, text(&past.message.payload), past.left)
            })
            .collect()
    };
    assert_eq!(read(StartAt::First).await, []);
    ready(bus).await;
    assert_eq!(read(StartAt::First).await, []);
    let other = Subject::event("other", "event");
    publish(bus, &other, &["first"]).await;
    let ids: Vec<String> = (0..1100).map(|number| format!("m{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    publish(bus, &subject(), &ids).await;

    let all = read(StartAt::First).await;
    assert_eq!(all.len(), 1101);
    assert_eq!(
        all[0],
        ("default.other.event".to_owned(), "first".to_owned(), 1100)
    );
    assert_eq!(all[1100].1, "m1099");
    assert_eq!(all[1100].2, 0);
    let behind = Position::from_wire(1100);
    assert_eq!(read(StartAt::After(behind)).await, all[1100..]);
}

pub(crate) async fn what_is_stored_later_is_read_when_it_comes(bus: &EventBus) {
    ready(bus).await;
    publish(bus, &subject(), &["before"]).await;
    let read = bus.history.read(StartAt::First, Until::Closed).await;
    let mut read = read.unwrap();
    let mut next = async || {
        let past = within("a message", read.next()).await.unwrap().unwrap();
        text(&past.message.payload)
    };
    assert_eq!(next().await, "before");
    publish(bus, &subject(), &["one"]).await;
    assert_eq!(next().await, "one");
    publish(bus, &Subject::event("other", "event"), &["two"]).await;
    assert_eq!(next().await, "two");
}

pub(crate) async fn it_says_how_far_everybody_is(bus: &EventBus) {
    assert_eq!(bus.overview.look().await.unwrap(), Look::default());
    ready(bus).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    publish(bus, &subject(), &["a", "b", "c"]).await;
    publish(bus, &Subject::event("other", "event"), &["d"]).await;
    let first = next(&mut subscription).await;
    let second = next(&mut subscription).await;
    let third = next(&mut subscription).await;
    let places = [&first, &second, &third].map(|delivery| delivery.position);
    first.ack_confirmed().await.unwrap();
    bus.dead_letters.store(letter("two * .", 3)).await.unwrap();
    bus.dead_letters.store(letter("two * .", 4)).await.unwrap();
    let look = bus.overview.look().await.unwrap();
    assert_eq!((look.published, look.stored), (4, 4));
    let expected = ConsumerLook {
        durable: durable(),
        delivered: 3,
        reached: Some(places[2]),
        done: Some(places[0]),
        lag: 0,
        in_hand: 2,
        repeated: 0,
    };
    assert_eq!(look.consumers, [expected]);
    let [(letters, 2)] = &look.dead_letters[..] else {
        panic!("{look:?}");
    };
    assert_eq!(letters.trigger, "two * .");
}

pub(crate) async fn state_is_kept_under_keys_of_any_kind(bus: &EventBus) {
    ready(bus).await;
    let state = bus.state.open(&Bucket::sensor("my.sensor")).await.unwrap();
    assert_eq!(state.entries().await.unwrap(), []);
    assert_eq!(state.get("Triggers").await.unwrap(), None);
    let keys = [
        "Triggers",
        "my-trigger/my-dep",
        "a b.*>é/=",
        ".",
        "",
        "gone",
    ];
    let mut acks = Vec::new();
    for key in keys {
        acks.push(state.put(key, Bytes::from_static(b"old")).await.unwrap());
        acks.push(
            state
                .put(key, Bytes::from(format!("value of {key}")))
                .await
                .unwrap(),
        );
    }
    acks.push(state.delete("gone").await.unwrap());
    acks.push(state.delete("never there").await.unwrap());
    for ack in acks {
        ack.await.unwrap();
    }
    assert_eq!(state.get(".").await.unwrap().unwrap(), "value of .");
    assert_eq!(state.get("gone").await.unwrap(), None);

    let state = bus.state.open(&Bucket::sensor("my.sensor")).await.unwrap();
    let mut entries = state.entries().await.unwrap();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    let entry = |key: &str, value: &'static str| StateEntry {
        key: key.to_owned(),
        value: Bytes::from_static(value.as_bytes()),
    };
    assert_eq!(
        entries,
        [
            entry("", "value of "),
            entry(".", "value of ."),
            entry("Triggers", "value of Triggers"),
            entry("a b.*>é/=", "value of a b.*>é/="),
            entry("my-trigger/my-dep", "value of my-trigger/my-dep"),
        ]
    );
    let other = bus
        .state
        .open(&Bucket::event_source("ns", "my.sensor"))
        .await
        .unwrap();
    assert_eq!(other.entries().await.unwrap(), []);
}

pub(crate) async fn a_key_is_created_once(bus: &EventBus) {
    let state = bus.state.open(&Bucket::sensor("s")).await.unwrap();
    let create = |value: &'static str| state.create("Key", value.into());
    let (one, two) = tokio::join!(create("one"), create("two"));
    let first = one.unwrap();
    assert_eq!(two.unwrap(), first);
    assert_eq!(create("three").await.unwrap(), first);
    assert_eq!(state.get("Key").await.unwrap(), Some(first));
    state.delete("Key").await.unwrap().await.unwrap();
    assert_eq!(create("four").await.unwrap(), "four");
    assert_eq!(create("five").await.unwrap(), "four");
}

pub(crate) async fn rounds_of_two_namespaces_are_kept_apart(bus: &EventBus) {
    let rounds = async |namespace| open_rounds(&*bus.state, namespace, "s").await.unwrap();
    // What Argo Events left belongs to whoever comes first.
    let left = bus.state.open(&Bucket::sensor("s")).await.unwrap();
    left.put("t/a", "left".into()).await.unwrap().await.unwrap();
    let one = rounds("one").await;
    assert_eq!(one.get("t/a").await.unwrap().unwrap(), "left");
    let two = rounds("two").await;
    assert_eq!(two.get("t/a").await.unwrap(), None);
    two.put("t/a", "two".into()).await.unwrap().await.unwrap();
    one.put("t/a", "one".into()).await.unwrap().await.unwrap();
    for namespace in ["one", "two"] {
        let kept = rounds(namespace).await.get("t/a").await.unwrap();
        assert_eq!(kept.unwrap(), namespace);
    }
}

pub(crate) async fn a_message_that_is_too_large_is_refused(bus: &EventBus) {
    ready(bus).await;
    let large = Outgoing {
        subject: subject(),
        id: "large".to_owned(),
        payload: Bytes::from(vec![b'x'; 10 * 1024 * 1024]),
    };
    let error = bus.events.publish(large.clone()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge);
    assert!(!error.is_transient());
    let payload = large.payload.slice(..bus.events.max_payload());
    bus.events
        .publish(Outgoing { payload, ..large })
        .await
        .unwrap()
        .await
        .unwrap();
}

pub(crate) fn letter(trigger: &str, payload: usize) -> DeadLetter {
    DeadLetter {
        namespace: "ns".to_owned(),
        sensor: "my.sensor".to_owned(),
        trigger: trigger.to_owned(),
        reason: DeadLetterReason::RetriesExhausted,
        error: "the server said no".to_owned(),
        attempts: 5,
        dead_lettered_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        subject: subject(),
        stored_at: Some("2026-01-02T03:04:00Z".parse().unwrap()),
        dependencies: vec!["dependency".to_owned()],
        may_be_done: true,
        payload: Bytes::from(vec![b'x'; payload]),
        cut_from: None,
        action: Some(r#"{"kind":"Job"}"#.to_owned()),
    }
}

pub(crate) async fn dead_letters_are_kept_until_they_are_removed(bus: &EventBus) {
    ready(bus).await;
    let all = DeadLetterFilter::default();
    assert_eq!(bus.dead_letters.list(&all).await.unwrap(), []);
    for trigger in ["one", "two * .", "three"] {
        bus.dead_letters.store(letter(trigger, 3)).await.unwrap();
    }
    let listed = bus.dead_letters.list(&all).await.unwrap();
    let triggers: Vec<_> = listed
        .iter()
        .map(|(_, letter)| letter.trigger.as_str())
        .collect();
    assert_eq!(triggers, ["one", "two * .", "three"]);
    assert_eq!(listed[0].1, letter("one", 3));

    let one = DeadLetterFilter {
        trigger: Some("two * .".to_owned()),
        ..all.clone()
    };
    assert_eq!(
        bus.dead_letters.list(&one).await.unwrap(),
        [listed[1].clone()]
    );
    let page = DeadLetterFilter {
        after: Some(listed[0].0),
        limit: 1,
        ..all.clone()
    };
    assert_eq!(
        bus.dead_letters.list(&page).await.unwrap(),
        [listed[1].clone()]
    );

    assert!(bus.dead_letters.remove(listed[1].0).await.unwrap());
    assert!(!bus.dead_letters.remove(listed[1].0).await.unwrap());
    let left = bus.dead_letters.list(&all).await.unwrap();
    assert_eq!(left, [listed[0].clone(), listed[2].clone()]);
}

pub(crate) async fn a_dead_letter_that_is_too_large_is_cut(bus: &EventBus) {
    ready(bus).await;
    let size = bus.events.max_payload();
    bus.dead_letters.store(letter("large", size)).await.unwrap();
    let listed = bus
        .dead_letters
        .list(&DeadLetterFilter::default())
        .await
        .unwrap();
    let stored = &listed[0].1;
    assert!(stored.cut_from == Some(size) || stored.payload.len() == size);
    assert!(stored.payload.len() > size / 2);
}

pub(crate) async fn dead_letters_say_how_much_of_their_room_they_take(bus: &EventBus) {
    ready(bus).await;
    let usage = async || bus.dead_letters.usage().await.unwrap();
    assert_eq!((usage().await.letters, usage().await.bytes), (0, 0));
    bus.dead_letters.store(letter("small", 10)).await.unwrap();
    let before = usage().await;
    assert_eq!((before.letters, before.is_nearly_full()), (1, false));
    assert!((1..10_000).contains(&before.bytes), "{before:?}");
    for number in 0..100 {
        let large = letter(&format!("large-{number}"), 600_000);
        bus.dead_letters.store(large).await.unwrap();
    }
    let after = usage().await;
    assert!(after.bytes > 50_000_000, "{after:?}");
    assert!(after.max_bytes >= after.bytes, "{after:?}");
}

pub(crate) async fn the_stream_is_created_once_and_its_settings_change(bus: &EventBus) {
    let settings = "maxMsgs: 100\nmaxAge: 1h\nduplicates: 1m\nreplicas: 1";
    let report = bus.events.ensure_stream(Some(settings)).await.unwrap();
    assert!(report.created);
    assert_eq!(
        bus.events.ensure_stream(Some(settings)).await.unwrap(),
        StreamReport::default()
    );
    assert_eq!(
        bus.events.ensure_stream(None).await.unwrap(),
        StreamReport::default()
    );
    let report = bus
        .events
        .ensure_stream(Some("maxmsgs: 200\nmaxage: 2h\nreplicas: 1"))
        .await
        .unwrap();
    assert!(!report.created);
    assert_eq!(report.changed, ["maxMsgs", "maxAge"]);
    let error = bus
        .events
        .ensure_stream(Some("maxAge: soon"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "stream setting maxAge: not a duration such as 72h or 300s"
    );
}

pub(crate) async fn old_messages_give_way_at_the_limit(bus: &EventBus) {
    bus.events
        .ensure_stream(Some("maxMsgs: 2\nreplicas: 1"))
        .await
        .unwrap();
    publish(bus, &subject(), &["a", "b", "c"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "b");
    assert_eq!(take(&mut subscription).await, "c");
    drop(subscription);

    bus.events
        .ensure_stream(Some("maxMsgs: 2\ndiscard: 1\nreplicas: 1"))
        .await
        .unwrap();
    let refused = bus
        .events
        .publish(message(&subject(), "d"))
        .await
        .unwrap()
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::BusFull);
    assert!(refused.is_transient());
}

pub(crate) async fn closing_ends_subscriptions(bus: &EventBus) {
    ready(bus).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    let handed_over = bus.events.publish(message(&subject(), "a")).await.unwrap();
    assert!(bus.events.is_connected());
    bus.events.close().await.unwrap();
    assert!(!bus.events.is_connected());
    handed_over.await.unwrap();
    let end = async { while subscription.deliveries.next().await.is_some() {} };
    within("the end of the subscription", end).await;
    assert_eq!(
        bus.events
            .publish(message(&subject(), "b"))
            .await
            .unwrap_err()
            .reason(),
        Reason::Closed
    );
}

/// The consumer of the trigger `name`, which asks for `subjects` and for its replays.
fn with_replays(name: &str, subjects: &[Subject]) -> SubscriptionConfig {
    let durable = Durable::trigger("ns", "my.sensor", name);
    let mut subjects = subjects.to_vec();
    subjects.push(Subject::replay(&durable));
    SubscriptionConfig {
        durable,
        ..config(&subjects)
    }
}

pub(crate) async fn the_event_of_a_dead_letter_is_delivered_again_to_its_trigger_alone(
    bus: &EventBus,
) {
    ready(bus).await;
    let own = with_replays("own", &[subject()]);
    let mut subscription = bus.events.subscribe(own.clone()).await.unwrap();
    let mut others = Vec::new();
    // Stars stand for any event source, and not for what is another trigger's.
    for (name, subject) in [
        ("plain", subject()),
        ("star", Subject::dependency("*", "*")),
        ("other star", Subject::dependency("so*", "event")),
    ] {
        let other = with_replays(name, &[subject]);
        others.push(bus.events.subscribe(other).await.unwrap());
    }
    let letter = letter("own", 3);
    let replay = Replay::of(Position::from_wire(7), &letter, false);
    for is_duplicate in [false, true] {
        let message = replay.message(&own.durable, &letter.payload);
        let ack = bus.events.publish(message).await.unwrap().await.unwrap();
        assert_eq!(ack.duplicate, is_duplicate);
    }
    let delivery = next(&mut subscription).await;
    assert_eq!(delivery.subject, subject());
    assert_eq!(text(&delivery.payload), "xxx");
    assert_eq!(delivery.event_stored_at(), letter.stored_at.unwrap());
    assert_ne!(delivery.stored_at, delivery.event_stored_at());
    assert_eq!(delivery.replay.as_deref(), Some(&replay));
    delivery.ack_confirmed().await.unwrap();

    publish(bus, &subject(), &["an event"]).await;
    let delivery = next(&mut subscription).await;
    assert_eq!(delivery.replay, None);
    assert_eq!(delivery.event_stored_at(), delivery.stored_at);
    for other in &mut others {
        assert_eq!(take(other).await, "an event");
        assert_silent(other).await;
    }
}

pub(crate) async fn a_replay_waits_for_a_consumer_that_nobody_reads(bus: &EventBus) {
    ready(bus).await;
    let own = with_replays("own", &[subject()]);
    drop(bus.events.subscribe(own.clone()).await.unwrap());
    let letter = letter("own", 3);
    let replay = Replay::of(Position::from_wire(7), &letter, true);
    let message = replay.message(&own.durable, &letter.payload);
    bus.events.publish(message).await.unwrap().await.unwrap();
    let mut subscription = bus.events.subscribe(own).await.unwrap();
    let delivery = next(&mut subscription).await;
    assert_eq!(delivery.replay.as_deref(), Some(&replay));
}

pub(crate) async fn a_consumer_that_asks_for_replays_later_keeps_its_position(bus: &EventBus) {
    ready(bus).await;
    let own = with_replays("own", &[subject()]);
    let former = SubscriptionConfig {
        subjects: vec![subject()],
        ..own.clone()
    };
    publish(bus, &subject(), &["a"]).await;
    let mut subscription = bus.events.subscribe(former).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
    let replays = Subject::replay(&own.durable);
    let report = bus.events.consumer(&own.durable).await.unwrap().unwrap();
    assert!(report.covers(&subject()) && !report.covers(&replays));
    drop(subscription);

    let mut subscription = bus.events.subscribe(own.clone()).await.unwrap();
    let report = bus.events.consumer(&own.durable).await.unwrap().unwrap();
    assert!(report.covers(&subject()) && report.covers(&replays));
    assert_silent(&mut subscription).await;
}

pub(crate) async fn a_consumer_says_whether_somebody_listens(bus: &EventBus) {
    ready(bus).await;
    let own = with_replays("own", &[subject()]);
    let report = async || bus.events.consumer(&own.durable).await.unwrap();
    assert_eq!(report().await, None);
    let mut subscription = bus.events.subscribe(own.clone()).await.unwrap();
    // A request for messages stands as long as somebody waits for them.
    assert_silent(&mut subscription).await;
    assert!(report().await.unwrap().is_listening);
    drop(subscription);
    eventually("nobody listens", || async {
        (!report().await?.is_listening).then_some(())
    })
    .await;
    assert!(bus.events.unsubscribe(&own.durable).await.unwrap());
    assert_eq!(report().await, None);
}
