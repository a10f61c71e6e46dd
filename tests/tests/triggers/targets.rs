//! Targets that are away, or hang: they hold up what is for them, and nothing else.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{EventBus, embedded::Embedded};
use tiphys_tests::World;
use tokio::net::TcpListener;

use crate::running::{Running, Setting};
use crate::web::{Web, answer};

/// More than a trigger has in flight.
const AWAY: usize = 1_500;

/// More than may run at a time.
const HANGING: usize = 200;

const GOOD: usize = 20;

/// Where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn publish(sensor: &Running, to: SocketAddr, count: usize) {
    for number in 0..count {
        let event = format!(r#"{{"url":"http://{to}/{number}"}}"#);
        sensor.publish("order", &event).await;
    }
}

async fn paths(web: &Web, count: usize) -> Vec<String> {
    let asked = web.asked_times(count).await;
    asked.into_iter().map(|asked| asked.path).collect()
}

/// 64 such events stopped a trigger for ever once.
async fn goes_on(bus: EventBus, at_least_once: bool) {
    let away = nobody().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = Web::start(|_| answer(200)).await;
    let spec = format!(
        "
dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- atLeastOnce: {at_least_once}
  template:
    name: call
    http:
      url: http://nowhere.example
      timeout: 600
  parameters:
  - {{src: {{dependencyName: dep, dataKey: url}}, dest: http.url}}
"
    );
    let setting = Setting {
        bus,
        ..Setting::default()
    };
    let sensor = Running::start(&spec, setting).await;
    publish(&sensor, silent.local_addr().unwrap(), HANGING).await;
    publish(&sensor, away, AWAY).await;
    publish(&sensor, good.address(), GOOD).await;
    let mut found = paths(&good, GOOD).await;
    found.sort_unstable();
    let mut expected: Vec<String> = (0..GOOD).map(|number| format!("/{number}")).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);

    let back = Web::start_at(away, |_| answer(200)).await;
    let came: Vec<String> = paths(&back, AWAY).await;
    let once: BTreeSet<&String> = came.iter().collect();
    assert_eq!((came.len(), once.len()), (AWAY, AWAY));
    drop(silent);
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_are_away_or_hang_hold_up_no_other() {
    goes_on(Embedded::new().into(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_are_away_or_hang_hold_up_no_other_on_jetstream() {
    let world = World::start().await;
    let bus = JetStream::connect(&Config::new(world.nats().url())).await;
    goes_on(bus.unwrap().into(), true).await;
}
