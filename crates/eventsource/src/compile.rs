//! From an `EventSource` object to what runs, with everything that is wrong with it.

use std::sync::Arc;

use tiphys_api::{EventSource, EventSourceKind, Problem, field_path, validate};

use crate::expression::Expression;
use crate::served::Route;
use crate::source::{self, Placement, Source};

/// An event source that is ready to run.
#[derive(Debug)]
pub struct Compiled {
    /// Name of the object.
    pub name: Arc<str>,
    /// Namespace of the object.
    pub namespace: Arc<str>,
    /// Uid of the object; empty if it is in no cluster.
    pub uid: Arc<str>,
    /// Its events.
    pub events: Vec<Arc<CompiledEvent>>,
}

/// An event that is ready to run.
#[derive(Debug)]
pub struct CompiledEvent {
    /// Name of the event.
    pub name: Arc<str>,
    /// Name of the event source.
    pub source: Arc<str>,
    /// Namespace of the event source.
    pub namespace: Arc<str>,
    /// Uid of the event source; empty if it is in no cluster.
    pub uid: Arc<str>,
    /// The kind of its source.
    pub kind: EventSourceKind,
    /// What is particular to the kind.
    pub(crate) config: Arc<dyn Source>,
    /// Which payloads are published.
    pub(crate) expression: Expression,
}

impl CompiledEvent {
    /// In which pods it runs.
    pub fn placement(&self) -> Placement {
        self.config.placement()
    }

    /// The paths it answers over HTTP.
    pub fn routes(&self) -> Vec<Route> {
        self.config.routes()
    }
}

/// Compiles an event source.
///
/// # Errors
/// Everything that is wrong with it, with field paths; warnings are left out if there is no error.
pub fn compile(event_source: &EventSource) -> Result<Compiled, Vec<Problem>> {
    let (compiled, problems) = compile_sound(event_source);
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    Ok(compiled)
}

/// Compiles those events of an event source that are sound, with everything that is wrong with it.
pub fn compile_sound(event_source: &EventSource) -> (Compiled, Vec<Problem>) {
    let mut problems = validate::event_source(event_source);
    let metadata = &event_source.metadata;
    let name: Arc<str> = metadata.name.as_deref().unwrap_or_default().into();
    let namespace: Arc<str> = metadata.namespace.as_deref().unwrap_or_default().into();
    let uid: Arc<str> = metadata.uid.as_deref().unwrap_or_default().into();
    let mut events = Vec::new();
    for event in event_source.spec.events() {
        let path = event.field_path();
        let config = source::compile(&path, event.config);
        let is_refused = |problem: &Problem| {
            problem.is_error() && field_path::is_within(&problem.field_path, &path)
        };
        let is_sound = !problems.iter().any(is_refused);
        match (config, Expression::compile(&event)) {
            (Ok(config), Ok(expression)) if is_sound => events.push(Arc::new(CompiledEvent {
                name: event.name.into(),
                source: name.clone(),
                namespace: namespace.clone(),
                uid: uid.clone(),
                kind: event.kind,
                config,
                expression,
            })),
            (config, expression) => {
                problems.extend(config.err().into_iter().flatten());
                problems.extend(expression.err());
            }
        }
    }
    let problems = without_repetition(problems);
    let compiled = Compiled {
        name,
        namespace,
        uid,
        events,
    };
    (compiled, problems)
}

/// One problem a field: the static rules and the compiler see some of them both.
fn without_repetition(problems: Vec<Problem>) -> Vec<Problem> {
    let mut kept: Vec<Problem> = Vec::with_capacity(problems.len());
    for problem in problems {
        let is_known = kept.iter().any(|known| {
            known.field_path == problem.field_path && known.severity == problem.severity
        });
        if !is_known {
            kept.push(problem);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::compile;

    fn problems(manifest: &str) -> Vec<String> {
        let event_source = serde_json::from_str(manifest).unwrap();
        compile(&event_source)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_fault_is_told_with_its_field() {
        let found = problems(
            r#"{"metadata":{"name":"es","namespace":"ns"},"spec":{"resource":{"ev":{
                "version":"v1","resource":"Services","eventTypes":["ADD"],"filter":{
                    "labels":[{"key":"a","operation":"<=","value":"1"},{"key":"b","value":"x y"}],
                    "fields":[{"key":"a","operation":"in","value":"1"},{"key":"b","value":"("},
                              {"key":"$[","value":"1"}]}}}}}"#,
        );
        let paths: Vec<&str> = found
            .iter()
            .map(|problem| problem.split(": ").nth(1).unwrap())
            .collect();
        for path in [
            "spec.resource.ev.resource",
            "spec.resource.ev.filter.labels[0].operation",
            "spec.resource.ev.filter.labels[1].value",
            "spec.resource.ev.filter.fields[0].operation",
            "spec.resource.ev.filter.fields[1].value",
            "spec.resource.ev.filter.fields[2].key",
        ] {
            assert_eq!(
                paths.iter().filter(|found| **found == path).count(),
                1,
                "{path}: {found:#?}"
            );
        }
    }

    #[test]
    fn an_expression_is_compiled_for_every_kind() {
        for (kind, config) in [
            (
                "resource",
                r#""version":"v1","resource":"pods","eventTypes":["ADD"]"#,
            ),
            ("nats", r#""url":"u","subject":"s""#),
        ] {
            let found = problems(&format!(
                r#"{{"metadata":{{"name":"es"}},"spec":{{"{kind}":{{"ev":{{{config},
                    "filter":{{"expression":"type == \"ADD\""}}}}}}}}}}"#,
            ));
            let place = format!("error: spec.{kind}.ev.filter.expression: ");
            assert!(
                found.iter().any(|problem| problem.starts_with(&place)),
                "{found:#?}"
            );
        }
    }

    #[cfg(not(feature = "hdfs"))]
    #[test]
    fn a_kind_that_is_not_run_is_named() {
        let found = problems(
            r#"{"metadata":{"name":"es"},"spec":{"hdfs":{"ev":{"directory":"/in/","path":"x","type":"CREATE"}}}}"#,
        );
        assert!(
            found.contains(
                &"error: spec.hdfs.ev: event sources of type hdfs are not in this build of tiphys (feature hdfs)"
                    .to_owned()
            ),
            "{found:#?}"
        );
    }

    #[cfg(not(feature = "redis"))]
    #[test]
    fn a_kind_that_was_left_out_is_named_with_its_feature() {
        let found = problems(
            r#"{"metadata":{"name":"es"},"spec":{"redisStream":{"ev":{"hostAddress":"a:1","streams":["s"]}}}}"#,
        );
        assert_eq!(
            found,
            [
                "error: spec.redisStream.ev: event sources of type redisStream are not in this build of tiphys (feature redis)"
            ]
        );
    }
}
