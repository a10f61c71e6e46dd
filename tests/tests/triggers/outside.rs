//! A sensor in a process of its own, with its own environment, on a real bus.

use std::path::Path;

use async_nats::jetstream;
use serde_json::Value;
use tempfile::NamedTempFile;
use tiphys_testbed::{Certificates, Nats, NatsOptions};
use tiphys_tests::{Pod, Tiphys, programs, stored_object};

use crate::running::event;

/// The bus, and the pods of the sensor.
pub(crate) struct Outside {
    nats: Nats,
    pub(crate) pod: Pod,
    authority: NamedTempFile,
}

impl Outside {
    /// Pods of the sensor with this spec, which trust the certificates.
    pub(crate) async fn new(spec: &str, certificates: &Certificates) -> Self {
        let starting =
            tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
        let nats = starting.await.unwrap().unwrap();
        let spec = spec.trim_end().replace('\n', "\n  ");
        let yaml = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {{name: orders}}\nspec:\n  {spec}\n"
        );
        let object = stored_object("ns", &yaml);
        let mut pod = Pod::at(Path::new("/nowhere"), "ns", &nats.url(), &object);
        let authority = NamedTempFile::new().unwrap();
        std::fs::write(authority.path(), &certificates.authority).unwrap();
        pod.set("SSL_CERT_FILE", authority.path());
        Self {
            nats,
            pod,
            authority,
        }
    }

    /// Starts a pod, and waits until it listens.
    pub(crate) async fn start(&self) -> Tiphys {
        assert!(self.authority.path().exists());
        let tiphys = self.pod.start("orders-0");
        let listens = |report: &Value| report["parts"][0]["health"]["ok"] == true;
        tiphys.reported("a sensor that listens", listens).await;
        tiphys
    }

    /// Publishes an event with this JSON.
    pub(crate) async fn publish(&self, data: &str) {
        let client = async_nats::connect(self.nats.url()).await.unwrap();
        let jetstream = jetstream::new(client);
        let message = event("order", data);
        let subject = message.subject.to_string();
        let ack = jetstream.publish(subject, message.payload).await;
        ack.unwrap().await.unwrap();
    }
}
