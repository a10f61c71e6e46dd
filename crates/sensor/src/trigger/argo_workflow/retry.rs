//! A workflow that runs again from where it has failed.

mod graph;
#[cfg(test)]
mod tests;

use tiphys_lang::json::{Map, Value};

use self::graph::{Plan, ids, plan};
use super::Arguments;
use super::made::string;
use super::steps::{are_elsewhere, is_selected};
use crate::trigger::k8s::{member, text};

/// How long the name of a pod may be, and how much of it a hash takes.
const LONGEST_NAME: usize = 253;
const HASH: usize = 10;

/// Labels that say that a workflow has ended.
const ENDED: [&str; 2] = [
    "workflows.argoproj.io/completed",
    "workflows.argoproj.io/workflow-archiving-status",
];

/// How the pods of a workflow are named.
const POD_NAMES: &str = "workflows.argoproj.io/pod-name-format";

/// A workflow as it has to be to run again, and its pods that have to go before.
#[derive(Debug, PartialEq)]
pub(super) struct Retried {
    pub(super) workflow: Value,
    pub(super) pods: Vec<String>,
}

/// What `argo retry` makes of a workflow.
///
/// # Errors
/// If it has not failed, or its steps are not at hand.
pub(super) fn retry(
    mut workflow: Value,
    arguments: &Arguments,
    now: &str,
) -> Result<Retried, String> {
    let name = text(&workflow, &["metadata", "name"]).unwrap_or_default();
    let name = name.to_owned();
    let is_of_ids = text(&workflow, &["metadata", "annotations", POD_NAMES]) == Some("v1");
    let restarts = arguments.restart_successful && !arguments.steps.is_empty();
    match text(&workflow, &["status", "phase"]).unwrap_or_default() {
        "Failed" | "Error" => {}
        "Succeeded" if restarts => {}
        "Succeeded" => {
            return Err(
                "it has succeeded: that takes --restart-successful and --node-field-selector"
                    .to_owned(),
            );
        }
        "" => return Err("it has not begun".to_owned()),
        phase => return Err(format!("it is {phase}")),
    }
    let Value::Object(map) = &mut workflow else {
        return Err("it is no object".to_owned());
    };
    let status = member(map, "status");
    if are_elsewhere(status) {
        return Err("its steps are kept where only the Argo server can change them".to_owned());
    }
    let nodes = std::mem::take(member(status, "nodes"));
    let is_again = |node: &Value| restarts && is_selected(&arguments.steps, node);
    let plan = plan(&nodes, &name, is_again)?;
    let pods = pods(&nodes, &plan, &name, is_of_ids);
    *member(status, "nodes") = kept(nodes, &plan, &name, now);
    begin(map, now);
    Ok(Retried { workflow, pods })
}

/// The steps that are not forgotten.
fn kept(nodes: Map, plan: &Plan, name: &str, now: &str) -> Map {
    let on_exit = format!("{name}.onExit");
    let mut kept = Map::default();
    for (id, mut node) in nodes {
        let is_of_exit = text(&node, &["name"]).is_some_and(|name| name.starts_with(&on_exit));
        if plan.forgotten.contains(&*id) || is_of_exit && !plan.reset.contains(&*id) {
            continue;
        }
        if let Value::Object(node) = &mut node {
            for field in ["children", "outboundNodes"] {
                if let Some(Value::Array(list)) = node.get_mut(field) {
                    list.retain(|id| match id {
                        Value::String(id) => !plan.forgotten.contains(&**id),
                        _ => true,
                    });
                    if list.is_empty() {
                        node.shift_remove(field);
                    }
                }
            }
            if plan.reset.contains(&*id) {
                reset(node, now);
            }
        }
        kept.insert(id, node);
    }
    kept
}

/// A step goes on as if it had not ended.
fn reset(node: &mut Map, now: &str) {
    let is = |node: &Map, field: &str, value: &str| matches!(node.get(field), Some(Value::String(text)) if text == value);
    if is(node, "type", "Suspend")
        && let Some(Value::Object(outputs)) = node.get_mut("outputs")
        && let Some(Value::Array(parameters)) = outputs.get_mut("parameters")
    {
        for parameter in parameters {
            let mut asked = Map::default();
            if let Some(name) = parameter.get("name") {
                asked.insert("name".into(), name.clone());
            }
            member(member(&mut asked, "valueFrom"), "supplied");
            *parameter = Value::Object(asked);
        }
    }
    if !is(node, "phase", "Skipped") {
        node.insert("phase".into(), string("Running"));
    }
    node.shift_remove("message");
    node.insert("startedAt".into(), string(now));
    node.insert("finishedAt".into(), Value::Null);
}

/// The workflow is one that the controller has not seen yet.
fn begin(map: &mut Map, now: &str) {
    if let Some(Value::Object(labels)) = member(map, "metadata").get_mut("labels") {
        for label in ENDED {
            labels.shift_remove(label);
        }
    }
    let spec = member(map, "spec");
    spec.shift_remove("shutdown");
    let is_over = spec
        .get("activeDeadlineSeconds")
        .is_some_and(|seconds| seconds.to_go_json() == "0");
    if is_over {
        // It was terminated.
        spec.shift_remove("activeDeadlineSeconds");
    }
    let status = member(map, "status");
    for field in ["phase", "message", "persistentVolumeClaims"] {
        status.shift_remove(field);
    }
    if let Some(Value::Object(spec)) = status.get_mut("storedWorkflowTemplateSpec") {
        spec.shift_remove("shutdown");
    }
    status.insert("startedAt".into(), string(now));
    status.insert("finishedAt".into(), Value::Null);
    let mut conditions = match status.shift_remove("conditions") {
        Some(Value::Array(conditions)) => conditions,
        _ => Vec::new(),
    };
    conditions.retain(|condition| text(condition, &["type"]) != Some("Completed"));
    let completed = [("status", "False"), ("type", "Completed")];
    let completed = completed.map(|(field, value)| (field.into(), string(value)));
    conditions.push(Value::Object(Map::from_iter(completed)));
    status.insert("conditions".into(), Value::Array(conditions));
}

/// The pods of steps that are forgotten, and of exit handlers.
fn pods(nodes: &Map, plan: &Plan, workflow: &str, is_of_ids: bool) -> Vec<String> {
    let mut going = plan.forgotten.clone();
    let on_exit = format!("{workflow}.onExit");
    let is_exit = |node: &&Value| text(node, &["name"]) == Some(&on_exit);
    let mut left: Vec<&Value> = nodes.values().filter(is_exit).collect();
    while let Some(node) = left.pop() {
        let id = text(node, &["id"]).unwrap_or_default();
        if going.insert(id.to_owned()) {
            left.extend(ids(node, "children").filter_map(|child| nodes.get(child)));
        }
    }
    let pods = going.iter().filter_map(|id| {
        let node = nodes.get(&**id)?;
        (text(node, &["type"]) == Some("Pod")).then(|| pod(node, id, workflow, is_of_ids))
    });
    pods.collect()
}

/// The name of the pod of a step.
fn pod(node: &Value, id: &str, workflow: &str, is_of_ids: bool) -> String {
    let name = text(node, &["name"]).unwrap_or_default();
    if is_of_ids {
        return id.to_owned();
    }
    if name == workflow {
        return workflow.to_owned();
    }
    let template = text(node, &["templateRef", "template"]);
    let template = template
        .or_else(|| text(node, &["templateName"]))
        .unwrap_or_default();
    let mut prefix = workflow.to_owned();
    if !template.is_empty() {
        prefix = format!("{prefix}-{template}");
    }
    // Names of Kubernetes are ASCII.
    prefix.truncate(LONGEST_NAME - HASH - 1);
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{prefix}-{hash}")
}
