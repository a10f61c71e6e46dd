//! References to keys of Secrets and ConfigMaps.

use std::collections::BTreeMap;

use crate::given::{Given, fields};

fields! {
    /// A key of a Secret in the object's namespace.
    pub struct SecretKeySelector {
        /// Name of the Secret.
        name: Given<String>,
        /// Key in its data.
        key: Given<String>,
        /// The pod starts even if the Secret or the key is missing. Default: false.
        optional: Option<bool>,
    }
}

fields! {
    /// A key of a ConfigMap in the object's namespace.
    pub struct ConfigMapKeySelector {
        /// Name of the ConfigMap.
        name: Given<String>,
        /// Key in its data.
        key: Given<String>,
        /// The pod starts even if the ConfigMap or the key is missing. Default: false.
        optional: Option<bool>,
    }
}

/// A reference to a key of a Secret or a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyRef<'a> {
    /// A key of a Secret.
    Secret(&'a SecretKeySelector),
    /// A key of a ConfigMap.
    ConfigMap(&'a ConfigMapKeySelector),
}

/// What can hold references to Secrets and ConfigMaps: their keys are mounted into worker pods.
pub trait KeyRefs {
    /// Calls `visit` with every reference in it, in the order of the fields.
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>));

    /// Every reference in it, in the order of the fields.
    fn key_refs(&self) -> Vec<KeyRef<'_>> {
        let mut found = Vec::new();
        self.visit_key_refs(&mut |reference| found.push(reference));
        found
    }
}

impl KeyRefs for SecretKeySelector {
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>)) {
        visit(KeyRef::Secret(self));
    }
}

impl KeyRefs for ConfigMapKeySelector {
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>)) {
        visit(KeyRef::ConfigMap(self));
    }
}

impl<T: KeyRefs> KeyRefs for Given<T> {
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>)) {
        (**self).visit_key_refs(visit);
    }
}

impl<T: KeyRefs> KeyRefs for Box<T> {
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>)) {
        (**self).visit_key_refs(visit);
    }
}

impl<T: KeyRefs> KeyRefs for Option<T> {
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>)) {
        if let Some(inner) = self {
            inner.visit_key_refs(visit);
        }
    }
}

impl<T: KeyRefs> KeyRefs for Vec<T> {
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>)) {
        for item in self {
            item.visit_key_refs(visit);
        }
    }
}

impl<T: KeyRefs> KeyRefs for BTreeMap<String, T> {
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>)) {
        for value in self.values() {
            value.visit_key_refs(visit);
        }
    }
}

/// Types in which nothing refers to a key that a worker pod reads as a file. The environment of a
/// container may refer to Secrets, but the kubelet resolves that.
macro_rules! no_key_refs {
    ($($type:ty),* $(,)?) => {
        $(impl KeyRefs for $type {
            fn visit_key_refs<'a>(&'a self, _: &mut dyn FnMut(KeyRef<'a>)) {}
        })*
    };
}

no_key_refs! {
    String,
    bool,
    i32,
    i64,
    u64,
    crate::scalar::Amount,
    crate::scalar::Int64OrString,
    crate::scalar::RawJson,
    crate::condition::ConditionStatus,
    k8s_openapi::api::core::v1::Affinity,
    k8s_openapi::api::core::v1::EnvFromSource,
    k8s_openapi::api::core::v1::EnvVar,
    k8s_openapi::api::core::v1::LocalObjectReference,
    k8s_openapi::api::core::v1::PodSecurityContext,
    k8s_openapi::api::core::v1::ResourceRequirements,
    k8s_openapi::api::core::v1::SecurityContext,
    k8s_openapi::api::core::v1::ServicePort,
    k8s_openapi::api::core::v1::Toleration,
    k8s_openapi::api::core::v1::Volume,
    k8s_openapi::api::core::v1::VolumeMount,
    k8s_openapi::apimachinery::pkg::api::resource::Quantity,
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SensorSpec;

    #[test]
    fn references_are_found_wherever_they_are() {
        let spec: SensorSpec = serde_json::from_str(
            r#"{
                "template": {"container": {"env": [{"name": "A", "valueFrom":
                    {"secretKeyRef": {"name": "of-the-kubelet", "key": "k"}}}]}},
                "triggers": [{
                    "template": {"name": "t", "http": {
                        "basicAuth": {"password": {"name": "login", "key": "password"}},
                        "secureHeaders": [
                            {"valueFrom": {"configMapKeyRef": {"name": "headers", "key": "x"}}}
                        ]
                    }},
                    "dlqTrigger": {"template": {"slack": {"slackToken": {"name": "s", "key": "t"}}}}
                }]
            }"#,
        )
        .unwrap();
        let found: Vec<_> = spec
            .key_refs()
            .into_iter()
            .map(|reference| match reference {
                KeyRef::Secret(secret) => ("secret", secret.name.as_str(), secret.key.as_str()),
                KeyRef::ConfigMap(map) => ("config map", map.name.as_str(), map.key.as_str()),
            })
            .collect();
        assert_eq!(
            found,
            [
                ("secret", "login", "password"),
                ("config map", "headers", "x"),
                ("secret", "s", "t"),
            ]
        );
    }
}
