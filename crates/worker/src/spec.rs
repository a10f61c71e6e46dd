//! What a worker runs: the object in its folder, checked and compiled as `tiphys lint` does it.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tiphys_api::message::with_causes;
use tiphys_api::pause::is_paused;
use tiphys_api::worker::{OBJECT_KEY, PACKED_OBJECT_KEY};
use tiphys_api::{EventSource, Problem, Sensor, Template};
use tiphys_check::Checked;
use tiphys_eventsource::Placement;

use crate::buses::Name;
use crate::files::{read, unpack};
use crate::{Error, Key, Kind};

/// An object that can run.
#[derive(Debug)]
pub struct Spec {
    /// Which object it is of.
    pub(crate) key: Key,
    /// Name of its `EventBus`.
    pub(crate) bus: String,
    pub(crate) uid: Option<String>,
    pub(crate) generation: Option<i64>,
    pub(crate) created: Option<Timestamp>,
    /// Its annotation says that it is not to run. In a cluster, that is the controller's to follow.
    pub(crate) is_paused: bool,
    /// How many pods there are.
    pub(crate) replicas: i32,
    /// Under which service account, for hints.
    pub(crate) account: String,
    /// The same for two objects that do the same: whatever else differs between them.
    pub(crate) fingerprint: u64,
    pub(crate) program: Program,
}

impl Spec {
    /// What an event source that was compiled does.
    pub fn event_source(object: EventSource, compiled: tiphys_eventsource::Compiled) -> Self {
        let mut body = object.spec;
        let parts = Parts {
            replicas: body.replicas.take(),
            template: body.template.take(),
            bus: body.bus_name().to_owned(),
            program: Program::EventSource(Arc::new(compiled)),
        };
        body.service = None;
        Self::new(object.metadata, &body, parts)
    }

    /// What a sensor that was compiled does.
    pub fn sensor(object: Sensor, compiled: tiphys_sensor::Compiled) -> Self {
        let mut body = object.spec;
        let parts = Parts {
            replicas: body.replicas.take(),
            template: body.template.take(),
            bus: body.bus_name().to_owned(),
            program: Program::Sensor {
                sensor: Arc::new(compiled),
                logging_fields: body.logging_fields.clone().into_inner(),
            },
        };
        body.revision_history_limit = None;
        Self::new(object.metadata, &body, parts)
    }

    /// The `EventBus` that it uses.
    pub fn bus(&self) -> Name {
        (self.key.namespace.to_string(), self.bus.clone())
    }

    /// `body` is what of the object says what it does.
    fn new(metadata: ObjectMeta, body: &impl Serialize, parts: Parts) -> Self {
        let Parts {
            replicas,
            template,
            bus,
            program,
        } = parts;
        // Those of the metadata may be left out in a manifest.
        let key = match &program {
            Program::EventSource(source) => Key {
                kind: Kind::EventSource,
                namespace: Arc::clone(&source.namespace),
                name: Arc::clone(&source.name),
            },
            Program::Sensor { sensor, .. } => Key {
                kind: Kind::Sensor,
                namespace: Arc::clone(&sensor.namespace),
                name: Arc::clone(&sensor.name),
            },
        };
        let mut hasher = DefaultHasher::new();
        (&key, &metadata.uid).hash(&mut hasher);
        serde_json::to_string(body)
            .unwrap_or_default()
            .hash(&mut hasher);
        let account = template
            .map(|template| template.service_account_name.clone().into_inner())
            .filter(|account| !account.is_empty());
        Self {
            account: account.unwrap_or_else(|| "default".to_owned()),
            key,
            bus,
            is_paused: is_paused(&metadata),
            uid: metadata.uid,
            generation: metadata.generation,
            created: metadata.creation_timestamp.map(|time| time.0),
            replicas: replicas.unwrap_or(1),
            fingerprint: hasher.finish(),
            program,
        }
    }
}

/// What of a spec does not say what the object does, and what does it.
struct Parts {
    replicas: Option<i32>,
    template: Option<Template>,
    bus: String,
    program: Program,
}

/// What runs.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    EventSource(Arc<tiphys_eventsource::Compiled>),
    Sensor {
        sensor: Arc<tiphys_sensor::Compiled>,
        logging_fields: std::collections::BTreeMap<String, String>,
    },
}

impl Program {
    /// Whether every pod does its work, and not only the one that holds the lease.
    pub(crate) fn runs_in_all_pods(&self) -> bool {
        let Self::EventSource(source) = self else {
            return false;
        };
        let mut events = source.events.iter();
        events.all(|event| event.placement() == Placement::AllPods)
    }

    /// Whether every pod does a part of its work.
    pub(crate) fn runs_partly_in_all_pods(&self) -> bool {
        let Self::EventSource(source) = self else {
            return false;
        };
        let mut events = source.events.iter();
        events.any(|event| event.placement() == Placement::AllPods)
    }
}

/// Why an object cannot run.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Which object it is, if it could be read that far.
    pub(crate) key: Option<Key>,
    /// The generation of the object, if it could be read that far.
    pub(crate) generation: Option<i64>,
    /// `field: message`.
    pub(crate) faults: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("; "))
    }
}

/// The files that an object may be in.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    [OBJECT_KEY, PACKED_OBJECT_KEY]
        .iter()
        .map(|key| folder.join(key))
        .collect()
}

/// Reads, checks and compiles the object.
pub(crate) fn load(kind: Kind, folder: &Path) -> Result<Spec, Refused> {
    let refused = |error: Error| Refused {
        key: None,
        generation: None,
        faults: vec![with_causes(&error)],
    };
    let bytes = object(folder).map_err(refused)?;
    match kind {
        Kind::EventSource => event_source(&bytes),
        Kind::Sensor => sensor(&bytes),
    }
}

fn object(folder: &Path) -> Result<Vec<u8>, Error> {
    if let Some(bytes) = read(&folder.join(OBJECT_KEY))? {
        return Ok(bytes);
    }
    if let Some(packed) = read(&folder.join(PACKED_OBJECT_KEY))? {
        return unpack(&packed).map_err(|source| Error::Unpack {
            file: PACKED_OBJECT_KEY,
            source,
        });
    }
    Err(Error::NoObject {
        plain: OBJECT_KEY,
        packed: PACKED_OBJECT_KEY,
        folder: folder.to_owned(),
    })
}

fn event_source(bytes: &[u8]) -> Result<Spec, Refused> {
    let (header, object) = parse::<EventSource>(bytes, Kind::EventSource)?;
    let compiled = header.sound(tiphys_check::event_source(&object))?;
    Ok(Spec::event_source(object, compiled))
}

fn sensor(bytes: &[u8]) -> Result<Spec, Refused> {
    let (header, object) = parse::<Sensor>(bytes, Kind::Sensor)?;
    let compiled = header.sound(tiphys_check::sensor(&object))?;
    Ok(Spec::sensor(object, compiled))
}

/// What says whether the rest of an object makes sense.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Header {
    kind: String,
    metadata: ObjectMeta,
}

fn parse<K: DeserializeOwned>(bytes: &[u8], kind: Kind) -> Result<(Header, K), Refused> {
    let header: Header = serde_json::from_slice(bytes).map_err(|error| {
        let fault = format!("the object is no JSON object: {error}");
        Header::default().refused(None, vec![fault])
    })?;
    if header.kind != kind.as_str() {
        let fault = format!("kind: {:?} is no {}", header.kind, kind.as_str());
        return Err(header.refused(None, vec![fault]));
    }
    match serde_json::from_slice(bytes) {
        Ok(object) => Ok((header, object)),
        Err(error) => Err(header.refused(header.key(), vec![error.to_string()])),
    }
}

impl Header {
    fn key(&self) -> Option<Key> {
        let kind = [Kind::EventSource, Kind::Sensor]
            .into_iter()
            .find(|kind| kind.as_str() == self.kind)?;
        Some(Key {
            kind,
            namespace: self.metadata.namespace.as_deref()?.into(),
            name: self.metadata.name.as_deref()?.into(),
        })
    }

    fn refused(&self, key: Option<Key>, faults: Vec<String>) -> Refused {
        Refused {
            key,
            generation: self.metadata.generation,
            faults,
        }
    }

    /// What can run; otherwise why it cannot.
    fn sound<P>(&self, checked: Checked<P>) -> Result<P, Refused> {
        match checked {
            Checked {
                program: Some(program),
                ..
            } => Ok(program),
            unsound => {
                let faults = unsound.into_errors().iter().map(Problem::text).collect();
                Err(self.refused(self.key(), faults))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENSOR: &str = r#"{"kind":"Sensor","metadata":{"name":"s","namespace":"n","generation":4},"spec":{
        "dependencies":[{"name":"d","eventSourceName":"e","eventName":"v"}],
        "triggers":[{"template":{"name":"t","log":{}}}]}}"#;

    #[test]
    fn what_does_the_same_has_the_same_fingerprint() {
        let one = sensor(SENSOR.as_bytes()).unwrap_or_else(|refused| panic!("{refused}"));
        let print = |text: String| {
            sensor(text.as_bytes())
                .unwrap_or_else(|refused| panic!("{refused}"))
                .fingerprint
        };
        assert_eq!(one.generation, Some(4));
        assert_eq!(one.account, "default");
        let labelled = SENSOR.replace(
            "\"generation\":4",
            "\"generation\":5,\"labels\":{\"a\":\"b\"}",
        );
        assert_eq!(one.fingerprint, print(labelled));
        let scaled = SENSOR.replace(
            "\"spec\":{",
            "\"spec\":{\"replicas\":2,\"template\":{\"serviceAccountName\":\"a\"},",
        );
        assert_eq!(one.fingerprint, print(scaled));
        assert_ne!(
            one.fingerprint,
            print(SENSOR.replace("\"log\":{}", "\"log\":{\"intervalSeconds\":1}"))
        );
    }

    #[test]
    fn faults_name_their_fields() {
        let faulty = SENSOR.replace(
            "\"name\":\"d\",",
            "\"name\":\"d\",\"transform\":{\"jq\":\".[\"},",
        );
        let refused = sensor(faulty.as_bytes()).err().unwrap();
        assert_eq!(refused.generation, Some(4));
        assert!(
            refused.faults[0].starts_with("spec.dependencies[0].transform.jq: "),
            "{refused}"
        );
        let refused = event_source(SENSOR.as_bytes()).err().unwrap();
        assert_eq!(refused.faults, ["kind: \"Sensor\" is no EventSource"]);
        assert!(sensor(b"{").err().unwrap().faults[0].starts_with("the object is no JSON object"));
    }
}
