//! The stage of a drill: real servers, lines that can be cut between them and the product, and five
//! processes of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tiphys_testbed::{ControlPlane, ControlPlaneOptions, Nats, NatsOptions, Scratch, free_port};
use tiphys_tests::harbour::{self, Harbour};
use tiphys_tests::{Desk, Hanging, Pod, Proxy, Tiphys, client, eventually, programs};

use crate::notes::Notes;
use crate::objects::{self, HOSTILE, NAMESPACE};
use crate::receiver::Receiver;
use crate::victim::{ApiServer, Bus, Engine, Pods, Spec, Store};

/// How much a NATS server stores, so that the rest can be taken away in a moment.
const STORE: &str = "accounts { A { jetstream { max_file: 100MB, max_mem: 100MB }, \
     users: [{ user: a, password: a }] } }\n\
     no_auth_user: a";

/// A lease that ends soon, so that others take over within the drill. Whoever is frozen for 14 s
/// ([`crate::schedule`]) has lost it.
const LEASE: [(&str, &str); 3] = [
    ("LEADER_ELECTION_LEASE_DURATION", "10s"),
    ("LEADER_ELECTION_RENEW_DEADLINE", "7s"),
    ("LEADER_ELECTION_RETRY_PERIOD", "1s"),
];

/// What faults befall.
pub(crate) struct Victims {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) api_server: ApiServer,
    pub(crate) engine: Engine,
    pub(crate) sources: Pods,
    pub(crate) sensors: Pods,
    pub(crate) spec: Spec,
}

impl Victims {
    /// The last log lines of all of them.
    pub(crate) fn log_tails(&self) -> String {
        let servers = [
            self.bus.nats.log_tails(),
            self.api_server.control_plane.log_tails(),
        ];
        let pods = self.sources.running.iter().chain(&self.sensors.running);
        let processes = pods.chain([&self.engine.tiphys]).map(Tiphys::log_tail);
        let tails: Vec<String> = servers.into_iter().chain(processes).collect();
        tails.join("\n")
    }
}

/// What nothing befalls.
pub(crate) struct Stage {
    pub(crate) harbour: Harbour,
    pub(crate) notes: Arc<Notes>,
    pub(crate) receiver: Arc<Receiver>,
    /// Where a server comes in the end.
    pub(crate) away: SocketAddr,
    /// The address of the bus, past its line.
    pub(crate) nats: String,
    _hanging: Hanging,
    _scratch: Scratch,
}

/// Starts everything, and waits until all of it works.
pub(crate) async fn start() -> (Stage, Victims) {
    let (control_plane, nats) = start_servers().await;
    let scratch = Scratch::new("drill").expect("a folder can be made");
    let api_line = Proxy::start(address_of(&control_plane.url())).await;
    let bus_line = Proxy::start(address_of(&nats.url())).await;
    let admin = control_plane
        .kubeconfig()
        .expect("the kubeconfig can be written");
    let kubeconfig = past(&api_line, &admin, &control_plane.url(), &scratch);
    let bus_url = format!("nats://{}", bus_line.address());
    let client = client(&admin).await;
    let receiver = Arc::new(Receiver::start_at(([127, 0, 0, 1], 0).into()).await);
    let hanging = Hanging::start().await;
    let away = free_port().expect("there is a free port");
    let notes = Arc::new(Notes::default());

    let pod = |object: &Value| {
        let mut pod = Pod::at(&kubeconfig, NAMESPACE, &bus_url, object);
        for (name, value) in LEASE {
            pod.set(name, value);
        }
        Arc::new(pod)
    };
    let sensor = objects::sensor(&receiver);
    let (source_pod, sensor_pod) = (pod(&objects::source()), pod(&sensor));
    let desk = Desk::new()
        .option("--kubeconfig", &kubeconfig)
        .option("--nats", &bus_url)
        .file("hostile.yaml", &objects::hostile(hanging.port(), away));
    let engine = Engine::start(harbour::on(desk, NAMESPACE), notes.clone());
    let sources = Pods::start(source_pod, "eventsource", objects::SOURCE, &client, &notes).await;
    let sensors = Pods::start(
        sensor_pod.clone(),
        "sensor",
        objects::SENSOR,
        &client,
        &notes,
    )
    .await;
    at_work(&engine.tiphys).await;

    let stage = Stage {
        harbour: Harbour::at(&client, NAMESPACE),
        notes,
        receiver: receiver.clone(),
        away: ([127, 0, 0, 1], away).into(),
        nats: nats.url(),
        _hanging: hanging,
        _scratch: scratch,
    };
    let victims = Victims {
        store: Store::of(&stage.nats).await,
        bus: Bus {
            nats,
            notes: Arc::clone(&stage.notes),
            line: bus_line,
        },
        api_server: ApiServer {
            control_plane,
            line: api_line,
        },
        engine,
        sources,
        sensors,
        spec: Spec::new(sensor_pod, sensor, &bus_url, receiver),
    };
    (stage, victims)
}

async fn start_servers() -> (ControlPlane, Nats) {
    let starting = tokio::task::spawn_blocking(|| {
        let control_plane = ControlPlane::start(programs(), ControlPlaneOptions::default());
        let options = NatsOptions {
            config: STORE.to_owned(),
            ..NatsOptions::default()
        };
        let nats = Nats::start(programs(), &options);
        (
            control_plane.expect("the control plane starts"),
            nats.expect("NATS starts"),
        )
    });
    starting.await.expect("the start is not cancelled")
}

/// `127.0.0.1:80` of `http://127.0.0.1:80`.
fn address_of(url: &str) -> String {
    let (_, address) = url.split_once("://").expect("it is a URL");
    address.trim_end_matches('/').to_owned()
}

/// A kubeconfig that goes through a line.
fn past(line: &Proxy, kubeconfig: &Path, url: &str, scratch: &Scratch) -> PathBuf {
    let text = std::fs::read_to_string(kubeconfig).expect("the kubeconfig can be read");
    let text = text.replace(url, &format!("https://{}", line.address()));
    let written = scratch.write("kubeconfig", &text);
    written.expect("the kubeconfig can be written")
}

/// Waits until the source watches and all triggers listen.
async fn at_work(tiphys: &Tiphys) {
    tiphys.watching().await;
    for name in [objects::EXAMPLE_SENSOR, HOSTILE] {
        let started = |line: &Value| line["msg"] == "Sensor started." && line["sensorName"] == name;
        tiphys.line("Sensor started.", started).await;
    }
    eventually("readiness", || async {
        (tiphys.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
}
