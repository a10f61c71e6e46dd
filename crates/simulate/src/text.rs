//! A report for people.

use tiphys_api::message::shortened;
use tiphys_eventbus::Event;
use tiphys_eventsource::Check;
use tiphys_lang::json;
use tiphys_sensor::engine::Outcome;
use tiphys_sensor::filter::{Step, Verdict};
use tiphys_sensor::parameter::Applied;
use tiphys_sensor::trigger::{ParameterStep, Part};

use crate::absent::Absent;
use crate::diff::{self, Field};
use crate::faulty::FaultyTrigger;
use crate::lines::{Lines, line};
use crate::trace::{DependencyReport, Firing, Report, SensorReport, TriggerReport, Unfired};

/// How much of a payload is shown in a line.
const SHOWN: usize = 160;

/// How many changes of a transform are shown.
const CHANGES: usize = 12;

pub(super) fn render(report: &Report<'_>) -> String {
    let mut out = Lines::default();
    page(report, &mut out);
    out.finish()
}

fn page(report: &Report<'_>, out: &mut Lines) {
    let arrival = &report.arrival;
    if let Some(object) = &arrival.object {
        line!(out, "object {object}");
    }
    if let Some((_, source)) = &arrival.source {
        line!(out, "event source {source}");
        for check in &arrival.checks {
            condition(check, out);
        }
    }
    let event = match &arrival.event {
        Ok(event) => event,
        Err(why) => {
            line!(out, "  → no event: {why}");
            line!(out, "");
            return;
        }
    };
    let context = &event.context;
    line!(
        out,
        "event {} {}/{} ({})",
        context.id,
        context.source,
        context.subject,
        context.r#type
    );
    if report.sensors.is_empty() {
        line!(out, "  → no sensor waits for it");
    }
    for sensor in &report.sensors {
        self::sensor(sensor, out);
    }
    for Absent { sensor, reason } in &report.absent {
        line!(out, "not waiting: sensor {sensor}: {reason}");
    }
    line!(out, "");
}

fn sensor(report: &SensorReport, out: &mut Lines) {
    let SensorReport {
        namespace,
        name,
        dependencies,
        triggers,
        faulty,
    } = report;
    if faulty.sensor.is_empty() {
        line!(out, "sensor {namespace}/{name}");
    } else {
        line!(
            out,
            "sensor {namespace}/{name} waits for it, but has faults:"
        );
        for fault in &faulty.sensor {
            line!(out, "  {fault}");
        }
    }
    for report in dependencies {
        dependency(report, out);
    }
    for report in triggers {
        trigger(report, out);
    }
    for trigger in &faulty.triggers {
        let FaultyTrigger {
            name,
            kind,
            faults,
            not_run,
        } = trigger;
        if let Some(why) = not_run {
            line!(out, "  trigger {name} ({kind}) is not run here: {why}");
            continue;
        }
        if faults.is_empty() {
            line!(
                out,
                "  trigger {name} ({kind}) cannot be followed: what it waits for has faults"
            );
        } else {
            line!(
                out,
                "  trigger {name} ({kind}) cannot be followed: it has faults:"
            );
        }
        for fault in faults {
            line!(out, "    {fault}");
        }
    }
    if !faulty.sensor.is_empty() || !faulty.triggers.is_empty() {
        line!(out, "  while that is so, none of its triggers runs");
    }
}

fn condition(check: &Check, out: &mut Lines) {
    let Check {
        condition,
        is_met,
        saw,
        why: _,
    } = check;
    let mark = mark(*is_met);
    if saw.is_empty() {
        line!(out, "  {mark} {condition}");
    } else {
        line!(out, "  {mark} {condition}: {saw}");
    }
}

fn mark(passed: bool) -> char {
    if passed { '✓' } else { '✗' }
}

fn dependency(report: &DependencyReport, out: &mut Lines) {
    line!(out, "  dependency {}", report.name);
    match &report.transformed {
        None => {}
        Some(Ok(event)) => changes(report.arrived.as_ref(), event, out),
        Some(Err(error)) => line!(out, "    ✗ transform: {error}"),
    }
    for (step, place) in &report.filters {
        let mark = mark(step.verdict.passes());
        line!(out, "    {mark} {}", filter(step, place));
    }
}

/// What one entry of a filter asks and what it saw; of one that does not pass what it wants, and where it
/// stands.
pub(super) fn filter(step: &Step, place: &str) -> String {
    let Step {
        filter,
        asks,
        saw,
        verdict,
    } = step;
    let asks = match asks.as_str() {
        "" => String::new(),
        asks => format!(" {asks}"),
    };
    let seen = match saw.as_str() {
        "" => String::new(),
        saw => format!(": {saw}"),
    };
    match verdict {
        Verdict::Pass => format!("{filter}{asks}{seen}"),
        Verdict::Reject(reason) | Verdict::Fail(reason) => {
            let mark = if saw.is_empty() { ": " } else { ", " };
            format!("{filter}{asks}{seen}{mark}{reason} ({place})")
        }
    }
}

/// What a transform changed.
fn changes(before: Option<&Event>, after: &Event, out: &mut Lines) {
    let document = |event: &Event| json::from_slice(event.data.as_deref().unwrap_or_default()).ok();
    let (Some(old), Some(new)) = (before.and_then(document), document(after)) else {
        return line!(out, "    ✓ transform → {}", shown(after));
    };
    let differences = diff::differences(&old, &new);
    if differences.is_empty() {
        return line!(out, "    ✓ transform changes nothing");
    }
    line!(out, "    ✓ transform:");
    let signed = |sign, field: Option<&Field>| {
        let leaves = field.map(Field::leaves).unwrap_or_default();
        leaves
            .into_iter()
            .map(move |(path, value)| (sign, path, value))
    };
    let lines: Vec<_> = differences
        .iter()
        .flat_map(|part| {
            signed('-', part.expected.as_ref()).chain(signed('+', part.actual.as_ref()))
        })
        .collect();
    for (sign, path, value) in lines.iter().take(CHANGES) {
        line!(out, "      {sign} {path}: {}", shortened(value, SHOWN));
    }
    if let Some(more) = lines.len().checked_sub(CHANGES).filter(|more| *more > 0) {
        line!(out, "      … and {more} more");
    }
}

/// The payload in one line.
fn shown(event: &Event) -> String {
    let text = String::from_utf8_lossy(event.data.as_deref().unwrap_or_default());
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.into_owned(),
    }
}

/// What a trigger has of what it waits for.
pub(super) fn waits(report: &TriggerReport) -> String {
    let kept: Vec<&str> = report.kept.iter().map(|name| &**name).collect();
    format!("it has {} of {}", kept.join(", "), report.conditions)
}

/// Why its last action could not be rendered.
pub(super) fn last_error(report: &TriggerReport) -> Option<String> {
    let action = &report.firings.last()?.action;
    action.as_ref().err().map(Unfired::short)
}

fn trigger(report: &TriggerReport, out: &mut Lines) {
    let says = match report.outcome {
        Outcome::Fired => "fires".to_owned(),
        Outcome::Waiting => format!("waits: {}", waits(report)),
        Outcome::Filtered => "does not fire: filtered".to_owned(),
        Outcome::Deduplicated => "does not fire: it has had this event".to_owned(),
        Outcome::DeadLettered => {
            let why = last_error(report).map(|error| error + ", ");
            let why = why.unwrap_or_default();
            format!("fails: {why}the event would be dead-lettered")
        }
        Outcome::InFlight => "is at work".to_owned(),
    };
    line!(out, "  trigger {} ({}) {says}", report.name, report.kind);
    let said = report.outcome == Outcome::DeadLettered;
    for (index, one) in report.firings.iter().enumerate() {
        // Why the last one fails is said above.
        firing(one, said && index + 1 == report.firings.len(), out);
    }
}

fn firing(firing: &Firing, is_said: bool, out: &mut Lines) {
    if let Some(name) = &firing.dlq {
        line!(out, "    dlqTrigger {name} takes over");
    }
    for step in &firing.parameters {
        parameter(step, out);
    }
    match firing.action.as_deref() {
        Ok(action) => action.describe().iter().for_each(|part| match part {
            Part::Act(act) => line!(out, "    → {act}"),
            Part::Line(line) => line!(out, "      {line}"),
            Part::Document(document) => yaml(document, out),
        }),
        Err(_) if is_said => {}
        Err(error) => line!(out, "    ✗ {}", error.short()),
    }
}

fn parameter(step: &ParameterStep, out: &mut Lines) {
    let ParameterStep {
        field,
        dest,
        applied,
    } = step;
    match applied {
        Applied::Written {
            text,
            fell_back,
            why,
        } => {
            let why = match (fell_back, why) {
                (false, _) => String::new(),
                (true, None) => " (default)".to_owned(),
                (true, Some(why)) => format!(" (default: {why})"),
            };
            line!(out, "    ✓ {field} {dest} ← {text}{why}");
        }
        Applied::NoMatch => {
            line!(
                out,
                "    - {field} {dest}: the query matches nothing, nothing is changed"
            );
        }
        Applied::Skipped => {
            line!(
                out,
                "    - {field} {dest}: skipped, its dependency has no event"
            );
        }
    }
}

fn yaml(value: &serde_json::Value, out: &mut Lines) {
    let text = serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string());
    for line in text.lines() {
        line!(out, "      {line}");
    }
}
