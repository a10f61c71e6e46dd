//! Kubernetes objects as users have them: in documents one after another, and in lists.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Act as _;
use crate::{Error, File, documents};

/// An object, and what it is known by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// As it was written.
    pub(crate) json: String,
    kind: String,
    namespace: String,
    name: String,
}

/// What is read of an object or of a list.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Header {
    api_version: Option<String>,
    kind: Option<String>,
    metadata: Option<Metadata>,
    items: Option<Vec<Box<RawValue>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    namespace: Option<String>,
    name: Option<String>,
}

/// The objects of all documents of a file.
pub(crate) fn read(file: &File) -> Result<Vec<Object>, Error> {
    let mut objects = Vec::new();
    for document in documents::read(file)? {
        let place = || {
            format!(
                "read {}: the document that begins on line {}",
                file.name, document.line
            )
        };
        add(document.json.clone(), None, &mut objects).act(place)?;
    }
    Ok(objects)
}

/// Adds an object, or those of a list. An item may leave its type to the `list`.
fn add(
    json: String,
    list: Option<(&str, &str)>,
    objects: &mut Vec<Object>,
) -> serde_json::Result<()> {
    let Header {
        api_version,
        kind,
        metadata,
        items,
    } = serde_json::from_str(&json)?;
    let (api_version, kind) = (api_version.unwrap_or_default(), kind.unwrap_or_default());
    if let (Some(item), Some(items)) = (kind.strip_suffix("List"), items) {
        for json in items {
            add(json.get().to_owned(), Some((&api_version, item)), objects)?;
        }
        return Ok(());
    }
    let Metadata { namespace, name } = metadata.unwrap_or_default();
    let (json, kind) = match list {
        Some((api_version, item)) if kind.is_empty() && !item.is_empty() => {
            (with_type(&json, api_version, item), item.to_owned())
        }
        _ => (json, kind),
    };
    objects.push(Object {
        json,
        kind,
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_default(),
    });
    Ok(())
}

/// An item with the type that its list states only once.
fn with_type(item: &str, api_version: &str, kind: &str) -> String {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let members = item.trim_start().strip_prefix('{').unwrap_or_default();
    let comma = if members.trim_start().starts_with('}') {
        ""
    } else {
        ","
    };
    format!(
        r#"{{"apiVersion":{},"kind":{}{comma}{members}"#,
        text(api_version),
        text(kind)
    )
}

impl Object {
    /// Whether both are one object at different times.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let key = |object: &Self| [&object.kind, &object.namespace, &object.name].map(Clone::clone);
        key(self) == key(other)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
            json: _,
        } = self;
        match namespace.as_str() {
            "" => write!(f, "{kind} {name}"),
            namespace => write!(f, "{kind} {namespace}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let file = File {
            name: "f".into(),
            text: text.into(),
        };
        let objects = read(&file).unwrap();
        let found: Vec<_> = objects
            .iter()
            .map(|o| (o.to_string(), o.json.clone()))
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(name, json)| (&**name, &**json))
            .collect();
        assert_eq!(found, expected);
    }

    /// What kubectl prints is a list.
    #[test]
    fn documents_and_lists_are_objects() {
        check(
            "kind: Pod\nmetadata: {name: a}\n---\nkind: List\nitems:\n- {kind: Pod, metadata: {name: b, namespace: ns}}\n- {kind: Job}\n",
            &[
                ("Pod a", r#"{"kind":"Pod","metadata":{"name":"a"}}"#),
                (
                    "Pod ns/b",
                    r#"{"kind":"Pod","metadata":{"name":"b","namespace":"ns"}}"#,
                ),
                ("Job ", r#"{"kind":"Job"}"#),
            ],
        );
    }

    #[test]
    fn items_have_the_type_of_their_list() {
        check(
            r#"{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"a"}},{}]}"#,
            &[
                (
                    "Pod a",
                    r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#,
                ),
                ("Pod ", r#"{"apiVersion":"v1","kind":"Pod"}"#),
            ],
        );
        check(r#"{"kind":"List","items":[]}"#, &[]);
    }
}
