//! The stories that need a cluster whose nodes run pods: brings the cluster, the image and the installed
//! product, and clears up afterwards.

use std::path::{Path, PathBuf};

use super::run_tests;
use super::summary::Summary;
use crate::command::{Profile, build_binary, cargo};
use crate::drill::BINARY_VARIABLE;
use crate::image::{self, Packed, Target};
use crate::install::{Installed, Kubectl, install, uninstall};
use crate::node::{Node, Started};

/// Name `kubectl`, the context, the image and this run for the stories.
const KUBECTL_VARIABLE: &str = "TIPHYS_KUBECTL";
const CONTEXT_VARIABLE: &str = "TIPHYS_CLUSTER_CONTEXT";
const IMAGE_VARIABLE: &str = "TIPHYS_IMAGE";
const NEXT_IMAGE_VARIABLE: &str = "TIPHYS_NEXT_IMAGE";
const RUN_VARIABLE: &str = "TIPHYS_RUN";

/// Carried by the namespaces of stories; its value is the run.
const RUN_LABEL: &str = "tiphys.dev/run";

/// Set to keep what stories leave.
const KEEP_VARIABLE: &str = "E2E_KEEP";

/// How long what stories leave may take to go: pods get 30 s to end, on a loaded machine all at once.
const PATIENCE: &str = "--timeout=600s";

/// How many stories run at once, also on a small machine: they mostly wait.
const AT_ONCE: &str = "--test-threads=6";

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
    kubectl: Kubectl,
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
        kubectl: Kubectl {
            program: node.programs().join("kubectl"),
            kubeconfig: Some(node.kubeconfig()),
            context: None,
        },
        images: Some(Target::Containerd(node.containerd())),
        started: (!was_running).then_some(node),
    }))
}

impl Stage {
    fn existing(kubeconfig: Option<PathBuf>, context: Option<String>) -> Self {
        let kind = context.as_ref().and_then(|name| name.strip_prefix("kind-"));
        Self {
            images: kind.map(|cluster| Target::Kind(cluster.to_owned())),
            kubectl: Kubectl {
                program: "kubectl".into(),
                kubeconfig,
                context,
            },
            started: None,
        }
    }

    /// True if all stories passed.
    fn tell(&self, filters: &[String], summary: &mut Summary) -> anyhow::Result<bool> {
        // A debug build: what stories promise does not depend on how fast the program is.
        let binary = build_binary(Profile::Dev)?;
        let image = image::pack(&binary, Profile::Dev, &image::default_tag(), None)?;
        self.load(&image)?;
        // The same again, for the story of an upgrade.
        let next = format!("{}-next", image::default_tag());
        let next = image::pack(&binary, Profile::Dev, &next, None)?;
        self.load(&next)?;
        let installed = install(&self.kubectl)?;
        let told = self.run_stories(&binary, [&image, &next], filters, summary);
        // Buses go only while the controller runs.
        let cleared = self.clear();
        if installed == Installed::Anew && !is_kept() {
            uninstall(&self.kubectl)?;
        }
        let passed = told?;
        cleared.map(|()| passed)
    }

    fn run_stories(
        &self,
        binary: &Path,
        [image, next]: [&Packed; 2],
        filters: &[String],
        summary: &mut Summary,
    ) -> anyhow::Result<bool> {
        let Kubectl {
            program,
            kubeconfig,
            context,
        } = &self.kubectl;
        // The whole workspace decides about features, as in the run before: nothing is built twice.
        let mut tests = cargo(["test", "--workspace", "--test", "cluster"]);
        tests
            .env(BINARY_VARIABLE, binary)
            .env(KUBECTL_VARIABLE, program)
            .env(IMAGE_VARIABLE, &image.reference)
            .env(NEXT_IMAGE_VARIABLE, &next.reference)
            .env(RUN_VARIABLE, run_id())
            .envs(kubeconfig.iter().map(|path| ("KUBECONFIG", path)))
            .envs(context.iter().map(|name| (CONTEXT_VARIABLE, name)));
        let arguments: Vec<String> = filters.iter().cloned().chain([AT_ONCE.into()]).collect();
        run_tests(&mut tests, &arguments, summary)
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

    /// Waits until nothing of the stories is left.
    fn clear(&self) -> anyhow::Result<()> {
        if is_kept() {
            eprintln!("── {KEEP_VARIABLE} is set: the cluster stays as it is");
            return Ok(());
        }
        let selector = format!("{RUN_LABEL}={}", run_id());
        self.kubectl.run(&format!(
            "delete namespaces --selector {selector} {PATIENCE}"
        ))
    }

    /// Stops the node if it was started here.
    fn close(self) -> anyhow::Result<()> {
        if is_kept() {
            return Ok(());
        }
        self.started.map_or(Ok(()), |node| node.down(false))
    }
}

fn is_kept() -> bool {
    std::env::var_os(KEEP_VARIABLE).is_some_and(|value| !value.is_empty())
}

/// Several runs may share a cluster.
fn run_id() -> String {
    std::process::id().to_string()
}
