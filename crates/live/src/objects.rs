//! The objects of a namespace, as a cluster has them.

use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;

use crate::reach::{Error, refused};

/// An object as a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// As in `sensor playground/ingress-sn`.
    pub name: String,
    /// JSON.
    pub json: String,
}

/// How many objects are asked for at a time.
const PAGE: u32 = 200;

/// The EventSources and Sensors of a namespace.
///
/// # Errors
/// If the API server refuses, or does not answer.
pub async fn read(client: &Client, namespace: &str) -> Result<Vec<Text>, Error> {
    let mut texts = Vec::new();
    for (kind, plural) in [("EventSource", "eventsources"), ("Sensor", "sensors")] {
        let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = api.list(&params).await.map_err(|error| {
                let act = format!("read the {plural} of namespace {namespace}");
                refused(act, &format!("list {plural}"), namespace, &error)
            })?;
            let resource = &resource;
            texts.extend(page.items.iter().map(|object| text(object, resource)));
            match page.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => params = params.continue_token(&next),
                None => break,
            }
        }
    }
    Ok(texts)
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
    if let Some(members) = value.as_object_mut() {
        members.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        members.insert("kind".to_owned(), resource.kind.clone().into());
        // Nothing of it is a wish of its author.
        members.remove("status");
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            metadata.remove("managedFields");
        }
    }
    Text {
        name,
        json: value.to_string(),
    }
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
