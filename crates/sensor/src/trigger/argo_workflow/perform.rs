//! Acts on Argo Workflows as the `argo` program does, through the Kubernetes API.

use std::borrow::Cow;
use std::sync::Arc;

use tiphys_base::Failure;

use tiphys_clients::Error;
use tiphys_clients::kubernetes::{Answer, PatchStrategy, Target};
use tiphys_lang::json::{Map, Number, Value};

use super::{Action, Arguments, Operation};
use crate::trigger::Unmet;
use crate::trigger::k8s::{self, CONFLICTS, Executor, Sent, member, text};
use crate::trigger::object::Object;

const API_VERSION: &str = "argoproj.io/v1alpha1";

/// Acts on workflows.
struct Workflows<'e>(Executor<'e>);

/// Performs an action once.
pub(super) async fn perform(executor: Executor<'_>, action: &Action) -> Result<(), Error> {
    Workflows(executor).perform(action).await
}

impl Workflows<'_> {
    async fn perform(&self, action: &Action) -> Result<(), Error> {
        let object = self.0.object(&action.object).await?;
        // What was fetched is known only now.
        if matches!(action.object, Object::Fetched { .. })
            && let Some(unmet) = unmet(&object, action.operation, &action.arguments).first()
        {
            let public = "the object is none that can be submitted";
            return Err(Error::Refused(Failure::with_values(
                unmet.to_string(),
                public,
            )));
        }
        let target = match action.operation {
            Operation::Submit => self.submit(Arc::unwrap_or_clone(object), action).await?,
            Operation::SubmitFrom => {
                let workflow = self.render_template(&object, action).await?;
                self.submit(workflow, action).await?
            }
            Operation::Suspend => self.set(&object, action, r#"{"suspend":true}"#).await?,
            Operation::Stop => self.set(&object, action, r#"{"shutdown":"Stop"}"#).await?,
            Operation::Terminate => {
                self.set(&object, action, r#"{"shutdown":"Terminate"}"#)
                    .await?
            }
            Operation::Resume => self.resume(&object, action).await?,
        };
        match &action.policy {
            Some(policy) => self.0.wait_for_labels(&target, policy).await,
            None => Ok(()),
        }
    }

    async fn submit(&self, mut workflow: Value, action: &Action) -> Result<Target, Error> {
        change(&mut workflow, &action.arguments);
        let target = self.0.target(&workflow, &action.ownership).await?;
        self.0.create(&workflow, &target, &action.ownership).await?;
        Ok(target)
    }

    /// The workflow that a template makes.
    async fn render_template(&self, object: &Value, action: &Action) -> Result<Value, Error> {
        let kind = text(object, &["kind"]).unwrap_or_default();
        let name = named(object, action.operation).map_err(Error::refused)?;
        let namespace = text(object, &["metadata", "namespace"]);
        match kind {
            "WorkflowTemplate" => Ok(by_reference(name, namespace, false)),
            "ClusterWorkflowTemplate" => Ok(by_reference(name, namespace, true)),
            "CronWorkflow" => {
                let target = self.0.target(object, &action.ownership).await?;
                match self.0.cluster.get(&target).await? {
                    Some(cron) => from_cron(&cron, name, target.namespace()),
                    None => Err(Error::refused(format!(
                        "submit from {target}: it does not exist"
                    ))),
                }
            }
            _ => Err(Error::refused(invalid_kind(kind))),
        }
    }

    /// Sets fields of a workflow's spec.
    async fn set(&self, object: &Value, action: &Action, spec: &str) -> Result<Target, Error> {
        let target = self.workflow(object, action).await?;
        let body = format!(r#"{{"spec":{spec}}}"#);
        let act = format!("{} {target}", action.operation.name());
        self.0
            .cluster
            .patch(&target, PatchStrategy::Merge, body)
            .await?
            .accept(&act)?;
        Ok(target)
    }

    /// Lets a workflow go on, and its steps that wait for that.
    async fn resume(&self, object: &Value, action: &Action) -> Result<Target, Error> {
        let target = self.workflow(object, action).await?;
        let act = format!("resume {target}");
        for _ in 0..CONFLICTS {
            let Some(live) = self.0.cluster.get(&target).await? else {
                return Err(Error::refused(format!("{act}: it does not exist")));
            };
            let wanted = resumed(
                live.clone(),
                &(self.0.now)().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            )
            .map_err(|message| Error::refused(format!("{act}: {message}")))?;
            if wanted == live {
                return Ok(target);
            }
            match self.0.cluster.replace(&target, wanted.to_go_json()).await? {
                Answer::Conflict(_) => {}
                answer => return answer.accept(&act).map(|()| target),
            }
        }
        Err(Error::refused(format!(
            "{act}: {CONFLICTS} conflicts in a row"
        )))
    }

    /// The workflow that is named, whatever kind its object says.
    async fn workflow(&self, object: &Value, action: &Action) -> Result<Target, Error> {
        let name = named(object, action.operation).map_err(Error::refused)?;
        let namespace = text(object, &["metadata", "namespace"]);
        self.0
            .target(&bare(None, Some(name), namespace), &action.ownership)
            .await
    }
}

/// What is demanded of a workflow, or of what names one, and is not so.
pub(super) fn unmet(object: &Value, operation: Operation, arguments: &Arguments) -> Vec<Unmet> {
    const KIND: &str = "source.resource.kind";
    let of_operation = |unmet: Unmet| Unmet {
        also: &["operation"],
        ..unmet
    };
    let kind = text(object, &["kind"]).unwrap_or_default();
    let unmet = match operation {
        Operation::Submit if kind != "Workflow" => {
            let message =
                format!("submit needs a Workflow, this is a {kind}: use the operation submit-from");
            Some(Unmet::new(KIND, message))
        }
        Operation::Submit => {
            let mut workflow = Cow::Borrowed(object);
            if !arguments.is_empty() {
                change(workflow.to_mut(), arguments);
            }
            let is_named = name(&workflow).is_some()
                || text(&workflow, &["metadata", "generateName"]).is_some();
            let message = "failed to trigger the workflow, neither name nor generateName is given";
            let unmet = (!is_named).then(|| Unmet {
                also: &["operation", "source.resource.metadata.generateName"],
                ..Unmet::new(NAME, message)
            });
            return unmet
                .into_iter()
                .chain(
                    k8s::unmet(&workflow, Sent::Whole)
                        .into_iter()
                        .map(of_operation),
                )
                .collect();
        }
        Operation::SubmitFrom if !TEMPLATES.contains(&kind) => {
            Some(Unmet::new(KIND, invalid_kind(kind)))
        }
        _ => Unmet::of(NAME, named(object, operation).map(drop)),
    };
    unmet.into_iter().map(of_operation).collect()
}

const NAME: &str = "source.resource.metadata.name";

/// What workflows are submitted from.
const TEMPLATES: [&str; 3] = [
    "WorkflowTemplate",
    "ClusterWorkflowTemplate",
    "CronWorkflow",
];

fn invalid_kind(kind: &str) -> String {
    format!(
        "invalid kind {kind}: workflows are submitted from a WorkflowTemplate, ClusterWorkflowTemplate or \
         CronWorkflow"
    )
}

fn name(object: &Value) -> Option<&str> {
    text(object, &["metadata", "name"])
}

fn named(object: &Value, operation: Operation) -> Result<&str, String> {
    name(object).ok_or_else(|| {
        format!(
            "failed to execute the workflow {} operation, no name is given",
            operation.name()
        )
    })
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A workflow with nothing but its name.
fn bare(generate_name: Option<&str>, name: Option<&str>, namespace: Option<&str>) -> Value {
    let mut workflow = Map::new();
    workflow.insert("apiVersion".into(), string(API_VERSION));
    workflow.insert("kind".into(), string("Workflow"));
    let metadata = member(&mut workflow, "metadata");
    for (key, value) in [
        ("generateName", generate_name),
        ("name", name),
        ("namespace", namespace),
    ] {
        if let Some(value) = value {
            metadata.insert(key.into(), string(value));
        }
    }
    Value::Object(workflow)
}

/// A workflow that refers to its template, with the labels that the Argo server gives it.
fn by_reference(template: &str, namespace: Option<&str>, is_cluster_wide: bool) -> Value {
    let mut workflow = bare(Some(&format!("{template}-")), None, namespace);
    let Value::Object(map) = &mut workflow else {
        return workflow;
    };
    let label = if is_cluster_wide {
        "workflows.argoproj.io/cluster-workflow-template"
    } else {
        "workflows.argoproj.io/workflow-template"
    };
    member(member(map, "metadata"), "labels").insert(label.into(), string(template));
    let reference = member(member(map, "spec"), "workflowTemplateRef");
    reference.insert("name".into(), string(template));
    if is_cluster_wide {
        reference.insert("clusterScope".into(), Value::Bool(true));
    }
    workflow
}

/// The workflow that a `CronWorkflow` makes at its times.
fn from_cron(cron: &Value, name: &str, namespace: Option<&str>) -> Result<Value, Error> {
    let spec = cron.get("spec").and_then(|spec| spec.get("workflowSpec"));
    let Some(Value::Object(spec)) = spec else {
        return Err(Error::refused(format!(
            "CronWorkflow {name} has no workflowSpec"
        )));
    };
    let mut workflow = bare(Some(&format!("{name}-")), None, namespace);
    let Value::Object(map) = &mut workflow else {
        return Ok(workflow);
    };
    map.insert("spec".into(), Value::Object(spec.clone()));
    let metadata = member(map, "metadata");
    let given = cron
        .get("spec")
        .and_then(|spec| spec.get("workflowMetadata"));
    for key in ["labels", "annotations"] {
        if let Some(Value::Object(entries)) = given.and_then(|given| given.get(key)) {
            metadata.insert(key.into(), Value::Object(entries.clone()));
        }
    }
    member(metadata, "labels").insert("workflows.argoproj.io/cron-workflow".into(), string(name));
    if let Some(uid) = text(cron, &["metadata", "uid"]) {
        let mut owner = Map::new();
        owner.insert("apiVersion".into(), string(API_VERSION));
        owner.insert("kind".into(), string("CronWorkflow"));
        owner.insert("name".into(), string(name));
        owner.insert("uid".into(), string(uid));
        owner.insert("controller".into(), Value::Bool(true));
        owner.insert("blockOwnerDeletion".into(), Value::Bool(true));
        metadata.insert(
            "ownerReferences".into(),
            Value::Array(vec![Value::Object(owner)]),
        );
    }
    Ok(workflow)
}

/// Applies the arguments of `argo submit`.
fn change(workflow: &mut Value, arguments: &Arguments) {
    let Value::Object(map) = workflow else { return };
    let metadata = member(map, "metadata");
    if let Some(name) = &arguments.name {
        metadata.insert("name".into(), string(name));
        metadata.shift_remove("generateName");
    } else if let Some(base) = &arguments.generate_name {
        metadata.insert("generateName".into(), string(base));
        metadata.shift_remove("name");
    }
    for (name, value) in &arguments.labels {
        member(metadata, "labels").insert(name.clone(), string(value));
    }
    let texts = [
        ("serviceAccountName", &arguments.service_account),
        ("entrypoint", &arguments.entrypoint),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            member(map, "spec").insert(key.into(), string(value));
        }
    }
    if let Some(priority) = arguments.priority {
        member(map, "spec").insert(
            "priority".into(),
            Value::Number(Number::Int(i64::from(priority))),
        );
    }
    if !arguments.parameters.is_empty() {
        parametrise(
            member(member(map, "spec"), "arguments"),
            &arguments.parameters,
        );
    }
}

/// Sets parameters by name; the others stay.
fn parametrise(arguments: &mut Map, parameters: &[(String, String)]) {
    let list = arguments.entry("parameters".to_owned()).or_default();
    if !matches!(list, Value::Array(_)) {
        *list = Value::Array(Vec::new());
    }
    let Value::Array(list) = list else { return };
    for (name, value) in parameters {
        list.retain(|there| there.get("name") != Some(&string(name)));
        let mut parameter = Map::new();
        parameter.insert("name".into(), string(name));
        parameter.insert("value".into(), string(value));
        list.push(Value::Object(parameter));
    }
}

/// A workflow that goes on: it is not suspended, and its steps that wait have succeeded.
fn resumed(mut workflow: Value, now: &str) -> Result<Value, String> {
    let Value::Object(map) = &mut workflow else {
        return Ok(workflow);
    };
    if let Some(Value::Object(spec)) = map.get_mut("spec") {
        spec.shift_remove("suspend");
    }
    let Some(Value::Object(status)) = map.get_mut("status") else {
        return Ok(workflow);
    };
    let is_elsewhere =
        |key| matches!(status.get(key), Some(Value::String(text)) if !text.is_empty());
    if is_elsewhere("compressedNodes") || is_elsewhere("offloadNodeStatusVersion") {
        return Err("its steps are kept where only the Argo server can change them".to_owned());
    }
    let Some(Value::Object(nodes)) = status.get_mut("nodes") else {
        return Ok(workflow);
    };
    for node in nodes.values_mut() {
        let Value::Object(node) = node else { continue };
        let is = |key: &str, text: &str| node.get(key) == Some(&string(text));
        if !is("type", "Suspend") || !is("phase", "Running") {
            continue;
        }
        if node
            .get("outputs")
            .and_then(|outputs| outputs.get("parameters"))
            .is_some()
        {
            return Err("a step waits for values, which only the Argo server can set".to_owned());
        }
        node.insert("phase".into(), string("Succeeded"));
        node.insert("finishedAt".into(), string(now));
    }
    Ok(workflow)
}
