//! A dependency: which events a sensor waits for, and what it makes of them.

use std::sync::Arc;

use tiphys_api::{EventDependency, Problem};
use tiphys_eventbus::{Context, Event, Subject};
use tiphys_lang::Memory;

use crate::filter::{Filters, Verdict};
use crate::transform::{self, Transform};

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
    use super::glob;

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
