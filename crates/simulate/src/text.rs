//! A report for people.

use std::fmt::{self, Write};

use tiphys_eventbus::Event;
use tiphys_sensor::engine::Outcome;
use tiphys_sensor::filter::Verdict;
use tiphys_sensor::parameter::Applied;
use tiphys_sensor::trigger::{ParameterStep, Part};

use crate::trace::{DependencyReport, Firing, Report, TriggerReport};

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
    if let Some(name) = &firing.dlq {
        writeln!(out, "    dlqTrigger {name} takes over")?;
    }
    for step in &firing.parameters {
        parameter(step, out)?;
    }
    match firing.action.as_deref() {
        Ok(action) => action.describe().iter().try_for_each(|part| match part {
            Part::Act(act) => writeln!(out, "    → {act}"),
            Part::Line(line) => writeln!(out, "      {line}"),
            Part::Document(document) => yaml(document, out),
        }),
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

fn yaml(value: &serde_json::Value, out: &mut Page) -> fmt::Result {
    let text = serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string());
    for line in text.lines() {
        writeln!(out, "      {line}")?;
    }
    Ok(())
}
