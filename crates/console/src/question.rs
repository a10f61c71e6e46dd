//! Other objects with real events, or real objects with other events: nothing is changed by a question.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tiphys_api::manifest::{self, Content, Fault, Object};
use tiphys_api::message::with_causes;
use tiphys_api::{EventSourceKind, ResourceEventType};
use tiphys_check::{Loadable, Loaded};
use tiphys_eventbus::Until;
use tiphys_live::comparison::Comparison;
use tiphys_live::events;
use tiphys_live::mask::Values;
use tiphys_live::moment::moment;
use tiphys_live::objects::{DEFAULT, subjects};
use tiphys_simulate::{File, Format, Simulation, What};

use crate::events::one;
use crate::fail::Failure;
use crate::site::{Known, State};
use crate::visitor::Caller;
use crate::work::apart;

/// The name of what somebody types.
const TYPED: &str = "manifests.yaml";

/// Events that are compared at most.
const COMPARED: u64 = 10_000;

#[derive(Debug, Deserialize)]
pub(crate) struct Explain {
    number: u64,
    manifests: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Try {
    manifests: String,
    input: String,
    r#as: Option<String>,
    kind: Option<String>,
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Compare {
    manifests: String,
    since: Option<String>,
    limit: Option<u64>,
}

/// What would have become of an event, were these objects there instead of those of their names.
pub(crate) async fn explain(
    state: &Arc<State>,
    caller: &Caller,
    asked: Explain,
) -> Result<Value, Failure> {
    let known = state.objects().await?;
    let default = default(state);
    let edited = apart(&state.trials, move || async move {
        let edited = typed(asked.manifests, &default);
        faultless(&edited)?;
        Ok(edited)
    });
    let edited = edited.await?;
    let known = Known {
        loaded: Arc::new(instead(&known, edited, state)),
        statuses: HashMap::new(),
        version: 0,
    };
    one(state, asked.number, Arc::new(known), caller).await
}

/// What `simulate` shows.
pub(crate) async fn attempt(state: &Arc<State>, asked: Try) -> Result<Value, Failure> {
    let default = default(state);
    apart(&state.trials, move || async move {
        let what = what(&asked)?;
        let loaded = typed(asked.manifests, &default);
        let faults: Vec<Value> = loaded.faults.iter().map(fault).collect();
        let objects = subjects(&loaded, Some(&default));
        let mut secrets = Values::default();
        secrets.add_manifests(&asked.input);
        let simulation = match Simulation::new(&what, &objects, Timestamp::now()) {
            Ok(simulation) => simulation,
            Err(error) => {
                let text = with_causes(&error);
                return Ok(json!({"text": text, "reports": [], "faults": faults}));
            }
        };
        let (mut text, mut reports) = (String::new(), Vec::new());
        for report in simulation {
            text += &report.print(Format::Text)?;
            let json = secrets.hide(report.print(Format::Json)?);
            reports.push(serde_json::from_str::<Value>(&json).unwrap_or_default());
        }
        Ok(json!({"text": secrets.hide(text), "reports": reports, "faults": faults}))
    })
    .await
}

/// What comes of the last events by other objects.
pub(crate) async fn compare(state: &Arc<State>, asked: Compare) -> Result<Value, Failure> {
    let known = state.objects().await?;
    let since = asked.since.as_deref().map(moment).transpose();
    let since = since.map_err(|wrong| Failure::bad(format!("since: it is {wrong}")))?;
    let limit = asked.limit.unwrap_or(COMPARED).clamp(1, COMPARED);
    let (default, shared) = (default(state), Arc::clone(state));
    apart(&state.trials, move || async move {
        let edited = typed(asked.manifests, &default);
        faultless(&edited)?;
        let namespace = shared.site.namespace.as_deref();
        let new = instead(&known, edited, &shared);
        let [before, after] = [&*known.loaded, &new].map(|loaded| subjects(loaded, namespace));
        let mut comparison = Comparison::new(&before, &after, false);
        let reached = shared.bus().await?;
        let mut seen = events::read(&*reached.bus.history, since, Until::Now).await?;
        while let Some(next) = seen.next().await {
            let next = next?;
            // The last ones are meant.
            if next.left >= limit || next.replay.is_some() {
                continue;
            }
            if let Ok(event) = &next.event {
                comparison.add(event)?;
            }
        }
        let Comparison {
            changes, secrets, ..
        } = comparison;
        let lines = secrets.hide(changes.print(Format::Json)?);
        let rows = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(json!({
            "events": changes.events(),
            "changed": changes.changed_events(),
            "text": secrets.hide(changes.print(Format::Text)?),
            "changes": rows.collect::<Vec<_>>(),
        }))
    })
    .await
}

fn default(state: &State) -> String {
    let namespace = state.site.namespace.as_deref();
    namespace.unwrap_or(DEFAULT).to_owned()
}

/// Checks and compiles what somebody types.
fn typed(text: String, namespace: &str) -> Loaded {
    let mut loaded = Loaded::default();
    let manifest = manifest::read(TYPED, &text);
    loaded.add(manifest, Path::new(TYPED), text, namespace);
    let objects = loaded.objects.iter().map(|loadable| &loadable.object);
    let between = tiphys_check::set(objects, namespace);
    loaded.faults.extend(between);
    loaded
}

/// What has errors decides nothing.
fn faultless(loaded: &Loaded) -> Result<(), Failure> {
    let mut errors = loaded.faults.iter().filter(|fault| fault.is_error());
    if let Some(error) = errors.next() {
        let failure = Failure::bad(format!("line {}: {}", error.line, error.problem.message));
        return Err(match &error.problem.hint {
            Some(hint) => failure.hint(hint.as_str()),
            None => failure,
        });
    }
    if loaded.ours().next().is_none() {
        return Err(Failure::bad(
            "there is no EventSource, EventBus or Sensor in it",
        ));
    }
    Ok(())
}

/// The objects that are there, with others instead of those of the same kind and name.
fn instead(known: &Known, edited: Loaded, state: &State) -> Loaded {
    let default = default(state);
    let name = |object: &Object| {
        let (kind, name) = match &object.content {
            Content::EventBus(bus) => ("EventBus", &bus.metadata.name),
            Content::EventSource(source) => ("EventSource", &source.metadata.name),
            Content::Sensor(sensor) => ("Sensor", &sensor.metadata.name),
            Content::Other(_) => ("", &None),
        };
        let namespace = match object.namespace() {
            "" => default.clone(),
            named => named.to_owned(),
        };
        (kind, namespace, name.clone())
    };
    let others: Vec<_> = edited
        .ours()
        .map(|loadable| name(&loadable.object))
        .collect();
    let mut loaded = edited;
    let kept = known.loaded.ours();
    let kept = kept.filter(|loadable| !others.contains(&name(&loadable.object)));
    for Loadable { object, .. } in kept {
        // What is compiled cannot be shared: this is done once a question.
        let text = object.to_json();
        let manifest = manifest::read(&object.file, &text);
        loaded.add(manifest, Path::new(&*object.file), text, &default);
    }
    loaded.is_live = known.loaded.is_live;
    loaded
}

/// What is tried.
fn what(asked: &Try) -> Result<What, Failure> {
    let file = File {
        name: "input".to_owned(),
        text: asked.input.clone(),
    };
    match asked.r#as.as_deref().unwrap_or("event") {
        "event" => Ok(What::Events(vec![file])),
        "object" => Ok(What::Objects {
            files: vec![file],
            event_type: match asked.kind.as_deref() {
                None | Some("ADD") => ResourceEventType::Add,
                Some("UPDATE") => ResourceEventType::Update,
                Some("DELETE") => ResourceEventType::Delete,
                Some(other) => {
                    let wrong = format!("kind: {other:?} is neither ADD, UPDATE nor DELETE");
                    return Err(Failure::bad(wrong));
                }
            },
            old: None,
        }),
        "body" => {
            let field = asked.kind.as_deref().unwrap_or("webhook");
            let kind = EventSourceKind::from_field(field);
            let unknown = || Failure::bad(format!("kind: {field:?} is no kind of event source"));
            Ok(What::Body {
                body: Some(file),
                headers: Vec::new(),
                kind: kind.ok_or_else(unknown)?,
                source: asked.source.clone(),
            })
        }
        other => {
            let wrong = format!("as: {other:?} is neither event, object nor body");
            Err(Failure::bad(wrong))
        }
    }
}

fn fault(fault: &Fault) -> Value {
    let problem = &fault.problem;
    json!({
        "line": fault.line,
        "path": problem.field_path,
        "message": problem.message,
        "hint": problem.hint,
        "severity": if problem.is_error() { "error" } else { "warning" },
    })
}
