//! The cluster that commands act on.

use kube::config::AuthInfo;
use kube::{Client, Config};

use crate::{Error, Kubeconfig};

/// A cluster, and who we are to it.
#[derive(Clone)]
pub struct Cluster {
    config: Config,
    /// Act as the service account of each object.
    impersonate: bool,
    user: User,
    /// The namespace of objects that name none.
    pub namespace: String,
}

/// A user of a cluster.
#[derive(Clone)]
pub struct User {
    /// What it asks with.
    pub client: Client,
    /// Whom it impersonates; empty if nobody.
    pub identity: String,
}

impl Cluster {
    /// Reads the configuration; nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// If there is no kubeconfig, or it cannot be used.
    pub async fn open(kubeconfig: &Kubeconfig, impersonate: bool) -> Result<Self, Error> {
        let mut config = kubeconfig.config().await?;
        // Waiting for a cluster that is unavailable is ours to do, and to report.
        config.default_retry = false;
        let namespace = config.default_namespace.clone();
        let user = User {
            client: client(config.clone())?,
            identity: config.auth_info.impersonate.clone().unwrap_or_default(),
        };
        Ok(Self {
            config,
            impersonate,
            user,
            namespace,
        })
    }

    /// Who acts for an object: its service account if that is wanted, or the kubeconfig's user.
    ///
    /// # Errors
    /// If no client can be made for it.
    pub fn user(&self, namespace: &str, service_account: &str) -> Result<User, Error> {
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

    /// What speaks for whoever has a token, and for nobody else.
    ///
    /// # Errors
    /// If no client can be made for it.
    pub fn bearer(&self, token: &str) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.auth_info = AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        };
        client(config)
    }
}

fn client(config: Config) -> Result<Client, Error> {
    Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))
}
