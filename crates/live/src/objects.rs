//! The objects of a namespace, as a cluster has them.

use std::path::Path;

use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;
use tiphys_api::manifest::{self, Content};
use tiphys_check::{Loaded, Program};
use tiphys_simulate::{Objects, Subject};

use crate::reach::{Error, refused};

/// An object as a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// As in `sensor playground/ingress-sn`.
    pub name: String,
    /// JSON.
    pub json: String,
    /// What its controller says of it, if it does.
    pub status: Option<Value>,
}

/// The namespace of objects that name none.
pub const DEFAULT: &str = "default";

/// How many objects are asked for at a time.
const PAGE: u32 = 200;

/// The EventSources and Sensors of a namespace.
///
/// # Errors
/// If the API server refuses, or does not answer.
pub async fn read(client: &Client, namespace: &str) -> Result<Vec<Text>, Error> {
    let mut texts = list(client, namespace, "EventSource", "eventsources").await?;
    texts.extend(list(client, namespace, "Sensor", "sensors").await?);
    Ok(texts)
}

/// The EventBuses of a namespace.
///
/// # Errors
/// If the API server refuses, or does not answer.
pub async fn buses(client: &Client, namespace: &str) -> Result<Vec<Text>, Error> {
    list(client, namespace, "EventBus", "eventbus").await
}

async fn list(
    client: &Client,
    namespace: &str,
    kind: &str,
    plural: &str,
) -> Result<Vec<Text>, Error> {
    let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let mut params = ListParams::default().limit(PAGE);
    let mut texts = Vec::new();
    loop {
        let page = api.list(&params).await.map_err(|error| {
            let act = format!("read the {plural} of namespace {namespace}");
            refused(act, &format!("list {plural}"), namespace, &error)
        })?;
        texts.extend(page.items.iter().map(|object| text(object, &resource)));
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(texts),
        }
    }
}

/// An object of a list names neither its kind nor its version.
fn text(object: &DynamicObject, resource: &ApiResource) -> Text {
    let metadata = &object.metadata;
    let name = format!(
        "{} {}/{}",
        resource.kind.to_lowercase(),
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default()
    );
    let mut value = serde_json::to_value(object).unwrap_or(Value::Null);
    let mut status = None;
    if let Some(members) = value.as_object_mut() {
        members.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        members.insert("kind".to_owned(), resource.kind.clone().into());
        // Nothing of it is a wish of its author.
        status = members.remove("status");
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            metadata.remove("managedFields");
        }
    }
    Text {
        name,
        json: value.to_string(),
        status,
    }
}

/// Checks and compiles the objects of a namespace of a cluster.
pub fn loaded(texts: Vec<Text>, namespace: &str) -> Loaded {
    let mut loaded = Loaded {
        is_live: true,
        ..Loaded::default()
    };
    for Text { name, json, .. } in texts {
        let manifest = manifest::read(&name, &json);
        loaded.add(manifest, Path::new(&name), json, namespace);
    }
    loaded
}

/// The objects of the files that events can go through. Those that name no namespace are in
/// `namespace`; without it nobody knows.
pub fn subjects<'l>(loaded: &'l Loaded, namespace: Option<&'l str>) -> Objects<'l> {
    let mut objects = Objects {
        default: namespace.unwrap_or(DEFAULT),
        event_sources: Vec::new(),
        sensors: Vec::new(),
    };
    for loadable in &loaded.objects {
        let namespace = match loadable.object.namespace() {
            "" => namespace.unwrap_or_default(),
            named => named,
        };
        let errors = loadable.faults.iter();
        let errors = errors.filter(|fault| fault.problem.is_error()).collect();
        let program = loadable.program.as_ref().or(loadable.sound.as_ref());
        match &loadable.object.content {
            Content::Sensor(object) => objects.sensors.push(Subject {
                object,
                manifest: &loadable.object,
                namespace,
                compiled: match program {
                    Some(Program::Sensor(sensor)) => Some(sensor),
                    _ => None,
                },
                faults: errors,
                is_live: loaded.is_live,
            }),
            Content::EventSource(object) => objects.event_sources.push(Subject {
                object,
                manifest: &loadable.object,
                namespace,
                compiled: match program {
                    Some(Program::EventSource(source)) => Some(source),
                    _ => None,
                },
                faults: errors,
                is_live: loaded.is_live,
            }),
            Content::EventBus(_) | Content::Other(_) => {}
        }
    }
    objects
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_of_a_list_gets_its_kind() {
        let object = json!({
            "metadata": {"name": "gate", "namespace": "harbour", "managedFields": []},
            "spec": {"triggers": []},
            "status": {"conditions": []},
        });
        let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Sensor");
        let resource = ApiResource::from_gvk_with_plural(&kind, "sensors");
        let text = text(&serde_json::from_value(object).unwrap(), &resource);
        assert_eq!(text.name, "sensor harbour/gate");
        let read: Value = serde_json::from_str(&text.json).unwrap();
        assert_eq!(
            read,
            json!({
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Sensor",
                "metadata": {"name": "gate", "namespace": "harbour"},
                "spec": {"triggers": []},
            })
        );
    }
}
