//! What is missing at the start is named, with what to do, and waited for.

use tiphys_tests::{Desk, World};

use crate::harbour::{self, Harbour, expected};

fn role(name: &str, namespace: &str, rules: &str) -> String {
    format!(
        r"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {name}}}
rules: [{rules}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}
subjects: [{{kind: ServiceAccount, name: newcomer, namespace: {namespace}}}]
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_server_that_comes_late_is_waited_for() {
    let mut world = World::start().await;
    let harbour = Harbour::of(&world).await;
    world.nats_mut().kill(0).unwrap();
    let mut tiphys = harbour::desk(&world).start();
    let told = tiphys
        .logged("Waiting for the event bus: is the server up?")
        .await;
    assert_eq!(told["level"], "warn");
    assert_eq!(told["url"], world.nats().url());
    assert!(tiphys.is_running());
    tokio::task::block_in_place(|| world.nats_mut().restart(0)).unwrap();
    tiphys.watching().await;
    harbour.serve("web", 80).await;
    harbour.route_of("web-ing", &expected("web", 80).1).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_stop_while_it_waits_for_the_bus_is_a_stop() {
    let mut world = World::start().await;
    world.nats_mut().kill(0).unwrap();
    let mut tiphys = harbour::desk(&world).start();
    tiphys
        .logged("Waiting for the event bus: is the server up?")
        .await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn missing_permissions_are_told_as_commands_and_taken_when_they_are_given() {
    let world = World::start().await;
    let (harbour, namespace) = (Harbour::of(&world).await, world.namespace());
    let account = world
        .control_plane()
        .kubeconfig_as(namespace, "newcomer")
        .unwrap();
    let desk = Desk::new()
        .option("--kubeconfig", account)
        .option("--nats", world.nats().url());
    let mut tiphys = harbour::on(desk, namespace).start();

    let told = tiphys
        .logged("Could not list and watch objects, trying again")
        .await;
    assert_eq!(told["reason"], "Forbidden");
    let who = format!("-n {namespace} --as=system:serviceaccount:{namespace}:newcomer");
    assert_eq!(
        told["hint"],
        format!(
            "grant list and watch; check with `kubectl auth can-i list services {who}` and \
             `kubectl auth can-i watch services {who}`"
        )
    );
    let watch = r#"{apiGroups: [""], resources: [services], verbs: [list, watch]}"#;
    world.apply(&role("watch", namespace, watch)).await;
    tiphys.watching().await;

    harbour.serve("web", 80).await;
    let told = tiphys.logged("Failed to execute a trigger").await;
    assert_eq!(told["level"], "warn");
    assert_eq!(told["triggerName"], "ingress");
    let error = told["error"].as_str().unwrap();
    assert!(
        error.starts_with(&format!("create ingresses {namespace}/web-ing: ")),
        "{error}"
    );
    assert!(error.contains("is forbidden"), "{error}");
    assert_eq!(
        told["hint"],
        format!(
            "give the permission; `kubectl auth can-i create ingresses.networking.k8s.io -n {namespace}` \
             checks it"
        )
    );
    let create = "{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [\"*\"]}";
    world.apply(&role("create", namespace, create)).await;
    harbour.route_of("web-ing", &expected("web", 80).1).await;
    let dead_lettered = ["outcome=\"dead_lettered\""];
    assert_eq!(
        tiphys.count("tiphys_sensor_events", &dead_lettered).await,
        0
    );
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_custom_resource_that_comes_late_is_watched_then() {
    let world = World::start().await;
    let source = r"
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: berths, namespace: NAMESPACE}
spec:
  resource:
    berth: {namespace: NAMESPACE, group: late.example.org, version: v1, resource: berths, eventTypes: [ADD]}
";
    let desk = world
        .desk()
        .file("es.yaml", &source.replace("NAMESPACE", world.namespace()));
    let mut tiphys = desk.start();
    let told = tiphys
        .logged("Could not list and watch objects, trying again")
        .await;
    assert_eq!(told["reason"], "NotFound");
    let hint = told["hint"].as_str().unwrap();
    assert!(
        hint.contains("a CustomResourceDefinition may be missing"),
        "{hint}"
    );
    world
        .apply(
            r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: berths.late.example.org}
spec:
  group: late.example.org
  names: {kind: Berth, plural: berths}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
",
        )
        .await;
    tiphys.watching().await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn without_a_kubeconfig_it_says_so_and_runs_what_needs_none() {
    let world = World::start().await;
    let mut tiphys = harbour::on(Desk::new(), world.namespace()).start();
    let told = tiphys
        .logged("There is no cluster to act on: pass --kubeconfig")
        .await;
    let error = told["error"].as_str().unwrap();
    assert!(
        error.starts_with("find a kubeconfig, as there is no service account of a pod: "),
        "{error}"
    );
    assert_eq!(error.matches(".kube/config").count(), 1, "{error}");
    let told = tiphys.logged("An event stopped and is started again").await;
    assert_eq!(
        (&told["eventSourceName"], &told["error"]),
        (&"ingress-es".into(), &"there is no cluster".into())
    );
    let running = tiphys.logged("Running").await;
    assert_eq!(
        (&running["eventSources"], &running["sensors"]),
        (&1.into(), &1.into())
    );
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}
