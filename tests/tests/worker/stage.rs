//! The stage of the stories: the example's objects as the controller writes them, and a client of
//! the bus.

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tiphys_tests::{Tiphys, World, eventually, stored_object};

const EVENT_SOURCE: &str = include_str!("../../../examples/auto-ingress/ingress-es.yaml");
const SENSOR: &str = include_str!("../../../examples/auto-ingress/ingress-sn.yaml");

/// An object of this YAML in the story's namespace, as it is stored in a cluster.
pub(crate) fn object(world: &World, yaml: &str) -> Value {
    let yaml = yaml.replace("playground", world.namespace());
    stored_object(world.namespace(), &yaml)
}

/// The example's event source.
pub(crate) fn event_source(world: &World) -> Value {
    object(world, EVENT_SOURCE)
}

/// The example's sensor.
pub(crate) fn sensor(world: &World) -> Value {
    object(world, SENSOR)
}

/// A Sensor that waits for the event `a` of `input`; `triggers` is YAML.
pub(crate) fn workbench(world: &World, triggers: &str) -> Value {
    let mut sensor = object(
        world,
        "{apiVersion: argoproj.io/v1alpha1, kind: Sensor, metadata: {name: workbench}, spec: {
          dependencies: [{name: a, eventSourceName: input, eventName: a}]}}",
    );
    sensor["spec"]["triggers"] = serde_saphyr::from_str(triggers).unwrap();
    sensor
}

/// The object after an edit.
pub(crate) fn edited(object: &Value, generation: i64, edit: impl FnOnce(&mut Value)) -> Value {
    let mut edited = object.clone();
    edited["metadata"]["generation"] = generation.into();
    edit(&mut edited["spec"]);
    edited
}

/// The settings of the story's bus.
pub(crate) fn bus(world: &World) -> Value {
    json!({"jetstream": {"url": world.nats().url()}})
}

/// Applies an annotated service.
pub(crate) async fn serve(world: &World, name: &str, port: u16) {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "annotations": {"autodeploy-ingress-host": format!("{name}.example.org")},
        },
        "spec": {"clusterIP": "None", "ports": [{"port": port}]},
    });
    let services = world.api::<Service>().await;
    let apply = PatchParams::apply("tiphys-tests").force();
    services
        .patch(name, &apply, &Patch::Apply(&service))
        .await
        .unwrap();
}

/// Waits for an ingress to this port.
pub(crate) async fn routed(world: &World, ingress: &str, port: i32) {
    let ingresses = world.api::<Ingress>().await;
    eventually(&format!("the ingress {ingress} to port {port}"), || async {
        let found = ingresses.get_opt(ingress).await.ok()??;
        let rule = found.spec?.rules?.into_iter().next()?;
        let backend = rule.http?.paths.into_iter().next()?.backend.service?;
        (backend.port?.number? == port).then_some(())
    })
    .await;
}

/// The ids of the events that `log` triggers have printed, in order.
pub(crate) fn printed(tiphys: &Tiphys) -> Vec<String> {
    let lines = tiphys.lines();
    let printed = lines.iter().filter(|line| line["triggerType"] == "Log");
    printed
        .filter_map(|line| line["eventContext"]["id"].as_str().map(str::to_owned))
        .collect()
}

/// A client that publishes as an event source does.
pub(crate) struct Wire(Context);

impl Wire {
    pub(crate) async fn to(world: &World) -> Self {
        let client = async_nats::connect(world.nats().url()).await.unwrap();
        Self(jetstream::new(client))
    }

    /// Publishes the event `a` of `input`, and waits until it is stored.
    pub(crate) async fn event(&self, id: &str, data: &Value) {
        self.event_of("a", id, data).await;
    }

    /// Publishes an event of `input`, and waits until it is stored.
    pub(crate) async fn event_of(&self, name: &str, id: &str, data: &Value) {
        let event = json!({
            "specversion": "1.0",
            "id": id,
            "source": "input",
            "type": "webhook",
            "subject": name,
            "datacontenttype": "application/json",
            "time": "2026-01-02T03:04:05Z",
            "data": data,
        });
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let payload = event.to_string().into();
        let subject = format!("default.input.{name}");
        let sent = self.0.publish_with_headers(subject, headers, payload);
        sent.await.unwrap().await.unwrap();
    }

    /// How many durable consumers the stream has.
    pub(crate) async fn consumers(&self) -> usize {
        let mut stream = self.0.get_stream("default").await.unwrap();
        stream.info().await.unwrap().state.consumer_count
    }

    /// The ids of everything on the stream.
    pub(crate) async fn stored_ids(&self) -> Vec<String> {
        let mut stream = self.0.get_stream("default").await.unwrap();
        let info = stream.info().await.unwrap().state.clone();
        let mut ids = Vec::new();
        for sequence in info.first_sequence..=info.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let event: Value = serde_json::from_slice(&message.payload).unwrap();
            ids.push(event["id"].as_str().unwrap().to_owned());
        }
        ids
    }
}
