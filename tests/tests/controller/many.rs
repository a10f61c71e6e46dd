//! Many objects: memory, time, and quiet.

use std::fs;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tiphys_api::{EventBus, EventSource, Sensor};
use tiphys_testbed::{ControlPlane, ControlPlaneOptions};
use tiphys_tests::{Desk, Tiphys, client, eventually, programs};

use crate::stage::{CRDS, SENSOR, SOURCE, established, quiet};

/// Of each kind.
const OBJECTS: usize = 500;

/// The project's figure, which a build without optimizations keeps as well.
const ALL_WITHIN: Duration = Duration::from_mins(1);

/// The project's figure, without the pages of the program's file: those of a build without
/// optimizations are several times those of a release.
const LARGEST_KILOBYTES: u64 = 50 * 1024;

/// How long nothing may happen.
const IDLE: Duration = Duration::from_secs(10);

/// What an idle controller may compute in that time: one percent of a core.
const IDLE_TICKS: u64 = 10;

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

/// Resident memory in kilobytes: its own, and the pages of files.
fn memory(controller: &Tiphys) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", controller.id())).unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (of("RssAnon:"), of("RssFile:"))
}

/// Hundredths of a second of computing.
fn ticks(controller: &Tiphys) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", controller.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
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
async fn a_thousand_objects_are_reconciled_and_then_there_is_quiet() {
    let start = || ControlPlane::start(programs(), ControlPlaneOptions::default()).unwrap();
    let control_plane = tokio::task::spawn_blocking(start).await.unwrap();
    let kubeconfig = control_plane.kubeconfig().unwrap();
    let client = client(&kubeconfig).await;
    fill(&client).await;

    let desk = Desk::new()
        .option("--kubeconfig", &kubeconfig)
        .option("--managed-namespace", "default");
    for round in ["nothing is there", "everything is there"] {
        let began = Instant::now();
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
        let took = began.elapsed();
        quiet(&controller).await;
        let (requests_before, ticks_before) = (requests(&control_plane), ticks(&controller));
        tokio::time::sleep(IDLE).await;
        let idle_ticks = ticks(&controller) - ticks_before;
        let idle_requests = requests(&control_plane) - requests_before;
        let (own, files) = memory(&controller);
        println!(
            "{round}: {took:?}, {own} KiB of its own, {files} KiB of files, \
             {idle_ticks} hundredths of a second in {IDLE:?}, {idle_requests} requests"
        );
        assert!(took < ALL_WITHIN, "{took:?}");
        assert!(own < LARGEST_KILOBYTES, "{own} KiB");
        assert!(idle_requests < 0.5, "{idle_requests} requests");
        assert!(
            idle_ticks <= IDLE_TICKS,
            "{idle_ticks} hundredths of a second"
        );
        let (status, _) = controller.stop().await;
        assert!(status.success());
    }
}
