//! Workflows that are made from something: a template, a `CronWorkflow`, another workflow; and what the
//! arguments of the `argo` program change in them.

use tiphys_clients::Error;
use tiphys_lang::json::{Map, Number, Value};

use super::Arguments;
use crate::trigger::k8s::{member, text};

const API_VERSION: &str = "argoproj.io/v1alpha1";

/// Labels that say what became of a workflow, and who made it: another one made from it has its own.
const OWN_LABELS: [&str; 6] = [
    "workflows.argoproj.io/completed",
    "workflows.argoproj.io/creator",
    "workflows.argoproj.io/creator-email",
    "workflows.argoproj.io/creator-preferred-username",
    "workflows.argoproj.io/phase",
    "workflows.argoproj.io/workflow-archiving-status",
];

pub(super) fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A workflow with nothing but its name.
pub(super) fn bare(
    generate_name: Option<&str>,
    name: Option<&str>,
    namespace: Option<&str>,
) -> Value {
    let mut workflow = Map::default();
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
pub(super) fn by_reference(
    template: &str,
    namespace: Option<&str>,
    is_cluster_wide: bool,
) -> Value {
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
pub(super) fn from_cron(cron: &Value, name: &str, namespace: Option<&str>) -> Result<Value, Error> {
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
        let mut owner = Map::default();
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
pub(super) fn change(workflow: &mut Value, arguments: &Arguments) {
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
        let mut parameter = Map::default();
        parameter.insert("name".into(), string(name));
        parameter.insert("value".into(), string(value));
        list.push(Value::Object(parameter));
    }
}

/// The same workflow once more, from its beginning: what ended the other one early is not in it.
pub(super) fn again(live: &Value, name: &str, namespace: Option<&str>) -> Value {
    let prefix = match text(live, &["metadata", "generateName"]) {
        Some(prefix) => prefix.to_owned(),
        None => format!("{name}-"),
    };
    let mut workflow = bare(Some(&prefix), None, namespace);
    let Value::Object(map) = &mut workflow else {
        return workflow;
    };
    let mut spec = match live.get("spec") {
        Some(Value::Object(spec)) => spec.clone(),
        _ => Map::default(),
    };
    spec.shift_remove("shutdown");
    // `argo terminate` of old versions.
    if spec.get("activeDeadlineSeconds") == Some(&Value::Number(Number::Int(0))) {
        spec.shift_remove("activeDeadlineSeconds");
    }
    map.insert("spec".into(), Value::Object(spec));
    let metadata = member(map, "metadata");
    let given = live.get("metadata");
    for key in ["labels", "annotations", "ownerReferences"] {
        if let Some(value) = given.and_then(|given| given.get(key)) {
            metadata.insert(key.into(), value.clone());
        }
    }
    let labels = member(metadata, "labels");
    for label in OWN_LABELS {
        labels.shift_remove(label);
    }
    labels.insert(
        "workflows.argoproj.io/resubmitted-from-workflow".into(),
        string(name),
    );
    workflow
}
