//! The filter of the `resource` event source.

use jiff::Timestamp;
use serde_json::Value;
use tiphys_api::{ResourceEventType, ResourceFilter};
use tiphys_eventsource::source::resource::filter::{Filter, FilterInput};
use tiphys_eventsource::source::resource::selector::LabelSelector;
use tiphys_eventsource::source::resource::selects;

use super::check;
use super::line::Line;

#[test]
fn resource_filter() {
    check("resource_filter", |line| {
        let filter: Option<ResourceFilter> =
            serde_json::from_value(line["filter"].clone()).map_err(|error| error.to_string())?;
        let filter = filter.unwrap_or_default();
        let labels = LabelSelector::compile(&filter.labels, "labels");
        let labels = labels.map_err(|problems| format!("{problems:?}"))?;
        let selector = line.get("selector").and_then(Value::as_str);
        if selector.is_some_and(|selector| selector != labels.as_str()) {
            return Err(format!("selector {}", labels.as_str()));
        }
        // What can never pass is refused when the spec arrives; at run time it rejects.
        Ok(Value::Bool(match Filter::compile(&filter, "filter") {
            Ok(filter) => passes(line, &labels, &filter),
            Err(_) => false,
        }))
    });
}

fn passes(line: &Line, labels: &LabelSelector, filter: &Filter) -> bool {
    let object = if line.get("obj").is_some() {
        line.raw("obj")
    } else {
        "null".to_owned()
    };
    let kind = line["eventType"]
        .as_str()
        .and_then(ResourceEventType::from_name);
    let started_at: Timestamp = line["startTime"].as_str().unwrap().parse().unwrap();
    let input = FilterInput {
        // Any other type goes by the creation, as an addition does.
        kind: kind.unwrap_or(ResourceEventType::Add),
        started_at,
        now: started_at,
    };
    selects(labels, object.as_bytes()) && filter.evaluate(object.as_bytes(), input).is_pass()
}
