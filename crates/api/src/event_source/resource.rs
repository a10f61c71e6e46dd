//! Kubernetes objects as a source.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::given::{Given, object};
use crate::schema;

object! {
    /// Watches the Kubernetes objects of one type.
    pub struct ResourceEventSource {
        /// Namespace of the objects. Default: all namespaces.
        namespace: Given<String>,
        /// Which of the objects count. Default: all.
        filter: Option<ResourceFilter>,
        /// API group, for example `apps`. Default: the core group.
        group: Given<String>,
        /// API version, for example `v1`.
        version: Given<String>,
        /// Plural name of the type in lower case, for example `services`.
        resource: Given<String>,
        /// What is published: `ADD`, `UPDATE`, `DELETE`.
        event_types: Option<Vec<String>>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
    }
}

object! {
    /// Which objects count. All conditions have to hold.
    pub struct ResourceFilter {
        /// How the name starts.
        prefix: Given<String>,
        /// Labels the object must have; the API server filters by them.
        labels: Given<Vec<Selector>>,
        /// Values the object must have.
        fields: Given<Vec<Selector>>,
        /// The object was created no later than this.
        #[schemars(schema_with = "schema::kubernetes::<Time>")]
        created_by: Option<Time>,
        /// The object was created or changed after the event source started. Default: false.
        after_start: Given<bool>,
        /// Expression over the event's data that is true for events to publish, for example
        /// `body.spec.replicas > 1`.
        expression: Given<String>,
    }
}

object! {
    /// A label or a value that an object must have.
    pub struct Selector {
        /// Name of the label, or path of the value, for example `status.phase`.
        key: Given<String>,
        /// `==` (the default), `=` or `!=`; for labels also `in`, `notin`, `exists`, `!`, `gt` and `lt`.
        operation: Given<String>,
        /// The value: for labels a text, or several separated by commas; for fields a regular
        /// expression that matches anywhere in the text.
        value: Given<String>,
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceEventType {
    /// It came.
    Add,
    /// It changed.
    Update,
    /// It went.
    Delete,
}

impl ResourceEventType {
    /// The texts that name a type.
    pub const NAMES: [&'static str; 3] = ["ADD", "UPDATE", "DELETE"];

    /// Reads a type.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ADD" => Some(Self::Add),
            "UPDATE" => Some(Self::Update),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    /// The text that names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}
