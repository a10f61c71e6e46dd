//! Why a process could not begin.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use kube::config::KubeconfigError;
use tracing_subscriber::util::TryInitError;

/// Why a process could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system starts no threads.
    #[error("start the threads")]
    Threads(#[source] io::Error),
    /// Somebody else logs already.
    #[error("start logging")]
    Logging(#[source] TryInitError),
    /// A signal cannot be listened for.
    #[error("listen for {signal}")]
    Signal {
        /// Its name.
        signal: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The admin port cannot be opened.
    #[error("open the admin port {address}")]
    Admin {
        /// Where it should be.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A kubeconfig cannot be read.
    #[error("read kubeconfig {path}")]
    ReadKubeconfig {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: Box<KubeconfigError>,
    },
    /// A kubeconfig cannot be used.
    #[error("use kubeconfig")]
    UseKubeconfig(#[source] Box<KubeconfigError>),
    /// There is neither a kubeconfig nor a service account.
    #[error("find a kubeconfig, as there is no service account of a pod: {0}")]
    FindKubeconfig(String),
    /// The settings of the connection make no client.
    #[error("prepare the connection to the cluster")]
    Client(#[source] Box<kube::Error>),
}
