//! A cluster looked at from a desk: with a kubeconfig, and nothing else.

use std::ffi::OsString;

use tiphys_tests::{Cluster, Story, eventually, tiphys};

use crate::harbour::{all, are_ready, bus_of_one, event_source, own, rbac, serve};

/// It needs what no Service has.
const SENSOR: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: surveyor, namespace: playground}
spec:
  eventBusName: jetstream-eb
  dependencies:
  - {name: d, eventSourceName: ingress-es, eventName: ingress}
  triggers:
  - template:
      name: survey
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: survey-}}
        parameters:
        - {src: {dependencyName: d, dataKey: body.spec.depth}, dest: data.depth}
";

/// What `tiphys dlq …` says of the bus of the story.
fn dlq(story: &Story, arguments: &[&str]) -> String {
    let kubeconfig =
        std::env::var_os("KUBECONFIG").map(|file| [OsString::from("--kubeconfig"), file]);
    let context = story
        .cluster()
        .context()
        .map(|name| [OsString::from("--context"), name.to_owned()]);
    let all = ["dlq"].iter().chain(arguments).map(OsString::from);
    let bus = ["--bus", "jetstream-eb", "-n", story.namespace()].map(OsString::from);
    let output = tiphys(
        all.chain(bus)
            .chain(kubeconfig.into_iter().flatten())
            .chain(context.into_iter().flatten()),
    );
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn the_dead_letters_of_a_cluster_are_read_through_its_api_server() {
    let story = Cluster::open().story().await;
    let missing = dlq(&story, &["ls"]);
    assert!(missing.contains("it is not there"), "{missing}");

    let objects = [
        rbac(&story),
        bus_of_one(&story),
        event_source(&story),
        crate::harbour::sensor(&story),
        own(&story, SENSOR),
    ];
    story.apply(&all(&objects)).await;
    are_ready(&story).await;
    story.wait("condition=Ready", &["sensor/surveyor"]).await;
    serve(&story, &["shoal"]).await;

    let listed = eventually("the dead letter", || async {
        let listed = dlq(&story, &["ls"]);
        listed.starts_with("1 × ").then_some(listed)
    });
    let listed = listed.await;
    let place = format!("sensor {}/surveyor, trigger survey", story.namespace());
    assert!(listed.contains(&place), "{listed}");
    let dropped = dlq(&story, &["drop", "--all"]);
    assert!(dropped.ends_with("1 dropped\n"), "{dropped}");
    assert_eq!(dlq(&story, &["ls"]), "no dead letters\n");
}
