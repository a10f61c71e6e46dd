//! Rules of a sensor's dependencies and their filters.

use jiff::civil::Time;

use super::{Problems, bucket_key, subject_part, timezone};
use crate::field_path::index;
use crate::problem::Problem;
use crate::{
    Comparator, DataFilter, DataType, EventContext, EventDependency, EventDependencyFilter,
    ExprFilter, LogicalOperator, TimeFilter,
};

pub(super) fn dependencies(dependencies: &[EventDependency], problems: &mut Problems) {
    if dependencies.is_empty() {
        problems.error("spec.dependencies", "no event dependencies found");
    }
    for (at, dependency) in dependencies.iter().enumerate() {
        check(&index("spec.dependencies", at), dependency, problems);
    }
    let names = dependencies.iter().enumerate().map(|(at, dependency)| {
        (
            format!("{}.name", index("spec.dependencies", at)),
            dependency.name.as_str(),
        )
    });
    problems.unique(names, |name| format!("duplicate dependency name: {name}"));
}

fn check(path: &str, dependency: &EventDependency, problems: &mut Problems) {
    let name_path = format!("{path}.name");
    match dependency.name.as_str() {
        "" => problems.error(name_path, "event dependency must define a name"),
        // The bucket of a sensor's rounds keeps each trigger's condition under this name.
        "Expression" => problems.warning(name_path, "this name is used by the bus itself"),
        name => bucket_key(&name_path, name, problems),
    }
    let source_path = format!("{path}.eventSourceName");
    if dependency.event_source_name.is_empty() {
        problems.error(
            source_path,
            "event dependency must define the EventSourceName",
        );
    } else {
        subject_part(&source_path, &dependency.event_source_name, problems);
    }
    let event_path = format!("{path}.eventName");
    if dependency.event_name.is_empty() {
        problems.error(event_path, "event dependency must define the EventName");
    } else {
        subject_part(&event_path, &dependency.event_name, problems);
    }
    if let Some(filter) = &dependency.filters {
        filters(&format!("{path}.filters"), filter, problems);
    }
    let operator = &dependency.filters_logical_operator;
    logical_operator(path, "filtersLogicalOperator", operator, problems);
    if let Some(transform) = &dependency.transform
        && !transform.jq.is_empty()
        && !transform.script.is_empty()
    {
        problems.no_effect(
            format!("{path}.transform.script"),
            "has no effect beside jq",
        );
    }
}

fn filters(path: &str, filter: &EventDependencyFilter, problems: &mut Problems) {
    logical_operator(
        path,
        "exprLogicalOperator",
        &filter.expr_logical_operator,
        problems,
    );
    logical_operator(
        path,
        "dataLogicalOperator",
        &filter.data_logical_operator,
        problems,
    );
    for (at, expr) in filter.exprs.iter().flatten().enumerate() {
        expression(&index(&format!("{path}.exprs"), at), expr, problems);
    }
    for (at, entry) in filter.data.iter().flatten().enumerate() {
        data(&index(&format!("{path}.data"), at), entry, problems);
    }
    if let Some(filter) = &filter.context {
        context(&format!("{path}.context"), filter, problems);
    }
    if let Some(filter) = &filter.time {
        time(&format!("{path}.time"), filter, problems);
    }
}

fn logical_operator(parent: &str, field: &str, name: &str, problems: &mut Problems) {
    if LogicalOperator::from_name(name).is_none() {
        let message = format!("logical operator {name} not supported");
        problems.one_of(
            format!("{parent}.{field}"),
            message,
            name,
            &LogicalOperator::NAMES,
        );
    }
}

fn expression(path: &str, filter: &ExprFilter, problems: &mut Problems) {
    if filter.expr.is_empty() || filter.fields.is_empty() {
        problems.error(
            path,
            "one of expr filters is not valid (expr and fields must be not empty)",
        );
    }
    for (at, field) in filter.fields.iter().enumerate() {
        if field.path.is_empty() || field.name.is_empty() {
            problems.error(
                index(&format!("{path}.fields"), at),
                "one of expr filters is not valid (path and name in a field must be not empty)",
            );
        }
    }
}

fn data(path: &str, filter: &DataFilter, problems: &mut Problems) {
    if Comparator::from_name(&filter.comparator).is_none() {
        let message = format!("comparator {} not supported", filter.comparator.as_str());
        let path = format!("{path}.comparator");
        problems.one_of(path, message, &filter.comparator, &Comparator::NAMES);
    }
    if filter.path.is_empty() || filter.r#type.is_empty() || filter.value.is_empty() {
        problems.error(
            path,
            "one of data filters is not valid (type, path and value must be not empty)",
        );
    }
    let data_type = DataType::from_name(&filter.r#type);
    if data_type.is_none() && !filter.r#type.is_empty() {
        let message = format!("unsupported JSON type '{}'", filter.r#type.as_str());
        problems.one_of(
            format!("{path}.type"),
            message,
            &filter.r#type,
            &DataType::NAMES,
        );
    }
    for (at, value) in filter.value.iter().enumerate() {
        if value.is_empty() {
            problems.error(
                index(&format!("{path}.value"), at),
                "one of data filters is not valid (value must be not empty)",
            );
        }
    }
    let comparator = Comparator::from_name(&filter.comparator).unwrap_or_default();
    let is_order = !matches!(comparator, Comparator::Equal | Comparator::NotEqual);
    if is_order && data_type == Some(DataType::String) {
        let message = "texts have no order: this never matches";
        let problem = Problem::warning(format!("{path}.comparator"), message);
        problems.push(problem.with_hint("use `type: number`, or an entry of `exprs`"));
    }
}

fn context(path: &str, filter: &EventContext, problems: &mut Problems) {
    let compared = [
        &filter.r#type,
        &filter.subject,
        &filter.source,
        &filter.datacontenttype,
    ];
    if compared.iter().all(|field| field.is_empty()) {
        problems.error(
            path,
            "no fields specified in ctx filter (aka all events will be discarded)",
        );
    }
}

fn time(path: &str, filter: &TimeFilter, problems: &mut Problems) {
    let name = filter.timezone.as_str();
    let message = || format!("invalid timezone '{name}'");
    timezone(&format!("{path}.timezone"), name, message, problems);
    let start = clock(&format!("{path}.start"), &filter.start, problems);
    let stop = clock(&format!("{path}.stop"), &filter.stop, problems);
    if let (Some(start), Some(stop)) = (start, stop)
        && start == stop
    {
        problems.error(
            format!("{path}.stop"),
            format!(
                "invalid event time filter: stop '{}' is equal to start '{}'",
                filter.stop.as_str(),
                filter.start.as_str()
            ),
        );
    }
}

/// Reads a time of the day, `HH:MM:SS`; one digit of hours and a fraction are fine.
fn clock(path: &str, text: &str, problems: &mut Problems) -> Option<Time> {
    let time = parse_clock(text);
    if time.is_none() {
        let problem = Problem::error(path, format!("{text:?} is not a time of the day"));
        problems.push(problem.with_hint("write it like 09:30:00"));
    }
    time
}

fn parse_clock(text: &str) -> Option<Time> {
    let (clock, fraction) = text
        .split_once('.')
        .map_or((text, None), |(c, f)| (c, Some(f)));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let well_formed = parts.next().is_none()
        && matches!(hour.len(), 1 | 2)
        && minute.len() == 2
        && second.len() == 2
        && [hour, minute, second].into_iter().all(all_digits)
        && fraction.is_none_or(|f| matches!(f.len(), 1..=9) && all_digits(f));
    if !well_formed {
        return None;
    }
    let nanos = format!("{:0<9}", fraction.unwrap_or_default())
        .parse()
        .ok()?;
    Time::new(
        hour.parse().ok()?,
        minute.parse().ok()?,
        second.parse().ok()?,
        nanos,
    )
    .ok()
}
