//! Pauses event sources and sensors, and resumes them: one annotation of the object, which the
//! controller follows. Nothing else of it is changed, so that whoever applies it changes nothing about it.

use std::fmt;
use std::str::FromStr;

use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tiphys_api::pause::{PAUSED, PAUSED_ANNOTATION, is_paused};
use tiphys_api::{EventSource, GROUP, Sensor, suggestion};

use crate::reach::{self, refused};

/// Who has set the annotation, as `kubectl` shows it.
const FIELD_MANAGER: &str = "tiphys";

/// A kind of object that can be paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An `EventSource`.
    EventSource,
    /// A `Sensor`.
    Sensor,
}

/// An object that can be paused, by its kind and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    kind: Kind,
    /// A part of a path of the API server: nothing but a name.
    name: String,
}

impl Target {
    /// An object of this name.
    ///
    /// # Errors
    /// If no object can have it.
    pub fn new(kind: Kind, name: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_name =
            name.starts_with(is_plain) && name.chars().all(|c| is_plain(c) || "-.".contains(c));
        if !is_name {
            return Err(format!("{name:?} is no name of an object"));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is to stop.
    Pause,
    /// It is to run again.
    Resume,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// It was not as wanted before.
    pub has_changed: bool,
    /// Others call it.
    pub is_called: bool,
}

/// The objects of a namespace.
pub struct Objects {
    /// Who asks the API server.
    pub client: Client,
    /// Their namespace.
    pub namespace: String,
    /// Whether nothing is to be changed: the API server only says whether it would.
    pub is_dry: bool,
}

/// Why an object was not paused or resumed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server says no, or does not answer.
    #[error(transparent)]
    Cluster(#[from] reach::Error),
    /// There is no such object.
    #[error("{target}: there is none in namespace {namespace}{}", hint(similar.as_deref()))]
    Missing {
        /// What was meant.
        target: Target,
        /// Where it was looked for.
        namespace: String,
        /// A name that is there.
        similar: Option<String>,
    },
}

fn hint(similar: Option<&str>) -> String {
    match similar {
        Some(similar) => format!(" (did you mean {similar}?)"),
        None => " (-n names its namespace)".to_owned(),
    }
}

impl Kind {
    /// The kind, as `kubectl` takes it.
    fn as_str(self) -> &'static str {
        match self {
            Self::EventSource => "eventsource",
            Self::Sensor => "sensor",
        }
    }

    fn resource(self) -> ApiResource {
        match self {
            Self::EventSource => ApiResource::erase::<EventSource>(&()),
            Self::Sensor => ApiResource::erase::<Sensor>(&()),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    /// Reads `sensor/NAME` and whatever else `kubectl` takes for it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        let kind = kind.to_lowercase();
        let kind = kind.strip_suffix(&format!(".{GROUP}")).unwrap_or(&kind);
        let kind = match kind {
            "sensor" | "sensors" | "sn" => Kind::Sensor,
            "eventsource" | "eventsources" | "es" => Kind::EventSource,
            _ => return Err("write sensor/NAME or eventsource/NAME".to_owned()),
        };
        Self::new(kind, name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

impl Objects {
    /// All Sensors.
    ///
    /// # Errors
    /// If the API server does not list them.
    pub async fn sensors(&self) -> Result<Vec<Target>, Error> {
        let names = self.names(Kind::Sensor).await?;
        let targets = names.into_iter().map(|name| Target {
            kind: Kind::Sensor,
            name,
        });
        Ok(targets.collect())
    }

    /// Pauses or resumes one.
    ///
    /// # Errors
    /// If there is none of that name, or the API server refuses.
    pub async fn set(&self, target: &Target, act: Act) -> Result<Outcome, Error> {
        let found = self.api(target.kind).get(&target.name).await;
        let object = match found {
            Ok(object) => object,
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Err(self.missing(target).await);
            }
            Err(error) => return Err(self.refused("read", "get", target, &error).into()),
        };
        let outcome = Outcome {
            has_changed: is_paused(&object.metadata) != (act == Act::Pause),
            is_called: target.kind == Kind::EventSource && is_called(&object),
        };
        if outcome.has_changed {
            let patched = self.annotate(target, act).await;
            patched.map_err(|error| self.refused(act.verb(), "patch", target, &error))?;
        }
        Ok(outcome)
    }

    async fn annotate(&self, target: &Target, act: Act) -> kube::Result<()> {
        let params = PatchParams {
            dry_run: self.is_dry,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let value = (act == Act::Pause).then_some(PAUSED);
        let patch = json!({"metadata": {"annotations": {PAUSED_ANNOTATION: value}}});
        let api = self.api(target.kind);
        api.patch_metadata(&target.name, &params, &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    async fn missing(&self, target: &Target) -> Error {
        // Without the right to list them, nobody can be meant instead.
        let names = self.names(target.kind).await.unwrap_or_default();
        let similar = suggestion(&target.name, names.iter().map(String::as_str));
        Error::Missing {
            target: target.clone(),
            namespace: self.namespace.clone(),
            similar: similar.map(|name| format!("{}/{name}", target.kind.as_str())),
        }
    }

    async fn names(&self, kind: Kind) -> Result<Vec<String>, Error> {
        let listed = self.api(kind).list_metadata(&ListParams::default()).await;
        let listed = listed.map_err(|error| {
            let act = format!("list the {}s of {}", kind.as_str(), self.namespace);
            let right = format!("list {}s", kind.as_str());
            refused(act, &right, &self.namespace, &error)
        })?;
        Ok(listed.iter().map(ResourceExt::name_any).collect())
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    fn refused(&self, act: &str, verb: &str, target: &Target, error: &kube::Error) -> reach::Error {
        let right = format!("{verb} {}s", target.kind.as_str());
        refused(format!("{act} {target}"), &right, &self.namespace, error)
    }
}

/// Whether others call the event source: they find nobody while it is paused.
fn is_called(object: &DynamicObject) -> bool {
    // The spec holds texts of JSON, which cannot be read from a value.
    let text = serde_json::to_string(object).unwrap_or_default();
    let source = serde_json::from_str::<EventSource>(&text);
    source.is_ok_and(|source| !source.spec.called_ports().is_empty())
}

impl Act {
    fn verb(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }

    /// What is said of an object of this namespace with which this was done, or would be if `is_dry`.
    pub fn said(self, target: &Target, namespace: &str, outcome: Outcome, is_dry: bool) -> String {
        let done = match (self, outcome.has_changed) {
            (Self::Pause, false) => return format!("{target} is paused already"),
            (Self::Resume, false) => return format!("{target} is not paused"),
            (Self::Pause, true) if is_dry => "would be paused",
            (Self::Resume, true) if is_dry => "would be resumed",
            (Self::Pause, true) => "paused",
            (Self::Resume, true) => "resumed",
        };
        let meaning = match (self, target.kind) {
            (Self::Resume, Kind::Sensor) => {
                "it goes on with the first event that it has not handled"
            }
            (Self::Resume, Kind::EventSource) => "it receives again",
            (Self::Pause, Kind::Sensor) => {
                "its events wait on the bus, for as long as it keeps them"
            }
            (Self::Pause, Kind::EventSource) if outcome.is_called => {
                "it receives nothing, and whoever calls it is refused"
            }
            (Self::Pause, Kind::EventSource) => "it receives nothing",
        };
        let then = match self {
            Self::Pause => format!("; `tiphys resume {target} -n {namespace}` resumes it"),
            Self::Resume => String::new(),
        };
        format!("{target} {done}: {meaning}{then}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_written_as_kubectl_takes_and_prints_them() {
        for (text, expected) in [
            ("sensor/a", "sensor/a"),
            ("sensors/a.b-1", "sensor/a.b-1"),
            ("sn/a", "sensor/a"),
            ("sensor.argoproj.io/a", "sensor/a"),
            ("EventSource/a", "eventsource/a"),
            ("es/a", "eventsource/a"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), expected, "{text}");
        }
        for (text, expected) in [
            ("a", "write sensor/NAME or eventsource/NAME"),
            ("pod/a", "write sensor/NAME or eventsource/NAME"),
            ("sensor/", "\"\" is no name of an object"),
            ("sensor/a/b", "\"a/b\" is no name of an object"),
            ("sensor/..", "\"..\" is no name of an object"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap_err(), expected);
        }
    }

    /// A `#` ended the path before `dryRun`, so that a question was an act.
    #[test]
    fn a_target_has_a_name_and_no_more_of_a_path() {
        for name in ["gate#", "gate?", "gate/status", "..", "Gate", ""] {
            let wrong = Target::new(Kind::Sensor, name).unwrap_err();
            assert_eq!(wrong, format!("{name:?} is no name of an object"));
        }
        let target = Target::new(Kind::Sensor, "gate").unwrap();
        assert_eq!(target.to_string(), "sensor/gate");
    }

    #[track_caller]
    fn check(act: Act, target: &str, (has_changed, is_called): (bool, bool), expected: &str) {
        let outcome = Outcome {
            has_changed,
            is_called,
        };
        let target = target.parse().unwrap();
        assert_eq!(act.said(&target, "ns", outcome, false), expected);
    }

    #[test]
    fn what_was_done_is_said_with_what_it_means() {
        check(
            Act::Pause,
            "sensor/a",
            (true, false),
            "sensor/a paused: its events wait on the bus, for as long as it keeps them; \
             `tiphys resume sensor/a -n ns` resumes it",
        );
        check(
            Act::Pause,
            "eventsource/a",
            (true, true),
            "eventsource/a paused: it receives nothing, and whoever calls it is refused; \
             `tiphys resume eventsource/a -n ns` resumes it",
        );
        check(
            Act::Pause,
            "sensor/a",
            (false, false),
            "sensor/a is paused already",
        );
        check(
            Act::Resume,
            "sensor/a",
            (false, false),
            "sensor/a is not paused",
        );
        check(
            Act::Resume,
            "eventsource/a",
            (true, false),
            "eventsource/a resumed: it receives again",
        );
        let outcome = Outcome {
            has_changed: true,
            is_called: false,
        };
        let target = "sensor/a".parse().unwrap();
        assert_eq!(
            Act::Resume.said(&target, "ns", outcome, true),
            "sensor/a would be resumed: it goes on with the first event that it has not handled"
        );
    }
}
