//! What a worker runs: the object in its folder, checked and compiled as `tiphys lint` does it.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tiphys_api::worker::{OBJECT_KEY, PACKED_OBJECT_KEY};
use tiphys_api::{EventSource, Problem, Sensor, Template, validate};

use super::Kind;
use super::files::{read, unpack};

/// An object that can run.
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) created: Option<Timestamp>,
    /// How many pods there are.
    pub(super) replicas: i32,
    /// Under which service account, for hints.
    pub(super) account: String,
    /// The same for two objects that do the same: whatever else differs between them.
    pub(super) fingerprint: u64,
    pub(super) program: Program,
}

/// What runs.
#[derive(Clone)]
pub(super) enum Program {
    EventSource(Arc<tiphys_eventsource::Compiled>),
    Sensor {
        sensor: Arc<tiphys_sensor::Compiled>,
        logging_fields: std::collections::BTreeMap<String, String>,
    },
}

/// Why an object cannot run.
#[derive(Debug)]
pub(super) struct Refused {
    /// The generation of the object, if it could be read that far.
    pub(super) generation: Option<i64>,
    /// `field: message`.
    pub(super) faults: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("; "))
    }
}

/// The files that an object may be in.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    [OBJECT_KEY, PACKED_OBJECT_KEY]
        .iter()
        .map(|key| folder.join(key))
        .collect()
}

/// Reads, checks and compiles the object.
pub(super) fn load(kind: Kind, folder: &Path) -> Result<Spec, Refused> {
    let refused = |error: anyhow::Error| Refused {
        generation: None,
        faults: vec![format!("{error:#}")],
    };
    let bytes = object(folder).map_err(refused)?;
    match kind {
        Kind::EventSource => event_source(&bytes),
        Kind::Sensor => sensor(&bytes),
    }
}

fn object(folder: &Path) -> anyhow::Result<Vec<u8>> {
    if let Some(bytes) = read(&folder.join(OBJECT_KEY))? {
        return Ok(bytes);
    }
    if let Some(packed) = read(&folder.join(PACKED_OBJECT_KEY))? {
        return unpack(&packed).map_err(|error| error.context(PACKED_OBJECT_KEY));
    }
    anyhow::bail!(
        "there is neither {OBJECT_KEY} nor {PACKED_OBJECT_KEY} in {}",
        folder.display()
    )
}

fn event_source(bytes: &[u8]) -> Result<Spec, Refused> {
    let mut object: EventSource = parse(bytes, "EventSource")?;
    let generation = object.metadata.generation;
    let compiled =
        tiphys_eventsource::compile(&object).map_err(|problems| refuse(generation, &problems))?;
    let replicas = object.spec.replicas.unwrap_or(1);
    let template = object.spec.template.take();
    object.spec.replicas = None;
    object.spec.service = None;
    let program = Program::EventSource(Arc::new(compiled));
    Ok(spec(
        object.metadata,
        &object.spec,
        replicas,
        template,
        program,
    ))
}

fn sensor(bytes: &[u8]) -> Result<Spec, Refused> {
    let mut object: Sensor = parse(bytes, "Sensor")?;
    let generation = object.metadata.generation;
    let mut problems = validate::sensor(&object);
    problems.retain(Problem::is_error);
    let compiled = match tiphys_sensor::Compiled::compile(&object) {
        Ok(compiled) if problems.is_empty() => compiled,
        Ok(_) => return Err(refuse(generation, &problems)),
        Err(found) => {
            // The static rules may have said it already, in other words.
            problems.extend(found);
            return Err(refuse(generation, &problems));
        }
    };
    let replicas = object.spec.replicas.unwrap_or(1);
    let template = object.spec.template.take();
    object.spec.replicas = None;
    object.spec.revision_history_limit = None;
    let program = Program::Sensor {
        sensor: Arc::new(compiled),
        logging_fields: object.spec.logging_fields.clone().into_inner(),
    };
    Ok(spec(
        object.metadata,
        &object.spec,
        replicas,
        template,
        program,
    ))
}

fn parse<K: DeserializeOwned>(bytes: &[u8], kind: &str) -> Result<K, Refused> {
    /// What says whether the rest makes sense.
    #[derive(serde::Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Header {
        kind: String,
        metadata: ObjectMeta,
    }
    let refused = |generation, fault| Refused {
        generation,
        faults: vec![fault],
    };
    let header: Header = serde_json::from_slice(bytes)
        .map_err(|error| refused(None, format!("the object is no JSON object: {error}")))?;
    let generation = header.metadata.generation;
    if header.kind != kind {
        let fault = format!("kind: {:?} is no {kind}", header.kind);
        return Err(refused(generation, fault));
    }
    serde_json::from_slice(bytes).map_err(|error| refused(generation, error.to_string()))
}

fn refuse(generation: Option<i64>, problems: &[Problem]) -> Refused {
    let mut faults: Vec<String> = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for problem in problems.iter().filter(|problem| problem.is_error()) {
        if !told.contains(&problem.field_path.as_str()) {
            told.push(&problem.field_path);
            let hint = problem.hint.as_deref();
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            faults.push(format!("{}: {}{hint}", problem.field_path, problem.message));
        }
    }
    Refused { generation, faults }
}

fn spec(
    metadata: ObjectMeta,
    body: &impl Serialize,
    replicas: i32,
    template: Option<Template>,
    program: Program,
) -> Spec {
    let name = metadata.name.unwrap_or_default();
    let namespace = metadata.namespace.unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (&name, &namespace, &metadata.uid).hash(&mut hasher);
    serde_json::to_string(body)
        .unwrap_or_default()
        .hash(&mut hasher);
    let account = template
        .map(|template| template.service_account_name.clone().into_inner())
        .filter(|account| !account.is_empty());
    Spec {
        account: account.unwrap_or_else(|| "default".to_owned()),
        name,
        namespace,
        uid: metadata.uid,
        generation: metadata.generation,
        created: metadata.creation_timestamp.map(|time| time.0),
        replicas,
        fingerprint: hasher.finish(),
        program,
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
