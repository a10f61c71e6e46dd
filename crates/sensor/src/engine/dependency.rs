//! A dependency: which events a sensor waits for, and what it makes of them.

use std::sync::Arc;

use tiphys_api::{EventDependency, Problem};
use tiphys_eventbus::{Context, Event, Subject};
use tiphys_lang::{Memory, json};

use crate::filter::{Filters, Verdict};
use crate::transform::{self, Transform};
use crate::view::JSON;

/// A compiled dependency.
#[derive(Debug)]
pub struct Dependency {
    name: Arc<str>,
    event_source: String,
    event: String,
    transform: Option<Transform>,
    filters: Option<Filters>,
}

/// What a dependency makes of an event.
#[derive(Debug)]
pub enum Admission {
    /// It takes the event, as the transform left it.
    Taken(Event),
    /// Its filters do not take it.
    Filtered(Verdict),
    /// Its transform failed.
    Failed(transform::Error),
}

impl Dependency {
    /// Compiles a dependency; `field` is its field path. Faults are added to `problems`.
    pub fn compile(spec: &EventDependency, field: &str, problems: &mut Vec<Problem>) -> Self {
        let transform = spec.transform.as_ref().and_then(|transform| {
            Transform::compile(transform, &format!("{field}.transform"), problems)
        });
        let filters = spec.filters.as_ref().map(|filters| {
            let field = format!("{field}.filters");
            Filters::compile(filters, &spec.filters_logical_operator, &field, problems)
        });
        Self {
            name: spec.name.as_str().into(),
            event_source: spec.event_source_name.to_string(),
            event: spec.event_name.to_string(),
            transform,
            filters,
        }
    }

    /// Its name in the Sensor.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The subject its events are published under; with wildcards if its names have some.
    pub fn subject(&self) -> Subject {
        Subject::dependency(&self.event_source, &self.event)
    }

    /// Whether it waits for events with these attributes.
    pub fn matches(&self, context: &Context) -> bool {
        glob(&self.event_source, &context.source) && glob(&self.event, &context.subject)
    }

    /// Transforms and filters an event.
    pub fn admit(&self, event: Event) -> Admission {
        self.admit_within(event, &Memory::whole())
    }

    /// As [`Dependency::admit`], with so much of the memory of each program.
    pub(crate) fn admit_within(&self, event: Event, memory: &Memory) -> Admission {
        let event = match self.transform_within(event, memory) {
            Ok(event) => event,
            Err(error) => return Admission::Failed(error),
        };
        let filters = self.filters.as_ref();
        match filters.map(|filters| filters.check_within(&event, memory)) {
            None | Some(Verdict::Pass) => Admission::Taken(event),
            Some(verdict) => Admission::Filtered(verdict),
        }
    }

    /// Only the transform: for people who want to see each stage.
    ///
    /// # Errors
    /// If the program fails, or gives what cannot be a payload.
    pub fn transform(&self, event: Event) -> Result<Event, transform::Error> {
        self.transform_within(event, &Memory::whole())
    }

    fn transform_within(&self, event: Event, memory: &Memory) -> Result<Event, transform::Error> {
        let event = unambiguous(event);
        match &self.transform {
            Some(transform) => transform.apply_within(event, memory),
            None => Ok(event),
        }
    }

    /// Whether it has a transform.
    pub fn transforms(&self) -> bool {
        self.transform.is_some()
    }

    /// Its filters.
    pub fn filters(&self) -> Option<&Filters> {
        self.filters.as_ref()
    }
}

/// An event whose payload means the same to all languages: of a key that is there twice a path and a template
/// take the first, jq and Lua the last, so that what a filter approves would not be what a parameter uses.
fn unambiguous(event: Event) -> Event {
    // What an API server sends has no key twice.
    if event.context.r#type == "resource" || event.context.datacontenttype != JSON {
        return event;
    }
    match event.data.as_deref().and_then(json::without_repeats) {
        Some(data) => Event {
            data: Some(data.into()),
            ..event
        },
        None => event,
    }
}

/// Whether `name` matches `pattern`, in which `*` stands for any text.
fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some(at) = left.find(part) else {
            return false;
        };
        left = &left[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::Parameter;
    use crate::view::Views;

    /// A filter in one language approved what a parameter in another one did not use.
    #[test]
    fn of_a_key_that_is_there_twice_all_languages_see_the_last() {
        let context = Context {
            r#type: "webhook".into(),
            datacontenttype: JSON.into(),
            ..Context::default()
        };
        let event = Event {
            context: context.into(),
            data: Some(r#"{"a":1,"b":{"c":"x","c":"y"},"a":2}"#.into()),
        };
        for spec in [
            r#"{"filters":{"data":[{"path":"a","type":"number","value":["2"]}]}}"#,
            r#"{"filters":{"data":[{"path":"b.c","type":"string","value":["y"]}]}}"#,
            r#"{"filters":{"exprs":[{"expr":"a == 2","fields":[{"name":"a","path":"a"}]}]}}"#,
            r#"{"filters":{"script":"return event.a == 2 and event.b.c == 'y'"}}"#,
            r#"{"transform":{"jq":"."},"filters":{"data":[{"path":"a","type":"number","value":["2"]}]}}"#,
            r#"{"transform":{"script":"return event"}}"#,
        ] {
            let read = serde_json::from_str(spec).unwrap();
            let dependency = Dependency::compile(&read, "d", &mut Vec::new());
            let Admission::Taken(taken) = dependency.admit(event.clone()) else {
                panic!("{spec}");
            };
            for source in [r#""dataKey":"a""#, r#""dataTemplate":"{{ .Input.a }}""#] {
                let spec = format!(r#"{{"src":{{"dependencyName":"d",{source}}},"dest":"x"}}"#);
                let spec = serde_json::from_str(&spec).unwrap();
                let parameter = Parameter::compile(&spec, "p", &mut Vec::new()).unwrap();
                let value = parameter.resolve(&Views::new([("d", &taken)])).unwrap();
                assert_eq!(value.unwrap().text, "2", "{source}");
            }
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("webhook", "webhook", true),
            ("webhook", "webhooks", false),
            ("*", "anything", true),
            ("*", "", true),
            ("web*", "webhook", true),
            ("*-es", "ingress-es", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("*a", "b", false),
        ] {
            assert_eq!(glob(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
