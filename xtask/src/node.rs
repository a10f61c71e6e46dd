//! `cargo xtask node`: a Kubernetes of one node on this machine, by the scripts of `tests/node`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use tiphys_testbed::{NodePrograms, Progress};

use crate::command::{self, workspace};

/// How `up.sh` says that the machine, not the node, is at fault.
const UNABLE: i32 = 3;

#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Gets the missing programs, starts what is not running, waits until the node is ready
    Up,
    /// Stops everything; objects, volumes and images stay for the next `up`
    Down {
        /// Delete them too
        #[arg(long)]
        purge: bool,
    },
    /// Proves on the running node that it does what a cluster does
    Check,
}

/// Where the node keeps its state.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    home: PathBuf,
}

/// How an attempt to start the node ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Started {
    /// It runs.
    Running,
    /// This machine cannot run it, and why.
    Unable(String),
}

pub(crate) fn run(verb: Verb) -> anyhow::Result<()> {
    let node = Node::new()?;
    match verb {
        Verb::Up => match node.up()? {
            Started::Running => {
                eprintln!(
                    "export KUBECONFIG={} PATH={}:$PATH",
                    node.kubeconfig().display(),
                    node.programs().display()
                );
                Ok(())
            }
            Started::Unable(reason) => anyhow::bail!("no node can run here: {reason}"),
        },
        Verb::Down { purge } => node.down(purge),
        Verb::Check => command::run(&mut node.script("check.sh", None)),
    }
}

impl Node {
    /// The node of this user's cache.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let home = std::env::var_os("NODE_HOME").map(PathBuf::from);
        let home = home.map_or_else(NodePrograms::home, Ok)?;
        Ok(Self { home })
    }

    /// What `kubectl` and clients need to use it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.home.join("kubeconfig")
    }

    /// The folder with kubectl and the node's other programs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.home.join("bin")
    }

    /// Where its containerd takes images.
    pub(crate) fn containerd(&self) -> PathBuf {
        self.home.join("run/containerd.sock")
    }

    /// True if it answers.
    pub(crate) fn is_running(&self) -> bool {
        let mut kubectl = Command::new(self.programs().join("kubectl"));
        kubectl
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(["get", "--raw=/readyz", "--request-timeout=5s"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.containerd().exists() && kubectl.status().is_ok_and(|status| status.success())
    }

    /// Starts what is not running and waits until the node is ready.
    pub(crate) fn up(&self) -> anyhow::Result<Started> {
        if let Some(reason) = hindrance() {
            return Ok(Started::Unable(reason.to_owned()));
        }
        match NodePrograms::locate(Progress::Shown) {
            Ok(programs) => programs.link_into(&self.programs())?,
            Err(error) => return Ok(Started::Unable(format!("{error:#}"))),
        }
        let mut up = self.script("up.sh", None);
        let status = command::status_of(&mut up, Command::status)?;
        match status.code() {
            Some(0) => Ok(Started::Running),
            Some(UNABLE) => Ok(Started::Unable(
                "up.sh says above what is missing".to_owned(),
            )),
            _ => anyhow::bail!("up.sh failed ({status})"),
        }
    }

    /// Stops it; `purge` deletes its objects, volumes and images.
    pub(crate) fn down(&self, purge: bool) -> anyhow::Result<()> {
        command::run(&mut self.script("down.sh", purge.then_some("--purge")))
    }

    fn script(&self, name: &str, argument: Option<&str>) -> Command {
        let mut command = Command::new(workspace().join("tests/node").join(name));
        command
            .args(argument)
            .env("NODE_HOME", &self.home)
            .env("NODE_BIN", self.programs())
            .stdin(Stdio::null());
        command
    }
}

/// Why nothing need be built to know that no node runs on this machine.
fn hindrance() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return Some("it needs Linux");
    }
    let is_root = user().is_ok_and(|user| user == "0");
    if !is_root {
        return Some("it needs root, for network devices, mounts and cgroups");
    }
    let can_build = NodePrograms::are_cached() || command::is_installed("go", &["version"]);
    (!can_build).then_some("it needs Go (https://go.dev/dl), to build its programs once")
}

fn user() -> anyhow::Result<String> {
    let output = Command::new("id").arg("-u").output();
    let output = output.context("run `id`")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
