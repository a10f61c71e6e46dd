//! The stories that need a cluster whose nodes run pods: brings the cluster and the image, and
//! clears up afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::run_tests;
use super::summary::Summary;
use crate::command::{self, cargo};
use crate::image::{self, Packed, Profile, Target};
use crate::node::{Node, Started};

/// Name `kubectl`, the context, the image and this run for the stories.
const KUBECTL_VARIABLE: &str = "TIPHYS_KUBECTL";
const CONTEXT_VARIABLE: &str = "TIPHYS_CLUSTER_CONTEXT";
const IMAGE_VARIABLE: &str = "TIPHYS_IMAGE";
const RUN_VARIABLE: &str = "TIPHYS_RUN";

/// Carried by the namespaces of stories; its value is the run.
const RUN_LABEL: &str = "tiphys.dev/run";

/// Set to keep what stories leave.
const KEEP_VARIABLE: &str = "E2E_KEEP";

/// How long what stories leave may take to go: pods get 30 s to end.
const PATIENCE: &str = "--timeout=120s";

/// The cluster that was asked for.
pub(super) enum Choice {
    /// One that runs.
    Existing {
        kubeconfig: Option<PathBuf>,
        context: Option<String>,
    },
    /// Our node, which is started unless it runs.
    Node,
}

/// A cluster to run stories in.
struct Stage {
    kubectl: PathBuf,
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    /// Where its nodes find images; `None`: we do not know.
    images: Option<Target>,
    /// Stopped in the end, if it was started here.
    started: Option<Node>,
}

impl Choice {
    pub(super) fn new(context: Option<String>, kubeconfig: Option<PathBuf>) -> Self {
        if context.is_none() && kubeconfig.is_none() {
            return Self::Node;
        }
        Self::Existing {
            kubeconfig,
            context,
        }
    }
}

/// Runs the stories; the reason, where there is no cluster.
pub(super) fn run(
    choice: Choice,
    filters: &[String],
    summary: &mut Summary,
) -> anyhow::Result<Option<String>> {
    let stage = match choice {
        Choice::Node => match open_node()? {
            Ok(stage) => stage,
            Err(reason) => return Ok(Some(reason)),
        },
        Choice::Existing {
            kubeconfig,
            context,
        } => Stage::existing(kubeconfig, context),
    };
    let outcome = stage.tell(filters, summary);
    // It goes down also if the stories failed, and whatever came first is what is told.
    let closed = stage.close();
    anyhow::ensure!(outcome?, "the stories in the cluster failed");
    closed.map(|()| None)
}

fn open_node() -> anyhow::Result<Result<Stage, String>> {
    let node = Node::new()?;
    let was_running = node.is_running();
    if !was_running {
        match node.up() {
            Ok(Started::Running) => {}
            Ok(Started::Unable(reason)) => return Ok(Err(reason)),
            Err(error) => {
                node.down(false)?;
                return Err(error);
            }
        }
    }
    Ok(Ok(Stage {
        kubectl: node.programs().join("kubectl"),
        kubeconfig: Some(node.kubeconfig()),
        context: None,
        images: Some(Target::Containerd(node.containerd())),
        started: (!was_running).then_some(node),
    }))
}

impl Stage {
    fn existing(kubeconfig: Option<PathBuf>, context: Option<String>) -> Self {
        let kind = context.as_ref().and_then(|name| name.strip_prefix("kind-"));
        Self {
            kubectl: "kubectl".into(),
            images: kind.map(|cluster| Target::Kind(cluster.to_owned())),
            kubeconfig,
            context,
            started: None,
        }
    }

    /// True if all stories passed.
    fn tell(&self, filters: &[String], summary: &mut Summary) -> anyhow::Result<bool> {
        // A debug build: what stories promise does not depend on how fast the program is.
        let image = image::build(Profile::Dev, &image::default_tag(), None)?;
        self.load(&image)?;
        // The whole workspace decides about features, as in the run before: nothing is built twice.
        let mut tests = cargo(["test", "--workspace", "--test", "cluster"]);
        self.name_for(&mut tests);
        tests
            .env(KUBECTL_VARIABLE, &self.kubectl)
            .env(IMAGE_VARIABLE, &image.reference)
            .env(RUN_VARIABLE, run_id())
            .envs(self.context.iter().map(|name| (CONTEXT_VARIABLE, name)));
        run_tests(&mut tests, filters, summary)
    }

    fn load(&self, image: &Packed) -> anyhow::Result<()> {
        if let Some(target) = &self.images {
            return image::load(image, target);
        }
        eprintln!(
            "── the nodes must have the image {} already: {} can be loaded into them",
            image.reference,
            image.file.display()
        );
        Ok(())
    }

    /// Waits until nothing of the stories is left, and stops the node if it was started here.
    fn close(self) -> anyhow::Result<()> {
        if std::env::var_os(KEEP_VARIABLE).is_some_and(|value| !value.is_empty()) {
            eprintln!("── {KEEP_VARIABLE} is set: the cluster stays as it is");
            return Ok(());
        }
        let mut delete = Command::new(&self.kubectl);
        self.name_for(&mut delete);
        delete.args(self.context.iter().flat_map(|name| ["--context", name]));
        let selector = format!("{RUN_LABEL}={}", run_id());
        delete.args(["delete", "namespaces", "--selector", &selector, PATIENCE]);
        let cleared = command::run(&mut delete);
        self.started.map_or(Ok(()), |node| node.down(false))?;
        cleared
    }

    fn name_for(&self, command: &mut Command) {
        command.envs(
            self.kubeconfig
                .as_deref()
                .map(|path: &Path| ("KUBECONFIG", path)),
        );
    }
}

/// Several runs may share a cluster.
fn run_id() -> String {
    std::process::id().to_string()
}
