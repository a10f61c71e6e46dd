//! The story of the users, from the first apply to the last delete.

use std::path::{Path, PathBuf};

use tiphys_testbed::Progress;
use tiphys_tests::{Cluster, Story, eventually};

use crate::harbour::{
    BUS_OBJECT, PORT, SENSOR_OBJECT, SENSOR_PODS, SOURCE_OBJECT, all, are_ready, bus_of_three,
    event_source, own, rbac, sensor,
};

const SERVICE: &str = include_str!("../../../examples/auto-ingress/service.yaml");

/// Names the folder of the users' own manifests.
const MISSION_VARIABLE: &str = "TIPHYS_MISSION";

/// Where the users' own manifests are, if they are on this machine.
fn mission() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mission/auto-ingress");
    let folder = std::env::var_os(MISSION_VARIABLE).map_or_else(beside, PathBuf::from);
    if folder.join("pipeline.yaml").is_file() {
        return Some(folder);
    }
    let here = folder.display();
    // Past the capture of the test runner: nobody should take this for a test that has run.
    let line = format!("NOT RUN: no manifests in {here}; {MISSION_VARIABLE} names their folder");
    Progress::Shown.say(&line);
    None
}

/// A service comes, changes and goes, and its ingress with it.
async fn play(story: &Story, service: &str, name: &str, ports: [u16; 2]) {
    let ingress = format!("ingress/{name}-ing");
    let [first, second] = ports;
    story.apply(service).await;
    story.wait("create", &[&ingress]).await;
    story
        .wait(&format!("jsonpath={{{PORT}}}={first}"), &[&ingress])
        .await;
    let object = story.get("ingress", &format!("{name}-ing")).await.unwrap();
    let rule = &object["spec"]["rules"][0];
    let backend = &rule["http"]["paths"][0]["backend"]["service"];
    assert_eq!(backend["name"], name);
    assert_eq!(backend["port"]["number"], first);
    let patch =
        format!(r#"[{{"op": "replace", "path": "/spec/ports/0/port", "value": {second}}}]"#);
    story
        .kubectl(["patch", "service", name, "--type=json", "-p", &patch])
        .await;
    story
        .wait(&format!("jsonpath={{{PORT}}}={second}"), &[&ingress])
        .await;
    story.kubectl(["delete", "service", name]).await;
    story.wait("delete", &[&ingress]).await;
}

/// The log trigger's line is the only one of its kind.
async fn is_logged(story: &Story, name: &str) {
    let log = eventually("the log trigger's line", || async {
        let log = story.logs(SENSOR_PODS).await;
        log.contains("\"triggerType\":\"Log\"").then_some(log)
    })
    .await;
    assert!(log.contains(name), "{log}");
}

#[tokio::test]
async fn a_service_gets_its_ingress_by_kubectl_alone() {
    let story = Cluster::open().story().await;
    let manifests = [
        rbac(&story),
        bus_of_three(&story),
        event_source(&story),
        sensor(&story),
    ];
    story.apply(&all(&manifests)).await;
    are_ready(&story).await;
    let service = own(&story, SERVICE);
    play(&story, &service, "harbour-svc", [8080, 8081]).await;
    is_logged(&story, "harbour-svc").await;

    let table = story
        .kubectl(["get", BUS_OBJECT, SOURCE_OBJECT, SENSOR_OBJECT])
        .await;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split_whitespace().take(3).collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["NAME", "READY", "REASON"],
            ["eventbus.argoproj.io/jetstream-eb", "True", "Serving"],
            ["NAME", "READY", "REASON"],
            ["eventsource.argoproj.io/ingress-es", "True", "Running"],
            ["NAME", "READY", "REASON"],
            ["sensor.argoproj.io/ingress-sn", "True", "Running"],
        ],
        "{table}"
    );
    for object in [SOURCE_OBJECT, SENSOR_OBJECT] {
        story
            .wait("jsonpath={.status.lastEventTime}", &[object])
            .await;
    }
}

#[tokio::test]
async fn the_users_manifests_run_unchanged() {
    let Some(folder) = mission() else { return };
    let story = Cluster::open().story().await;
    let read = |name: &str| own(&story, &std::fs::read_to_string(folder.join(name)).unwrap());
    let manifests = [
        read("rbac.yaml"),
        bus_of_three(&story),
        read("pipeline.yaml"),
    ];
    story.apply(&all(&manifests)).await;
    are_ready(&story).await;
    let fortune = read("fortune.yaml");
    let (_, service) = fortune.rsplit_once("---\n").unwrap();
    play(&story, service, "fortune-svc", [3000, 3001]).await;
    is_logged(&story, "fortune-svc").await;
    // These are of the whole cluster, so they do not go with the namespace.
    let of_cluster = [
        format!("clusterrole/{}-cr", story.namespace()),
        format!("clusterrolebinding/{}-crb", story.namespace()),
    ];
    let delete = ["delete".to_owned()].into_iter().chain(of_cluster);
    story.kubectl(delete).await;
}
