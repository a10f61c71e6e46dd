//! What the API server answers: lines of a watch, pages of a list, and what types there are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source::resource::object::{Object, Version};
use crate::source::resource::payload::with_type;

/// Marks the bookmark at the end of a streamed list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A line of a watch.
#[derive(Debug)]
pub(in super::super) enum Line {
    /// An object came.
    Added(Object),
    /// An object changed.
    Modified(Object),
    /// An object went.
    Deleted(Object),
    /// Nothing happened up to here.
    Bookmark {
        version: Version,
        /// The streamed list is complete.
        ends_list: bool,
    },
    /// The watch ends for a reason.
    Error {
        code: u16,
        reason: String,
        message: String,
    },
    /// A line of a kind that servers of today do not send.
    Unknown,
}

#[derive(Deserialize)]
struct RawLine<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize, Default)]
struct BookmarkObject {
    #[serde(default)]
    metadata: BookmarkMetadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BookmarkMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct StatusObject {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl Line {
    pub(super) fn read(line: &Bytes) -> Result<Self, serde_json::Error> {
        let RawLine { r#type, object } = serde_json::from_slice(line)?;
        let whole = || Object::parse(line.slice_ref(object.get().as_bytes()));
        Ok(match &*r#type {
            "ADDED" => Self::Added(whole()?),
            "MODIFIED" => Self::Modified(whole()?),
            "DELETED" => Self::Deleted(whole()?),
            "BOOKMARK" => {
                let BookmarkObject { metadata } = serde_json::from_str(object.get())?;
                let end = metadata.annotations.get(INITIAL_EVENTS_END);
                Self::Bookmark {
                    version: Version::from(metadata.resource_version.as_str()),
                    ends_list: end.is_some_and(|end| end == "true"),
                }
            }
            "ERROR" => {
                let StatusObject {
                    code,
                    reason,
                    message,
                } = serde_json::from_str(object.get())?;
                Self::Error {
                    code,
                    reason,
                    message,
                }
            }
            _ => Self::Unknown,
        })
    }
}

/// A page of a list.
#[derive(Debug)]
pub(in super::super) struct Page {
    /// The objects, each with its type.
    pub(in super::super) objects: Vec<Object>,
    /// Where the list stands.
    pub(in super::super) version: Version,
    /// Leads to the next page.
    pub(in super::super) next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPage<'a> {
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    r#continue: String,
}

impl Page {
    pub(super) fn read(text: &Bytes) -> Result<Self, serde_json::Error> {
        let RawPage {
            kind,
            api_version,
            metadata,
            items,
        } = serde_json::from_slice(text)?;
        let kind = kind.strip_suffix("List").unwrap_or(&kind);
        let objects = items
            .unwrap_or_default()
            .into_iter()
            .map(|item| Object::parse(with_type(item.get().as_bytes(), &api_version, kind)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            objects,
            version: Version::from(metadata.resource_version.as_str()),
            next: Some(metadata.r#continue).filter(|token| !token.is_empty()),
        })
    }
}

/// Whether objects of the type belong into namespaces, as the group's list of types says.
pub(super) fn scope(types: &str, resource: &str) -> Result<Option<bool>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Types {
        resources: Vec<Type>,
    }
    #[derive(Deserialize)]
    struct Type {
        name: String,
        namespaced: bool,
    }
    let Types { resources } = serde_json::from_str(types)?;
    Ok(resources
        .into_iter()
        .find(|r#type| r#type.name == resource)
        .map(|found| found.namespaced))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Line, Page, scope};

    #[test]
    fn lines_of_every_kind_are_read() {
        let read = |line: &'static str| Line::read(&Bytes::from_static(line.as_bytes())).unwrap();
        assert!(matches!(
            read(r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}"#),
            Line::Bookmark { version, ends_list: true } if version.as_str() == "7"
        ));
        assert!(matches!(
            read(r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8"}}}"#),
            Line::Bookmark {
                ends_list: false,
                ..
            }
        ));
        assert!(matches!(
            read(
                r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#
            ),
            Line::Error { code: 410, .. }
        ));
        assert!(matches!(
            read(r#"{"type":"NEW","object":{}}"#),
            Line::Unknown
        ));
        assert!(Line::read(&Bytes::from_static(b"{}")).is_err());
    }

    #[test]
    fn items_of_a_page_have_their_type() {
        let text = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"t"},"items":[{"metadata":{"name":"a"}}]}"#;
        let page = Page::read(&Bytes::from_static(text.as_bytes())).unwrap();
        assert_eq!(
            page.objects[0].raw,
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#
        );
        assert_eq!(
            (page.version.as_str(), page.next.as_deref()),
            ("9", Some("t"))
        );
        let empty = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":null}"#;
        let page = Page::read(&Bytes::from_static(empty.as_bytes())).unwrap();
        assert!(page.objects.is_empty() && page.next.is_none());
    }

    #[test]
    fn the_scope_of_a_type_is_found() {
        let types = r#"{"resources":[{"name":"pods","namespaced":true},{"name":"nodes","namespaced":false}]}"#;
        assert_eq!(scope(types, "pods").unwrap(), Some(true));
        assert_eq!(scope(types, "nodes").unwrap(), Some(false));
        assert_eq!(scope(types, "cats").unwrap(), None);
    }
}
