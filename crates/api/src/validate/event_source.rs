//! Rules of an `EventSource`.

mod broker;
mod called;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Problems, object_name, subject_part, template, timezone};
use crate::cron::CalendarSchedule;
use crate::duration::parse_duration;
use crate::field_path::{index, join};
use crate::problem::{Code, Problem};
use crate::{
    CalendarEventSource, EventConfig, EventSource, EventSourceSpec, ResourceEventSource,
    ResourceEventType, Selector,
};

/// Everything that is wrong with an event source, in the order of its fields.
pub fn event_source(event_source: &EventSource) -> Vec<Problem> {
    let mut problems = Problems::default();
    let spec = &event_source.spec;
    object_name(event_source.metadata.name.as_deref(), &mut problems);
    if spec.events().next().is_none() {
        problems.error(
            "spec",
            "no event source is configured, so there is nothing to run",
        );
    }
    for event in spec.events() {
        let path = event.field_path();
        if event.name.is_empty() {
            problems.error(path.clone(), "an event must have a name");
        }
        subject_part(&path, event.name, &mut problems);
        config(&path, event.config, &mut problems);
    }
    let names = spec.events().map(|event| (event.field_path(), event.name));
    problems.unique(names.collect::<Vec<_>>().into_iter(), |name| {
        format!("more than one \"{name}\" found in the spec")
    });
    groups(spec, &mut problems);
    endpoints(spec, &mut problems);
    template(spec.template.as_ref(), &mut problems);
    problems.0
}

/// Sources that are called run in all pods, the others in one: they cannot share an object.
fn groups(spec: &EventSourceSpec, problems: &mut Problems) {
    let Some(first) = spec.events().next() else {
        return;
    };
    let leads = first.kind.is_leader_elected();
    if let Some(other) = spec
        .events()
        .find(|event| event.kind.is_leader_elected() != leads)
    {
        problems.push(
            Problem::error(
                other.field_path(),
                "event sources with rolling update and recreate update strategy can not be put \
                 together",
            )
            .with_hint(format!(
                "{} and {} need an EventSource each",
                first.kind.field(),
                other.kind.field()
            )),
        );
    }
}

/// Of two events with one port, path and method, only one could be called; and a port shows one
/// certificate.
fn endpoints(spec: &EventSourceSpec, problems: &mut Problems) {
    let (mut routes, mut ports) = (HashMap::new(), HashMap::new());
    for event in spec.events() {
        let Some(context) = event.config.webhook_context() else {
            continue;
        };
        let (port, endpoint) = (context.port.as_str(), context.endpoint.as_str());
        if port.is_empty() || endpoint.is_empty() {
            continue;
        }
        let (path, method) = (event.field_path(), context.method());
        let route = (port, endpoint, method.clone());
        if let Some(other) = routes.insert(route, path.clone()) {
            let message = format!(
                "port {port}, endpoint {endpoint} and method {method} are those of {other}"
            );
            problems.push(Problem::error(path.clone(), message).with_code(Code::Conflict));
        }
        let certificate = context
            .server_cert_secret
            .as_ref()
            .zip(context.server_key_secret.as_ref());
        match ports.entry(port) {
            Entry::Vacant(entry) => {
                entry.insert((certificate, path));
            }
            Entry::Occupied(entry) => {
                let (others, other) = entry.get();
                if *others != certificate {
                    let message = format!(
                        "port {port} has one certificate or none, and {other} has chosen another"
                    );
                    let problem = Problem::error(format!("{path}.serverCertSecret"), message)
                        .with_code(Code::Conflict);
                    problems.push(problem.with_hint(
                        "write the same serverCertSecret and serverKeySecret, or another port",
                    ));
                }
            }
        }
    }
}

fn config(path: &str, config: EventConfig<'_>, problems: &mut Problems) {
    match config {
        EventConfig::Resource(source) => resource(path, source, problems),
        EventConfig::Calendar(source) => calendar(path, source, problems),
        _ => {
            called::config(path, config, problems);
            broker::config(path, config, problems);
        }
    }
}

fn resource(path: &str, source: &ResourceEventSource, problems: &mut Problems) {
    problems.needed(path, "version", &source.version);
    problems.needed(path, "resource", &source.resource);
    let types_path = format!("{path}.eventTypes");
    match source.event_types.as_deref() {
        None => problems.error(types_path, "event types must be specified"),
        Some([]) => problems.warning(types_path, "without any type nothing is published"),
        Some(types) => {
            for (at, name) in types.iter().enumerate() {
                if ResourceEventType::from_name(name).is_none() {
                    let message = format!("unknown event type: {name}");
                    let path = index(&types_path, at);
                    problems.one_of(path, message, name, &ResourceEventType::NAMES);
                }
            }
        }
    }
    let Some(filter) = &source.filter else { return };
    for (at, selector) in filter.labels.iter().enumerate() {
        label(
            &index(&format!("{path}.filter.labels"), at),
            selector,
            problems,
        );
    }
    for (at, selector) in filter.fields.iter().enumerate() {
        let path = index(&format!("{path}.filter.fields"), at);
        key(&path, selector, problems);
        let operators = ["==", "=", "!="];
        let name = selector.operation.as_str();
        if !name.is_empty() && !operators.contains(&name) {
            let message = format!("invalid operator {name:?}, only =, == and != are supported");
            problems.one_of(format!("{path}.operation"), message, name, &operators);
        }
    }
}

fn key(path: &str, selector: &Selector, problems: &mut Problems) {
    if selector.key.is_empty() {
        problems.error(format!("{path}.key"), "key can't be empty for selector");
    }
}

/// A label selector, which the API server evaluates.
fn label(path: &str, selector: &Selector, problems: &mut Problems) {
    const OPERATORS: [&str; 9] = ["==", "=", "!=", "in", "notin", "exists", "!", "gt", "lt"];
    key(path, selector, problems);
    let value_path = format!("{path}.value");
    match selector.operation.as_str() {
        "" | "=" | "==" | "!=" | "in" | "notin" => {}
        name @ ("exists" | "!") => {
            if !selector.value.is_empty() {
                problems.error(value_path, format!("operator {name} takes no value"));
            }
        }
        name @ ("gt" | "lt") => {
            if selector.value.parse::<i64>().is_err() {
                problems.error(value_path, format!("operator {name} needs a whole number"));
            }
        }
        name => {
            let message = format!("unknown operator {name:?} of a label selector");
            problems.one_of(format!("{path}.operation"), message, name, &OPERATORS);
        }
    }
}

fn calendar(path: &str, source: &CalendarEventSource, problems: &mut Problems) {
    let (schedule, interval) = (source.schedule.as_str(), source.interval.as_str());
    if schedule.is_empty() && interval.is_empty() {
        problems.error(path, "must have either schedule or interval");
    }
    if !schedule.is_empty() {
        if let Err(error) = schedule.parse::<CalendarSchedule>() {
            problems.error(format!("{path}.schedule"), error.to_string());
        }
        if !interval.is_empty() {
            problems.no_effect(format!("{path}.interval"), "has no effect beside schedule");
        }
    } else if !interval.is_empty() {
        duration(path, "interval", interval, problems);
        if parse_duration(interval).is_ok_and(|interval| interval.as_millis() < 1_000) {
            problems.error(format!("{path}.interval"), "interval has to be at least 1s");
        }
    }
    let name = source.timezone.as_str();
    timezone(
        &join(path, "timezone"),
        name,
        || format!("invalid timezone {name:?}"),
        problems,
    );
    for (at, dates) in source.exclusion_dates.iter().enumerate() {
        if !dates.starts_with("EXDATE:") {
            let path = index(&format!("{path}.exclusionDates"), at);
            let problem = Problem::warning(path, "has no effect: it does not begin with EXDATE:")
                .with_code(Code::NoEffect);
            problems.push(problem.with_hint("write it like EXDATE:20260101T000000Z"));
        }
    }
    let catchup = source
        .persistence
        .as_ref()
        .and_then(|kept| kept.catchup.as_ref());
    if let Some(catchup) = catchup.filter(|catchup| !catchup.max_duration.is_empty()) {
        let path = format!("{path}.persistence.catchup");
        duration(&path, "maxDuration", &catchup.max_duration, problems);
    }
}

/// A field that holds a duration, if anything.
fn duration(path: &str, field: &str, text: &str, problems: &mut Problems) {
    if let (false, Err(error)) = (text.is_empty(), parse_duration(text)) {
        problems.error(join(path, field), error.to_string());
    }
}
