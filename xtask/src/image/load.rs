//! Brings an image to where pods find it.

use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::image::Packed;
use crate::node::Node;

/// Where containerd listens unless it is told otherwise.
const SYSTEM_SOCKET: &str = "/run/containerd/containerd.sock";

/// Where an image is loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// The containerd that listens on this socket, in the namespace of Kubernetes.
    Containerd(PathBuf),
    /// The nodes of this kind cluster.
    Kind(String),
}

/// Loads `image` into `target`; a former image of the same name is replaced.
pub(crate) fn load(image: &Packed, target: &Target) -> anyhow::Result<()> {
    match target {
        Target::Containerd(socket) => {
            let mut ctr = Command::new("ctr");
            ctr.arg("--address").arg(socket);
            ctr.args(["--namespace", "k8s.io", "images", "import"]);
            command::run(ctr.arg(&image.file))
        }
        Target::Kind(cluster) => {
            let mut kind = Command::new("kind");
            kind.args(["load", "image-archive", "--name", cluster]);
            command::run(kind.arg(&image.file))
        }
    }
}

/// The containerd of our own node if there is one, or else the system's.
pub(crate) fn default_socket() -> anyhow::Result<PathBuf> {
    let own = Node::new()?.containerd();
    Ok(if own.exists() {
        own
    } else {
        SYSTEM_SOCKET.into()
    })
}
