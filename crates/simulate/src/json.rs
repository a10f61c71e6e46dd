//! A report as one line of JSON.

use serde_json::{Value, json};
use tiphys_eventbus::Event;
use tiphys_sensor::filter::Verdict;
use tiphys_sensor::parameter::Applied;

use crate::Error;
use crate::absent::Absent;
use crate::error::Act as _;
use crate::faulty::FaultyTrigger;
use crate::trace::{DependencyReport, Firing, Report, SensorReport, TriggerReport};

pub(super) fn render(report: &Report<'_>) -> Result<String, Error> {
    let arrival = &report.arrival;
    let checks = arrival.checks.iter();
    let checks = checks.map(
        |check| json!({ "filter": check.condition, "passed": check.is_met, "saw": check.saw }),
    );
    let absent = report.absent.iter();
    let absent =
        absent.map(|Absent { sensor, reason }| json!({ "sensor": sensor, "reason": reason }));
    let value = json!({
        "object": arrival.object,
        "eventSource": arrival.source.as_ref().map(|(_, name)| name),
        "eventSourceFilters": checks.collect::<Vec<_>>(),
        "event": arrival.event.as_ref().ok().map(event),
        "noEvent": arrival.event.as_ref().err(),
        "sensors": report.sensors.iter().map(sensor).collect::<Result<Vec<_>, Error>>()?,
        "notWaiting": absent.collect::<Vec<_>>(),
    });
    Ok(format!("{value}\n"))
}

fn event(event: &Event) -> Value {
    let context = serde_json::from_str(&event.context.to_json()).unwrap_or(Value::Null);
    json!({ "context": context, "data": data(event) })
}

fn data(event: &Event) -> Value {
    let data = event.data.as_deref().unwrap_or_default();
    serde_json::from_slice(data)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(data).into_owned()))
}

fn sensor(report: &SensorReport) -> Result<Value, Error> {
    let mut triggers = report
        .triggers
        .iter()
        .map(trigger)
        .collect::<Result<Vec<_>, Error>>()?;
    let faulty = report.faulty.triggers.iter();
    triggers.extend(faulty.map(|trigger| {
        let FaultyTrigger {
            name,
            kind,
            faults,
            not_run,
        } = trigger;
        let outcome = if not_run.is_some() {
            "not_run"
        } else {
            "faulty"
        };
        json!({ "trigger": name, "type": kind, "outcome": outcome, "faults": faults })
    }));
    Ok(json!({
        "namespace": &*report.namespace,
        "sensor": &*report.name,
        "faults": report.faulty.sensor,
        "dependencies": report.dependencies.iter().map(dependency).collect::<Vec<_>>(),
        "triggers": triggers,
    }))
}

fn dependency(report: &DependencyReport) -> Value {
    let transformed = report
        .transformed
        .as_ref()
        .map(|transformed| match transformed {
            Ok(event) => json!({ "data": data(event) }),
            Err(error) => json!({ "error": error }),
        });
    let filters = report.filters.iter().map(|(step, place)| {
        let mut value = json!({
            "filter": step.filter,
            "asks": step.asks,
            "saw": step.saw,
            "passed": step.verdict.passes(),
            "place": place,
        });
        match &step.verdict {
            Verdict::Pass => {}
            Verdict::Reject(reason) => value["reason"] = reason.as_str().into(),
            Verdict::Fail(error) => value["error"] = error.as_str().into(),
        }
        value
    });
    json!({
        "dependency": &*report.name,
        "transform": transformed,
        "filters": filters.collect::<Vec<_>>(),
        "taken": report.taken.is_some(),
    })
}

fn trigger(report: &TriggerReport) -> Result<Value, Error> {
    Ok(json!({
        "trigger": &*report.name,
        "type": report.kind,
        "outcome": report.outcome.name(),
        "conditions": report.conditions,
        "waiting": report.kept.iter().map(|name| &**name).collect::<Vec<_>>(),
        "firings": report.firings.iter().map(firing).collect::<Result<Vec<_>, Error>>()?,
    }))
}

fn firing(firing: &Firing) -> Result<Value, Error> {
    let parameters = firing.parameters.iter().map(|step| match &step.applied {
        Applied::Written {
            text,
            fell_back,
            why,
        } => json!({
            "parameter": step.field,
            "dest": step.dest,
            "value": text,
            "default": fell_back,
            "why": why,
        }),
        Applied::Skipped => json!({ "parameter": step.field, "dest": step.dest, "skipped": true }),
        Applied::NoMatch => json!({ "parameter": step.field, "dest": step.dest, "matched": false }),
    });
    let parameters: Vec<_> = parameters.collect();
    Ok(match &firing.action {
        Ok(action) => {
            let action = serde_json::to_value(&**action).act(|| "print the action".to_owned())?;
            json!({ "parameters": parameters, "action": action })
        }
        Err(error) => json!({
            "parameters": parameters,
            "error": error.text,
            "place": Some(&error.place).filter(|place| !place.is_empty()),
        }),
    })
}
