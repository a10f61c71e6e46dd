//! The registration of the webhook with the API server: its address, the authority to trust, and what
//! it reviews.
//!
//! A webhook that is dead must not hold anybody up. So it is asked about the three kinds alone, and
//! only where a spec begins or changes; it has few seconds; and without an answer the API server goes
//! on.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, RuleWithOperations, ServiceReference, ValidatingWebhook,
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, OwnerReference,
};
use kube::core::ObjectMeta;
use tiphys_api::{GROUP, VERSION};

/// The name of the configuration and of the webhook in it, as in Argo Events.
pub const NAME: &str = "webhook.argo-events.argoproj.io";

/// How long the API server waits for an answer. A loaded machine needs tenths of a second for the
/// largest object.
const TIMEOUT_SECONDS: i32 = 5;

/// What is reviewed.
const RESOURCES: [&str; 3] = ["eventbus", "eventsources", "sensors"];

/// Where the API server finds the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Behind a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// At a URL, for a webhook outside the cluster.
    Url(String),
}

/// The configuration. `path` is where reviews are sent.
pub fn desired(
    address: &Address,
    path: &str,
    authorities: &str,
    owner: Option<OwnerReference>,
) -> ValidatingWebhookConfiguration {
    ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        webhooks: Some(vec![webhook(address, path, authorities)]),
    }
}

fn webhook(address: &Address, path: &str, authorities: &str) -> ValidatingWebhook {
    ValidatingWebhook {
        name: NAME.to_owned(),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: client_config(address, path, authorities),
        failure_policy: Some("Ignore".to_owned()),
        match_conditions: Some(match_conditions()),
        match_policy: Some("Equivalent".to_owned()),
        // Nobody keeps sensors beside the parts of the control plane, and nothing may hold those up.
        namespace_selector: Some(LabelSelector {
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: "kubernetes.io/metadata.name".to_owned(),
                operator: "NotIn".to_owned(),
                values: Some(vec!["kube-system".to_owned(), "kube-node-lease".to_owned()]),
            }]),
            ..LabelSelector::default()
        }),
        object_selector: Some(LabelSelector::default()),
        rules: Some(RESOURCES.map(rule).to_vec()),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
    }
}

fn client_config(address: &Address, path: &str, authorities: &str) -> WebhookClientConfig {
    let ca_bundle = Some(ByteString(authorities.as_bytes().to_vec()));
    match address {
        Address::Service {
            namespace,
            name,
            port,
        } => WebhookClientConfig {
            ca_bundle,
            service: Some(ServiceReference {
                namespace: namespace.clone(),
                name: name.clone(),
                path: Some(path.to_owned()),
                port: Some(i32::from(*port)),
            }),
            url: None,
        },
        Address::Url(url) => WebhookClientConfig {
            ca_bundle,
            service: None,
            url: Some(format!("{}{path}", url.trim_end_matches('/'))),
        },
    }
}

/// Labels, finalizers and deletions do not change the generation, and are nobody's to refuse.
fn match_conditions() -> Vec<MatchCondition> {
    vec![MatchCondition {
        name: "spec-changes".to_owned(),
        expression: "request.operation == 'CREATE' || (!has(object.metadata.deletionTimestamp) && \
                     object.metadata.generation != oldObject.metadata.generation)"
            .to_owned(),
    }]
}

fn rule(resource: &str) -> RuleWithOperations {
    RuleWithOperations {
        api_groups: Some(vec![GROUP.to_owned()]),
        api_versions: Some(vec![VERSION.to_owned()]),
        operations: Some(vec!["CREATE".to_owned(), "UPDATE".to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        scope: Some("Namespaced".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_webhook_outside_the_cluster_is_sent_reviews_by_its_url() {
        let address = Address::Url("https://127.0.0.1:8443/".to_owned());
        let configuration = desired(&address, "/reviews/x", "PEM", None);
        let webhooks = serde_json::to_value(configuration.webhooks).unwrap();
        assert_eq!(
            webhooks[0]["clientConfig"],
            json!({"caBundle": "UEVN", "url": "https://127.0.0.1:8443/reviews/x"})
        );
    }

    #[test]
    fn a_dead_webhook_holds_nobody_up() {
        let address = Address::Service {
            namespace: "argo-events".to_owned(),
            name: "events-webhook".to_owned(),
            port: 443,
        };
        let configuration =
            serde_json::to_value(desired(&address, "/reviews/x", "PEM", None)).unwrap();
        let rule = |resource: &str| {
            json!({
                "apiGroups": ["argoproj.io"],
                "apiVersions": ["v1alpha1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": [resource],
                "scope": "Namespaced",
            })
        };
        let expected = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "webhook.argo-events.argoproj.io"},
            "webhooks": [{
                "name": "webhook.argo-events.argoproj.io",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {
                    "caBundle": "UEVN",
                    "service": {
                        "namespace": "argo-events", "name": "events-webhook", "port": 443,
                        "path": "/reviews/x",
                    },
                },
                "failurePolicy": "Ignore",
                "matchConditions": [{
                    "name": "spec-changes",
                    "expression": "request.operation == 'CREATE' || \
                        (!has(object.metadata.deletionTimestamp) && \
                        object.metadata.generation != oldObject.metadata.generation)",
                }],
                "matchPolicy": "Equivalent",
                "namespaceSelector": {"matchExpressions": [{
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": ["kube-system", "kube-node-lease"],
                }]},
                "objectSelector": {},
                "rules": [rule("eventbus"), rule("eventsources"), rule("sensors")],
                "sideEffects": "None",
                "timeoutSeconds": 5,
            }],
        });
        assert_eq!(configuration, expected);
    }
}
