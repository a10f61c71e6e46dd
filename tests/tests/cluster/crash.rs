//! The controller dies in the middle of its work.

use tiphys_tests::{Cluster, Story};

use crate::harbour::{all, are_served, bus_of_one, event_source, rbac, sensor, services};

/// How many pipelines are applied at once.
const PIPELINES: usize = 3;

/// The pipeline's event source and sensor under names of their own. Only the last one has services.
fn numbered(story: &Story, n: usize) -> [String; 2] {
    [event_source(story), sensor(story)].map(|manifest| {
        let own = manifest
            .replace("ingress-es", &format!("es-{n}"))
            .replace("ingress-sn", &format!("sn-{n}"));
        let host = "autodeploy-ingress-host";
        if n == 0 {
            own
        } else {
            own.replace(host, &format!("{host}-{n}"))
        }
    })
}

fn objects() -> Vec<String> {
    let pairs =
        (0..PIPELINES).flat_map(|n| [format!("eventsource/es-{n}"), format!("sensor/sn-{n}")]);
    let mut objects: Vec<String> = pairs.collect();
    objects.push("eventbus/jetstream-eb".to_owned());
    objects
}

#[tokio::test]
async fn a_controller_that_is_killed_goes_on_where_it_was() {
    let story = Cluster::open().story_alone().await;
    let mut manifests = vec![rbac(&story), bus_of_one(&story)];
    manifests.extend((0..PIPELINES).flat_map(|n| numbered(&story, n)));
    let manifests = all(&manifests);
    let kill = "delete pod -l app=controller-manager --grace-period=0 --force --wait=false";
    let killed = async {
        // In the middle: the first objects are there.
        story.wait("create", &["eventsource/es-0"]).await;
        story.cluster().installation(kill.split(' ')).await;
    };
    tokio::join!(story.apply(&manifests), killed);
    story.wait("condition=Ready", &objects()).await;

    let mut deployments = story.list("deployments", "", ".metadata.name").await;
    deployments.sort();
    let expected = [
        "es-0-eventsource",
        "es-1-eventsource",
        "es-2-eventsource",
        "sn-0-sensor",
        "sn-1-sensor",
        "sn-2-sensor",
    ];
    assert_eq!(deployments, expected);
    for selector in [
        "controller=eventsource-controller",
        "controller=sensor-controller",
    ] {
        let pods = story.list("pods", selector, ".metadata.name").await;
        assert_eq!(pods.len(), PIPELINES, "{pods:?}");
    }
    let servers = story.list("statefulsets", "", ".metadata.name").await;
    assert_eq!(servers, ["eventbus-jetstream-eb-js"]);
    story.apply(&services(&["after"], 80)).await;
    are_served(&story, &["after"]).await;
}
