//! `cargo xtask kind`: the whole product on a kind cluster, and the story of `examples/auto-ingress`.

mod show;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::command::{self, Profile};
use crate::image::{self, Target};
use crate::install::Kubectl;
use show::install_and_show;

/// How long the cluster may take to have a node that takes pods.
const WAIT: &str = "120s";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The name of the kind cluster; made unless there is one
    #[arg(long, value_name = "NAME", default_value = "tiphys")]
    name: String,
    /// How the program is built
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// Delete the cluster in the end
    #[arg(long)]
    delete: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Args {
        name,
        profile,
        delete,
    } = args;
    for (program, question) in [("docker", "info"), ("kind", "version")] {
        anyhow::ensure!(
            command::is_installed(program, &[question]),
            "`{program} {question}` does not work: kind needs docker and kind \
             (https://kind.sigs.k8s.io/docs/user/quick-start); `cargo xtask node up` brings up a \
             cluster without either"
        );
    }
    if !clusters()?.iter().any(|cluster| cluster == name) {
        let mut create = Command::new("kind");
        command::run(create.args(["create", "cluster", "--name", name, "--wait", WAIT]))?;
    }
    let packed = image::build(*profile, &image::default_tag(), None)?;
    image::load(&packed, &Target::Kind(name.clone()))?;
    let kubectl = Kubectl {
        program: PathBuf::from("kubectl"),
        kubeconfig: None,
        context: Some(format!("kind-{name}")),
    };
    install_and_show(&kubectl)?;
    if *delete {
        let mut delete = Command::new("kind");
        command::run(delete.args(["delete", "cluster", "--name", name]))?;
    }
    Ok(())
}

/// The kind clusters that there are.
fn clusters() -> anyhow::Result<Vec<String>> {
    let output = Command::new("kind")
        .args(["get", "clusters"])
        .output()
        .context("run `kind get clusters`")?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.lines().map(str::to_owned).collect())
}
