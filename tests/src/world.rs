//! What one story has to itself: a namespace and a NATS server.

use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{GroupVersionKind, NamespaceResourceScope, ObjectMeta};
use kube::{Api, Client, Resource, discovery};
use serde_json::Value;
use tiphys_testbed::{ControlPlane, Nats, NatsOptions};

use crate::{Desk, servers};

/// Shown when a story fails.
const KINDS: [&str; 3] = ["eventbus", "eventsources", "sensors"];

/// A namespace and a NATS server that no other story sees.
///
/// When the story fails, its objects and the last log lines of the servers are printed.
#[derive(Debug)]
pub struct World {
    namespace: String,
    control_plane: &'static ControlPlane,
    nats: Nats,
}

impl World {
    /// Starts what a story needs.
    ///
    /// # Panics
    /// When a server does not come up.
    pub async fn start() -> Self {
        Self::start_with(NatsOptions::default()).await
    }

    /// Starts what a story needs, with a NATS server that is not plain.
    ///
    /// # Panics
    /// When a server does not come up.
    pub async fn start_with(nats: NatsOptions) -> Self {
        let control_plane = servers::control_plane().await;
        let starting = tokio::task::spawn_blocking(move || Nats::start(servers::programs(), &nats));
        let nats = starting
            .await
            .expect("the start is not cancelled")
            .expect("NATS starts");
        let world = Self {
            namespace: unique_name(),
            control_plane,
            nats,
        };
        world.create_namespace().await;
        world
    }

    /// The story's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The story's NATS server.
    pub fn nats(&self) -> &Nats {
        &self.nats
    }

    /// The story's NATS server, to stop and restart it.
    pub fn nats_mut(&mut self) -> &mut Nats {
        &mut self.nats
    }

    /// The control plane, which other stories use, too.
    pub fn control_plane(&self) -> &'static ControlPlane {
        self.control_plane
    }

    /// The kubeconfig of the admin.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn kubeconfig(&self) -> PathBuf {
        self.control_plane
            .kubeconfig()
            .expect("the kubeconfig can be written")
    }

    /// A desk of the admin: `tiphys` on it uses the story's cluster and NATS server.
    pub fn desk(&self) -> Desk {
        let desk = Desk::new().option("--kubeconfig", self.kubeconfig());
        desk.option("--nats", self.nats.url())
    }

    /// The objects of one kind in the story's namespace, as the admin.
    ///
    /// # Panics
    /// When the kubeconfig cannot be used.
    pub async fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client().await, &self.namespace)
    }

    /// A client of the admin.
    ///
    /// # Panics
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> Client {
        servers::client(&self.kubeconfig()).await
    }

    /// A client with the rights of a service account of the story's namespace.
    ///
    /// # Panics
    /// When the kubeconfig cannot be used.
    pub async fn client_as(&self, service_account: &str) -> Client {
        let kubeconfig = self
            .control_plane
            .kubeconfig_as(&self.namespace, service_account)
            .expect("the kubeconfig can be written");
        servers::client(&kubeconfig).await
    }

    /// Applies each YAML document of `manifests` as `kubectl apply --server-side` does: objects that
    /// belong into a namespace and name none go into the story's.
    ///
    /// # Panics
    /// When a document is not an object or the API server refuses it.
    pub async fn apply(&self, manifests: &str) {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(manifests).expect("the manifests are YAML");
        let client = self.client().await;
        for document in documents.into_iter().filter(|document| !document.is_null()) {
            let object: DynamicObject =
                serde_json::from_value(document).expect("the document is an object");
            self.apply_object(&client, object).await;
        }
    }

    async fn apply_object(&self, client: &Client, object: DynamicObject) {
        let types = object.types.as_ref().expect("the object has a kind");
        let kind = GroupVersionKind::try_from(types).expect("the apiVersion is one");
        let (resource, capabilities) = discovery::pinned_kind(client, &kind)
            .await
            .unwrap_or_else(|error| panic!("find the kind {}: {error}", kind.kind));
        let api: Api<DynamicObject> = match capabilities.scope {
            discovery::Scope::Cluster => Api::all_with(client.clone(), &resource),
            discovery::Scope::Namespaced => {
                let namespace = object
                    .metadata
                    .namespace
                    .as_deref()
                    .unwrap_or(&self.namespace);
                Api::namespaced_with(client.clone(), namespace, &resource)
            }
        };
        let name = object
            .metadata
            .name
            .as_deref()
            .expect("the object has a name");
        api.patch(
            name,
            &PatchParams::apply("tiphys-tests").force(),
            &Patch::Apply(&object),
        )
        .await
        .unwrap_or_else(|error| panic!("apply {} {name}: {error}", kind.kind));
    }

    async fn create_namespace(&self) {
        let metadata = ObjectMeta {
            name: Some(self.namespace.clone()),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        Api::all(self.client().await)
            .create(&PostParams::default(), &namespace)
            .await
            .expect("the namespace can be created");
    }

    /// The story's objects as JSON, one kind a line.
    fn objects(&self) -> String {
        let lines: Vec<String> = KINDS
            .iter()
            .map(|kind| {
                let namespace = &self.namespace;
                let path = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/{kind}");
                match self.control_plane.request("GET", &path, "") {
                    Ok(answer) => format!("{kind}: {}", answer.body.trim_end()),
                    Err(error) => format!("{kind}: {error:#}"),
                }
            })
            .collect();
        lines.join("\n")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.objects(), self.control_plane.log_tails());
        }
    }
}

/// Unique also among test binaries, which may share a cluster.
pub(crate) fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "story-{}-{}",
        process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
