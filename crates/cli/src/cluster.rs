//! The cluster that commands act on.

use anyhow::Context;
use kube::{Client, Config};

use crate::args::ClusterArgs;
use crate::kubeconfig;

/// A cluster, and who we are to it.
pub(crate) struct Cluster {
    config: Config,
    /// Act as the service account of each object.
    impersonate: bool,
    user: User,
    /// The namespace of objects that name none.
    pub(crate) namespace: String,
}

/// A user of a cluster.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) client: Client,
    /// Whom it impersonates; empty if nobody.
    pub(crate) identity: String,
}

impl Cluster {
    /// Reads the configuration; nothing is asked of the cluster yet.
    pub(crate) async fn open(args: &ClusterArgs) -> anyhow::Result<Self> {
        let ClusterArgs {
            kubeconfig,
            impersonate,
        } = args;
        let mut config = kubeconfig::config(kubeconfig).await?;
        // Waiting for a cluster that is unavailable is ours to do, and to tell.
        config.default_retry = false;
        let namespace = config.default_namespace.clone();
        let user = User {
            client: client(config.clone())?,
            identity: config.auth_info.impersonate.clone().unwrap_or_default(),
        };
        Ok(Self {
            config,
            impersonate: *impersonate,
            user,
            namespace,
        })
    }

    /// Who acts for an object: its service account if that is wanted, or the kubeconfig's user.
    pub(crate) fn user(&self, namespace: &str, service_account: &str) -> anyhow::Result<User> {
        if !self.impersonate {
            return Ok(self.user.clone());
        }
        let name = if service_account.is_empty() {
            "default"
        } else {
            service_account
        };
        let identity = format!("system:serviceaccount:{namespace}:{name}");
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(identity.clone());
        Ok(User {
            client: client(config)?,
            identity,
        })
    }
}

fn client(config: Config) -> anyhow::Result<Client> {
    Client::try_from(config).context("prepare the connection to the cluster")
}
