//! `tiphys schema`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The kind; by default a schema for all three
    #[arg(value_name = "KIND", ignore_case = true)]
    pub(crate) kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    #[value(name = "EventBus")]
    EventBus,
    #[value(name = "EventSource")]
    EventSource,
    #[value(name = "Sensor")]
    Sensor,
}

pub(crate) fn main(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let crds = match args.kind {
        Some(Kind::EventBus) => vec![tiphys_api::crd::event_bus()],
        Some(Kind::EventSource) => vec![tiphys_api::crd::event_source()],
        Some(Kind::Sensor) => vec![tiphys_api::crd::sensor()],
        None => tiphys_api::crd::crds(),
    };
    let crds = crds.iter().map(serde_json::to_value);
    let crds: Vec<Value> = crds.collect::<Result<_, _>>().context("read a CRD")?;
    let mut kinds: Vec<Value> = crds.iter().filter_map(schema).collect();
    let mut document = match kinds.len() {
        1 => kinds.remove(0),
        // A document is of the kind that it names.
        _ => json!({"oneOf": kinds}),
    };
    document["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    writeln!(std::io::stdout(), "{document:#}").context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// The schema of a CRD as one of JSON Schema: with the two fields that every object has, and without
/// the extensions that only an API server knows.
fn schema(crd: &Value) -> Option<Value> {
    let kind = crd.pointer("/spec/names/kind")?;
    let mut schema = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema")?
        .clone();
    plain(&mut schema);
    schema["properties"]["apiVersion"] = json!({"const": tiphys_api::API_VERSION});
    schema["properties"]["kind"] = json!({"const": kind});
    schema["properties"]["metadata"] = json!({"type": "object"});
    schema["required"] = json!(["apiVersion", "kind", "metadata", "spec"]);
    schema["title"] = kind.clone();
    Some(schema)
}

/// Replaces what only Kubernetes knows.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("x-kubernetes-int-or-string") == Some(&true.into()) {
                members.insert("type".to_owned(), json!(["integer", "string"]));
            }
            if members.remove("nullable") == Some(true.into())
                && let Some(Value::String(kind)) = members.get("type").cloned()
            {
                members.insert("type".to_owned(), json!([kind, "null"]));
            }
            members.retain(|key, _| !key.starts_with("x-kubernetes-"));
            members.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}
