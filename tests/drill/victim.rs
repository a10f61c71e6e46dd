//! What faults befall, and how each of them is brought about and ended.

mod pods;
mod store;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tiphys_testbed::{ControlPlane, Nats};
use tiphys_tests::{Desk, Pod, Proxy, Tiphys, pause, until};
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::notes::Notes;
use crate::objects::{self, BUS, HOSTILE};
use crate::receiver::Receiver;
use crate::schedule::{Fault, Incident};
pub(crate) use pods::Pods;
pub(crate) use store::Store;

/// How late everything is on a slow line: a bad connection to another continent.
const LATENCY: Duration = Duration::from_millis(150);

/// What faults befall.
pub(crate) trait Victim: Send + 'static {
    /// Brings a fault about, and ends it after a while.
    fn suffer(&mut self, fault: Fault, lasts: Duration) -> impl Future<Output = ()> + Send;
}

/// The NATS server.
pub(crate) struct Bus {
    pub(crate) nats: Nats,
    pub(crate) notes: Arc<Notes>,
    pub(crate) line: Proxy,
}

/// The API server.
pub(crate) struct ApiServer {
    pub(crate) control_plane: ControlPlane,
    pub(crate) line: Proxy,
}

/// The process of `tiphys run`.
pub(crate) struct Engine {
    pub(crate) desk: Desk,
    pub(crate) tiphys: Tiphys,
    notes: Arc<Notes>,
}

/// The sensor in the folder of its pods.
pub(crate) struct Spec {
    pod: Arc<Pod>,
    sensor: Value,
    bus: Value,
    receiver: Arc<Receiver>,
    pub(crate) edition: usize,
}

/// Has a victim suffer each of its faults in its time, and gives it back.
pub(crate) async fn suffer_all<V: Victim>(
    mut victim: V,
    incidents: Vec<Incident>,
    start: Instant,
) -> V {
    for incident in incidents {
        until(start + incident.at).await;
        eprintln!("{incident}");
        victim.suffer(incident.fault, incident.lasts).await;
    }
    victim
}

impl Victim for Bus {
    async fn suffer(&mut self, fault: Fault, lasts: Duration) {
        match fault {
            Fault::Killed => {
                self.notes.interruption(BUS);
                block_in_place(|| self.nats.kill(0)).expect("it can be killed");
                pause(lasts).await;
                block_in_place(|| self.nats.restart(0)).expect("it starts again");
            }
            Fault::Frozen => {
                self.nats.freeze(0).expect("it can be signalled");
                pause(lasts).await;
                self.nats.thaw(0).expect("it can be signalled");
            }
            fault => disturb(&self.line, fault, lasts).await,
        }
    }
}

impl Victim for ApiServer {
    async fn suffer(&mut self, fault: Fault, lasts: Duration) {
        let server = &mut self.control_plane;
        match fault {
            Fault::Killed => {
                block_in_place(|| server.kill_apiserver()).expect("it can be killed");
                pause(lasts).await;
                block_in_place(|| server.start_apiserver()).expect("it starts again");
            }
            Fault::Frozen => {
                server.freeze_apiserver().expect("it can be signalled");
                pause(lasts).await;
                server.thaw_apiserver().expect("it can be signalled");
            }
            fault => disturb(&self.line, fault, lasts).await,
        }
    }
}

async fn disturb(line: &Proxy, fault: Fault, lasts: Duration) {
    match fault {
        Fault::CutOff => line.cut(),
        Fault::Silent => line.silence(),
        Fault::Slow => line.slow(LATENCY),
        fault => unreachable!("a line is never {fault}"),
    }
    pause(lasts).await;
    line.mend();
}

impl Engine {
    pub(crate) fn start(desk: Desk, notes: Arc<Notes>) -> Self {
        let tiphys = desk.start();
        Self {
            desk,
            tiphys,
            notes,
        }
    }

    fn start_again(&mut self) {
        self.notes.interruption(HOSTILE);
        self.tiphys = self.desk.start();
    }

    /// Notes an end that nobody brought about.
    pub(crate) fn ensure_running(&mut self) {
        if !self.tiphys.is_running() {
            self.notes
                .wrong(ended_by_itself("the engine", &self.tiphys));
            self.start_again();
        }
    }
}

impl Victim for Engine {
    async fn suffer(&mut self, fault: Fault, lasts: Duration) {
        self.ensure_running();
        match fault {
            Fault::Killed => {
                block_in_place(|| self.tiphys.kill());
                pause(lasts).await;
                self.start_again();
            }
            Fault::Stopped => {
                stop("the engine", &mut self.tiphys, &self.notes).await;
                pause(lasts).await;
                self.start_again();
            }
            Fault::Frozen => freeze(&mut self.tiphys, lasts, HOSTILE, &self.notes).await,
            fault => unreachable!("the engine is never {fault}"),
        }
    }
}

fn ended_by_itself(name: &str, tiphys: &Tiphys) -> String {
    format!("{name} ended by itself:\n{}", tiphys.log_tail())
}

/// Ends a process by SIGTERM, which has to be a success.
pub(crate) async fn stop(name: &str, tiphys: &mut Tiphys, notes: &Notes) {
    let status = tiphys.stop().await;
    if !status.success() {
        let tail = tiphys.log_tail();
        notes.wrong(format!(
            "{name} was told to stop, and ended with {status}:\n{tail}"
        ));
    }
}

/// Freezes the process of an object for a while.
async fn freeze(tiphys: &mut Tiphys, lasts: Duration, object: &'static str, notes: &Notes) {
    tiphys.freeze();
    pause(lasts).await;
    notes.interruption(object);
    tiphys.thaw();
}

impl Spec {
    pub(crate) fn new(
        pod: Arc<Pod>,
        sensor: Value,
        bus_url: &str,
        receiver: Arc<Receiver>,
    ) -> Self {
        Self {
            pod,
            sensor,
            bus: json!({"jetstream": {"url": bus_url}}),
            receiver,
            edition: 1,
        }
    }
}

impl Victim for Spec {
    async fn suffer(&mut self, _: Fault, _: Duration) {
        self.edition += 1;
        let sensor = objects::edited(&self.sensor, self.edition, &self.receiver);
        self.pod.spec(&sensor, &self.bus);
    }
}
