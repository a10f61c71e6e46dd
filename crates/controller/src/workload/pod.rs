//! The pod of an event source or sensor.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

use k8s_openapi::api::core::v1::{
    Capabilities, Container as PodContainer, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction,
    ObjectFieldSelector, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use tiphys_api::worker::{
    ADMIN_PORT, BUS_AUTH_FOLDER, REPORT_KEY_VARIABLE, SPEC_FOLDER, VALUES_FOLDER,
};
use tiphys_api::{Container, Given, Template};

use super::mounts::Mounts;
use super::{Workload, report_key};
use crate::resources;
use crate::settings::Worker;

/// How often the kubelet asks whether a pod is alive, and how long it waits for an answer.
const PROBE_SECONDS: i32 = 5;

/// How often it asks whether a pod is ready: whoever waits for an object waits for this.
const READINESS_SECONDS: i32 = 2;

/// How many answers in a row may be missing before a pod is started anew: a node that is overloaded
/// gets no quieter by restarts.
const LIVENESS_FAILURES: i32 = 6;

/// The name of the port of metrics, health and reports.
const PORT: &str = "metrics";

/// `labels` are those that the Deployment selects by.
pub(super) fn template<K: Workload>(
    object: &K,
    labels: &BTreeMap<String, String>,
    mounts: Mounts,
    worker: &Worker,
) -> PodTemplateSpec {
    let empty = Template::default();
    let template = object.template().unwrap_or(&empty);
    let metadata = template.metadata.as_ref();
    let mut all_labels = metadata
        .map(|metadata| (*metadata.labels).clone())
        .unwrap_or_default();
    all_labels.extend(labels.clone());
    let annotations = metadata.map(|metadata| (*metadata.annotations).clone());
    let Mounts { volumes, mounts } = mounts;
    let container = container(template.container.as_ref(), object, mounts, worker);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all_labels),
            annotations: annotations.filter(|annotations| !annotations.is_empty()),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: text(&template.service_account_name),
            automount_service_account_token: (!object.needs_token()).then_some(false),
            containers: vec![container],
            volumes: Some(volumes),
            security_context: template.security_context.clone(),
            node_selector: given(&template.node_selector, |map| !map.is_empty()),
            tolerations: given(&template.tolerations, |list| !list.is_empty()),
            image_pull_secrets: given(&template.image_pull_secrets, |list| !list.is_empty()),
            priority_class_name: text(&template.priority_class_name),
            priority: template.priority,
            affinity: template.affinity.clone(),
            ..PodSpec::default()
        }),
    }
}

fn container<K: Workload>(
    user: Option<&Container>,
    object: &K,
    mounts: Vec<k8s_openapi::api::core::v1::VolumeMount>,
    worker: &Worker,
) -> PodContainer {
    let empty = Container::default();
    let user = user.unwrap_or(&empty);
    let pull_policy = text(&user.image_pull_policy);
    let report_key = report_key(object.meta().uid.as_deref().unwrap_or_default());
    PodContainer {
        name: "main".to_owned(),
        image: Some(worker.image.clone()),
        image_pull_policy: pull_policy.or_else(|| non_empty(&worker.image_pull_policy)),
        args: Some(vec![K::ARGUMENT.to_owned()]),
        ports: Some(ports(object)),
        env: Some(environment(&user.env, &report_key, worker)),
        env_from: given(&user.env_from, |list| !list.is_empty()),
        resources: resources::merged(user.resources.as_ref(), &worker.resources),
        volume_mounts: Some(mounts),
        security_context: Some(user.security_context.clone().unwrap_or_else(restricted)),
        liveness_probe: Some(probe("/healthz", PROBE_SECONDS, LIVENESS_FAILURES)),
        readiness_probe: Some(probe("/readyz", READINESS_SECONDS, 1)),
        ..PodContainer::default()
    }
}

/// The admin port, and those on which the pod is called.
fn ports<K: Workload>(object: &K) -> Vec<ContainerPort> {
    let port = |name: Option<&str>, port: u16| ContainerPort {
        name: name.map(str::to_owned),
        container_port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let called = object.called_ports().into_iter();
    let called = called.filter(|port| *port != ADMIN_PORT);
    let admin = std::iter::once(port(Some(PORT), ADMIN_PORT));
    admin
        .chain(called.map(|number| port(None, number)))
        .collect()
}

/// The user's variables, then ours. Of two with one name the later one counts; the level of the log
/// is the user's to choose.
fn environment(user: &[EnvVar], report_key: &str, worker: &Worker) -> Vec<EnvVar> {
    let mut environment: Vec<EnvVar> = Vec::new();
    let admin = SocketAddr::from((Ipv6Addr::UNSPECIFIED, ADMIN_PORT));
    // Their values are the program's defaults: they are here because those of `envFrom` would count, too.
    let ours = [
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        value("TIPHYS_SPEC", SPEC_FOLDER.to_owned()),
        value("TIPHYS_BUS_AUTH", BUS_AUTH_FOLDER.to_owned()),
        value("TIPHYS_VALUES", VALUES_FOLDER.to_owned()),
        value("TIPHYS_ADMIN", admin.to_string()),
        value(REPORT_KEY_VARIABLE, report_key.to_owned()),
    ];
    for variable in user.iter().chain(&ours) {
        environment.retain(|other| other.name != variable.name);
        environment.push(variable.clone());
    }
    if let Some(level) = &worker.log_level
        && environment
            .iter()
            .all(|variable| variable.name != "LOG_LEVEL")
    {
        environment.push(value("LOG_LEVEL", level.clone()));
    }
    environment
}

fn value(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                api_version: Some("v1".to_owned()),
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn probe(path: &str, seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(PORT.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(seconds),
        timeout_seconds: Some(PROBE_SECONDS),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

/// What the strictest of Kubernetes' Pod Security Standards asks for.
fn restricted() -> SecurityContext {
    SecurityContext {
        run_as_non_root: Some(true),
        read_only_root_filesystem: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}

fn given<T: Clone>(value: &Given<T>, is_something: impl Fn(&T) -> bool) -> Option<T> {
    Some((**value).clone()).filter(is_something)
}

fn text(value: &Given<String>) -> Option<String> {
    non_empty(value)
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
