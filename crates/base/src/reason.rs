//! The reasons of failures and conditions: a closed set.
//!
//! A reason is one word for a cause. It is found where something fails (the HTTP status of an answer,
//! the refusal of a bus, a rule that a spec breaks), travels as this type, and is written once, where
//! it is shown: a condition, the report of a pod, the label of a metric, a field of a log line. No
//! code reads one back out of a message. The words are part of the interface: conditions and labels
//! that somebody looks for.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// One word for a cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)+
            /// One that this version does not know: a newer program has written it.
            #[serde(other)]
            Unknown,
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+ Self::Unknown];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    Self::Unknown => "Unknown",
                }
            }
        }
    };
}

reasons! {
    // What a server answers, or does not.
    /// The server accepts no credentials of ours.
    Unauthorized,
    /// The credentials are good, the permission is missing.
    Forbidden,
    /// A quota is used up.
    QuotaExceeded,
    /// What was asked for is not there.
    NotFound,
    /// It has changed meanwhile, or is there already.
    Conflict,
    /// What the spec names is missing in this process: a Secret, a cluster, a port.
    Missing,
    /// What was sent breaks a rule of the server.
    Invalid,
    /// What was asked for is too old to be known.
    Gone,
    /// The server asks for fewer requests.
    TooManyRequests,
    /// Any other answer that is a no.
    Refused,
    /// No answer came.
    Unreachable,
    /// An answer that is not what its protocol says.
    Malformed,
    /// The target of an action is unavailable: the action waits for it.
    #[serde(alias = "TargetAway")]
    TargetUnavailable,

    // What this program could not do.
    /// An object of this name belongs to somebody else.
    Foreign,
    /// Something could not be written as JSON or compressed.
    Encode,
    /// A key or a certificate could not be made.
    Make,
    /// State on the bus could not be read or written.
    State,
    /// A task ended by itself.
    Task,
    /// Deliveries could not be subscribed to.
    Subscribe,
    /// Something failed, and nobody has said how.
    Failed,

    // The bus.
    /// The settings of the connection do not make sense.
    Configuration,
    /// The connection could not be made.
    Connect,
    /// The connection could not be made yet, and is tried again.
    ConnectionFailed,
    /// The connection is being made.
    Connecting,
    /// The connection was lost, and is being restored.
    Disconnected,
    /// The settings of the bus cannot be used.
    InvalidConfig,
    /// This kind of bus is not run.
    Unsupported,
    /// A setting of the stream cannot be read.
    StreamSettings,
    /// The stream has not taken a setting.
    StreamSettingsRefused,
    /// The stream could not be looked at, created or changed.
    Stream,
    /// The stream could not be set up yet, and is tried again.
    StreamFailed,
    /// The bus has fewer servers than the stream is to have copies.
    Replicas,
    /// No acknowledgement of a message came.
    Publish,
    /// The message is larger than the bus takes.
    TooLarge,
    /// The last message of a subject could not be read.
    LastMessage,
    /// Messages could not be read.
    Messages,
    /// A consumer could not be opened, or was interrupted.
    Consumer,
    /// An acknowledgement did not get through.
    Acknowledge,
    /// A key is longer than the bus takes.
    KeyTooLong,
    /// Dead letters could not be written, read or removed.
    DeadLetters,
    /// The dead letters take most of their room.
    DeadLettersNearlyFull,
    /// The bus is closed.
    Closed,

    /// The bus has no room for another message.
    BusFull,
    /// The certificate of a server cannot be verified: it has expired, or is another's.
    InvalidCertificate,

    // The spec of an object.
    /// It breaks no rule.
    Valid,
    /// The spec breaks a rule.
    InvalidSpec,
    /// An event breaks a rule.
    InvalidEventSource,
    /// A dependency breaks a rule.
    InvalidDependencies,
    /// A trigger breaks a rule.
    InvalidTriggers,
    /// The change is one that nothing running can follow.
    ImmutableSpec,
    /// The volumes cannot change in this way.
    ImmutablePersistence,
    /// The number of servers cannot change in this way.
    ScalingRefused,

    // The bus of an event source or sensor.
    /// There is no `EventBus` of this name.
    EventBusNotFound,
    /// Nobody has said yet how the `EventBus` is reached.
    EventBusNotReady,
    /// The `EventBus` does not work.
    EventBusFailing,
    /// The connection to the bus stands.
    Connected,
    /// No `EventSource` publishes what a dependency waits for.
    NobodyPublishes,
    /// Each dependency has an `EventSource`.
    Published,

    // What is waited for, and is about to come.
    /// An `EventBus` that begins to work.
    WaitingForEventBus,
    /// The connection to a bus that works.
    WaitingForConnection,
    /// The stream of a bus.
    WaitingForStream,
    /// The subscription of a trigger.
    WaitingForSubscription,
    /// An `EventSource` that a Sensor depends on.
    WaitingForEventSource,
    /// The server that an event comes from.
    WaitingForServer,
    /// The target of an action.
    WaitingForTarget,
    /// A node that takes the pods.
    WaitingForNode,
    /// Pods that are allowed to be made.
    WaitingForPods,
    /// A Secret or `ConfigMap`.
    WaitingForKeys,

    // What the controller brings about.
    /// The pods' form cannot be computed.
    BuildDeploymentSpecFailed,
    /// The `ConfigMap` of the pods could not be written.
    ApplyConfigMapFailed,
    /// The disruption budget of the pods could not be written.
    ApplyPodDisruptionBudgetFailed,
    /// The pods could not be asked to read their spec again.
    RefreshPodsFailed,
    /// The Deployment could not be created.
    CreateDeploymentFailed,
    /// The Deployment could not be changed.
    UpdateDeploymentFailed,
    /// A Deployment that is not wanted could not be deleted.
    DeleteDeploymentFailed,
    /// The Service could not be created.
    CreateServiceFailed,
    /// The Service could not be changed.
    UpdateServiceFailed,
    /// The Service could not be deleted to be created again.
    RecreateServiceFailed,
    /// A Service that is not wanted could not be deleted.
    DeleteServiceFailed,
    /// Something that is not wanted could not be deleted.
    DeleteFailed,
    /// The credentials of a bus could not be made.
    JetStreamAuthSecretsFailed,
    /// The configuration of a bus could not be written.
    JetStreamConfigMapFailed,
    /// The Service of a bus could not be written.
    JetStreamServiceFailed,
    /// The servers of a bus could not be brought about.
    JetStreamStatefulSetFailed,
    /// The disruption budget of a bus could not be written.
    JetStreamPodDisruptionBudgetFailed,

    // How what was brought about is.
    /// It runs.
    Running,
    /// Enough servers of a bus serve.
    Serving,
    /// It does not run, because its author says so.
    Paused,
    /// It is done.
    Succeeded,
    /// There is nothing to do.
    Skipped,
    /// What was there before goes on.
    Kept,
    /// Somebody still uses it.
    InUse,
    /// Servers are starting.
    ServersStarting,
    /// No pods are made.
    NotDeployed,
    /// Pods are starting.
    PodsStarting,
    /// Enough pods are ready.
    PodsReady,
    /// It works.
    Working,
    /// There is room.
    HasRoom,
    /// It is starting.
    Starting,
    /// A container has ended.
    ContainerEnded,
    /// No pod has reported yet.
    NoReport,
    /// The pods refuse the spec.
    SpecNotRun,
    /// The pods run an older spec.
    SpecOutdated,
    /// The pods may not use leases.
    LeaseForbidden,
    /// Keys of Secrets or `ConfigMaps` are missing.
    MissingKeys,
    /// A trigger has no subscription.
    NotSubscribed,
}

impl Reason {
    /// What the HTTP status of a server's answer means.
    pub const fn of_status(code: u16) -> Self {
        match code {
            400 | 422 => Self::Invalid,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 => Self::Conflict,
            410 => Self::Gone,
            429 => Self::TooManyRequests,
            _ => Self::Refused,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for Reason {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn a_reason_is_written_and_read_as_one_word() {
        let read = |text: &str| serde_json::from_str::<Reason>(text).unwrap();
        assert_eq!(
            serde_json::to_string(&Reason::LeaseForbidden).unwrap(),
            "\"LeaseForbidden\""
        );
        assert_eq!(Reason::LeaseForbidden.to_string(), "LeaseForbidden");
        assert_eq!(read("\"LeaseForbidden\""), Reason::LeaseForbidden);
        // Programs of other versions have their own.
        assert_eq!(read("\"TargetAway\""), Reason::TargetUnavailable);
        assert_eq!(read("\"OfTomorrow\""), Reason::Unknown);
    }

    /// A word in a status that no page explains helps nobody.
    #[test]
    fn each_reason_is_explained() {
        let page = include_str!("../../../docs/conditions.md");
        let words = Reason::ALL.iter().map(|reason| reason.as_str());
        let missing: Vec<&str> = words
            .filter(|word| !page.contains(&format!("`{word}`")))
            .collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn an_answer_has_its_reason_from_its_status() {
        for (code, reason) in [
            (401, Reason::Unauthorized),
            (403, Reason::Forbidden),
            (404, Reason::NotFound),
            (410, Reason::Gone),
            (422, Reason::Invalid),
            (429, Reason::TooManyRequests),
            (500, Reason::Refused),
        ] {
            assert_eq!(Reason::of_status(code), reason, "{code}");
        }
    }
}
