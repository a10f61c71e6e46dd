//! Installs tiphys into a cluster that has its image, by `kubectl` alone.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::command::{self, workspace};

/// How long pods may take to run. Of the images, only that of NATS is pulled.
pub(crate) const READY: &str = "--timeout=600s";

/// What is installed: everything, with an image that was loaded into the nodes.
const OVERLAY: &str = "deploy/kind";

/// Where it is installed.
const NAMESPACE: &str = "argo-events";

/// What runs there.
const DEPLOYMENTS: [&str; 2] = ["controller-manager", "events-webhook"];

/// `kubectl` for a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Kubectl {
    /// The program.
    pub(crate) program: PathBuf,
    /// The kubeconfig; by default that of the environment.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context; by default the current one.
    pub(crate) context: Option<String>,
}

/// How the installation came to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Installed {
    /// There was none.
    Anew,
    /// One was there, and is this one now.
    Over,
}

impl Kubectl {
    /// The command line; `arguments` are parted by blanks.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(workspace());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        command.args(arguments.split(' '));
        command
    }

    /// Runs it so that its output is seen.
    pub(crate) fn run(&self, arguments: &str) -> anyhow::Result<()> {
        command::run(&mut self.command(arguments))
    }

    /// What it prints; `None` if it fails.
    pub(crate) fn ask(&self, arguments: &str) -> anyhow::Result<Option<String>> {
        let output = self.command(arguments).output().context("run kubectl")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(text))
    }
}

/// Installs it, or brings an installation up to date, and waits until it is ready.
///
/// # Errors
/// If it does not come up.
pub(crate) fn install(kubectl: &Kubectl) -> anyhow::Result<Installed> {
    let controller = format!("-n {NAMESPACE} get deployment {}", DEPLOYMENTS[0]);
    let installed = match kubectl.ask(&controller)? {
        Some(_) => Installed::Over,
        None => Installed::Anew,
    };
    kubectl.run(&format!(
        "apply --server-side --force-conflicts -k {OVERLAY}"
    ))?;
    for deployment in DEPLOYMENTS {
        if installed == Installed::Over {
            // The image may have the same name as the one before, and be another one.
            kubectl.run(&format!(
                "-n {NAMESPACE} rollout restart deployment/{deployment}"
            ))?;
        }
        kubectl.run(&format!(
            "-n {NAMESPACE} rollout status deployment/{deployment} {READY}"
        ))?;
    }
    Ok(installed)
}

/// Takes everything away again: buses, event sources and sensors must have gone before.
///
/// # Errors
/// If something does not go.
pub(crate) fn uninstall(kubectl: &Kubectl) -> anyhow::Result<()> {
    kubectl.run(&format!("delete -k {OVERLAY} {READY}"))
}
