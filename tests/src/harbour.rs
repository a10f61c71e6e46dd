//! The stage of most stories: annotated services, and the ingresses that `examples/auto-ingress`
//! makes of them.

use std::collections::BTreeMap;

use crate::{Desk, World, eventually, eventually_ok};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

const EVENT_SOURCE: &str = include_str!("../../examples/auto-ingress/ingress-es.yaml");
const SENSOR: &str = include_str!("../../examples/auto-ingress/ingress-sn.yaml");

/// How many requests a load has on their way at a time.
const WRITERS: usize = 8;

/// The event source of the example, in another namespace.
pub fn event_source(namespace: &str) -> String {
    EVENT_SOURCE.replace("playground", namespace)
}

/// The sensor of the example, in another namespace; its log trigger prints every event.
///
/// # Panics
/// When the example has no log trigger.
pub fn sensor(namespace: &str) -> String {
    let limit = "log:\n        intervalSeconds: 15";
    assert!(SENSOR.contains(limit), "the example has a log trigger");
    SENSOR
        .replace("playground", namespace)
        .replace(limit, "log: {}")
}

/// A desk with the example on it.
pub fn desk(world: &World) -> Desk {
    on(world.desk(), world.namespace())
}

/// Puts the example on a desk.
pub fn on(desk: Desk, namespace: &str) -> Desk {
    desk.file("es.yaml", &event_source(namespace))
        .file("sn.yaml", &sensor(namespace))
}

/// The services and ingresses of a namespace.
#[derive(Clone, Debug)]
pub struct Harbour {
    /// Its services.
    pub services: Api<Service>,
    /// Its ingresses.
    pub ingresses: Api<Ingress>,
}

/// What an ingress routes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The host of its first rule.
    pub host: String,
    /// The class of ingresses it belongs to.
    pub class: String,
    /// The service behind its first path.
    pub service: String,
    /// The number of that service's port.
    pub port: Value,
}

impl Harbour {
    /// Those of the story, as the admin.
    pub async fn of(world: &World) -> Self {
        Self::at(&world.client().await, world.namespace())
    }

    /// Those of a namespace, as whoever the client is.
    pub fn at(client: &Client, namespace: &str) -> Self {
        Self {
            services: Api::namespaced(client.clone(), namespace),
            ingresses: Api::namespaced(client.clone(), namespace),
        }
    }

    /// Creates an annotated service, or changes its port; tries again while the API server is unavailable.
    pub async fn serve(&self, name: &str, port: u16) {
        let service = service(name, port);
        let apply = PatchParams::apply("tiphys-tests").force();
        eventually_ok("the service", || async {
            let patch = Patch::Apply(&service);
            let served = self.services.patch(name, &apply, &patch).await;
            served.map(drop).inspect_err(expect_absence)
        })
        .await;
    }

    /// Deletes a service; tries again while the API server is unavailable.
    pub async fn close(&self, name: &str) {
        eventually_ok("the service's deletion", || async {
            match self.services.delete(name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                deleted => deleted.map(drop).inspect_err(expect_absence),
            }
        })
        .await;
    }

    /// Creates services, or changes their ports, several at a time.
    pub async fn serve_all(&self, names: impl IntoIterator<Item = String>, port: u16) {
        let serving = stream::iter(names).for_each_concurrent(WRITERS, |name| async move {
            self.serve(&name, port).await;
        });
        serving.await;
    }

    /// Deletes services, several at a time.
    pub async fn close_all(&self, names: impl IntoIterator<Item = String>) {
        let closing = stream::iter(names).for_each_concurrent(WRITERS, |name| async move {
            self.close(&name).await;
        });
        closing.await;
    }

    /// What each ingress routes to; `None` while the API server is unavailable.
    pub async fn routes(&self) -> Option<BTreeMap<String, Route>> {
        let ingresses = self.ingresses.list(&ListParams::default()).await.ok()?;
        let routes = ingresses.items.into_iter().map(|ingress| {
            let name = ingress.metadata.name.clone().unwrap_or_default();
            (name, route(&ingress))
        });
        Some(routes.collect())
    }

    /// Waits until the ingresses are exactly those of these services with these ports.
    pub async fn routes_to(&self, services: impl IntoIterator<Item = (String, u16)>) {
        let services: BTreeMap<String, u16> = services.into_iter().collect();
        eventually_ok("the wanted ingresses", || self.compare(&services)).await;
    }

    /// Looks once whether the ingresses are exactly those of these services with these ports.
    ///
    /// # Errors
    /// What differs, in lines.
    pub async fn compare(&self, services: &BTreeMap<String, u16>) -> Result<(), String> {
        let wanted = services.iter();
        let wanted = wanted.map(|(name, port)| expected(name, *port)).collect();
        let routes = self.routes().await.ok_or("the API server is unavailable")?;
        let differ = differences(&routes, &wanted);
        if differ.is_empty() {
            Ok(())
        } else {
            Err(differ.join("\n"))
        }
    }

    /// Waits for one ingress.
    pub async fn route_of(&self, ingress: &str, route: &Route) {
        eventually(&format!("the ingress {ingress} with {route:?}"), || async {
            let routes = self.routes().await?;
            (routes.get(ingress) == Some(route)).then_some(())
        })
        .await;
    }

    /// Waits until an ingress is gone.
    pub async fn gone(&self, ingress: &str) {
        eventually(&format!("the end of the ingress {ingress}"), || async {
            (!self.routes().await?.contains_key(ingress)).then_some(())
        })
        .await;
    }

    /// Creates the API server's object of this YAML.
    ///
    /// # Panics
    /// When it is no service, or refused.
    pub async fn create(&self, service: &str) {
        let service: Service = serde_saphyr::from_str(service).expect("it is a service");
        let created = self.services.create(&PostParams::default(), &service).await;
        created.expect("the service can be created");
    }
}

/// Names of services: `<stem>-0`, `<stem>-1`, ….
pub fn names(stem: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{stem}-{number}")).collect()
}

/// The ingress that a service should have.
pub fn expected(service: &str, port: u16) -> (String, Route) {
    let route = Route {
        host: format!("{service}.example.org"),
        class: "nginx".to_owned(),
        service: service.to_owned(),
        port: json!(port),
    };
    (format!("{service}-ing"), route)
}

/// A headless service: the address range of the API server has room for few others.
fn service(name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "annotations": {
                "autodeploy-ingress-host": format!("{name}.example.org"),
                "autodeploy-ingress-class": "nginx",
            },
        },
        "spec": { "clusterIP": "None", "ports": [{ "port": port }] },
    })
}

fn route(ingress: &Ingress) -> Route {
    let ingress = serde_json::to_value(ingress).expect("an ingress is JSON");
    let spec = &ingress["spec"];
    let backend = &spec["rules"][0]["http"]["paths"][0]["backend"]["service"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Route {
        host: text(&spec["rules"][0]["host"]),
        class: text(&spec["ingressClassName"]),
        service: text(&backend["name"]),
        port: backend["port"]["number"].clone(),
    }
}

fn differences(found: &BTreeMap<String, Route>, wanted: &BTreeMap<String, Route>) -> Vec<String> {
    let names = found
        .keys()
        .chain(wanted.keys().filter(|name| !found.contains_key(*name)));
    names
        .filter(|name| found.get(*name) != wanted.get(*name))
        .map(|name| {
            format!(
                "{name}: {:?} instead of {:?}",
                found.get(name),
                wanted.get(name)
            )
        })
        .collect()
}

/// An API server that is unavailable or starting is no reason to fail; a refusal is.
#[track_caller]
fn expect_absence(error: &kube::Error) {
    if let kube::Error::Api(status) = error {
        let may_pass = matches!(status.code, 401 | 403 | 409 | 429 | 500..);
        assert!(may_pass, "the API server refuses: {status:?}");
    }
}
