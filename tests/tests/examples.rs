//! The folders under `examples/` do what their README says: checked offline, and run as a user runs
//! them, with the rights of their own service accounts.

#![cfg(test)]

#[path = "examples/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use program::{Tiphys, tiphys};
use serde_json::{Value, json};
use tiphys_tests::{World, eventually};

const MORNING: &str = "2026-03-02T09:00:00Z";
const NIGHT: &str = "2026-03-02T23:00:00Z";

/// The folder of an example, the object that something happens to, what, when, and the file that
/// says what comes of it.
const SIMULATIONS: [(&str, &str, &str, &str, &str); 14] = [
    ("auto-ingress", "service", "ADD", MORNING, "create"),
    ("auto-ingress", "service", "UPDATE", MORNING, "update"),
    ("auto-ingress", "service", "DELETE", MORNING, "delete"),
    ("ingress-port-fallback", "service", "ADD", MORNING, "create"),
    (
        "ingress-port-fallback",
        "service-unnamed",
        "ADD",
        MORNING,
        "create-unnamed",
    ),
    (
        "ingress-port-fallback",
        "service",
        "DELETE",
        MORNING,
        "delete",
    ),
    ("ingress-multi-port", "service", "ADD", MORNING, "create"),
    (
        "ingress-multi-port",
        "service-lua",
        "ADD",
        MORNING,
        "create-lua",
    ),
    (
        "ingress-multi-port",
        "service-one-host",
        "ADD",
        MORNING,
        "create-one-host",
    ),
    ("ingress-multi-port", "service", "DELETE", MORNING, "delete"),
    ("filters", "deployment", "ADD", MORNING, "note"),
    ("filters", "deployment", "ADD", NIGHT, "nothing"),
    ("filters", "deployment-latest", "ADD", MORNING, "nothing"),
    ("filters", "deployment", "UPDATE", MORNING, "note"),
];

/// The folder of an example, the kind that is called, the body that is sent, if any, and the file that
/// says what comes of it.
const CALLS: [(&str, &str, Option<&str>, &str); 14] = [
    ("github-workflow", "github", Some("push"), "build"),
    ("github-workflow", "github", Some("push-tag"), "nothing"),
    ("alertmanager-restart", "webhook", Some("firing"), "restart"),
    (
        "alertmanager-restart",
        "webhook",
        Some("resolved"),
        "nothing",
    ),
    ("sqs-workflow", "sqs", Some("order"), "order"),
    ("sqs-workflow", "sqs", Some("order-empty"), "nothing"),
    ("pubsub-job", "pubsub", Some("upload"), "import"),
    ("pubsub-job", "pubsub", Some("upload-folder"), "nothing"),
    ("webhook-workflow", "webhook", Some("order"), "order"),
    (
        "webhook-workflow",
        "webhook",
        Some("order-empty"),
        "nothing",
    ),
    ("calendar-job", "calendar", None, "backup"),
    ("kafka-ingress", "kafka", Some("deployed"), "create"),
    ("kafka-ingress", "kafka", Some("removed"), "delete"),
    ("kafka-ingress", "kafka", Some("tested"), "nothing"),
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn read(file: &str) -> String {
    fs::read_to_string(examples().join(file)).unwrap()
}

/// The only document of a file.
fn document(file: &str) -> Value {
    let json = tiphys_lang::yaml::to_json(read(file).as_bytes()).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// An example on the API server, run with the rights of its service account.
struct Stage {
    world: World,
    folder: &'static str,
    namespace: &'static str,
    _tiphys: Tiphys,
}

impl Stage {
    async fn start(folder: &'static str, account: &str) -> Self {
        Self::start_at(folder, &examples().join(folder), account).await
    }

    /// Runs the manifests at `path`, which are those of `folder` with changes.
    async fn start_at(folder: &'static str, path: &Path, account: &str) -> Self {
        // Each example has a namespace of its own, under its name, or the story's.
        let namespace = if folder == "auto-ingress" {
            "playground"
        } else {
            folder
        };
        let world = World::start().await;
        world.apply(&read(&format!("{folder}/rbac.yaml"))).await;
        let kubeconfig = world
            .control_plane()
            .kubeconfig_as(namespace, account)
            .unwrap();
        let tiphys = Tiphys::start(path, &kubeconfig).await;
        Self {
            world,
            folder,
            namespace,
            _tiphys: tiphys,
        }
    }

    async fn apply(&self, file: &str) {
        self.world
            .apply(&read(&format!("{}/{file}", self.folder)))
            .await;
    }

    async fn change(&self, service: &str, change: Value) {
        let services: Api<Service> = Api::namespaced(self.world.client().await, self.namespace);
        let patch = Patch::Merge(change);
        services
            .patch(service, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    async fn delete(&self, service: &str) {
        let services: Api<Service> = Api::namespaced(self.world.client().await, self.namespace);
        services
            .delete(service, &DeleteParams::default())
            .await
            .unwrap();
    }

    async fn ingress(&self, name: &str) -> Option<Value> {
        let ingresses: Api<Ingress> = Api::namespaced(self.world.client().await, self.namespace);
        let found = ingresses.get_opt(name).await.unwrap()?;
        Some(serde_json::to_value(found.spec).unwrap())
    }

    /// Waits until an ingress has the spec of an expectation.
    async fn until_expected(&self, file: &str) {
        let expected = document(&format!("{}/expected/{file}.yaml", self.folder));
        self.until(
            expected["metadata"]["name"].as_str().unwrap(),
            &expected["spec"],
        )
        .await;
    }

    async fn until(&self, name: &str, spec: &Value) {
        let what = format!("ingress {name} becoming {spec}");
        eventually(&what, || async {
            (self.ingress(name).await? == *spec).then_some(())
        })
        .await;
    }

    async fn until_gone(&self, name: &str) {
        let what = format!("ingress {name} going");
        eventually(&what, || async {
            self.ingress(name).await.is_none().then_some(())
        })
        .await;
    }
}

#[test]
fn no_example_has_a_fault() {
    let output = tiphys(&["lint", "--strict", examples().to_str().unwrap()]);
    let faults = String::from_utf8(output.stdout).unwrap();
    assert_eq!((faults.as_str(), output.status.success()), ("", true));
}

#[test]
fn each_example_does_offline_what_is_expected() {
    for simulation in SIMULATIONS {
        simulate(&examples().join(simulation.0), simulation);
    }
    for (folder, kind, body, expected) in CALLS {
        let path = examples().join(folder);
        match body {
            Some(body) => {
                let body = format!("{folder}/calls/{body}.json");
                compare(
                    &path,
                    &["--as", kind, "--body"],
                    Some(&body),
                    folder,
                    expected,
                );
            }
            None => compare(&path, &["--as", kind], None, folder, expected),
        }
    }
}

#[test]
fn no_example_acts_on_the_objects_of_another() {
    for simulation in SIMULATIONS {
        simulate(&examples(), simulation);
    }
}

/// Runs the manifests at `path` on what happens, and compares.
#[track_caller]
fn simulate(path: &Path, simulation: (&str, &str, &str, &str, &str)) {
    let (folder, object, event_type, time, expected) = simulation;
    let object = format!("{folder}/{object}.yaml");
    let input = ["--as", event_type, "--time", time, "--object"];
    compare(path, &input, Some(&object), folder, expected);
}

/// Runs the manifests at `path` on a file of the examples, and compares.
#[track_caller]
fn compare(path: &Path, input: &[&str], file: Option<&str>, folder: &str, expected: &str) {
    let file = file.map(|file| examples().join(file));
    let file = file.iter().map(|file| file.to_str().unwrap());
    let expected = examples().join(format!("{folder}/expected/{expected}.yaml"));
    let files = [
        "-f",
        path.to_str().unwrap(),
        "--expect",
        expected.to_str().unwrap(),
    ];
    let input: Vec<&str> = input.iter().copied().chain(file).collect();
    let output = tiphys(&[&["simulate"], &files[..], &input].concat());
    let [differences, error] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{input:?}:\n{differences}{error}");
}

#[test]
fn every_expectation_is_asked_for() {
    let asked: BTreeSet<PathBuf> = SIMULATIONS
        .iter()
        .map(|(folder, .., file)| (folder, file))
        .chain(CALLS.iter().map(|(folder, .., file)| (folder, file)))
        .map(|(folder, file)| {
            examples()
                .join(folder)
                .join(format!("expected/{file}.yaml"))
        })
        .collect();
    let folders = fs::read_dir(examples()).unwrap();
    let files = folders.flat_map(|folder| {
        fs::read_dir(folder.unwrap().path().join("expected"))
            .unwrap()
            .map(|file| file.unwrap().path())
    });
    assert_eq!(files.collect::<BTreeSet<_>>(), asked);
}

#[tokio::test]
async fn an_annotated_service_has_an_ingress_as_long_as_it_lives() {
    let stage = Stage::start("auto-ingress", "playground-sa").await;
    stage.apply("service.yaml").await;
    stage.until_expected("create").await;

    stage
        .change(
            "harbour-svc",
            json!({"spec": {"ports": [{"name": "http", "port": 9090}]}}),
        )
        .await;
    let mut spec = document("auto-ingress/expected/update.yaml")["spec"].take();
    let backend = &mut spec["rules"][0]["http"]["paths"][0]["backend"];
    backend["service"]["port"] = json!({"number": 9090});
    stage.until("harbour-svc-ing", &spec).await;

    stage.delete("harbour-svc").await;
    stage.until_gone("harbour-svc-ing").await;
}

#[tokio::test]
async fn an_ingress_leads_to_the_name_of_a_port_or_else_to_its_number() {
    let stage = Stage::start("ingress-port-fallback", "ingress-sa").await;
    stage.apply("service.yaml").await;
    stage.apply("service-unnamed.yaml").await;
    stage.until_expected("create").await;
    stage.until_expected("create-unnamed").await;

    // The named port loses its name, the other gets one.
    stage
        .change("harbour-svc", json!({"spec": {"ports": [{"port": 8081}]}}))
        .await;
    stage
        .change(
            "quay-svc",
            json!({"spec": {"ports": [{"port": 3000, "name": "web"}]}}),
        )
        .await;
    for (file, ingress, port) in [
        ("create", "harbour-svc-ing", json!({"number": 8081})),
        ("create-unnamed", "quay-svc-ing", json!({"name": "web"})),
    ] {
        let mut spec =
            document(&format!("ingress-port-fallback/expected/{file}.yaml"))["spec"].take();
        spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] = port;
        stage.until(ingress, &spec).await;
    }

    stage.delete("harbour-svc").await;
    stage.until_gone("harbour-svc-ing").await;
    // A service that loses the label loses its ingress.
    stage
        .change(
            "quay-svc",
            json!({"metadata": {"labels": {"autodeploy-ingress": null}}}),
        )
        .await;
    stage.until_gone("quay-svc-ing").await;
}

#[tokio::test]
async fn an_ingress_leads_to_every_port_of_a_service() {
    let stage = Stage::start("ingress-multi-port", "ingress-sa").await;
    for file in ["service.yaml", "service-lua.yaml", "service-one-host.yaml"] {
        stage.apply(file).await;
    }
    for file in ["create", "create-lua", "create-one-host"] {
        stage.until_expected(file).await;
    }

    // The last port goes, then all but one host, then the last host.
    for (service, file) in [("harbour-svc", "create"), ("pier-svc", "create-lua")] {
        let ingress = format!("{service}-ing");
        let two = json!([{"name": "web", "port": 8080}, {"name": "api", "port": 9091}]);
        stage.change(service, json!({"spec": {"ports": two}})).await;
        let mut spec = document(&format!("ingress-multi-port/expected/{file}.yaml"))["spec"].take();
        let path = |path: &str, number: u16| {
            let backend = json!({"service": {"name": service, "port": {"number": number}}});
            json!({"path": path, "pathType": "Prefix", "backend": backend})
        };
        let [web, api] = [
            "web.harbour.127.0.0.1.nip.io",
            "api.harbour.127.0.0.1.nip.io",
        ];
        spec["rules"] = json!([
            {"host": web, "http": {"paths": [path("/", 8080)]}},
            {"host": api, "http": {"paths": [path("/", 9091)]}},
        ]);
        stage.until(&ingress, &spec).await;

        let hosts =
            |hosts: Value| json!({"metadata": {"annotations": {"autodeploy-ingress-host": hosts}}});
        stage.change(service, hosts(json!(web))).await;
        spec["rules"] =
            json!([{"host": web, "http": {"paths": [path("/web", 8080), path("/api", 9091)]}}]);
        stage.until(&ingress, &spec).await;

        stage.change(service, hosts(Value::Null)).await;
        stage.until_gone(&ingress).await;
    }

    stage.delete("quay-svc").await;
    stage.until_gone("quay-svc-ing").await;
}

#[tokio::test]
async fn only_what_passes_all_filters_is_noted() {
    let copy = tempfile::tempdir().unwrap();
    for name in ["eventbus.yaml", "release-es.yaml", "release-sn.yaml"] {
        // The filter by time would pass only in working hours.
        let text = read(&format!("filters/{name}")).replace("07:00:00", "00:00:00");
        let text = text.replace("19:00:00", "23:59:59.999999999");
        fs::write(copy.path().join(name), text).unwrap();
    }
    let stage = Stage::start_at("filters", copy.path(), "release-sa").await;
    stage.apply("deployment-latest.yaml").await;
    stage.apply("deployment.yaml").await;
    let notes: Api<ConfigMap> = Api::namespaced(stage.world.client().await, "filters");
    let note = eventually("the note", || async {
        notes.get_opt("release-harbour").await.unwrap()
    });
    let expected = document("filters/expected/note.yaml");
    assert_eq!(
        serde_json::to_value(note.await.data).unwrap(),
        expected["data"]
    );
    assert!(notes.get_opt("release-pier").await.unwrap().is_none());
}
