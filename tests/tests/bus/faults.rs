//! Servers that die, forget, and come back: nothing is lost, and nothing comes twice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{
    Bucket, DeadLetterFilter, Delivery, EventBus, Position, StartAt, Subscription,
    SubscriptionConfig, Until,
};
use tiphys_tests::{Proxy, within};
use tokio::sync::Notify;

use crate::contract::{config, durable, letter, message, next, publish, subject, take};
use crate::server::NatsServer;

const MESSAGES: usize = 3000;

/// Publishes `MESSAGES` ids, each again until it is stored, as a source does.
async fn publish_all(bus: &EventBus, stored: &AtomicUsize, progress: &Notify) {
    let mut left: Vec<usize> = (0..MESSAGES).collect();
    while !left.is_empty() {
        let mut acks = Vec::new();
        let mut failed = Vec::new();
        for number in left.drain(..) {
            match bus
                .events
                .publish(message(&subject(), &number.to_string()))
                .await
            {
                Ok(ack) => acks.push((number, ack)),
                Err(error) => {
                    assert!(error.is_transient(), "{error}");
                    failed.push(number);
                }
            }
            if acks.len() >= 100 {
                settle(&mut acks, &mut failed, stored, progress).await;
            }
        }
        settle(&mut acks, &mut failed, stored, progress).await;
        left = failed;
    }
}

async fn settle(
    acks: &mut Vec<(usize, tiphys_eventbus::PublishAck)>,
    failed: &mut Vec<usize>,
    stored: &AtomicUsize,
    progress: &Notify,
) {
    for (number, ack) in acks.drain(..) {
        match ack.await {
            Ok(_) => {
                stored.fetch_add(1, Ordering::Relaxed);
                progress.notify_one();
            }
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                failed.push(number);
            }
        }
    }
}

async fn consume_all(bus: &EventBus) {
    let config = SubscriptionConfig {
        max_in_flight: 64,
        ..config(&[subject()])
    };
    let mut subscription = bus.events.subscribe(config).await.unwrap();
    let mut seen = BTreeSet::new();
    let mut last = Position::from_wire(0);
    while seen.len() < MESSAGES {
        let delivery = healed(&mut subscription).await;
        let id = String::from_utf8(delivery.payload.to_vec()).unwrap();
        assert!(seen.insert(id.clone()), "{id} came twice");
        assert!(
            delivery.position > last,
            "{} came after {last}",
            delivery.position
        );
        last = delivery.position;
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_killed_under_load_loses_nothing_and_repeats_nothing() {
    let mut server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    let (stored, progress) = (AtomicUsize::new(0), Notify::new());
    let killed = async {
        for at in [500, 1500] {
            while stored.load(Ordering::Relaxed) < at {
                progress.notified().await;
            }
            server.kill().await;
            server.restart().await;
        }
    };
    let story = async {
        tokio::join!(
            publish_all(&bus, &stored, &progress),
            consume_all(&bus),
            killed,
        )
    };
    // The ack wait is longer: what got lost with a connection does not wait for that.
    within("the end of the story", story).await;
}

#[tokio::test]
async fn a_message_in_hand_while_the_server_restarts_is_acknowledged_once() {
    let mut server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    publish(&bus, &subject(), &["a", "b"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    let in_hand = next(&mut subscription).await;
    server.kill().await;
    server.restart().await;
    let b = healed(&mut subscription).await;
    assert_eq!(b.payload, "b");
    b.ack().await.unwrap();
    in_hand.ack().await.unwrap();
    publish_until_stored(&bus, "c").await;
    let c = healed(&mut subscription).await;
    assert_eq!(c.payload, "c");
    c.ack().await.unwrap();
}

/// The next delivery, however often the connection is lost before it.
async fn healed(subscription: &mut Subscription) -> Delivery {
    loop {
        let next = within("a delivery", subscription.deliveries.next()).await;
        match next.unwrap() {
            Ok(delivery) => return delivery,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}

async fn publish_until_stored(bus: &EventBus, id: &str) {
    loop {
        match bus
            .events
            .publish(message(&subject(), id))
            .await
            .unwrap()
            .await
        {
            Ok(_) => return,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}

/// It asked for more again and again, and said nothing: `tiphys tail` showed no line and no error.
#[tokio::test]
async fn who_waits_for_events_hears_of_a_lost_connection_and_misses_none() {
    let server = NatsServer::start("").await;
    let line = Proxy::start(format!("127.0.0.1:{}", server.port)).await;
    let url = format!("nats://{}", line.address());
    let reader: EventBus = JetStream::connect(&Config::new(url)).await.unwrap().into();
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    let read = reader.history.read(StartAt::First, Until::Closed).await;
    let mut read = read.unwrap();
    publish(&bus, &subject(), &["a"]).await;
    let mut next = async || within("an event", read.next()).await.unwrap();
    assert_eq!(next().await.unwrap().message.payload, "a");
    for (fault, id) in [(Proxy::cut as fn(&Proxy), "b"), (Proxy::silence, "c")] {
        fault(&line);
        let error = next().await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        publish(&bus, &subject(), &[id]).await;
        line.mend();
        let past = loop {
            match next().await {
                Ok(past) => break past,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        };
        assert_eq!(past.message.payload, id);
    }
}

#[tokio::test]
async fn a_deleted_consumer_is_made_again_after_the_last_acknowledged_message() {
    let server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    publish(&bus, &subject(), &["a", "b", "c", "d"]).await;
    let config = SubscriptionConfig {
        max_in_flight: 3,
        ..config(&[subject()])
    };
    let mut subscription = bus.events.subscribe(config).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
    let in_hand = next(&mut subscription).await;
    assert_eq!(take(&mut subscription).await, "c");
    assert!(bus.events.unsubscribe(&durable()).await.unwrap());
    publish(&bus, &subject(), &["e"]).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let delivery = healed(&mut subscription).await;
        // The consumer may be gone before the acknowledgement of what it delivered: then the message
        // comes again.
        if delivery.ack_confirmed().await.is_ok() {
            seen.push(String::from_utf8(delivery.payload.to_vec()).unwrap());
        }
    }
    assert_eq!(seen, ["d", "e"]);
    in_hand.ack_confirmed().await.unwrap();
    let jetstream = async_nats::jetstream::new(server.client().await);
    let consumer: async_nats::jetstream::consumer::PullConsumer = jetstream
        .get_consumer_from_stream(durable().as_str(), "default")
        .await
        .unwrap();
    assert_eq!(consumer.cached_info().num_ack_pending, 0);
    assert_eq!(consumer.cached_info().ack_floor.stream_sequence, 5);
}

#[tokio::test]
async fn what_a_process_left_unacknowledged_comes_first_and_at_once() {
    let server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    publish(&bus, &subject(), &["a", "b", "c"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    let a = next(&mut subscription).await;
    assert_eq!(take(&mut subscription).await, "b");
    drop((a, subscription, bus));
    let bus = server.bus().await;
    publish(&bus, &subject(), &["d"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    for id in ["a", "c", "d"] {
        assert_eq!(take(&mut subscription).await, id);
    }
}

#[tokio::test]
async fn a_server_that_came_back_empty_is_set_up_again() {
    let mut server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    publish(&bus, &subject(), &["a", "b"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
    assert_eq!(take(&mut subscription).await, "b");
    let state = bus.state.open(&Bucket::sensor("s")).await.unwrap();
    server.kill().await;
    server.lose_everything();
    server.restart().await;
    publish_until_stored(&bus, "c").await;
    while state.put("k", "v".into()).await.unwrap().await.is_err() {}
    let delivery = healed(&mut subscription).await;
    assert_eq!(
        (delivery.payload.as_ref(), delivery.position),
        (&b"c"[..], Position::from_wire(1))
    );
}

/// They had no limit in bytes: 249 of them filled the store, and the stream of events took nothing more.
#[tokio::test]
async fn dead_letters_leave_room_for_events() {
    let account = "accounts { A { jetstream { max_file: 100MB, max_mem: 100MB }, \
         users: [{ user: a, password: a }] } }\n\
         no_auth_user: a";
    let server = NatsServer::start(account).await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    for number in 0..150 {
        let letter = letter(&format!("t{number}"), 600_000);
        bus.dead_letters.store(letter).await.unwrap();
    }
    let listed = bus.dead_letters.list(&DeadLetterFilter::default()).await;
    let listed = listed.unwrap();
    assert!((20..100).contains(&listed.len()), "{}", listed.len());
    let (position, _) = listed.last().unwrap();
    assert_eq!(*position, Position::from_wire(150), "the newest are kept");
    publish(&bus, &subject(), &["a"]).await;
    let mut subscription = bus.events.subscribe(config(&[subject()])).await.unwrap();
    assert_eq!(take(&mut subscription).await, "a");
}

#[tokio::test]
async fn dead_letters_of_the_embedded_bus_take_bounded_memory() {
    let bus: EventBus = tiphys_eventbus::embedded::Embedded::new().into();
    for _ in 0..150 {
        bus.dead_letters
            .store(letter("t", 1_000_000))
            .await
            .unwrap();
    }
    let listed = bus.dead_letters.list(&DeadLetterFilter::default()).await;
    let listed = listed.unwrap();
    assert_eq!(listed.len(), 67, "64 MiB of them");
    assert_eq!(listed.last().unwrap().0, Position::from_wire(150));
}
