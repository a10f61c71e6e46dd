//! Names and labels of what a bus is made of, as in Argo Events.

use std::collections::BTreeMap;

use crate::name;

/// Names of the objects of one JetStream bus.
///
/// They are Argo Events' own, so that a bus it made is taken over with its data; names that
/// Kubernetes would not take are cut, see [`name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The namespace of all of them.
    pub(super) namespace: String,
    /// The StatefulSet and its PodDisruptionBudget.
    pub(super) stateful_set: String,
    /// The headless Service.
    pub(super) service: String,
    /// The ConfigMap with the servers' configuration.
    pub(super) config_map: String,
    /// The Secret of the servers.
    pub(super) server_secret: String,
    /// The Secret of event sources and sensors.
    pub(super) client_secret: String,
    /// The template of the volume claims.
    pub(super) volume: String,
    /// What `controller`, `eventbus-name` and `owner-name` say.
    pub(super) labels: BTreeMap<String, String>,
}

impl Names {
    /// The names for the bus `bus` in `namespace`.
    pub(super) fn of(bus: &str, namespace: &str) -> Self {
        let object = format!("eventbus-{bus}");
        let owner = name::label_value(bus);
        let labels = [
            ("controller", "eventbus-controller".to_owned()),
            ("eventbus-name", owner.clone()),
            ("owner-name", owner),
        ];
        Self {
            namespace: namespace.to_owned(),
            stateful_set: name::child(&object, "-js"),
            service: name::service(&object, "-js-svc"),
            config_map: name::resource(&object, "-js-config"),
            server_secret: name::resource(&object, "-js-server"),
            client_secret: name::resource(&object, "-js-client-auth"),
            volume: name::service(&object, "-js-vol"),
            labels: labels
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .collect(),
        }
    }

    /// The host name of all servers, as event sources and sensors use it.
    pub(super) fn host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    /// The host names for which the servers show their certificate to clients.
    pub(super) fn client_hosts(&self) -> Vec<String> {
        let host = self.host();
        vec![format!("{host}.cluster.local"), host]
    }

    /// The host names for which the servers show their certificate to each other.
    pub(super) fn cluster_hosts(&self) -> Vec<String> {
        let host = self.host();
        vec![format!("*.{host}.cluster.local"), format!("*.{host}")]
    }

    /// The labels as a selector in a request.
    pub(super) fn selector(&self) -> String {
        let pairs: Vec<String> = self
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        pairs.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_those_of_argo_events() {
        let names = Names::of("jetstream-eb", "playground");
        assert_eq!(names.stateful_set, "eventbus-jetstream-eb-js");
        assert_eq!(names.service, "eventbus-jetstream-eb-js-svc");
        assert_eq!(names.config_map, "eventbus-jetstream-eb-js-config");
        assert_eq!(names.server_secret, "eventbus-jetstream-eb-js-server");
        assert_eq!(names.client_secret, "eventbus-jetstream-eb-js-client-auth");
        assert_eq!(names.volume, "eventbus-jetstream-eb-js-vol");
        assert_eq!(
            names.selector(),
            "controller=eventbus-controller,eventbus-name=jetstream-eb,owner-name=jetstream-eb"
        );
        assert_eq!(
            names.client_hosts(),
            [
                "eventbus-jetstream-eb-js-svc.playground.svc.cluster.local",
                "eventbus-jetstream-eb-js-svc.playground.svc",
            ]
        );
        assert_eq!(
            names.cluster_hosts(),
            [
                "*.eventbus-jetstream-eb-js-svc.playground.svc.cluster.local",
                "*.eventbus-jetstream-eb-js-svc.playground.svc",
            ]
        );
    }

    #[test]
    fn names_with_dots_and_63_characters_stay_valid() {
        let names = Names::of(&format!("my.{}", "b".repeat(60)), "ns");
        assert!(names.stateful_set.len() <= 52);
        for label in [&names.service, &names.volume] {
            assert!(label.len() <= 63 && !label.contains('.'), "{label}");
        }
        let secret = format!("eventbus-my.{}-js-client-auth", "b".repeat(60));
        assert_eq!(names.client_secret, secret);
        assert!(names.labels.values().all(|value| value.len() <= 63));
    }
}
