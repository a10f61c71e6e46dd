//! Steps of a workflow that wait for somebody, and what ends them.

use serde::Serialize;
use tiphys_lang::json::{Map, Value};

use super::Arguments;
use super::made::string;
use crate::trigger::k8s::text;

/// Fields of a step by which it is selected, and where they stand in its status.
const FIELDS: [(&str, &[&str]); 7] = [
    ("displayName", &["displayName"]),
    ("id", &["id"]),
    ("name", &["name"]),
    ("phase", &["phase"]),
    ("templateName", &["templateName"]),
    ("templateRef.name", &["templateRef", "name"]),
    ("templateRef.template", &["templateRef", "template"]),
];

/// One requirement of `--node-field-selector`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The field: `displayName`, `inputs.parameters.NAME.value`, ….
    pub field: String,
    /// Whether it has to differ.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub differs: bool,
    /// From what, or what it has to be.
    pub value: String,
}

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The workflow goes on.
    Succeeded,
    /// It does what it does when a step fails.
    Failed,
}

/// Reads a selector: requirements with commas between them, such as `displayName=approve,phase!=Failed`.
///
/// # Errors
/// If one has no operator, or asks for a field that steps do not have.
pub(super) fn selector(text: &str) -> Result<Vec<Requirement>, String> {
    let requirements = text.split(',').map(|part| {
        let (field, rest) = part
            .split_once(['=', '!'])
            .ok_or_else(|| format!("{part:?} is not FIELD=VALUE"))?;
        let differs = part[field.len()..].starts_with("!=");
        let value = rest.strip_prefix('=').unwrap_or(rest);
        if !differs && part[field.len()..].starts_with('!') {
            return Err(format!("{part:?} is not FIELD=VALUE"));
        }
        let field = field.trim();
        let is_known =
            FIELDS.iter().any(|(known, _)| *known == field) || parameter(field).is_some();
        if !is_known {
            let known = FIELDS.map(|(known, _)| known).join(", ");
            return Err(format!(
                "steps have no field {field:?}, but {known} and inputs.parameters.NAME.value"
            ));
        }
        Ok(Requirement {
            field: field.to_owned(),
            differs,
            value: value.trim().to_owned(),
        })
    });
    requirements.collect()
}

/// The input parameter that a field names.
fn parameter(field: &str) -> Option<&str> {
    field
        .strip_prefix("inputs.parameters.")?
        .strip_suffix(".value")
}

impl Requirement {
    fn holds(&self, step: &Value) -> bool {
        let known = FIELDS.iter().find(|(name, _)| *name == self.field);
        let value = match known {
            Some((_, path)) => text(step, path),
            None => parameter(&self.field).and_then(|name| input(step, name)),
        };
        (value.unwrap_or_default() == self.value) != self.differs
    }
}

/// The value of an input parameter.
fn input<'s>(step: &'s Value, name: &str) -> Option<&'s str> {
    let Some(Value::Array(parameters)) = step
        .get("inputs")
        .and_then(|inputs| inputs.get("parameters"))
    else {
        return None;
    };
    let found = parameters
        .iter()
        .find(|parameter| text(parameter, &["name"]) == Some(name));
    found.and_then(|parameter| text(parameter, &["value"]))
}

/// A workflow whose steps that wait have ended: those that are selected, or else all of them, and then it
/// is not suspended any more either.
///
/// # Errors
/// If its steps are not at hand, none of them is selected, or one waits for a value.
pub(super) fn end(
    mut workflow: Value,
    arguments: &Arguments,
    ended: Ended,
    now: &str,
) -> Result<Value, String> {
    let selector = &arguments.steps;
    let Value::Object(map) = &mut workflow else {
        return Ok(workflow);
    };
    if let (true, Some(Value::Object(spec))) = (selector.is_empty(), map.get_mut("spec")) {
        spec.shift_remove("suspend");
    }
    let mut count = 0;
    if let Some(Value::Object(status)) = map.get_mut("status") {
        for step in nodes(status)? {
            let waits = text(step, &["type"]) == Some("Suspend")
                && text(step, &["phase"]) == Some("Running");
            if waits && is_selected(selector, step) {
                count += 1;
                end_step(step, arguments.message.as_deref(), ended, now)?;
            }
        }
    }
    if count == 0 && !selector.is_empty() {
        return Err("no step that waits is selected by --node-field-selector".to_owned());
    }
    Ok(workflow)
}

/// Whether a step meets all requirements.
pub(super) fn is_selected(selector: &[Requirement], step: &Value) -> bool {
    selector.iter().all(|requirement| requirement.holds(step))
}

/// Whether the steps of a workflow are kept in a database, or compressed.
pub(super) fn are_elsewhere(status: &Map) -> bool {
    let is_elsewhere =
        |key| matches!(status.get(key), Some(Value::String(text)) if !text.is_empty());
    is_elsewhere("compressedNodes") || is_elsewhere("offloadNodeStatusVersion")
}

fn nodes(status: &mut Map) -> Result<impl Iterator<Item = &mut Value>, String> {
    if are_elsewhere(status) {
        return Err("its steps are kept where only the Argo server can change them".to_owned());
    }
    let nodes = match status.get_mut("nodes") {
        Some(Value::Object(nodes)) => Some(nodes),
        _ => None,
    };
    Ok(nodes.into_iter().flat_map(Map::values_mut))
}

fn end_step(
    step: &mut Value,
    message: Option<&str>,
    ended: Ended,
    now: &str,
) -> Result<(), String> {
    let Value::Object(step) = step else {
        return Ok(());
    };
    if ended == Ended::Succeeded
        && let Some(Value::Object(outputs)) = step.get_mut("outputs")
        && let Some(Value::Array(parameters)) = outputs.get_mut("parameters")
    {
        parameters.iter_mut().try_for_each(supply)?;
    }
    let phase = match ended {
        Ended::Succeeded => "Succeeded",
        Ended::Failed => "Failed",
    };
    step.insert("phase".into(), string(phase));
    step.insert("finishedAt".into(), string(now));
    if let Some(message) = message {
        step.insert("message".into(), string(message));
    }
    Ok(())
}

/// An output that somebody is to supply has its default.
fn supply(parameter: &mut Value) -> Result<(), String> {
    let waits = parameter
        .get("valueFrom")
        .filter(|from| from.get("supplied").is_some());
    let Some(from) = waits else {
        return Ok(());
    };
    let default = from.get("default").cloned();
    let name = text(parameter, &["name"]).unwrap_or_default();
    let Some(default) = default else {
        return Err(format!(
            "a step waits for a value of {name}, which has no default: only the Argo server can set it"
        ));
    };
    if let Value::Object(parameter) = parameter {
        parameter.insert("value".into(), default);
        parameter.shift_remove("valueFrom");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tiphys_lang::json::from_slice;

    use super::*;

    const NOW: &str = "2026-03-01T09:30:00Z";

    fn ended(nodes: &str, arguments: &Arguments, ended: Ended) -> Result<String, String> {
        let workflow = format!(r#"{{"spec":{{"suspend":true}},"status":{{"nodes":{nodes}}}}}"#);
        let workflow = from_slice(workflow.as_bytes()).unwrap();
        let ended = end(workflow, arguments, ended, NOW)?;
        Ok(ended.to_go_json())
    }

    fn selected(text: &str) -> Arguments {
        Arguments {
            steps: selector(text).unwrap(),
            message: Some("no".to_owned()),
            ..Arguments::default()
        }
    }

    #[test]
    fn steps_are_selected_by_their_fields() {
        let nodes = r#"{"a":{"displayName":"approve","inputs":{"parameters":[{"name":"ship","value":"argo"}]},"phase":"Running","type":"Suspend"},"b":{"displayName":"other","phase":"Running","type":"Suspend"},"c":{"displayName":"approve","phase":"Running","type":"Pod"}}"#;
        for text in [
            "displayName=approve",
            "displayName==approve,phase=Running",
            "inputs.parameters.ship.value=argo",
            "displayName!=other",
        ] {
            let wanted = r#"{"spec":{"suspend":true},"status":{"nodes":{"a":{"displayName":"approve","finishedAt":"2026-03-01T09:30:00Z","inputs":{"parameters":[{"name":"ship","value":"argo"}]},"message":"no","phase":"Failed","type":"Suspend"},"b":{"displayName":"other","phase":"Running","type":"Suspend"},"c":{"displayName":"approve","phase":"Running","type":"Pod"}}}}"#;
            let found = ended(nodes, &selected(text), Ended::Failed);
            assert_eq!(found.as_deref(), Ok(wanted), "{text}");
        }
        let nobody = ended(nodes, &selected("displayName=x"), Ended::Succeeded);
        assert_eq!(
            nobody.unwrap_err(),
            "no step that waits is selected by --node-field-selector"
        );
        for (text, fault) in [
            ("approve", "\"approve\" is not FIELD=VALUE"),
            (
                "displayName!approve",
                "\"displayName!approve\" is not FIELD=VALUE",
            ),
            (
                "colour=red",
                "steps have no field \"colour\", but displayName, id, ",
            ),
        ] {
            let message = selector(text).unwrap_err();
            assert!(message.starts_with(fault), "{message}");
        }
    }

    #[test]
    fn an_output_that_nobody_supplies_has_its_default() {
        let node = |from: &str| {
            format!(
                r#"{{"a":{{"outputs":{{"parameters":[{{"name":"go","valueFrom":{from}}}]}},"phase":"Running","type":"Suspend"}}}}"#
            )
        };
        let all = Arguments::default();
        let found = ended(
            &node(r#"{"default":"yes","supplied":{}}"#),
            &all,
            Ended::Succeeded,
        );
        let wanted = r#"{"spec":{},"status":{"nodes":{"a":{"finishedAt":"2026-03-01T09:30:00Z","outputs":{"parameters":[{"name":"go","value":"yes"}]},"phase":"Succeeded","type":"Suspend"}}}}"#;
        assert_eq!(found.as_deref(), Ok(wanted));
        let missing = ended(&node(r#"{"supplied":{}}"#), &all, Ended::Succeeded);
        assert!(
            missing
                .unwrap_err()
                .contains("a value of go, which has no default")
        );
    }
}
