//! The image runs where a cluster's policies are strict, and has what the program needs.

use serde_json::{Value, json};
use tiphys_tests::{Cluster, Story, eventually};

use crate::harbour::{bus_of_three, serve, start};

/// A Sensor that names a time zone, and would be at fault if it were not known.
const ZONED: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: zoned}
spec:
  dependencies:
  - name: d
    eventSourceName: es
    eventName: e
    filters: {time: {start: '09:00:00', stop: '17:00:00', timezone: Asia/Tokyo}}
  triggers:
  - template:
      name: t
      log: {intervalSeconds: 1}
";

/// Runs the program with `arguments`, as the Pod Security Standard `restricted` wants pods to be, and
/// returns how it ended and what it printed. `files` lie in `/manifests`.
async fn run(story: &Story, arguments: &[&str], files: &Value) -> (String, String) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tiphys", "labels": {"app": "tiphys"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "main",
                "image": story.cluster().image(),
                "imagePullPolicy": "IfNotPresent",
                "args": arguments,
                "securityContext": {
                    "readOnlyRootFilesystem": true,
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "manifests", "mountPath": "/manifests"}],
            }],
            "volumes": [{"name": "manifests", "configMap": {"name": "manifests"}}],
        },
    });
    let files = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "manifests"}, "data": files,
    });
    story.apply(&files.to_string()).await;
    story.apply(&pod.to_string()).await;
    let phase = eventually("the end of the pod", || async {
        let pod = story.get("pod", "tiphys").await?;
        let phase = pod["status"]["phase"].as_str()?.to_owned();
        ["Succeeded", "Failed"].contains(&&*phase).then_some(phase)
    })
    .await;
    (phase, story.logs("app=tiphys").await)
}

#[tokio::test]
async fn a_pod_runs_as_nobody_on_a_read_only_root() {
    let story = Cluster::open().story().await;
    let (phase, output) = run(&story, &["crds"], &json!({})).await;
    assert_eq!(phase, "Succeeded", "{output}");
    assert!(output.contains("name: sensors.argoproj.io"), "{output}");
}

#[tokio::test]
async fn time_zones_are_known_without_files_of_the_system() {
    let story = Cluster::open().story().await;
    let files = json!({"sensor.yaml": ZONED});
    let (phase, output) = run(&story, &["lint", "/manifests"], &files).await;
    assert_eq!(phase, "Succeeded", "{output}");
}

#[tokio::test]
async fn all_pods_that_are_made_satisfy_the_strictest_policy() {
    let story = Cluster::open().story().await;
    let strict = "pod-security.kubernetes.io/enforce=restricted";
    let label = ["label", "namespace", story.namespace(), strict];
    story.cluster().kubectl(label).await;
    start(&story, bus_of_three(&story)).await;
    serve(&story, &["strict"]).await;
}
