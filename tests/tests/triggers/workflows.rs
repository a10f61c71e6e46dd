//! Stories of the `argoWorkflow` trigger. There is no workflow controller: what is shown is what one
//! would find.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};
use tiphys_tests::{World, eventually};

use crate::running::{Running, Setting};

/// The kinds of Argo Workflows, without their schemas.
fn kinds() -> String {
    let kinds = [
        ("Workflow", "workflows"),
        ("WorkflowTemplate", "workflowtemplates"),
        ("CronWorkflow", "cronworkflows"),
    ];
    let crds = kinds.map(|(kind, plural)| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.argoproj.io")},
            "spec": {
                "group": "argoproj.io",
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{
                    "name": "v1alpha1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    }},
                }],
            },
        })
        .to_string()
    });
    crds.join("\n---\n")
}

struct Story {
    world: World,
    client: Client,
    workflows: Api<DynamicObject>,
}

impl Story {
    async fn start() -> Self {
        let world = World::start().await;
        let client = world.client().await;
        world.apply(&kinds()).await;
        let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Workflow");
        let resource = ApiResource::from_gvk(&kind);
        let workflows: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), world.namespace(), &resource);
        for kind in ["workflows", "workflowtemplates", "cronworkflows"] {
            let path = format!(
                "/apis/argoproj.io/v1alpha1/namespaces/{}/{kind}",
                world.namespace()
            );
            eventually("the kinds are served", || async {
                let answer = world.control_plane().request("GET", &path, "").ok()?;
                answer.body.contains("resourceVersion").then_some(())
            })
            .await;
        }
        Self {
            world,
            client,
            workflows,
        }
    }

    async fn run(&self, trigger: &str) -> Running {
        let spec = format!(
            "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers: [{{template: {{name: flow, argoWorkflow: {trigger}}}}}]"
        );
        let setting = Setting {
            namespace: self.world.namespace().to_owned(),
            client: Some(self.client.clone()),
            ..Setting::default()
        };
        Running::start(&spec, setting).await
    }

    /// The workflow whose name starts so, as soon as `is_done`.
    async fn workflow(&self, prefix: &str, is_done: impl Fn(&Value) -> bool) -> Value {
        eventually("the workflow is there", || async {
            let list = self.workflows.list(&ListParams::default()).await.unwrap();
            let found = list.items.into_iter().find(|workflow| {
                workflow
                    .metadata
                    .name
                    .as_deref()
                    .unwrap_or_default()
                    .starts_with(prefix)
            });
            found
                .map(|found| serde_json::to_value(found).unwrap())
                .filter(&is_done)
        })
        .await
    }
}

#[tokio::test]
async fn workflows_are_submitted_with_arguments_and_from_templates() {
    let story = Story::start().await;
    let sensor = story
        .run(
            "{source: {resource: {apiVersion: argoproj.io/v1alpha1, kind: Workflow,
            metadata: {generateName: order-}, spec: {arguments: {parameters: [{name: id, value: x}, {name: count, value: '1'}]}}}},
            parameters: [{src: {dependencyName: dep, dataKey: id}, dest: spec.arguments.parameters.0.value}],
            args: [-p, count=2, -l, team=shop, --entrypoint=main, --priority, '5']}",
        )
        .await;
    sensor.publish("order", r#"{"id":"seven"}"#).await;
    let workflow = story.workflow("order-", |_| true).await;
    let parameters = json!([{"name": "id", "value": "seven"}, {"name": "count", "value": "2"}]);
    assert_eq!(
        workflow["spec"],
        json!({"arguments": {"parameters": parameters}, "entrypoint": "main", "priority": 5})
    );
    assert_eq!(workflow["metadata"]["labels"]["team"], "shop");
    assert_eq!(
        workflow["metadata"]["labels"]["events.argoproj.io/trigger"],
        "flow"
    );
    sensor.stop().await;

    story
        .world
        .apply(
            "{apiVersion: argoproj.io/v1alpha1, kind: CronWorkflow, metadata: {name: nightly},
            spec: {workflowMetadata: {labels: {a: b}}, workflowSpec: {entrypoint: main}}}",
        )
        .await;
    for (kind, name) in [("WorkflowTemplate", "stock"), ("CronWorkflow", "nightly")] {
        let sensor = story
            .run(&format!(
                "{{operation: submit-from, source: {{resource: {{apiVersion: argoproj.io/v1alpha1,
                kind: {kind}, metadata: {{name: {name}}}}}}}, args: [--serviceaccount, robot]}}"
            ))
            .await;
        sensor.publish("order", "{}").await;
        let workflow = story.workflow(&format!("{name}-"), |_| true).await;
        let expected = match kind {
            "CronWorkflow" => json!({"entrypoint": "main", "serviceAccountName": "robot"}),
            _ => json!({"workflowTemplateRef": {"name": name}, "serviceAccountName": "robot"}),
        };
        assert_eq!(workflow["spec"], expected);
        sensor.stop().await;
    }
}

#[tokio::test]
async fn workflows_are_suspended_resumed_and_ended() {
    let story = Story::start().await;
    story
        .world
        .apply(
            "{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: flow},
            spec: {entrypoint: main}}",
        )
        .await;
    let nodes = json!({"status": {"nodes": {
        "w": {"type": "Suspend", "phase": "Running"},
        "x": {"type": "Suspend", "phase": "Running", "displayName": "ask"},
        "p": {"type": "Pod", "phase": "Running"},
    }}});
    let patch = Patch::Merge(nodes);
    story
        .workflows
        .patch("flow", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let sensor = story
        .run(
            "{operation: stop, args: [--node-field-selector=displayName=ask, --message, too late],
            source: {resource: {apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: flow}}}}",
        )
        .await;
    sensor.publish("order", "{}").await;
    let is_done = |workflow: &Value| workflow["status"]["nodes"]["x"]["phase"] == "Failed";
    let workflow = story.workflow("flow", is_done).await;
    assert_eq!(workflow["status"]["nodes"]["x"]["message"], "too late");
    assert_eq!(workflow["status"]["nodes"]["w"]["phase"], "Running");
    assert_eq!(workflow["spec"]["shutdown"], json!(null));
    sensor.stop().await;
    for (operation, field, expected) in [
        ("suspend", "suspend", json!(true)),
        ("resume", "suspend", json!(null)),
        ("stop", "shutdown", json!("Stop")),
        ("terminate", "shutdown", json!("Terminate")),
    ] {
        let sensor = story
            .run(&format!(
                "{{operation: {operation}, source: {{resource: {{apiVersion: argoproj.io/v1alpha1,
                kind: Workflow, metadata: {{name: flow}}}}}}}}"
            ))
            .await;
        sensor.publish("order", "{}").await;
        let is_done = |workflow: &Value| workflow["spec"][field] == expected;
        let workflow = story.workflow("flow", is_done).await;
        if operation == "resume" {
            assert_eq!(workflow["status"]["nodes"]["w"]["phase"], "Succeeded");
            assert_eq!(workflow["status"]["nodes"]["p"]["phase"], "Running");
        }
        sensor.stop().await;
    }
    let sensor = story
        .run(
            "{operation: stop, source: {resource: {apiVersion: argoproj.io/v1alpha1, kind: Workflow,
            metadata: {name: other}}}}",
        )
        .await;
    sensor.publish("order", "{}").await;
    assert!(
        sensor
            .dead_letter()
            .await
            .error
            .starts_with("stop workflows ")
    );
    sensor.stop().await;
}

#[tokio::test]
async fn a_workflow_is_submitted_once_more() {
    let story = Story::start().await;
    story
        .world
        .apply(
            "{apiVersion: argoproj.io/v1alpha1, kind: Workflow,
            metadata: {name: flow-x, generateName: flow-, labels: {team: shop, workflows.argoproj.io/phase: Failed}},
            spec: {entrypoint: main, shutdown: Stop, arguments: {parameters: [{name: id, value: x}]}}}",
        )
        .await;
    let sensor = story
        .run(
            "{operation: resubmit, args: [-p, id=y], source: {resource: {apiVersion: argoproj.io/v1alpha1,
            kind: Workflow, metadata: {name: flow-x}}}}",
        )
        .await;
    sensor.publish("order", "{}").await;
    let from = "workflows.argoproj.io/resubmitted-from-workflow";
    let is_again = |workflow: &Value| workflow["metadata"]["labels"][from] == "flow-x";
    let workflow = eventually("the workflow once more", || async {
        let list = story.workflows.list(&ListParams::default()).await.unwrap();
        let mut all = list.items.into_iter();
        all.find_map(|one| Some(serde_json::to_value(one).unwrap()).filter(is_again))
    })
    .await;
    assert_eq!(
        workflow["spec"],
        json!({"entrypoint": "main", "arguments": {"parameters": [{"name": "id", "value": "y"}]}})
    );
    let labels = &workflow["metadata"]["labels"];
    assert_eq!(labels["team"], "shop");
    assert_eq!(labels["workflows.argoproj.io/phase"], json!(null));
    sensor.stop().await;
}

#[tokio::test]
async fn a_workflow_that_has_failed_is_retried_once_without_the_pods_that_run_again() {
    let story = Story::start().await;
    let nodes = json!({
        "w": {"id": "w", "name": "w", "type": "DAG", "phase": "Failed", "children": ["w-1", "w-2"]},
        "w-1": {"id": "w-1", "name": "w.build", "type": "Pod", "phase": "Failed", "boundaryID": "w",
            "templateName": "build"},
        "w-2": {"id": "w-2", "name": "w.lint", "type": "Pod", "phase": "Succeeded", "boundaryID": "w",
            "templateName": "lint"},
    });
    let failed = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "w", "labels": {"workflows.argoproj.io/completed": "true"}},
        "spec": {"entrypoint": "main"},
        "status": {"phase": "Failed", "nodes": nodes},
    });
    story.world.apply(&failed.to_string()).await;
    let pods: Api<Pod> = Api::namespaced(story.client.clone(), story.world.namespace());
    for name in ["w-build-2364061144", "w-lint-1"] {
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
    }
    let sensor = story
        .run(
            "{operation: retry, source: {resource: {apiVersion: argoproj.io/v1alpha1, kind: Workflow,
            metadata: {name: w}}}}",
        )
        .await;
    sensor.publish("order", "{}").await;
    let is_retried = |workflow: &Value| workflow["status"]["phase"].is_null();
    let workflow = story.workflow("w", is_retried).await;
    let steps = workflow["status"]["nodes"].as_object().unwrap();
    let steps: Vec<&String> = steps.keys().collect();
    assert_eq!(steps, ["w", "w-2"]);
    assert_eq!(workflow["status"]["nodes"]["w"]["phase"], "Running");
    let completed = &workflow["metadata"]["labels"]["workflows.argoproj.io/completed"];
    assert_eq!(*completed, json!(null));
    let by = &workflow["metadata"]["annotations"]["events.argoproj.io/retried-by"];
    assert!(by.as_str().unwrap().contains("/flow "), "{by}");
    eventually("only one pod left", || async {
        // No node is there to end it.
        let list = pods.list(&ListParams::default()).await.unwrap();
        let left = list.items.into_iter();
        let mut left = left.filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let first = left.next()?.metadata.name?;
        (first == "w-lint-1" && left.next().is_none()).then_some(())
    })
    .await;
    sensor.stop().await;
}
