//! A namespace with a bus, and a controller that looks after it.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tiphys_api::{Condition, EventBus, EventSource, Sensor, Status};
use tiphys_tests::{Desk, Tiphys, World, eventually};

pub(crate) const CRDS: [&str; 3] = [
    include_str!("../../../crds/eventbus.argoproj.io.yaml"),
    include_str!("../../../crds/eventsources.argoproj.io.yaml"),
    include_str!("../../../crds/sensors.argoproj.io.yaml"),
];

/// An event source and a sensor that are good.
pub(crate) const SOURCE: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata:
  name: watcher
spec:
  resource:
    thing:
      version: v1
      resource: configmaps
      eventTypes: [ADD]
";

pub(crate) const SENSOR: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata:
  name: printer
spec:
  dependencies:
  - {name: thing, eventSourceName: watcher, eventName: thing}
  triggers:
  - template:
      name: print
      log: {}
";

/// A namespace and a controller that looks after it.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) desk: Desk,
    pub(crate) controller: Tiphys,
    pub(crate) client: Client,
}

impl Stage {
    /// With a bus.
    pub(crate) async fn start() -> Self {
        let stage = Self::without_bus().await;
        stage.bus("nats://nats.example:4222").await;
        stage
            .eventually::<EventBus>("default", |bus| {
                bus.status
                    .as_ref()
                    .is_some_and(|status| status.config.jet_stream.is_some())
            })
            .await;
        stage
    }

    pub(crate) async fn without_bus() -> Self {
        let world = World::start().await;
        let client = world.client().await;
        for crd in CRDS {
            world.apply(crd).await;
        }
        established(&client).await;
        let desk = desk(&world);
        let controller = desk.start_controller();
        Self {
            world,
            desk,
            controller,
            client,
        }
    }

    /// Makes the bus `default`, which is elsewhere, or changes its address.
    pub(crate) async fn bus(&self, url: &str) {
        let manifest = "
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: default}
spec: {jetstreamExotic: {url: URL}}";
        self.world.apply(&manifest.replace("URL", url)).await;
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), self.world.namespace())
    }

    /// The object, as soon as it is there and as wanted.
    pub(crate) async fn eventually<K>(&self, name: &str, is_wanted: impl Fn(&K) -> bool) -> K
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        let api = self.api::<K>();
        let what = format!("{name} as wanted");
        eventually(&what, || async {
            api.get_opt(name)
                .await
                .unwrap()
                .filter(|object| is_wanted(object))
        })
        .await
    }

    /// The condition of an event source or sensor, as soon as it has this status.
    pub(crate) async fn condition<K: HasStatus>(
        &self,
        name: &str,
        condition: &str,
        status: &str,
    ) -> Condition {
        let what = format!("{name}: {condition}={status}");
        self.told::<K>(name, condition, &what, |found| {
            format!("{:?}", *found.status) == status
        })
        .await
    }

    /// The condition of an event source or sensor, as soon as it has this reason.
    pub(crate) async fn reason<K: HasStatus>(
        &self,
        name: &str,
        condition: &str,
        reason: &str,
    ) -> Condition {
        let what = format!("{name}: {condition} because of {reason}");
        self.told::<K>(name, condition, &what, |found| found.reason == reason)
            .await
    }

    async fn told<K: HasStatus>(
        &self,
        name: &str,
        condition: &str,
        what: &str,
        is_wanted: impl Fn(&Condition) -> bool,
    ) -> Condition {
        let api = self.api::<K>();
        eventually(what, || async {
            let object = api.get_opt(name).await.unwrap()?;
            let generation = object.meta().generation;
            let condition = object.status()?.condition(condition)?.clone();
            (is_wanted(&condition) && condition.observed_generation == generation)
                .then_some(condition)
        })
        .await
    }

    /// The spec that the pods of a ConfigMap get.
    pub(crate) async fn spec(&self, config_map: &str) -> Value {
        let found = self.eventually::<ConfigMap>(config_map, |_| true).await;
        serde_json::from_str(&found.data.unwrap()["object.json"]).unwrap()
    }

    pub(crate) async fn deployment(&self, name: &str) -> Deployment {
        self.eventually::<Deployment>(name, |_| true).await
    }

    pub(crate) async fn merge<K>(&self, name: &str, patch: Value)
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        let patch = Patch::Merge(&patch);
        self.api::<K>()
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Creates an object as a program does that does not apply.
    pub(crate) async fn create<K>(&self, object: Value)
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize,
        K::DynamicType: Default,
    {
        let object: K = serde_json::from_value(object).unwrap();
        let parameters = PostParams {
            field_manager: Some("argo-events".to_owned()),
            ..PostParams::default()
        };
        self.api::<K>().create(&parameters, &object).await.unwrap();
    }

    /// Plays the controller of Deployments: all pods are there and ready.
    pub(crate) async fn roll_out(&self, name: &str) {
        let deployment = self.deployment(name).await;
        let replicas = deployment.spec.unwrap().replicas;
        let status = json!({"status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas,
        }});
        self.api::<Deployment>()
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
    }

    /// Waits until the controller has written so often and has nothing to do, and returns its writes until
    /// then.
    pub(crate) async fn quiet_after(&self, writes: u64) -> u64 {
        eventually("the controller's writes", || async {
            let count = self.controller.count("tiphys_controller_writes_total", &[]);
            (count.await >= writes).then_some(())
        })
        .await;
        self.quiet().await
    }

    /// Waits until the controller has nothing to do, and returns its writes until then.
    pub(crate) async fn quiet(&self) -> u64 {
        quiet(&self.controller).await
    }
}

/// Waits until a controller has nothing to do, and returns its writes until then.
pub(crate) async fn quiet(controller: &Tiphys) -> u64 {
    let looks = || controller.count("tiphys_controller_reconciles_total", &[]);
    let last = std::cell::Cell::new((u64::MAX, 0));
    eventually("a quiet controller", || async {
        let now = looks().await;
        let (before, times) = last.get();
        last.set((now, if now == before { times + 1 } else { 0 }));
        // Longer than the second that a status waits for its turn.
        (times > 30).then_some(())
    })
    .await;
    controller
        .count("tiphys_controller_writes_total", &[])
        .await
}

/// A controller of the story's namespace.
pub(crate) fn desk(world: &World) -> Desk {
    Desk::new()
        .option("--kubeconfig", world.kubeconfig())
        .option("--managed-namespace", world.namespace())
        .option("--image", "tiphys:story")
        .flag("--namespaced")
}

/// Waits until the API server serves the kinds.
pub(crate) async fn established(client: &Client) {
    eventually("the kinds being served", || async {
        Api::<EventBus>::all(client.clone())
            .list(&ListParams::default())
            .await
            .ok()?;
        Api::<EventSource>::all(client.clone())
            .list(&ListParams::default())
            .await
            .ok()?;
        Api::<Sensor>::all(client.clone())
            .list(&ListParams::default())
            .await
            .ok()
    })
    .await;
}

pub(crate) trait HasStatus:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned
{
    fn status(&self) -> Option<&Status>;
}

impl HasStatus for EventSource {
    fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }
}

impl HasStatus for Sensor {
    fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }
}
