//! A report for people.

use std::fmt::{self, Write};

use tiphys_eventbus::Event;
use tiphys_sensor::action::{
    Action, HttpAction, K8sAction, LogAction, NatsAction, Object, WorkflowAction,
};
use tiphys_sensor::engine::Outcome;
use tiphys_sensor::filter::Verdict;
use tiphys_sensor::parameter::Applied;
use tiphys_sensor::trigger::ParameterStep;

use super::trace::{DependencyReport, Firing, Report, TriggerReport};

/// How much of a payload is shown in a line.
const SHOWN: usize = 160;

pub(super) fn render(report: &Report) -> String {
    let mut out = Page(String::new());
    // Writing to a String cannot fail.
    page(report, &mut out).unwrap_or_default();
    out.0
}

/// A text that grows.
struct Page(String);

impl Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        Ok(())
    }
}

fn page(report: &Report, out: &mut Page) -> fmt::Result {
    let arrival = &report.arrival;
    if let Some(source) = &arrival.source {
        writeln!(out, "event source {source}")?;
        for (filter, passed) in &arrival.filters {
            writeln!(out, "  {} {filter}", mark(*passed))?;
        }
    }
    let Some(event) = &arrival.event else {
        return writeln!(
            out,
            "  → no event: the event source's filter does not take it\n"
        );
    };
    let context = &event.context;
    writeln!(
        out,
        "event {} {}/{} ({})",
        context.id, context.source, context.subject, context.r#type
    )?;
    if report.sensors.is_empty() {
        writeln!(out, "  → no sensor waits for it")?;
    }
    for sensor in &report.sensors {
        writeln!(out, "sensor {}/{}", sensor.namespace, sensor.name)?;
        for report in &sensor.dependencies {
            dependency(report, out)?;
        }
        for report in &sensor.triggers {
            trigger(report, out)?;
        }
    }
    writeln!(out)
}

fn mark(passed: bool) -> char {
    if passed { '✓' } else { '✗' }
}

fn dependency(report: &DependencyReport, out: &mut Page) -> fmt::Result {
    writeln!(out, "  dependency {}", report.name)?;
    match &report.transformed {
        None => {}
        Some(Ok(event)) => writeln!(out, "    ✓ transform → {}", shown(event))?,
        Some(Err(error)) => writeln!(out, "    ✗ transform: {error}")?,
    }
    for step in &report.filters {
        match &step.verdict {
            Verdict::Pass => writeln!(out, "    ✓ filter {}", step.filter)?,
            Verdict::Reject(reason) | Verdict::Fail(reason) => {
                writeln!(out, "    ✗ filter {}: {reason}", step.filter)?;
            }
        }
    }
    Ok(())
}

/// The payload in one line.
fn shown(event: &Event) -> String {
    let text = String::from_utf8_lossy(event.data.as_deref().unwrap_or_default());
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.into_owned(),
    }
}

fn trigger(report: &TriggerReport, out: &mut Page) -> fmt::Result {
    let says = match report.outcome {
        Outcome::Fired => "fires".to_owned(),
        Outcome::Waiting => {
            let kept: Vec<&str> = report.kept.iter().map(|name| &**name).collect();
            format!("waits: it has {} of {}", kept.join(", "), report.conditions)
        }
        Outcome::Filtered => "does not fire: filtered".to_owned(),
        Outcome::Deduplicated => "does not fire: it has had this event".to_owned(),
        Outcome::DeadLettered => "fails: the event would become a dead letter".to_owned(),
        Outcome::InFlight => "is at work".to_owned(),
    };
    writeln!(out, "  trigger {} ({}) {says}", report.name, report.kind)?;
    for report in &report.firings {
        firing(report, out)?;
    }
    Ok(())
}

fn firing(firing: &Firing, out: &mut Page) -> fmt::Result {
    for step in &firing.parameters {
        parameter(step, out)?;
    }
    match &firing.action {
        Ok(Action::K8s(action)) => k8s(action, out),
        Ok(Action::ArgoWorkflow(action)) => workflow(action, out),
        Ok(Action::Http(action)) => http(action, out),
        Ok(Action::Nats(action)) => nats(action, out),
        Ok(Action::Log(action)) => log(action, out),
        Err(error) => writeln!(out, "    ✗ {error}"),
    }
}

fn parameter(step: &ParameterStep, out: &mut Page) -> fmt::Result {
    let ParameterStep {
        field,
        dest,
        applied,
    } = step;
    match applied {
        Applied::Written {
            text,
            fell_back: false,
        } => {
            writeln!(out, "    ✓ {field} {dest} ← {text}")
        }
        Applied::Written {
            text,
            fell_back: true,
        } => {
            writeln!(out, "    ✓ {field} {dest} ← {text} (default)")
        }
        Applied::NoMatch => {
            writeln!(
                out,
                "    - {field} {dest}: the query matches nothing, nothing is changed"
            )
        }
        Applied::Skipped => {
            writeln!(
                out,
                "    - {field} {dest}: skipped, its dependency has no event"
            )
        }
    }
}

fn k8s(action: &K8sAction, out: &mut Page) -> fmt::Result {
    write!(out, "    → {}", action.operation.name())?;
    if let Some(patch) = action.patch {
        write!(out, " ({})", patch.content_type())?;
    }
    writeln!(out)?;
    object(&action.object, out)
}

fn workflow(action: &WorkflowAction, out: &mut Page) -> fmt::Result {
    writeln!(out, "    → {}", action.operation.name())?;
    object(&action.object, out)?;
    if action.arguments.is_empty() {
        return Ok(());
    }
    writeln!(out, "      # with these arguments:")?;
    yaml(&action.arguments, out)
}

fn http(action: &HttpAction, out: &mut Page) -> fmt::Result {
    writeln!(out, "    → {} {}", action.method, action.url)?;
    for (name, value) in &action.headers {
        writeln!(out, "      {name}: {value}")?;
    }
    for header in &action.secure_headers {
        writeln!(out, "      {}: <{}>", header.name, header.value_from)?;
    }
    for line in action.body.lines() {
        writeln!(out, "      {line}")?;
    }
    Ok(())
}

fn nats(action: &NatsAction, out: &mut Page) -> fmt::Result {
    writeln!(out, "    → publish {} on {}", action.subject, action.url)?;
    for line in action.payload.lines() {
        writeln!(out, "      {line}")?;
    }
    Ok(())
}

fn object(object: &Object, out: &mut Page) -> fmt::Result {
    match object {
        Object::Known { object } => yaml(object, out),
        Object::Live { object, live_edits } => {
            yaml(object, out)?;
            for edit in live_edits {
                writeln!(
                    out,
                    "      # in the live object: {} ← {}",
                    edit.dest, edit.value
                )?;
            }
            Ok(())
        }
        Object::Fetched { base, edits } => {
            yaml(base, out)?;
            for edit in edits {
                writeln!(
                    out,
                    "      # in the fetched object: {} ← {}",
                    edit.dest, edit.value
                )?;
            }
            Ok(())
        }
    }
}

fn yaml(value: &impl serde::Serialize, out: &mut Page) -> fmt::Result {
    let value = serde_json::to_value(value).unwrap_or(serde_json::Value::Null);
    let text = serde_saphyr::to_string(&value).unwrap_or_else(|_| value.to_string());
    for line in text.lines() {
        writeln!(out, "      {line}")?;
    }
    Ok(())
}

fn log(action: &LogAction, out: &mut Page) -> fmt::Result {
    for line in &action.lines {
        let text: String = line.message.chars().take(SHOWN).collect();
        let more = if text.len() < line.message.len() {
            "…"
        } else {
            ""
        };
        writeln!(out, "    → log {}: {text}{more}", line.dependency_name)?;
    }
    Ok(())
}
