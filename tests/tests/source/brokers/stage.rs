//! The stage of a story: a broker, a bus, and pods of an event source between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use tiphys_testbed::{Certificates, Nats, NatsOptions};
use tiphys_tests::{Pod, Tiphys, eventually, programs, stored_object};

use super::{Kind, Wanted};
use crate::stored::{stored, until_stored};

/// What a broker that wants a password lets in.
pub(super) const PASSWORD: &str = "right";

/// What a story needs.
pub(super) struct Stage<K> {
    pub(super) broker: K,
    pub(super) bus: Nats,
    pub(super) pods: Pod,
}

impl<K: Kind> Stage<K> {
    /// `edit` changes the event, `bus` is in the configuration of the bus.
    pub(super) async fn new(wanted: Wanted, bus: &str, edit: impl FnOnce(&mut Value)) -> Self {
        let broker = K::start(wanted).await;
        let options = NatsOptions {
            config: bus.to_owned(),
            ..NatsOptions::default()
        };
        let starting = tokio::task::spawn_blocking(move || Nats::start(programs(), &options));
        let bus = starting.await.unwrap().unwrap();
        let (kind, mut event) = broker.spec();
        edit(&mut event);
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "EventSource",
            "metadata": {"name": "es"},
            "spec": {kind: {"ev": event}},
        });
        let object = stored_object("ns", &object.to_string());
        // A pod that listens to a broker has nothing to ask of a cluster.
        let mut pods = Pod::at(Path::new("/nowhere"), "ns", &bus.url(), &object);
        for (name, value) in broker.variables() {
            pods.set(name, value);
        }
        if let Some(authority) = broker.authority() {
            pods.trust(authority);
        }
        let stage = Self { broker, bus, pods };
        stage.set_password(&stage.broker.login().1);
        stage
    }

    /// The usual stage.
    pub(super) async fn usual() -> Self {
        Self::new(Wanted::default(), "", |_| {}).await
    }

    /// Starts a pod, and waits until it listens.
    pub(super) async fn start(&self, name: &str) -> Tiphys {
        let tiphys = self.pods.start(name);
        listening(&tiphys).await;
        tiphys
    }

    /// Gives the certificates that a client needs.
    pub(super) fn set_certificates(&self, certificates: &Certificates) {
        let Certificates {
            authority, client, ..
        } = certificates;
        let files = [
            ("ca.crt", authority.as_bytes()),
            ("tls.crt", client.certificate.as_bytes()),
            ("tls.key", client.key.as_bytes()),
        ];
        self.pods.volume("values/secrets/tls", &files);
    }

    /// Gives the password.
    pub(super) fn set_password(&self, password: &str) {
        let (user, _) = self.broker.login();
        let files = [("user", user.as_bytes()), ("password", password.as_bytes())];
        self.pods.volume("values/secrets/login", &files);
    }

    /// Waits until the bus has so many events.
    pub(super) async fn stored(&self, count: u64) {
        until_stored(&self.bus.url(), count).await;
    }

    /// The numbers on the bus, in the order in which they were stored.
    pub(super) async fn numbers(&self) -> Vec<u64> {
        let stored = stored(&self.bus.url()).await;
        let payloads = stored.iter().map(|stored| &stored.payload);
        payloads
            .filter_map(|payload| K::number(&serde_json::from_str(payload).unwrap()))
            .collect()
    }

    /// Asserts that each of the numbers up to `end` is on the bus, once.
    pub(super) async fn check_all_once(&self, end: u64) {
        let mut times: BTreeMap<u64, usize> = (0..end).map(|number| (number, 0)).collect();
        for number in self.numbers().await {
            *times.entry(number).or_default() += 1;
        }
        times.retain(|_, times| *times != 1);
        assert!(times.is_empty(), "lost or twice: {times:?}");
    }

    /// Waits until each of the numbers up to `end` is on the bus, after something has failed: once, if
    /// messages are known by something.
    pub(super) async fn check_all(&self, end: u64) {
        if K::KNOWS {
            self.stored(end).await;
            return self.check_all_once(end).await;
        }
        eventually(&format!("{end} numbers on the bus"), || async {
            let numbers = Box::pin(self.numbers()).await;
            let numbers: BTreeSet<u64> = numbers.into_iter().collect();
            numbers.iter().copied().eq(0..end).then_some(())
        })
        .await;
    }

    /// Waits until the broker keeps nothing for the event source any more.
    pub(super) async fn check_nothing_left(&mut self) {
        let mut left = u64::MAX;
        for _ in 0..600 {
            left = self.broker.left().await;
            if left == 0 {
                return;
            }
            tiphys_tests::pause(std::time::Duration::from_millis(100)).await;
        }
        panic!("the broker still keeps {left} messages");
    }
}

/// Waits until a pod listens.
pub(super) async fn listening(tiphys: &Tiphys) {
    let listens = |report: &Value| report["parts"][0]["health"]["ok"] == true;
    tiphys.reported("an event that listens", listens).await;
}

/// Waits until an event does not listen for this reason, and returns its health. A broker that is slow to answer
/// may be out of reach before it refuses.
pub(super) async fn refused(tiphys: &Tiphys, reason: &str) -> Value {
    let is_refused = |report: &Value| {
        let health = &report["parts"][0]["health"];
        health["ok"] == false && health["reason"] == reason
    };
    let report = tiphys.reported(reason, is_refused).await;
    report["parts"][0]["health"].clone()
}

/// Waits until an event that does not listen says that it is for its `tls`. A broker that is slow to answer may
/// be out of reach before that.
pub(super) async fn names_tls(tiphys: &Tiphys) {
    let is_refused = |report: &Value| {
        let health = &report["parts"][0]["health"];
        let message = health["message"].as_str();
        health["ok"] == false && message.is_some_and(|message| message.contains(".ev.tls"))
    };
    tiphys
        .reported("a refusal that names `tls`", is_refused)
        .await;
}

/// Waits until a pod has so many dead letters.
pub(super) async fn dead_letters(tiphys: &Tiphys, count: u64) {
    let labels = ["outcome=\"dead-lettered\""];
    eventually(&format!("{count} dead letters"), || async {
        let found = tiphys.count("tiphys_eventsource_events", &labels).await;
        (found == count).then_some(())
    })
    .await;
}

/// Asserts that a broker that keeps its connections and does nothing is noticed, and listened to again.
pub(super) async fn silent<K: Kind>(
    freeze: impl FnOnce(&mut K) + Send,
    thaw: impl FnOnce(&mut K) + Send,
) {
    let mut stage = Stage::<K>::usual().await;
    let tiphys = stage.start("pod-0").await;
    freeze(&mut stage.broker);
    let is_lost = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    tiphys.reported("the silence of the broker", is_lost).await;
    thaw(&mut stage.broker);
    listening(&tiphys).await;
    stage.broker.send(0..100).await;
    stage.check_all(100).await;
}

/// Asserts that the settings of TLS are named when the broker refuses who shows no certificate.
pub(super) async fn nameless<K: Kind>() {
    let wanted = Wanted {
        tls: true,
        ..Wanted::default()
    };
    let trusting = |event: &mut Value| event["tls"] = json!({"insecureSkipVerify": true});
    let stage = Stage::<K>::new(wanted, "", trusting).await;
    let tiphys = stage.pods.start("pod-0");
    names_tls(&tiphys).await;
}
