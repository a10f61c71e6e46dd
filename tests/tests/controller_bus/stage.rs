//! A controller in a namespace of its own.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Resource};
use prometheus_client::registry::Registry;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tiphys_api::{Condition, ConditionStatus, EventBus};
use tiphys_controller::event_bus::versions;
use tiphys_controller::settings::Worker;
use tiphys_controller::{Metrics, Options, Settings};
use tiphys_tests::{World, eventually};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The bus of the stories.
pub(crate) const BUS: &str = "eb";

/// A controller, and a namespace that it looks after.
pub(crate) struct Stage {
    pub(crate) world: World,
    controller: JoinSet<()>,
}

impl Stage {
    /// A namespace without a controller.
    pub(crate) async fn idle() -> Self {
        let world = World::start().await;
        install_crds(&world).await;
        Self {
            world,
            controller: JoinSet::new(),
        }
    }

    pub(crate) async fn start() -> Self {
        let mut stage = Self::idle().await;
        stage.start_controller().await;
        stage
    }

    /// Starts a controller; one that runs is killed.
    pub(crate) async fn start_controller(&mut self) {
        self.controller.shutdown().await;
        let settings = Settings {
            worker: Worker {
                image: "tiphys:0".to_owned(),
                image_pull_policy: "IfNotPresent".to_owned(),
                ..Worker::default()
            },
            event_bus: versions::builtin(),
        };
        let options = Options {
            namespace: Some(self.world.namespace().to_owned()),
            instance: "controller-0".to_owned(),
        };
        let (is_ready, _) = watch::channel(false);
        let (sender, settings) = watch::channel(Arc::new(settings));
        let client = self.world.client().await;
        let metrics = Metrics::register(&mut Registry::default());
        self.controller.spawn(async move {
            let shutdown = CancellationToken::new();
            tiphys_controller::run(client, options, settings, metrics, is_ready, shutdown).await;
            drop(sender);
        });
    }

    /// Applies a bus with this spec, in the flow style of YAML.
    pub(crate) async fn bus(&self, spec: &str) {
        let manifest = format!(
            "{{apiVersion: argoproj.io/v1alpha1, kind: EventBus, metadata: {{name: {BUS}}}, \
             spec: {spec}}}"
        );
        self.world.apply(&manifest).await;
    }

    pub(crate) async fn get<K>(&self, name: &str) -> Option<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.world.api::<K>().await.get_opt(name).await.unwrap()
    }

    /// An object as JSON, as soon as it is there.
    pub(crate) async fn made<K>(&self, name: &str) -> Value
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let what = format!("the making of {name}");
        let object = eventually(&what, async || self.get::<K>(name).await).await;
        serde_json::to_value(object).unwrap()
    }

    pub(crate) async fn delete<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = self.world.api().await;
        let params = DeleteParams::background();
        api.delete(name, &params).await.unwrap();
    }

    /// Changes an object as `kubectl patch --type merge` does.
    pub(crate) async fn patch<K>(&self, name: &str, patch: Value)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = self.world.api().await;
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    /// Says of an object what its controller or a kubelet would say.
    pub(crate) async fn patch_status<K>(&self, name: &str, status: Value)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = self.world.api().await;
        let patch = json!({"status": status});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    /// Waits until a condition of the bus is of this status and reason, for the spec as it is.
    pub(crate) async fn condition(
        &self,
        r#type: &str,
        status: ConditionStatus,
        reason: &str,
    ) -> Condition {
        let what = format!("{type} being {status:?} because of {reason:?}");
        eventually(&what, async || {
            let bus: EventBus = self.get(BUS).await?;
            let status_of_bus = bus.status?;
            let mut conditions = status_of_bus.conditions.iter();
            conditions
                .find(|condition| {
                    *condition.r#type == *r#type
                        && *condition.status == status
                        && *condition.reason == *reason
                        && condition.observed_generation == bus.metadata.generation
                })
                .cloned()
        })
        .await
    }

    /// What the bus' status says, without times.
    pub(crate) async fn status(&self) -> Value {
        let bus: EventBus = self.get(BUS).await.unwrap();
        let mut status = serde_json::to_value(bus.status).unwrap();
        let conditions = status["conditions"].as_array_mut().unwrap();
        for condition in conditions {
            condition
                .as_object_mut()
                .unwrap()
                .remove("lastTransitionTime");
        }
        status
    }
}

/// Installs the CRDs, once for all stories: they share a cluster.
async fn install_crds(world: &World) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let install = async || {
        for crd in tiphys_api::crd::crds() {
            world.apply(&serde_json::to_string(&crd).unwrap()).await;
            let name = crd.metadata.name.unwrap();
            let api: Api<CustomResourceDefinition> = Api::all(world.client().await);
            eventually(&format!("{name} being served"), async || {
                let status = api.get(&name).await.unwrap().status?;
                let mut conditions = status.conditions?.into_iter();
                conditions.find(|condition| {
                    condition.type_ == "Established" && condition.status == "True"
                })
            })
            .await;
        }
    };
    INSTALLED.get_or_init(install).await;
}

/// The message of a condition.
pub(crate) fn message(condition: &Condition) -> &str {
    condition.message.as_str()
}
