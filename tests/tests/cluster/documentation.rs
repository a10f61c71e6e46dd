//! What the pages say works in a cluster as they say it: each command line that needs one is run, and
//! prints what its page shows. Those that need none are run by the story of the same name there.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tiphys_tests::page::{Needs, Page, Shell, Step};
use tiphys_tests::{Story, eventually, eventually_ok, pause};

use crate::harbour::{are_ready, bus_of_one, event_source, own, rbac, sensor, services};

/// Of the story, in the namespace that pages call `playground`.
const SERVICE: &str = include_str!("../../../examples/auto-ingress/service.yaml");

/// What pages speak of in the namespace that they call `harbour`: large ships get a note.
const BERTHS: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: default}
spec: {jetstream: {version: latest, replicas: 1, streamConfig: \"replicas: 1\"}}
---
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: berths}
spec:
  webhook:
    taken: {port: '12000', endpoint: /taken, method: POST}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: gate}
spec:
  template: {serviceAccountName: notes}
  dependencies:
  - name: ship
    eventSourceName: berths
    eventName: taken
    filters:
      data:
      - {path: body.size, type: number, comparator: '>', value: ['10']}
  triggers:
  - template:
      name: note
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: note-}}
        parameters:
        - {src: {dependencyName: ship, dataKey: body.ship}, dest: metadata.name, operation: append}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: notes}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: notes}
rules:
- {apiGroups: [''], resources: [configmaps], verbs: [create, get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: notes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: notes}
subjects:
- {kind: ServiceAccount, name: notes}
";

/// The Sensor that README has refused.
const FAULTY: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: faulty}
spec:
  eventBusName: jetstream-eb
  dependencies:
  - {name: a, eventSourceName: ingress-es, eventName: ingress, filter: {}, transform: {jq: '.a |'}}
  triggers:
  - template: {name: print, conditions: a && b, log: {}}
";

/// What stands for an event's id in pages, and for numbers of dead letters.
const ID: &str = "4f1c2d3e";
const NUMBERS: [&str; 2] = ["4711", "4712"];

/// Services of which no Ingress can be made: they have no ports.
const SHOALS: [&str; 5] = ["shoal-a", "shoal-b", "shoal-c", "shoal-d", "shoal-e"];

const PORTS: &str = r#","ports":[{"port":80}]"#;

struct Reader<'s> {
    story: &'s Story,
    shell: Shell,
}

#[tokio::test]
async fn what_the_pages_say_works_in_a_cluster() {
    let story = tiphys_tests::Cluster::open().story().await;
    let reader = Reader::of(&story).await;
    let mut count = 0;
    let mut wrong = Vec::new();
    for page in Page::all() {
        if page.name == "docs/answers.md" {
            reader.berths().await;
        }
        reader.shell.remove("manifests/harbour.tiphys-test.yaml");
        let steps = page.steps().into_iter();
        for step in steps.filter(|step| step.needs() == Needs::Cluster) {
            count += 1;
            let step = reader.here(&step).await;
            let fault = reader.fault(&step).await;
            let applied = step.command == "kubectl apply -f auto-ingress";
            if applied && fault.is_none() {
                are_ready(&story).await;
            }
            if let Some(fault) = fault {
                wrong.push(format!("{}: {}\n{fault}", page.name, step.command));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= 35, "{count} command lines were found");
}

impl<'s> Reader<'s> {
    async fn of(story: &'s Story) -> Self {
        let cluster = story.cluster();
        // As users have it: one cluster is the current one.
        let mut view = vec!["config", "view", "--raw", "--minify"];
        if let Some(context) = cluster.context().and_then(|name| name.to_str()) {
            view.extend(["--context", context]);
        }
        let kubeconfig = cluster.kubectl(view).await;
        let shell = Shell::new();
        shell.file("kubeconfig", &kubeconfig);
        let kubeconfig = shell.path("kubeconfig");
        let shell = shell.variable("KUBECONFIG", kubeconfig);
        let program = Path::new(cluster.program());
        if program.is_absolute() {
            shell.program("kubectl", program);
        }
        let files = [
            ("rbac", rbac(story)),
            ("eventbus", bus_of_one(story)),
            ("ingress-es", event_source(story)),
            ("ingress-sn", sensor(story)),
            ("service", own(story, SERVICE)),
        ];
        for (name, text) in &files {
            shell.file(&format!("auto-ingress/{name}.yaml"), text);
            shell.file(&format!("manifests/{name}.yaml"), text);
        }
        shell.file("console.yaml", &crate::console::manifests(story).await);
        let faulty = FAULTY.replace(
            "{name: faulty}",
            &format!("{{name: faulty, namespace: {}}}", story.namespace()),
        );
        shell.file("sensor.yaml", &faulty);
        shell.file("push.json", r#"{"body": {"ref": "refs/heads/main"}}"#);
        Self { story, shell }
    }

    /// Brings what pages speak of in `harbour`, and dead letters in `playground`.
    async fn berths(&self) {
        let story = self.story;
        story.apply(BERTHS).await;
        story.apply(&services(&SHOALS, 80).replace(PORTS, "")).await;
        let objects = ["eventbus/default", "eventsource/berths", "sensor/gate"];
        story.wait("condition=Ready", &objects).await;
        for size in [5, 15] {
            let namespace = story.namespace();
            let data = format!(r#"{{"body": {{"ship": "argo", "size": {size}}}}}"#);
            let send = format!(
                "tiphys send --event-source berths --event taken --data '{data}' -n {namespace}"
            );
            let (output, code) = self.shell.run(&send).await;
            assert_eq!(code, Some(0), "{output}");
        }
        eventually("the note of the large ship", || async {
            story.get("configmap", "note-argo").await
        })
        .await;
        eventually("the dead letters", || async {
            (self.dead_letters().await.len() == SHOALS.len()).then_some(())
        })
        .await;
    }

    /// What a step is in the namespace of the story.
    async fn here(&self, step: &Step) -> Step {
        let namespace = self.story.namespace();
        let own = |text: &str| {
            text.replace("-n playground", &format!("-n {namespace}"))
                .replace("-n harbour", &format!("-n {namespace}"))
                .replace("playground/", &format!("{namespace}/"))
                .replace("harbour/", &format!("{namespace}/"))
        };
        let mut command = own(step.command.split(" #").next().unwrap_or_default().trim());
        command = command.replace("examples/auto-ingress", "auto-ingress");
        command = command.replace(" -k deploy/playground-console", " -f console.yaml");
        // What counts for the whole cluster is tried, and not done: other stories live there.
        if command.contains(" -k ") || command.contains("kubectl delete") {
            command += " --dry-run=server";
        }
        command = command.replace(" -A ", &format!(" -n {namespace} "));
        if command.contains(ID) {
            command = command.replace(ID, &self.event(step).await);
        }
        if command.contains(NUMBERS[0]) {
            let numbers = eventually("dead letters", || async {
                let found = self.dead_letters().await;
                (found.len() >= NUMBERS.len()).then_some(found)
            });
            for (name, number) in NUMBERS.iter().zip(numbers.await) {
                command = command.replace(name, &number);
            }
        }
        Step {
            command,
            output: step.output.iter().map(|line| own(line)).collect(),
        }
    }

    /// Runs a step; what is not as its page says.
    async fn fault(&self, step: &Step) -> Option<String> {
        if step.follows() {
            let ended = tokio::select! {
                ended = self.shell.interrupt(&step.command) => ended,
                () = self.events() => unreachable!("events do not end"),
            };
            return ended.err();
        }
        let (output, code) = self.shell.run(&step.command).await;
        let is_refused = step.output.iter().any(|line| line.starts_with("Error "));
        if code != Some(i32::from(is_refused)) {
            return Some(format!("the exit code is {code:?}\n{output}"));
        }
        let difference = step.difference(&output)?;
        Some(format!("{difference}\n---\n{output}"))
    }

    /// Lets something happen to the service of the story, again and again.
    async fn events(&self) {
        for count in 0_u64.. {
            let tick = format!("tick={count}");
            let annotate = ["annotate", "service", "harbour-svc", "--overwrite", &tick];
            self.story.kubectl(annotate).await;
            pause(Duration::from_secs(1)).await;
        }
    }

    /// The id of an event that the page's command is about.
    async fn event(&self, step: &Step) -> String {
        let in_harbour = step.command.contains("-n harbour");
        let bus = if in_harbour {
            "default"
        } else {
            "jetstream-eb"
        };
        let namespace = self.story.namespace();
        let record = format!("tiphys record --since 1h -n {namespace} --bus {bus}");
        eventually_ok("an event on the bus", || async {
            let (output, _) = self.shell.run(&record).await;
            let first = output
                .lines()
                .find_map(|line| serde_json::from_str(line).ok());
            let id = first.and_then(|event: Value| Some(event["id"].as_str()?.to_owned()));
            id.ok_or(output)
        })
        .await
    }

    /// The numbers of dead letters of the story.
    async fn dead_letters(&self) -> Vec<String> {
        let namespace = self.story.namespace();
        let list = format!("tiphys dlq ls --each -o json -n {namespace} --bus jetstream-eb");
        let (output, _) = self.shell.run(&list).await;
        let letters = output
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let numbers = letters.filter_map(|letter: Value| letter["number"].as_u64());
        numbers.map(|number| number.to_string()).collect()
    }
}
