//! The lifecycle of the webhook: get a certificate, register with the API server, serve, renew.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use tiphys_base::Backoff;
use tiphys_http::Certificate;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::certificate::{Material, Wanted};
use super::metrics::Metrics;
use super::registration::{self, Address};
use super::server::Server;
use super::store::Store;
use crate::Error;

/// The field manager of what the webhook writes.
const FIELD_MANAGER: &str = "tiphys-webhook";

/// How often the Secret and the configuration are looked at, in case they were removed.
const LOOK: Duration = Duration::from_mins(5);

/// How long the API server may take to hear of a new authority before it is used.
const PROPAGATION: Duration = Duration::from_secs(2);

/// The first and the longest wait after an API server that does not answer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What the webhook is called, and what belongs to it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The namespace of its Deployment, Service and Secret.
    pub namespace: String,
    /// Its Deployment, which owns the Secret.
    pub deployment: String,
    /// Its `ClusterRole`, which owns the configuration.
    pub cluster_role: String,
    /// The Secret with its certificate.
    pub secret: String,
    /// Where the API server finds it.
    pub address: Address,
}

/// The webhook.
pub struct Webhook {
    /// The cluster.
    pub client: Client,
    /// What it is called.
    pub identity: Identity,
    /// What its certificate says.
    pub wanted: Wanted,
    /// What it counts.
    pub metrics: Metrics,
    /// Whether the API server can reach it.
    pub ready: Box<dyn Fn(bool) + Send + Sync>,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

/// What the server shows, and where it is asked.
struct Shown {
    certificate: Arc<Certificate>,
    path: watch::Sender<String>,
}

impl Webhook {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// If TLS cannot be set up. Everything else is tried again.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), rustls::Error> {
        let (material, certificate) = tokio::select! {
            first = self.first_certificate() => first,
            () = shutdown.cancelled() => return Ok(()),
        };
        let shown = Arc::new(Certificate::new(certificate));
        let path = watch::Sender::new(material.path());
        let server = Server::new(
            Arc::clone(&shown),
            path.subscribe(),
            self.client.clone(),
            self.metrics.clone(),
        );
        let shown = Shown {
            certificate: shown,
            path,
        };
        let serving = server.serve(listener, shutdown.clone());
        tokio::select! {
            ended = serving => ended?,
            () = self.keep(material, &shown) => {}
        }
        (self.ready)(false);
        Ok(())
    }

    async fn first_certificate(&self) -> (Material, rustls::sign::CertifiedKey) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        loop {
            let made = self.certificate().await;
            let usable = made.and_then(|made| made.certified_key().map(|key| (made, key)));
            match usable {
                Ok(usable) => return usable,
                Err(error) => warn!(error = error.message(), "There is no certificate yet"),
            }
            sleep(backoff.wait()).await;
        }
    }

    /// Keeps certificate and configuration as they should be.
    async fn keep(&self, mut material: Material, shown: &Shown) {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        let mut is_known = false;
        loop {
            match self.look(&mut material, shown).await {
                Ok(()) => {
                    backoff.reset();
                    if !is_known {
                        is_known = true;
                        (self.ready)(true);
                        info!("Reviewing what is applied");
                    }
                    sleep(self.until_next_look(&material)).await;
                }
                Err(error) => {
                    warn!(
                        error = error.message(),
                        "The API server does not know of the webhook"
                    );
                    sleep(backoff.wait()).await;
                }
            }
        }
    }

    fn until_next_look(&self, material: &Material) -> Duration {
        let due = material.renew.min(material.renew_authority);
        let left = due.duration_since((self.clock)());
        // A clock that jumps must not make it spin.
        let shortest = BACKOFF.0;
        Duration::try_from(left)
            .unwrap_or(shortest)
            .clamp(shortest, LOOK)
    }

    async fn look(&self, material: &mut Material, shown: &Shown) -> Result<(), Error> {
        let next = self.certificate().await?;
        self.register(&next).await?;
        self.metrics.renewed(next.renew);
        if next == *material {
            return Ok(());
        }
        if next.authorities != material.authorities {
            sleep(PROPAGATION).await;
        }
        shown.certificate.replace(next.certified_key()?);
        shown.path.send_replace(next.path());
        info!(renewal = %next.renew, "Showing a new certificate");
        *material = next;
        Ok(())
    }

    async fn certificate(&self) -> Result<Material, Error> {
        let Identity {
            namespace,
            deployment,
            secret,
            ..
        } = &self.identity;
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let store = Store {
            api: Api::namespaced(self.client.clone(), namespace),
            name: secret.clone(),
            owner: owner(&deployments, deployment).await,
        };
        store.ensure(&self.wanted, (self.clock)()).await
    }

    async fn register(&self, material: &Material) -> Result<(), Error> {
        let Identity {
            cluster_role,
            address,
            ..
        } = &self.identity;
        let roles: Api<ClusterRole> = Api::all(self.client.clone());
        let owner = owner(&roles, cluster_role).await;
        let configuration =
            registration::desired(address, &material.path(), &material.authorities, owner);
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let applied = api
            .patch(
                registration::NAME,
                &parameters,
                &Patch::Apply(&configuration),
            )
            .await;
        let kind = "ValidatingWebhookConfiguration";
        applied
            .map(drop)
            .map_err(|error| Error::request("apply", kind, registration::NAME, error))
    }
}

/// A reference to an owner, if it is there and may be read. It does not hold up the owner's deletion.
async fn owner<K>(api: &Api<K>, name: &str) -> Option<OwnerReference>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let owner = api.get_metadata_opt(name).await.ok()??;
    Some(OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner.name_any(),
        uid: owner.uid()?,
        block_owner_deletion: None,
        controller: None,
    })
}
