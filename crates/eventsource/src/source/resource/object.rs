//! An object of Kubernetes as bytes, and the few things that are read of it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The uid of an object.
pub type Uid = Arc<str>;

/// Namespace and name of an object.
pub type Name = (Arc<str>, Arc<str>);

/// A resourceVersion: numbers that grow, by KEP-5504; of older servers any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Version(Arc<str>);

impl Version {
    /// As the API server wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this comes after `other`. Versions that are not numbers come after any other one.
    pub fn is_after(&self, other: &Self) -> bool {
        match (self.digits(), other.digits()) {
            (Some(this), Some(other)) => this > other,
            _ => self != other,
        }
    }

    /// Sorts numbers before texts, each in its own order.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self.digits(), other.digits()) {
            (Some(this), Some(other)) => this.cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.0.cmp(&other.0),
        }
    }

    /// A number of any size, as what compares like it.
    fn digits(&self) -> Option<(usize, &str)> {
        if self.0.is_empty() || !self.0.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = self.0.trim_start_matches('0');
        Some((digits.len(), digits))
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Version {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Identifies it for good.
    pub uid: Uid,
    /// Its namespace, empty if it has none.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its resourceVersion.
    pub version: Version,
    /// Its JSON.
    pub raw: Bytes,
}

#[derive(Deserialize)]
struct Partial<'a> {
    #[serde(borrow, default)]
    metadata: PartialMetadata<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PartialMetadata<'a> {
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
}

impl Object {
    /// Reads an object. One without a uid, as some aggregated APIs have them, goes by its name.
    ///
    /// # Errors
    /// If it is no JSON object with metadata.
    pub fn parse(raw: Bytes) -> Result<Self, serde_json::Error> {
        let Partial { metadata } = serde_json::from_slice(&raw)?;
        let uid: Uid = if metadata.uid.is_empty() {
            format!("{}/{}", metadata.namespace, metadata.name).into()
        } else {
            metadata.uid.as_ref().into()
        };
        let namespace = metadata.namespace.as_ref().into();
        let name = metadata.name.as_ref().into();
        let version = Version::from(metadata.resource_version.as_ref());
        Ok(Self {
            uid,
            namespace,
            name,
            version,
            raw,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Object, Version};

    #[test]
    fn versions_compare_as_numbers_of_any_size() {
        for (this, other, is_after) in [
            ("10", "9", true),
            ("9", "10", false),
            ("9", "9", false),
            (
                "123456789012345678901234567890",
                "99999999999999999999999999999",
                true,
            ),
            ("abc", "abd", true),
            ("abc", "abc", false),
            ("1", "", true),
        ] {
            assert_eq!(
                Version::from(this).is_after(&other.into()),
                is_after,
                "{this} {other}"
            );
        }
    }

    #[test]
    fn what_an_object_is_known_by_is_read_of_its_bytes() {
        let raw = r#"{"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7","labels":{}},"spec":[1]}"#;
        let object = Object::parse(Bytes::from(raw)).unwrap();
        assert_eq!(&*object.uid, "u");
        assert_eq!((&*object.namespace, &*object.name), ("n", "a"));
        assert_eq!(object.version.as_str(), "7");
        assert_eq!(object.raw, raw);
        let nameless = Object::parse(Bytes::from(r#"{"metadata":{"name":"a\u0062"}}"#)).unwrap();
        assert_eq!(&*nameless.uid, "/ab");
        assert!(Object::parse(Bytes::from("[]x")).is_err());
    }
}
