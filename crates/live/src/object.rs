//! An object of a cluster, by the words that `kubectl` takes for it.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResource, APIResourceList};
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;
use tiphys_base::text::lossy;
use tiphys_eventbus::Event;

use crate::reach::{Error, refused};

/// A kind and a name, as in `svc/harbour` or `ingresses.networking.k8s.io/harbour`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// A kind, its plural, or a short name of it; lower case.
    kind: String,
    /// The group, if it is said.
    group: Option<String>,
    name: String,
}

/// Which object a text is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    kind: String,
    namespace: Option<String>,
    name: String,
}

/// A text that names no object.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no object: write KIND/NAME, for example svc/harbour")]
pub struct Unnamed(String);

impl Named {
    /// Reads `KIND/NAME`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn read(text: &str) -> Result<Self, Unnamed> {
        let unnamed = || Unnamed(text.to_owned());
        let (kind, name) = text.split_once('/').ok_or_else(unnamed)?;
        if kind.is_empty() || name.is_empty() || name.contains('/') {
            return Err(unnamed());
        }
        let kind = kind.to_lowercase();
        let (kind, group) = match kind.split_once('.') {
            Some((kind, group)) => (kind.to_owned(), Some(group.to_owned())),
            None => (kind, None),
        };
        Ok(Self {
            kind,
            group,
            name: name.to_owned(),
        })
    }

    /// Whether a resource of a group is meant.
    fn means(&self, group: &str, resource: &APIResource) -> bool {
        let names = [&resource.name, &resource.singular_name, &resource.kind];
        let mut names = names
            .into_iter()
            .chain(resource.short_names.iter().flatten());
        // `pods/log` and the like are no objects.
        !resource.name.contains('/')
            && self.group.as_deref().is_none_or(|wanted| wanted == group)
            && names.any(|name| name.eq_ignore_ascii_case(&self.kind))
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// The object as JSON. A namespaced one is looked for in `namespace`.
///
/// # Errors
/// If there is no such kind or object, or the API server refuses.
pub async fn get(client: &Client, namespace: Option<&str>, named: &Named) -> Result<String, Error> {
    let (resource, is_namespaced) = find(client, named).await?;
    let place = namespace.filter(|_| is_namespaced).unwrap_or("default");
    let api: Api<DynamicObject> = if is_namespaced {
        Api::namespaced_with(client.clone(), place, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    };
    let object = api.get(&named.name).await.map_err(|error| {
        let right = format!("get {}", resource.plural);
        refused(
            format!("read {named} in namespace {place}"),
            &right,
            place,
            &error,
        )
    })?;
    let mut value = serde_json::to_value(&object).unwrap_or(Value::Null);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    Ok(value.to_string())
}

/// The resource that is meant, and whether it has a namespace: the first that fits, core before groups.
async fn find(client: &Client, named: &Named) -> Result<(ApiResource, bool), Error> {
    let failed = |error: kube::Error| {
        refused(
            "ask which kinds there are".to_owned(),
            "get /apis",
            "",
            &error,
        )
    };
    let core = client.list_core_api_resources("v1").await.map_err(failed)?;
    if let Some(found) = pick(named, "", "v1", &core) {
        return Ok(found);
    }
    let APIGroupList { groups } = client.list_api_groups().await.map_err(failed)?;
    for group in groups {
        let name = &group.name;
        if named.group.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let preferred = group
            .preferred_version
            .or_else(|| group.versions.first().cloned());
        let Some(version) = preferred else { continue };
        // A group whose server is away is not asked again.
        let resources = client
            .list_api_group_resources(&version.group_version)
            .await;
        let Ok(resources) = resources else { continue };
        if let Some(found) = pick(named, name, &version.version, &resources) {
            return Ok(found);
        }
    }
    Err(Error::Cluster {
        act: format!("read {named}"),
        reason: "the cluster has no such kind".to_owned(),
        hint: Some("`kubectl api-resources` lists them".to_owned()),
    })
}

fn pick(
    named: &Named,
    group: &str,
    version: &str,
    list: &APIResourceList,
) -> Option<(ApiResource, bool)> {
    let mut resources = list.resources.iter();
    let found = resources.find(|resource| named.means(group, resource))?;
    let kind = GroupVersionKind::gvk(group, version, &found.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, &found.name);
    Some((resource, found.namespaced))
}

impl Identity {
    /// Of an object as JSON or YAML; `None` if it names none.
    pub fn of(text: &str) -> Option<Self> {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => serde_saphyr::from_str(text).ok()?,
        };
        Self::read(&value)
    }

    /// Of an object.
    pub fn read(value: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let metadata = value.get("metadata")?;
        Some(Self {
            kind: text(value.get("kind")?)?,
            namespace: metadata.get("namespace").and_then(text),
            name: text(metadata.get("name")?)?,
        })
    }

    /// Of an object that is named as `kubectl` takes it.
    pub fn of_name(named: &Named, namespace: Option<&str>) -> Self {
        Self {
            kind: named.kind.clone(),
            namespace: namespace.map(ToOwned::to_owned),
            name: named.name.clone(),
        }
    }

    /// Of the object that an event of a resource event source is about.
    pub fn of_event(event: &Event) -> Option<Self> {
        if event.context.r#type != "resource" {
            return None;
        }
        let data: Value = serde_json::from_slice(event.data.as_deref()?).ok()?;
        Self::read(data.get("body")?)
    }

    /// Whether an event of a resource event source is about it.
    pub fn is_of(&self, event: &Event) -> bool {
        let data = event.data.as_deref().unwrap_or_default();
        // Most events are about something else, and are not read.
        lossy(data).contains(&self.name)
            && Self::of_event(event).is_some_and(|other| self.is_same(&other))
    }

    /// Whether both are one object: a namespace that is not said may be any.
    pub fn is_same(&self, other: &Self) -> bool {
        let spaces = [self.namespace.as_ref(), other.namespace.as_ref()];
        let is_near = match spaces {
            [Some(one), Some(two)] => one == two,
            _ => true,
        };
        is_near && self.name == other.name && self.kind.eq_ignore_ascii_case(&other.kind)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        match namespace {
            Some(namespace) => write!(f, "{kind} {namespace}/{name}"),
            None => write!(f, "{kind} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_named_as_kubectl_takes_them() {
        let resource = |name: &str, singular: &str, kind: &str, short: &[&str]| APIResource {
            name: name.to_owned(),
            singular_name: singular.to_owned(),
            kind: kind.to_owned(),
            short_names: Some(short.iter().map(|name| (*name).to_owned()).collect()),
            ..APIResource::default()
        };
        let services = resource("services", "service", "Service", &["svc"]);
        for text in ["svc/a", "service/a", "Service/a", "services/a"] {
            assert!(Named::read(text).unwrap().means("", &services), "{text}");
        }
        assert!(!Named::read("pod/a").unwrap().means("", &services));
        let ingresses = resource("ingresses", "ingress", "Ingress", &["ing"]);
        let group = "networking.k8s.io";
        let named = Named::read("ingresses.networking.k8s.io/a").unwrap();
        assert!(named.means(group, &ingresses));
        assert!(!named.means("extensions", &ingresses));
        let status = resource("ingresses/status", "", "Ingress", &[]);
        assert!(!named.means(group, &status));
        for text in ["a", "/a", "svc/", "a/b/c"] {
            assert!(Named::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_event_is_about_the_object_in_its_body() {
        let event = |r#type: &str, data: Value| Event {
            context: tiphys_eventbus::Context {
                r#type: r#type.to_owned(),
                ..Default::default()
            }
            .into(),
            data: Some(data.to_string().into()),
        };
        let service =
            json!({"kind": "Service", "metadata": {"name": "harbour", "namespace": "playground"}});
        let identity = Identity::read(&service).unwrap();
        let about = json!({"type": "ADD", "body": service});
        assert!(identity.is_of(&event("resource", about.clone())));
        assert!(!identity.is_of(&event("webhook", about)));
        let other = json!({"body": {"kind": "Service", "metadata": {"name": "harbour", "namespace": "docks"}}});
        assert!(!identity.is_of(&event("resource", other)));
        assert_eq!(
            Identity::of("kind: Service\nmetadata: {name: harbour, namespace: playground}\n"),
            Some(identity)
        );
        assert_eq!(Identity::of("kind: Service\n"), None);
    }
}
