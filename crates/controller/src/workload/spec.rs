//! What a pod finds in its ConfigMap: the object and how to reach its bus.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value, json};
use tiphys_api::pause::PAUSED_ANNOTATION;
use tiphys_api::worker::{BUS_KEY, OBJECT_KEY, PACKED_OBJECT_KEY};
use tiphys_api::{API_VERSION, BusConfig};

use super::Workload;
use crate::{Error, name};

/// Larger objects are compressed: a ConfigMap holds 1 MiB, and what else is in it needs room.
const LARGEST_PLAIN: usize = 768 * 1024;

/// How hard they are compressed; specs are written rarely, and a pod reads them at once.
const LEVEL: i32 = 9;

/// `kubectl` keeps a copy of the whole object here, which pods have no use for.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Pods have no use for these annotations: a pod that runs is not paused, and need not read its spec
/// again when it is.
const LEFT_OUT: [&str; 2] = [LAST_APPLIED, PAUSED_ANNOTATION];

/// The data of a pod's ConfigMap.
pub(super) struct Spec {
    pub(super) data: BTreeMap<String, String>,
    pub(super) binary_data: Option<BTreeMap<String, ByteString>>,
    /// Differs if anything in it does.
    pub(super) hash: String,
}

impl Spec {
    pub(super) fn new<K: Workload>(object: &K, bus: &BusConfig) -> Result<Self, Error> {
        let text = object_text(object).map_err(|source| Error::Encode {
            what: format!(
                "{} {}",
                K::KIND,
                object.meta().name.as_deref().unwrap_or_default()
            ),
            source,
        })?;
        let bus = serde_json::to_string(bus).map_err(|source| Error::Encode {
            what: "the configuration of the bus".to_owned(),
            source,
        })?;
        let hash = name::hash(format!("{text}\n{bus}"));
        let mut data = BTreeMap::from([(BUS_KEY.to_owned(), bus)]);
        let mut binary_data = None;
        if text.len() <= LARGEST_PLAIN {
            data.insert(OBJECT_KEY.to_owned(), text);
        } else {
            let packed = zstd::encode_all(text.as_bytes(), LEVEL);
            let packed = packed.map_err(|source| Error::Compress {
                what: K::KIND.to_owned(),
                source,
            })?;
            let packed = (PACKED_OBJECT_KEY.to_owned(), ByteString(packed));
            binary_data = Some(BTreeMap::from([packed]));
        }
        Ok(Self {
            data,
            binary_data,
            hash,
        })
    }

    pub(super) fn into_config_map(self, metadata: kube::api::ObjectMeta) -> ConfigMap {
        ConfigMap {
            metadata,
            data: Some(self.data),
            binary_data: self.binary_data,
            immutable: None,
        }
    }
}

/// The object as its pods need it: without status, managed fields and copies of itself.
fn object_text<K: Workload>(object: &K) -> serde_json::Result<String> {
    let meta = object.meta();
    let mut metadata = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            metadata.insert(key.to_owned(), value);
        }
    };
    put("name", json!(meta.name));
    put("namespace", json!(meta.namespace));
    put("uid", json!(meta.uid));
    put("generation", json!(meta.generation));
    put("creationTimestamp", json!(meta.creation_timestamp));
    put("labels", json!(meta.labels));
    let annotations = meta.annotations.as_ref().map(|annotations| {
        let kept = annotations
            .iter()
            .filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
        kept.collect::<BTreeMap<_, _>>()
    });
    put(
        "annotations",
        json!(annotations.filter(|kept| !kept.is_empty())),
    );
    let head = json!({"apiVersion": API_VERSION, "kind": K::KIND, "metadata": metadata});
    // The spec holds texts of JSON that have to stay as they are, which a `Value` does not promise.
    let head = serde_json::to_string(&head)?;
    let spec = serde_json::to_string(object.spec())?;
    let head = head.strip_suffix('}').unwrap_or(&head);
    Ok(format!("{head},\"spec\":{spec}}}"))
}
