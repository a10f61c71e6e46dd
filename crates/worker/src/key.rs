//! Which object is meant: its kind, namespace and name.

use std::fmt;
use std::sync::Arc;

/// A kind of object that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An event source.
    EventSource,
    /// A sensor.
    Sensor,
}

/// An object that runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl Kind {
    /// The kind, as manifests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventSource => "EventSource",
            Self::Sensor => "Sensor",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        write!(f, "{} {namespace}/{name}", kind.as_str())
    }
}
