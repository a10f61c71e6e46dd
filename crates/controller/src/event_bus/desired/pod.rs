//! A pod of a bus: one container, the NATS server.
//!
//! Argo Events has two more: an exporter of metrics, for which the server's own `/varz`, `/jsz` and
//! so on stand on the monitor port; and a reloader, in whose place pods are replaced one by one, so
//! that a change that a running server would not take (a certificate of a route, an account) is
//! taken as well. The images that the controller's configuration names for them are not used.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, Container, ContainerPort, EmptyDirVolumeSource, EnvVar,
    EnvVarSource, ExecAction, HTTPGetAction, KeyToPath, Lifecycle, LifecycleHandler,
    ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecretKeySelector,
    SecretProjection, SecurityContext, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

use super::{CLIENT_PORT, CLUSTER_PORT, CONFIG_KEY, MONITOR_PORT, Plan, merged};
use crate::event_bus::credentials::ENCRYPTION;
use crate::resources;

/// Annotation of pods: what their servers read when they start.
pub(super) const HASH_ANNOTATION: &str = "events.argoproj.io/bus-config-hash";

/// Where the configuration and the certificates are.
const CONFIG_FOLDER: &str = "/etc/nats-config";

/// Where the messages are.
const DATA_FOLDER: &str = "/data/jetstream";

/// The user of servers that need not be root, as in our own image.
const NOBODY: i64 = 65532;

/// The part of a container's memory that is for the heap, as NATS' own charts have it.
const HEAP: f64 = 0.9;

/// How long servers that start together usually take to have a leader.
const ELECTION_SECONDS: i32 = 5;

/// Where the file with the process id is.
const PID_FOLDER: &str = "/var/run/nats";

/// Keys of the servers' Secret, and their files in [`CONFIG_FOLDER`].
const SECRET_FILES: [(&str, &str); 7] = [
    ("auth", "auth.conf"),
    ("private-key", "server-key.pem"),
    ("cert", "server-cert.pem"),
    ("ca-cert", "ca-cert.pem"),
    ("cluster-private-key", "cluster-server-key.pem"),
    ("cluster-cert", "cluster-server-cert.pem"),
    ("cluster-ca-cert", "cluster-ca-cert.pem"),
];

impl Plan<'_> {
    pub(super) fn pod_template(&self, hash: &str) -> PodTemplateSpec {
        let own = self.spec.metadata.clone().unwrap_or_default();
        let hash: BTreeMap<_, _> = [(HASH_ANNOTATION.to_owned(), hash.to_owned())].into();
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(merged(own.labels.into_inner(), &self.names.labels)),
                annotations: Some(merged(own.annotations.into_inner(), &hash)),
                ..ObjectMeta::default()
            }),
            spec: Some(self.pod()),
        }
    }

    fn pod(&self) -> PodSpec {
        let spec = self.spec;
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        PodSpec {
            affinity: spec.affinity.clone(),
            init_containers: (self.spec.server_count() > 1).then(|| vec![self.announcer()]),
            containers: vec![self.container()],
            image_pull_secrets: some(spec.image_pull_secrets.to_vec()),
            node_selector: Some(spec.node_selector.clone().into_inner())
                .filter(|selector| !selector.is_empty()),
            priority: spec.priority,
            priority_class_name: text(&spec.priority_class_name),
            security_context: spec.security_context.clone().or_else(|| self.nobody()),
            service_account_name: text(&spec.service_account_name),
            // A server speaks to no API server.
            automount_service_account_token: Some(false),
            // Longer than the server takes to close its clients' connections, see `lame_duck_duration`.
            termination_grace_period_seconds: Some(60),
            tolerations: some(spec.tolerations.to_vec()),
            volumes: Some(self.volumes()),
            ..PodSpec::default()
        }
    }

    /// Who the servers are, unless the user says a word about their security: it may be one that root
    /// is needed for. Servers with volumes stay root: not every provisioner lets a group write to what
    /// it makes, and root has written what a bus of Argo Events has.
    fn nobody(&self) -> Option<PodSecurityContext> {
        let template = self.spec.container_template.as_ref();
        let is_free = template.is_none_or(|template| template.security_context.is_none());
        (is_free && self.spec.persistence.is_none()).then(|| PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            fs_group: Some(NOBODY),
            ..PodSecurityContext::default()
        })
    }

    /// Runs for a moment before the server, to no effect but this: the kubelet reports the pod's address
    /// when a first container has run, and DNS knows it when the server starts. Servers that do not
    /// find each other at once miss their first election, and wait 4 to 9 seconds for the next.
    fn announcer(&self) -> Container {
        let Container {
            image,
            image_pull_policy,
            resources,
            security_context,
            ..
        } = self.container();
        Container {
            name: "announce".to_owned(),
            command: Some(texts([self.program(), "--version"])),
            image,
            image_pull_policy,
            resources,
            security_context,
            ..Container::default()
        }
    }

    fn program(&self) -> &str {
        match self.version.start_command.as_str() {
            "" => "/nats-server",
            program => program,
        }
    }

    fn container(&self) -> Container {
        let template = self.spec.container_template.clone().unwrap_or_default();
        let resources = resources::merged(template.resources.as_ref(), self.resources);
        let program = self.program();
        let config = format!("{CONFIG_FOLDER}/nats-js.conf");
        let ports = [
            ("client", CLIENT_PORT),
            ("cluster", CLUSTER_PORT),
            ("monitor", MONITOR_PORT),
        ];
        let ports = ports.map(|(name, port)| ContainerPort {
            name: Some(name.to_owned()),
            container_port: port,
            ..ContainerPort::default()
        });
        let stop = [program, &format!("-sl=ldm={PID_FOLDER}/nats.pid")];
        Container {
            name: "main".to_owned(),
            image: Some(self.version.nats_image.clone()),
            image_pull_policy: Some(template.image_pull_policy.into_inner())
                .filter(|policy| !policy.is_empty()),
            command: Some(texts([program, "--config", &config])),
            args: some(self.spec.start_args.to_vec()),
            env: Some(self.environment(resources.as_ref())),
            ports: Some(ports.to_vec()),
            resources,
            security_context: Some(template.security_context.unwrap_or_else(confined)),
            volume_mounts: Some(self.mounts()),
            lifecycle: Some(Lifecycle {
                pre_stop: Some(LifecycleHandler {
                    exec: Some(ExecAction {
                        command: Some(texts(stop)),
                    }),
                    ..LifecycleHandler::default()
                }),
                ..Lifecycle::default()
            }),
            // An hour: reading a large store again takes its time, and starting anew helps nobody. The
            // first look comes when servers usually have a leader: one before is a Warning for nothing.
            startup_probe: Some(Probe {
                initial_delay_seconds: (self.spec.server_count() > 1).then_some(ELECTION_SECONDS),
                ..probe("/healthz", 1, 3600)
            }),
            // That there is no majority is no reason to restart a server.
            liveness_probe: Some(probe("/", 10, 6)),
            readiness_probe: Some(probe("/healthz", 2, 3)),
            ..Container::default()
        }
    }

    fn environment(&self, resources: Option<&ResourceRequirements>) -> Vec<EnvVar> {
        let value = |name: &str, value: String| EnvVar {
            name: name.to_owned(),
            value: Some(value),
            ..EnvVar::default()
        };
        let from = |name: &str, source: EnvVarSource| EnvVar {
            name: name.to_owned(),
            value_from: Some(source),
            ..EnvVar::default()
        };
        let field = |path: &str| EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        };
        let service = &self.names.service;
        let address = format!("$(POD_NAME).{service}.$(POD_NAMESPACE).svc");
        let key = EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: self.names.server_secret.clone(),
                key: ENCRYPTION.to_owned(),
                ..SecretKeySelector::default()
            }),
            ..EnvVarSource::default()
        };
        let mut environment = vec![
            from("POD_NAME", field("metadata.name")),
            value("SERVER_NAME", "$(POD_NAME)".to_owned()),
            from("POD_NAMESPACE", field("metadata.namespace")),
            value("CLUSTER_ADVERTISE", address),
            from("JS_KEY", key),
        ];
        environment.extend(heap(resources).map(|heap| value("GOMEMLIMIT", heap)));
        environment
    }

    fn data_volume(&self) -> &str {
        match self.spec.persistence {
            Some(_) => &self.names.volume,
            None => "js-data",
        }
    }

    fn mounts(&self) -> Vec<VolumeMount> {
        let mounts = [
            (self.data_volume(), DATA_FOLDER),
            ("pid", PID_FOLDER),
            ("config-volume", CONFIG_FOLDER),
        ];
        let mounts = mounts.map(|(name, path)| VolumeMount {
            name: name.to_owned(),
            mount_path: path.to_owned(),
            ..VolumeMount::default()
        });
        mounts.to_vec()
    }

    fn volumes(&self) -> Vec<Volume> {
        let empty = |name: &str| Volume {
            name: name.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        };
        let mut volumes = vec![empty("pid"), self.config_volume()];
        if self.spec.persistence.is_none() {
            volumes.push(empty(self.data_volume()));
        }
        volumes
    }

    fn config_volume(&self) -> Volume {
        let item = |(key, path): (&str, &str)| KeyToPath {
            key: key.to_owned(),
            path: path.to_owned(),
            ..KeyToPath::default()
        };
        let config = VolumeProjection {
            config_map: Some(ConfigMapProjection {
                name: self.names.config_map.clone(),
                items: Some(vec![item((CONFIG_KEY, "nats-js.conf"))]),
                ..ConfigMapProjection::default()
            }),
            ..VolumeProjection::default()
        };
        let secret = VolumeProjection {
            secret: Some(SecretProjection {
                name: self.names.server_secret.clone(),
                items: Some(SECRET_FILES.map(item).to_vec()),
                ..SecretProjection::default()
            }),
            ..VolumeProjection::default()
        };
        Volume {
            name: "config-volume".to_owned(),
            projected: Some(ProjectedVolumeSource {
                sources: Some(vec![config, secret]),
                ..ProjectedVolumeSource::default()
            }),
            ..Volume::default()
        }
    }
}

/// What a server needs and no more. Who it is stands at the pod, see [`Plan::nobody`].
fn confined() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(texts(["ALL"])),
            ..Capabilities::default()
        }),
        read_only_root_filesystem: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}

/// How much memory the server's runtime should take, in bytes: it knows nothing of the container's
/// limit, and collects what is unused only when it nears a goal of its own.
fn heap(resources: Option<&ResourceRequirements>) -> Option<String> {
    let limit = resources?.limits.as_ref()?.get("memory")?;
    Some(format!("{:.0}", resources::amount(limit)? * HEAP))
}

fn probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(MONITOR_PORT),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}
