//! Many objects, and then nothing to do.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tiphys_api::{EventBus, EventSource, Sensor};
use tiphys_testbed::{ControlPlane, ControlPlaneOptions};
use tiphys_tests::{Desk, client, eventually, pause, programs};

use crate::stage::{CRDS, SENSOR, SOURCE, established};

/// Of each kind. How long more of them take, and in how much memory, `cargo xtask bench` says.
const OBJECTS: usize = 100;

/// How long nothing may be asked or sent: longer than any interval at which a controller could look again
/// of its own accord.
const IDLE: Duration = Duration::from_secs(10);

async fn fill(client: &Client) {
    let parameters = PatchParams::apply("story").force();
    let crds = Api::<kube::api::DynamicObject>::all_with(client.clone(), &crd_kind());
    for crd in CRDS {
        let crd: kube::api::DynamicObject = serde_saphyr::from_str(crd).unwrap();
        let name = crd.metadata.name.clone().unwrap();
        crds.patch(&name, &parameters, &Patch::Apply(&crd))
            .await
            .unwrap();
    }
    established(client).await;
    let buses = Api::<EventBus>::default_namespaced(client.clone());
    let bus: EventBus = serde_json::from_value(json!({
        "metadata": {"name": "default"}, "spec": {"jetstreamExotic": {"url": "nats://x:4222"}}}))
    .unwrap();
    buses.create(&PostParams::default(), &bus).await.unwrap();
    let config = json!({"status": {"config": {"jetstream": {"url": "nats://x:4222"}}}});
    let config = Patch::Merge(&config);
    buses
        .patch_status("default", &PatchParams::default(), &config)
        .await
        .unwrap();
    let source: EventSource = serde_saphyr::from_str(SOURCE).unwrap();
    let sensor: Sensor = serde_saphyr::from_str(SENSOR).unwrap();
    let sources = Api::<EventSource>::default_namespaced(client.clone());
    let sensors = Api::<Sensor>::default_namespaced(client.clone());
    let creations = stream::iter(0..OBJECTS).map(|number| {
        let (mut source, mut sensor) = (source.clone(), sensor.clone());
        source.metadata.name = Some(format!("watcher-{number}"));
        sensor.metadata.name = Some(format!("printer-{number}"));
        let (sources, sensors) = (sources.clone(), sensors.clone());
        async move {
            sources
                .create(&PostParams::default(), &source)
                .await
                .unwrap();
            sensors
                .create(&PostParams::default(), &sensor)
                .await
                .unwrap();
        }
    });
    creations.buffer_unordered(8).collect::<Vec<()>>().await;
}

fn crd_kind() -> kube::api::ApiResource {
    kube::api::ApiResource::from_gvk_with_plural(
        &kube::core::GroupVersionKind::gvk(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
        ),
        "customresourcedefinitions",
    )
}

async fn deployed(client: &Client) -> usize {
    let is_deployed = |status: &Option<tiphys_api::Status>| {
        let deployed = status
            .as_ref()
            .and_then(|status| status.condition("Deployed"));
        deployed.is_some_and(|deployed| *deployed.status == tiphys_api::ConditionStatus::True)
    };
    let sources = Api::<EventSource>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    let sensors = Api::<Sensor>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    sources
        .items
        .iter()
        .filter(|source| is_deployed(&source.status))
        .count()
        + sensors
            .items
            .iter()
            .filter(|sensor| is_deployed(&sensor.status))
            .count()
}

/// Requests about what the controller looks after that the API server has answered; open watches are
/// counted when they end.
fn requests(control_plane: &ControlPlane) -> f64 {
    const RESOURCES: [&str; 8] = [
        "configmaps",
        "deployments",
        "eventbus",
        "events",
        "eventsources",
        "poddisruptionbudgets",
        "sensors",
        "services",
    ];
    let metrics = control_plane.request("GET", "/metrics", "").unwrap().body;
    let lines = metrics.lines().filter(|line| {
        line.starts_with("apiserver_request_total{")
            && !line.contains("verb=\"WATCH\"")
            && RESOURCES
                .iter()
                .any(|name| line.contains(&format!("resource=\"{name}\"")))
    });
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[tokio::test]
async fn many_objects_are_reconciled_and_then_there_is_quiet() {
    let start = || ControlPlane::start(programs(), ControlPlaneOptions::default()).unwrap();
    let control_plane = tokio::task::spawn_blocking(start).await.unwrap();
    let kubeconfig = control_plane.kubeconfig().unwrap();
    let client = client(&kubeconfig).await;
    fill(&client).await;

    let desk = Desk::new()
        .option("--kubeconfig", &kubeconfig)
        .option("--managed-namespace", "default");
    // Nothing is there, and then everything.
    for _ in 0..2 {
        let mut controller = desk.start_controller();
        controller.logged("Reconciling").await;
        eventually("all objects being deployed", || async {
            let reconciled = controller
                .count("tiphys_controller_reconciles_total", &[])
                .await;
            (reconciled >= 2 * OBJECTS as u64 && deployed(&client).await == 2 * OBJECTS)
                .then_some(())
        })
        .await;
        eventually("a time without a request", || async {
            let before = requests(&control_plane);
            pause(IDLE).await;
            (requests(&control_plane) - before < 0.5).then_some(())
        })
        .await;
        let status = controller.stop().await;
        assert!(status.success());
    }
}
