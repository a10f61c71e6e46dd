//! The world of the story: a control plane, a NATS server, and what the story is about.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};
use tiphys_testbed::{ControlPlane, ControlPlaneOptions, Nats, NatsOptions, Scratch};
use tokio::runtime::Runtime;

use crate::Bench;
use crate::cluster::Cluster;
use crate::floor::Place;
use crate::tiphys::Tiphys;

/// Where the story plays.
pub(crate) const INGRESSES: &str = "/apis/networking.k8s.io/v1/namespaces/playground/ingresses";
const SERVICES: &str = "/api/v1/namespaces/playground/services";

/// Servers, and a client.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) cluster: Cluster,
    pub(crate) scratch: Scratch,
    /// The annotated service.
    pub(crate) service: Place,
    control_plane: ControlPlane,
    nats: Nats,
}

impl World {
    pub(crate) fn start(bench: &Bench) -> anyhow::Result<Self> {
        let options = ControlPlaneOptions {
            // The testbed's range ends at 254 services.
            apiserver_args: vec!["--service-cluster-ip-range=10.64.0.0/16".to_owned()],
            ..ControlPlaneOptions::default()
        };
        let control_plane = ControlPlane::start(&bench.programs, options)?;
        let nats = Nats::start(&bench.programs, &NatsOptions::default())?;
        let runtime = runtime()?;
        let cluster = runtime.block_on(Cluster::connect(&control_plane.kubeconfig()?))?;
        for name in ["playground", "floor-first", "floor-second"] {
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            runtime.block_on(cluster.create("/api/v1/namespaces", &namespace))?;
        }
        Ok(Self {
            runtime,
            cluster,
            scratch: Scratch::new("bench")?,
            service: Place {
                path: SERVICES.to_owned(),
                manifest: service(bench)?,
            },
            control_plane,
            nats,
        })
    }

    /// The kubeconfig of the admin.
    pub(crate) fn kubeconfig(&self) -> anyhow::Result<PathBuf> {
        self.control_plane.kubeconfig()
    }

    /// Where the NATS server is.
    pub(crate) fn nats_url(&self) -> String {
        self.nats.url()
    }

    /// Starts tiphys on the story's manifests.
    pub(crate) fn tiphys(&self, bench: &Bench, name: &str) -> anyhow::Result<Tiphys> {
        let args = [
            format!("--file={}", bench.story.display()),
            format!("--nats={}", self.nats.url()),
            format!(
                "--kubeconfig={}",
                self.control_plane.kubeconfig()?.display()
            ),
        ];
        Tiphys::start(bench, &self.scratch, name, &args)
    }
}

/// The runtime of everything that is measured from here.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")
}

/// The service of the story, without a name.
pub(crate) fn service(bench: &Bench) -> anyhow::Result<Value> {
    let path = bench.story.join("service.yaml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("read {}", path.display()))
}
