//! What the controller and the pods that it starts agree on: where a pod finds what it runs, and
//! what it says of itself.
//!
//! A pod reads everything from files, none from the API server, so that its service account needs no
//! rights for it. It reports over its admin port, for the same reason.

use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize};
use tiphys_base::Reason;

/// The folder with the pod's spec: the volume of a ConfigMap with the keys below.
pub const SPEC_FOLDER: &str = "/etc/tiphys";

/// Key of the `EventSource` or `Sensor` as JSON: `apiVersion`, `kind`, `metadata` (name, namespace,
/// uid, generation, creationTimestamp, labels, annotations) and `spec`.
pub const OBJECT_KEY: &str = "object.json";

/// Key of the same, compressed by zstd, for objects that would not fit beside the rest: a ConfigMap
/// holds 1 MiB. One of the two is set.
pub const PACKED_OBJECT_KEY: &str = "object.json.zst";

/// Key of the `EventBus`' `status.config` as JSON: a [`crate::BusConfig`].
pub const BUS_KEY: &str = "eventbus.json";

/// The folder with the Secret that the bus' `accessSecret` names: one file, [`BUS_AUTH_FILE`].
pub const BUS_AUTH_FOLDER: &str = "/etc/eventbus/auth";

/// The file in [`BUS_AUTH_FOLDER`].
pub const BUS_AUTH_FILE: &str = "auth.yaml";

/// The folder with Secrets and `ConfigMaps`: `secrets/NAME/KEY` and `config/NAME/KEY`.
pub const VALUES_FOLDER: &str = "/argo-events";

/// The environment variables that say where a pod's program finds what it runs, and who it is. Those of
/// a template do not count.
pub const OWN_VARIABLES: [&str; 7] = [
    "POD_NAME",
    "POD_NAMESPACE",
    "TIPHYS_SPEC",
    "TIPHYS_BUS_AUTH",
    "TIPHYS_VALUES",
    "TIPHYS_ADMIN",
    REPORT_KEY_VARIABLE,
];

/// True if a mount at this path would hide what the program reads: how it reaches its bus, or what it
/// runs.
pub fn hides_spec(mount_path: &str) -> bool {
    let mut parts: Vec<&str> = Vec::new();
    for part in mount_path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    [SPEC_FOLDER, BUS_AUTH_FOLDER].into_iter().any(|folder| {
        let folder: Vec<&str> = folder.split('/').skip(1).collect();
        parts.starts_with(&folder)
    })
}

/// The port of metrics, health and reports.
pub const ADMIN_PORT: u16 = 7777;

/// The environment variable with what a caller has to show as a bearer token to be answered at
/// [`REPORT_PATH`]. It keeps reports from those who may not see the object; whoever may see its Deployment
/// sees its status, too.
pub const REPORT_KEY_VARIABLE: &str = "TIPHYS_REPORT_KEY";

/// Path on the admin port that answers with a [`Report`] as one line of JSON, and with another line
/// after each change, until the caller hangs up.
pub const REPORT_PATH: &str = "/api/report";

/// Annotation of pods: the spec they should have. Touching it makes the kubelet refresh their
/// volumes at once.
pub const SPEC_HASH_ANNOTATION: &str = "events.argoproj.io/spec-hash";

/// Name of the Lease that the pods of an event source share.
pub fn event_source_lease(name: &str) -> String {
    format!("eventsource-{name}")
}

/// Name of the Lease that the pods of a sensor share.
pub fn sensor_lease(name: &str) -> String {
    format!("sensor-{name}")
}

/// What a pod reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// The generation of the object that it runs; `None` before the first one compiled.
    pub generation: Option<i64>,
    /// What is wrong with a newer spec, which is therefore not run: `field: message`.
    pub faults: Vec<String>,
    /// Whether it works, or waits for its turn.
    pub role: Role,
    /// The lease: why there is none, or why it cannot be used.
    pub lease: Health,
    /// The connection to the bus.
    pub bus: Health,
    /// Whether the dead letters of the bus have room: the oldest give way when they have none.
    pub dead_letters: Health,
    /// Each event of an event source, or each trigger of a sensor.
    pub parts: Vec<PartReport>,
}

/// Whether a pod works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It is starting.
    #[default]
    Starting,
    /// It holds the lease, or needs none.
    Active,
    /// Another pod holds the lease.
    Standby,
    /// It may not use leases, and there are several pods: none of them works.
    Refused,
}

/// How one thing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Health {
    /// `None`: not known yet.
    pub ok: Option<bool>,
    /// The cause in one word, for programs. `None` if there is nothing to say, and in reports that do
    /// not say it.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The cause in words, with what a human can do.
    pub message: String,
}

/// What one event or trigger reports. Counts begin with the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartReport {
    /// The name of the event or trigger.
    pub name: String,
    /// An event: whether its watch is open and complete. A trigger: whether its target takes its
    /// actions.
    pub health: Health,
    /// How many events were published or have fired.
    pub done: u64,
    /// How many events became dead letters because they cannot succeed.
    #[serde(alias = "parked")]
    pub dead_lettered: u64,
    /// How many events wait on the bus for the trigger.
    pub lag: u64,
    /// When the last event was published or received (RFC 3339).
    pub last_event_time: Option<String>,
    /// The last attempt that failed.
    pub last_error: Option<String>,
}

/// A reason. Older programs write an empty text where there is none.
fn said<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Reason>, D::Error> {
    let written = Option::<String>::deserialize(reader)?;
    let word = written.filter(|word| !word.is_empty());
    word.map(|word| Reason::deserialize(word.into_deserializer()))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_hides_the_spec_however_its_path_is_written() {
        for path in [
            "/etc/tiphys",
            "/etc/tiphys//",
            "etc/tiphys",
            "/etc/./tiphys/",
            "/etc/tiphys/object.json",
            "/etc/tiphys/../../etc/eventbus/auth",
            "/tmp/../etc/eventbus/auth/auth.yaml",
            "/../etc/tiphys",
        ] {
            assert!(hides_spec(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/etc",
            "/etc/eventbus",
            "/etc/tiphys-mine",
            "/etc/tiphys/../mine",
            "/argo-events/secrets/mine",
        ] {
            assert!(!hides_spec(path), "{path}");
        }
    }

    #[test]
    fn reports_of_other_versions_are_read() {
        let read = |text: &str| serde_json::from_str::<Health>(text).unwrap();
        assert_eq!(read("{}").reason, None);
        assert_eq!(read(r#"{"reason":""}"#).reason, None);
        assert_eq!(read(r#"{"reason":null}"#).reason, None);
        assert_eq!(
            read(r#"{"reason":"Forbidden"}"#).reason,
            Some(Reason::Forbidden)
        );
        assert_eq!(
            read(r#"{"reason":"TargetAway"}"#).reason,
            Some(Reason::TargetUnavailable)
        );
        assert_eq!(
            read(r#"{"reason":"OfTomorrow"}"#).reason,
            Some(Reason::Unknown)
        );
        let health = Health {
            ok: Some(false),
            reason: Some(Reason::Forbidden),
            message: "no".to_owned(),
        };
        assert_eq!(
            serde_json::to_string(&health).unwrap(),
            r#"{"ok":false,"reason":"Forbidden","message":"no"}"#
        );
    }
}
