//! The Kubernetes API server: objects of any kind, found by discovery and sent as they are.

mod discovery;
mod request;

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use kube::Client;
use serde::Serialize;

pub use discovery::is_api_version;
pub(crate) use request::classify;
pub use request::{Answer, Target, is_segment};

/// How long one call may take before the API server counts as unavailable.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A cluster as one user.
pub struct Cluster {
    client: Client,
    kinds: Mutex<HashMap<(String, String), Kind>>,
}

/// A kind that the API server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// `v1`, or `networking.k8s.io/v1`.
    pub api_version: String,
    /// The resource in paths, such as `ingresses`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// Content types of patches (RFC 7386, RFC 6902, and Kubernetes' own).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PatchStrategy {
    /// JSON merge patch, the default.
    #[serde(rename = "application/merge-patch+json")]
    Merge,
    /// Lists are merged by their keys.
    #[serde(rename = "application/strategic-merge-patch+json")]
    Strategic,
    /// JSON patch: a list of operations.
    #[serde(rename = "application/json-patch+json")]
    Json,
    /// Server-side apply, under the field manager `argo-events-sensor`.
    #[serde(rename = "application/apply-patch+yaml")]
    Apply,
}

impl PatchStrategy {
    /// All strategies.
    pub const ALL: [Self; 4] = [Self::Merge, Self::Strategic, Self::Json, Self::Apply];

    /// The content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// The cluster that `client` speaks to, as its user.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            kinds: Mutex::default(),
        }
    }
}

/// Whether an object of a cluster may have this name, which then means itself in a path.
pub(crate) fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for name in ["login", "a.b-c", "0"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../b",
            "s?namespace=b",
            "a/b",
            "a%2fb",
            "é",
            "-a",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
