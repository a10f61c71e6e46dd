//! Many objects in one process, on buses in memory.

use std::collections::{BTreeMap, HashMap};

use futures::channel::mpsc;
use tiphys_api::Sensor;
use tiphys_eventbus::{Event, Outgoing, Subject};
use tiphys_runtime::logging::LoggingFields;
use tiphys_sensor::trigger::Caller;
use tiphys_sensor::trigger::log::Line as LogLine;
use tiphys_sensor::trigger::log::Sink;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::buses::{Buses, Place};
use crate::context::{Origin, Outlets};
use crate::spec::Spec;

/// How long a condition is waited for, on a machine that does many things at a time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running supervisor.
struct World {
    context: Arc<Context>,
    changes: mpsc::UnboundedSender<Change>,
    units: watch::Receiver<HashMap<String, Shown>>,
    printed: watch::Receiver<Vec<String>>,
    _running: JoinSet<()>,
}

/// Remembers what is printed.
struct Printed(watch::Sender<Vec<String>>);

impl Sink for Printed {
    fn print(&self, line: &LogLine, caller: Caller<'_>) {
        let line = format!("{} {}", caller.sensor, line.message());
        self.0.send_modify(|lines| lines.push(line));
    }
}

impl World {
    fn start() -> Self {
        let (sender, printed) = watch::channel(Vec::new());
        let outlets = Outlets {
            sink: Arc::new(Printed(sender)),
            logging: LoggingFields::default(),
        };
        let buses = Buses::new(Place::Embedded(BTreeMap::new()));
        let (context, _) = Context::new(
            outlets,
            None,
            Origin::Cluster,
            (buses, crate::ports::ports().0),
            None,
        );
        let context = Arc::new(context);
        let (changes, receiver) = mpsc::unbounded();
        let (shown, units) = watch::channel(HashMap::new());
        let mut running = JoinSet::new();
        let mut supervisor = Supervisor::new(Arc::clone(&context));
        running.spawn(async move {
            let seen = |supervisor: &Supervisor| {
                let units = supervisor.units.iter();
                let units = units.map(|(key, held)| (key.to_string(), held.shown.borrow().clone()));
                shown.send_replace(units.collect());
                ControlFlow::<()>::Continue(())
            };
            supervisor.run(receiver.boxed(), seen).await;
        });
        Self {
            context,
            changes,
            units,
            printed,
            _running: running,
        }
    }

    fn apply(&self, spec: Spec) {
        self.changes.unbounded_send(Change::Applied(spec)).unwrap();
    }

    /// Waits until the objects are as they should be.
    async fn units(&mut self, what: &str, are: impl FnMut(&HashMap<String, Shown>) -> bool) {
        let waited = timeout(PATIENCE, self.units.wait_for(are)).await;
        assert!(waited.is_ok(), "{what}");
    }

    async fn listening(&mut self, object: &str) {
        let listens = |shown: &Shown| {
            let parts = &shown.report.parts;
            !parts.is_empty() && parts.iter().all(|part| part.health.ok == Some(true))
        };
        self.units("a trigger that listens", |units| {
            units.get(object).is_some_and(listens)
        })
        .await;
    }

    /// Waits until this many lines were printed.
    async fn printed(&mut self, count: usize) -> Vec<String> {
        let waited = timeout(
            PATIENCE,
            self.printed.wait_for(|lines| lines.len() >= count),
        )
        .await;
        let mut lines = waited.expect("lines").unwrap().clone();
        lines.sort();
        lines
    }

    /// Publishes the event `a` of `input` on the default bus of a namespace.
    async fn publish(&self, namespace: &str, id: &str, data: &'static str) {
        let mut state = self.context.buses.follow(namespace, "default");
        let bus = state.wait_for(|state| state.id().is_some()).await;
        let bus = bus.unwrap().used().unwrap().bus();
        let event = Event {
            context: tiphys_eventbus::Context {
                id: id.into(),
                source: "input".to_owned(),
                specversion: "1.0".to_owned(),
                r#type: "webhook".to_owned(),
                datacontenttype: "application/json".to_owned(),
                subject: "a".to_owned(),
                time: None,
            }
            .into(),
            data: Some(data.into()),
        };
        let message = Outgoing {
            subject: Subject::event("input", "a"),
            id: id.to_owned(),
            payload: event.encode(),
        };
        bus.events.publish(message).await.unwrap().await.unwrap();
    }
}

/// A Sensor that waits for the event `a` of `input`; `trigger` is YAML.
fn sensor(namespace: &str, name: &str, filter: &str, trigger: &str) -> Spec {
    let json = tiphys_api::manifest::read(
        "sensor.yaml",
        &format!(
            "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  dependencies: [{{name: a, eventSourceName: input, eventName: a{filter}}}]
  triggers: [{{template: {{name: t, {trigger}}}}}]
"
        ),
    );
    let object = json.objects.into_iter().next().expect("an object");
    let tiphys_api::manifest::Content::Sensor(object) = object.content else {
        panic!("it is a Sensor");
    };
    let object: Sensor = *object;
    let compiled = tiphys_sensor::Compiled::compile(&object).expect("it compiles");
    Spec::sensor(object, compiled)
}

/// The first request that comes, and where it is answered.
async fn request(server: &TcpListener) -> TcpStream {
    let accepted = timeout(PATIENCE, server.accept()).await;
    let (mut connection, _) = accepted.expect("a request").unwrap();
    let mut request = vec![0; 4096];
    assert_ne!(connection.read(&mut request).await.unwrap(), 0);
    connection
}

async fn answer(mut connection: TcpStream) {
    // Whoever keeps the connection would send the next request into its end.
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    connection.write_all(answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sensors_of_one_name_do_not_see_each_others_state() {
    let mut world = World::start();
    // What was printed last is the state of a log trigger.
    let hourly = "log: {intervalSeconds: 3600}";
    world.apply(sensor("north", "s", "", hourly));
    world.apply(sensor("south", "s", "", hourly));
    world.listening("Sensor north/s").await;
    world.listening("Sensor south/s").await;
    world.publish("north", "1", "\"n\"").await;
    assert_eq!(world.printed(1).await, ["s \"n\""]);
    world.publish("south", "1", "\"s\"").await;
    assert_eq!(world.printed(2).await, ["s \"n\"", "s \"s\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_one_leaves_the_other_running() {
    let mut world = World::start();
    world.apply(sensor("bay", "one", "", "log: {}"));
    world.apply(sensor("bay", "two", "", "log: {}"));
    world.listening("Sensor bay/one").await;
    world.listening("Sensor bay/two").await;
    let narrower = ", filters: {data: [{path: x, type: string, value: [\"2\"]}]}";
    world.apply(sensor("bay", "one", narrower, "log: {}"));
    world
        .units("another runner of the one", |units| {
            units["Sensor bay/one"].runners == 2
        })
        .await;
    world.listening("Sensor bay/one").await;
    world.publish("bay", "1", "{\"x\":\"1\"}").await;
    world.publish("bay", "2", "{\"x\":\"2\"}").await;
    assert_eq!(
        world.printed(3).await,
        [
            "one {\"x\":\"2\"}",
            "two {\"x\":\"1\"}",
            "two {\"x\":\"2\"}"
        ]
    );
    assert_eq!(world.units.borrow()["Sensor bay/two"].runners, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_one_finishes_what_it_has_begun_and_can_come_back() {
    let mut world = World::start();
    let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    let call = format!("http: {{url: \"http://{address}/\", method: POST}}");
    let called = sensor("bay", "caller", "", &call);
    let key = called.key.clone();
    world.apply(called);
    world.apply(sensor("bay", "other", "", "log: {}"));
    world.listening("Sensor bay/caller").await;
    world.listening("Sensor bay/other").await;
    world.publish("bay", "1", "{}").await;
    let connection = request(&server).await;

    world.changes.unbounded_send(Change::Deleted(key)).unwrap();
    // It is deleted and applied again while its request is on its way.
    world.apply(sensor("bay", "caller", "", &call));
    world.publish("bay", "2", "{}").await;
    assert_eq!(world.printed(2).await, ["other {}", "other {}"]);
    answer(connection).await;
    let connection = request(&server).await;
    answer(connection).await;
    // The old one may have had the second event in hand when it heard of its end. The third is the new
    // one's.
    world.publish("bay", "3", "{}").await;
    let connection = request(&server).await;
    answer(connection).await;
    world
        .units("the third event", |units| {
            let parts = units
                .get("Sensor bay/caller")
                .map_or(&[][..], |shown| &shown.report.parts);
            // Its counts are those of the new one: the first event was finished by the old one.
            let done = 1..=2;
            parts
                .iter()
                .any(|part| done.contains(&part.done) && part.lag == 0)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_one_is_gone_and_the_other_stays() {
    let mut world = World::start();
    let one = sensor("bay", "one", "", "log: {}");
    let key = one.key.clone();
    world.apply(one);
    world.apply(sensor("bay", "two", "", "log: {}"));
    world.listening("Sensor bay/one").await;
    world.listening("Sensor bay/two").await;
    world.changes.unbounded_send(Change::Deleted(key)).unwrap();
    world
        .units("the end of the one", |units| {
            !units.contains_key("Sensor bay/one")
        })
        .await;
    world.publish("bay", "1", "{}").await;
    assert_eq!(world.printed(1).await, ["two {}"]);
    assert_eq!(world.units.borrow()["Sensor bay/two"].runners, 1);
}
