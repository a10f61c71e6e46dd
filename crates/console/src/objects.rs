//! Event sources, buses and sensors: what they are, and how they are.

use serde_json::{Value, json};
use tiphys_api::manifest::{Content, Object};
use tiphys_api::pause::is_paused;
use tiphys_check::Loadable;
use tiphys_live::mask::{self, Values};
use tiphys_live::progress;
use tiphys_live::top::Row;

use crate::fail::Failure;
use crate::query::Query;
use crate::site::{Key, Known, State};

/// All that are meant.
pub(crate) async fn list(state: &State, query: &Query) -> Result<Value, Failure> {
    let known = state.objects().await?;
    let rows = known
        .loaded
        .ours()
        .map(|loadable| row(state, &known, loadable));
    let rows = rows.filter(|row| wants(query, row));
    Ok(json!({ "objects": rows.collect::<Vec<_>>() }))
}

/// One, with its conditions, its consumers, and as it is written.
pub(crate) async fn one(state: &State, query: &Query) -> Result<Value, Failure> {
    let wanted = ["kind", "namespace", "name"].map(|name| query.needed(name));
    let [kind, namespace, name] = wanted;
    let wanted = (kind?.to_owned(), namespace?.to_owned(), name?.to_owned());
    let known = state.objects().await?;
    let mut all = known.loaded.ours();
    let found = all.find(|loadable| key(state, &loadable.object) == wanted);
    let (kind, namespace, name) = &wanted;
    let missing = || Failure::missing(format!("there is no {kind} {namespace}/{name}"));
    let found = found.ok_or_else(missing)?;
    let mut object = row(state, &known, found);
    object["manifest"] = manifest(&known, &found.object).into();
    object["conditions"] = conditions(known.statuses.get(&wanted)).into();
    let (mut consumers, mut lines) = (Vec::new(), Vec::new());
    if kind == "Sensor" {
        let page = state.rates().await?;
        let of_it = page.rows.iter().filter(|row| {
            let names = row.names.as_ref();
            names.is_some_and(|(of, sensor, _)| of == namespace && sensor == name)
        });
        consumers = of_it.map(rate).collect();
        let look = state.bus().await?.bus.overview.look().await?;
        lines = progress::of_sensor(&look, Some(namespace), name);
    }
    object["consumers"] = consumers.into();
    let lines = lines.iter().map(|line| line.trim());
    object["lines"] = lines.collect::<Vec<_>>().into();
    Ok(object)
}

/// The books of a trigger.
pub(crate) fn rate(row: &Row) -> Value {
    let names = row.names.as_ref();
    json!({
        "namespace": names.map(|(namespace, ..)| namespace),
        "sensor": names.map(|(_, sensor, _)| sensor),
        "trigger": names.map(|(.., trigger)| trigger),
        "consumer": row.consumer.as_str(),
        "rate": row.rate,
        "lag": row.lag,
        "inHand": row.in_hand,
        "repeated": row.repeated,
        "deadLetters": row.dead_letters,
        "p95": row.p95,
    })
}

fn wants(query: &Query, row: &Value) -> bool {
    let is = |name: &str, field: &str| query.text(name).is_none_or(|wanted| row[field] == *wanted);
    let has = |text: &str| {
        row.to_string()
            .to_lowercase()
            .contains(&text.to_lowercase())
    };
    is("namespace", "namespace") && is("kind", "kind") && query.text("text").is_none_or(has)
}

/// The kind, namespace and name of an object.
pub(crate) fn key(state: &State, object: &Object) -> Key {
    let (kind, metadata) = match &object.content {
        Content::EventBus(bus) => ("EventBus", &bus.metadata),
        Content::EventSource(source) => ("EventSource", &source.metadata),
        Content::Sensor(sensor) => ("Sensor", &sensor.metadata),
        Content::Other(_) => return Key::default(),
    };
    let default = state.site.namespace.as_deref();
    let default = default.unwrap_or(tiphys_live::objects::DEFAULT);
    let namespace = metadata.namespace.as_deref().unwrap_or(default);
    let name = metadata.name.as_deref().unwrap_or_default();
    (kind.to_owned(), namespace.to_owned(), name.to_owned())
}

fn row(state: &State, known: &Known, loadable: &Loadable) -> Value {
    let key = key(state, &loadable.object);
    let status = known.statuses.get(&key);
    let ready = status.and_then(|status| {
        let all = status["conditions"].as_array()?;
        all.iter().find(|condition| condition["type"] == "Ready")
    });
    let is_ready = ready.and_then(|ready| match ready["status"].as_str() {
        Some("True") => Some(true),
        Some("False") => Some(false),
        _ => None,
    });
    let text = |name: &str| ready.and_then(|ready| ready[name].as_str());
    let (triggers, events, paused) = match &loadable.object.content {
        Content::Sensor(sensor) => {
            let names = sensor.spec.triggers.iter();
            let names =
                names.filter_map(|trigger| Some(trigger.template.as_ref()?.name.to_string()));
            (names.collect(), Vec::new(), is_paused(&sensor.metadata))
        }
        Content::EventSource(source) => {
            let names = source.spec.events().map(|event| event.name.to_owned());
            (Vec::new(), names.collect(), is_paused(&source.metadata))
        }
        _ => (Vec::<String>::new(), Vec::<String>::new(), false),
    };
    let faults = loadable.faults.iter();
    let faults = faults.map(|fault| {
        let problem = &fault.problem;
        match &problem.hint {
            Some(hint) => format!("{}: {} ({hint})", problem.field_path, problem.message),
            None => format!("{}: {}", problem.field_path, problem.message),
        }
    });
    let (kind, namespace, name) = key;
    json!({
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "ready": is_ready,
        "reason": text("reason"),
        "message": text("message"),
        "paused": paused,
        "faults": faults.collect::<Vec<_>>(),
        "triggers": triggers,
        "events": events,
    })
}

fn conditions(status: Option<&Value>) -> Vec<Value> {
    let all = status.and_then(|status| status["conditions"].as_array());
    let all = all.into_iter().flatten();
    let said = all.map(|condition| {
        json!({
            "type": condition["type"],
            "status": condition["status"],
            "reason": condition["reason"],
            "message": condition["message"],
            "since": condition["lastTransitionTime"],
        })
    });
    said.collect()
}

/// As it is written, without the values of Secrets.
fn manifest(known: &Known, object: &Object) -> String {
    let json = object.to_json();
    let Ok(mut value) = serde_json::from_str::<Value>(&json) else {
        return String::new();
    };
    let mut secrets = Values::default();
    secrets.add_manifests(&json);
    mask::secrets(&mut value);
    let text = if known.loaded.is_live {
        serde_saphyr::to_string(&value).unwrap_or_default()
    } else {
        // What somebody wrote is shown as he wrote it; a file may hold more than one object.
        known
            .loaded
            .texts
            .get(&object.file)
            .cloned()
            .unwrap_or_default()
    };
    secrets.add_manifests(&text);
    secrets.hide(text)
}
