//! What the pages say works as they say it: each command line that needs no cluster is run, and prints
//! what its page shows. Those that need one are run by the story of the same name there.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use serde_saphyr::from_str as yaml;
use tiphys_tests::page::{Needs, Page, Shell, Step};

/// What brings up the repository's own machinery: `.ci/run` and `cargo xtask` run these as they are.
const BUILDS: [&str; 4] = [
    "cargo xtask demo    # the story below, on a real API server, etcd and NATS; Ctrl-C stops it",
    "cargo xtask test    # every test, against the same real servers",
    "cargo xtask kind                        # a kind cluster with everything below, and the story; or:",
    "cargo xtask image --load kind           # builds tiphys:0.1.0 without docker, and loads it",
];

/// Exit codes of a command that compares; all others end with 0.
const DIFFERENT: i32 = 1;

/// Waits for the event of an event source.
const SENSOR: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: sensor, namespace: NAMESPACE}
spec:
  dependencies:
  - {name: d, eventSourceName: SOURCE, eventName: EVENT}
  triggers:
  - template: {name: print, log: {}}
";

#[tokio::test]
async fn what_the_pages_say_works_on_a_desk() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for page in Page::all() {
        let steps = page.steps().into_iter();
        let steps: Vec<_> = steps
            .filter(|step| step.needs() != Needs::Cluster)
            .collect();
        if steps.is_empty() {
            continue;
        }
        let shell = Shell::new();
        arrange(&page, &shell);
        for step in steps {
            if step.needs() == Needs::Build {
                assert!(BUILDS.contains(&&*step.command), "{}", step.command);
                continue;
            }
            count += 1;
            if let Some(fault) = fault(&page, &step, &shell).await {
                wrong.push(format!("{}: {}\n{fault}", page.name, step.command));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= 20, "{count} command lines were found");
}

/// Runs a command line of a page; what is not as the page says.
async fn fault(page: &Page, step: &Step, shell: &Shell) -> Option<String> {
    let command = step.command.replace("cargo run -p tiphys --", "tiphys");
    if step.follows() {
        return shell.interrupt(&command).await.err();
    }
    let (output, code) = shell.run(&command).await;
    let wanted = if command.starts_with("tiphys diff ") {
        DIFFERENT
    } else {
        0
    };
    if code != Some(wanted) {
        return Some(format!("the exit code is {code:?}\n{output}"));
    }
    if page.name.starts_with("docs/sources/") && !output.contains("trigger print (Log) fires") {
        return Some(format!("it does not fire\n{output}"));
    }
    let difference = step.difference(&output)?;
    Some(format!("{difference}\n---\n{output}"))
}

/// Puts the files into the shell's folder that a page speaks of: the page's own, where it has them.
fn arrange(page: &Page, shell: &Shell) {
    let name = page.name.strip_suffix(".md").unwrap_or_default();
    match name {
        "README" => {}
        "docs/lint" => story(shell),
        "docs/debug-a-sensor" => {
            story(shell);
            let service = fs::read_to_string(shell.path("examples/auto-ingress/service.yaml"));
            let service = service.unwrap().replace("-ingress-host:", "-ingress-hots:");
            shell.file("service.yaml", &service);
        }
        "docs/transforms" | "docs/event" => {
            let transforms = Page::of("docs/transforms.md");
            shell.file("gate.yaml", &transforms.blocks("yaml")[0]);
            shell.file("event.json", &transforms.blocks("json")[0]);
        }
        "docs/test" => {
            shell.file("manifests/gate.yaml", &gate("10", "note"));
            shell.file("manifests/gate.tiphys-test.yaml", &page.blocks("yaml")[0]);
        }
        "docs/answers" => {
            shell.file("manifests/gate.yaml", &gate("10", "note"));
            shell.file("new/gate.yaml", &gate("20", "berth"));
            shell.file("events.jsonl", &events());
        }
        "docs/add-a-source" => shell.file("files.yaml", &page.blocks("yaml")[0]),
        _ => {
            let kind = name.strip_prefix("docs/sources/");
            let kind = kind.unwrap_or_else(|| panic!("what {name} speaks of is not known"));
            source(page, kind, shell);
        }
    }
}

/// The manifests of the story.
fn story(shell: &Shell) {
    for entry in fs::read_dir(shell.path("examples/auto-ingress")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            shell.file(&format!("manifests/{name}"), &text);
        }
    }
}

/// A Sensor that makes a note of large ships.
fn gate(larger_than: &str, prefix: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: gate, namespace: harbour}}
spec:
  dependencies:
  - name: ship
    eventSourceName: berths
    eventName: taken
    filters:
      data:
      - {{path: body.size, type: number, comparator: '>', value: ['{larger_than}']}}
  triggers:
  - template:
      name: note
      k8s:
        operation: create
        source:
          resource: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {prefix}-, namespace: harbour}}}}
        parameters:
        - {{src: {{dependencyName: ship, dataKey: body.ship}}, dest: metadata.name, operation: append}}
"
    )
}

/// A dozen ships of size 15 and one of size 50, as they are recorded.
fn events() -> String {
    let sizes = [15; 12].into_iter().chain([50]);
    let lines = sizes.enumerate().map(|(n, size)| {
        let event = json!({
            "specversion": "1.0", "id": format!("e{n}"), "source": "berths", "type": "webhook", "subject": "taken",
            "datacontenttype": "application/json", "time": "2026-03-01T09:30:00Z",
            "data": {"body": {"ship": "argo", "size": size}},
        });
        format!("{event}\n")
    });
    lines.collect()
}

/// The page's event source, a Sensor that waits for its event, and the body that the page shows.
fn source(page: &Page, kind: &str, shell: &Shell) {
    let manifest = &page.blocks("yaml")[0];
    shell.file("eventsource.yaml", manifest);
    let object: Value = yaml(manifest).unwrap();
    let events = object["spec"][kind].as_object().unwrap();
    let name = object["metadata"]["name"].as_str().unwrap();
    let namespace = object["metadata"]["namespace"].as_str();
    let sensor = SENSOR
        .replace("SOURCE", name)
        .replace("NAMESPACE", namespace.unwrap_or("default"))
        .replace("EVENT", events.keys().next().unwrap());
    shell.file("sensor.yaml", &sensor);
    let payload = page.blocks("json").swap_remove(0);
    let payload: Value = serde_json::from_str(&payload).unwrap_or_default();
    if kind == "storageGrid" {
        let fields = payload["notification"].as_object().unwrap().iter();
        let fields = fields.map(|(name, value)| (name, text(value)));
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        shell.file("body.form", &form);
    }
    let body = match kind {
        "stripe" => &payload["event"],
        "slack" => &json!({"type": "event_callback", "event": payload["Data"]}),
        _ => &payload["body"],
    };
    shell.file("body.json", &body.to_string());
    let service = Path::new("examples/auto-ingress/service.yaml");
    let service = fs::read_to_string(shell.path(&service.display().to_string()));
    shell.file("service.yaml", &service.unwrap());
}

/// A value as a form has it.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
