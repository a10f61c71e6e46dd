//! A port of this machine that leads to a pod, through the API server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use tiphys_api::message::with_causes;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Error;
use super::cluster::refused;

/// Where connections lead.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) pods: Api<Pod>,
    /// The labels of the pods.
    pub(super) labels: String,
    pub(super) namespace: String,
    pub(super) port: u16,
}

/// A port that is open as long as this is kept.
pub(super) struct Forward {
    address: SocketAddr,
    failure: Failure,
    _tasks: JoinSet<()>,
}

/// Why the last connection could not be forwarded.
type Failure = Arc<Mutex<Option<String>>>;

impl Forward {
    /// Opens a port. Each connection to it leads to a pod that is ready then.
    pub(super) async fn open(target: Target) -> Result<Self, Error> {
        // Said at once, and not as a connection that breaks.
        target.pod().await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::Port)?;
        let address = listener.local_addr().map_err(Error::Port)?;
        let failure = Failure::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, target, Arc::clone(&failure)));
        Ok(Self {
            address,
            failure,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why the last connection could not be forwarded.
    pub(super) fn failure(&self) -> Option<String> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, target: Target, failure: Failure) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (target, failure) = (target.clone(), Arc::clone(&failure));
        connections.spawn(async move {
            if let Err(error) = target.carry(connection).await {
                let mut last = failure.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some(with_causes(&error));
            }
        });
    }
}

impl Target {
    async fn carry(&self, mut connection: TcpStream) -> Result<(), Error> {
        let pod = self.pod().await?;
        let act = format!("forward to pod {}/{pod}", self.namespace);
        let mut forwarder = self
            .pods
            .portforward(&pod, &[self.port])
            .await
            .map_err(|error| refused(act, "create pods/portforward", &self.namespace, &error))?;
        if let Some(mut stream) = forwarder.take_stream(self.port) {
            // Either side may go at any time; the client connects again.
            copy_bidirectional(&mut connection, &mut stream).await.ok();
        }
        forwarder.abort();
        Ok(())
    }

    /// A pod that is ready.
    async fn pod(&self) -> Result<String, Error> {
        let act = format!(
            "find a pod of the bus ({}) in {}",
            self.labels, self.namespace
        );
        let wanted = ListParams::default().labels(&self.labels);
        let pods = self.pods.list(&wanted).await;
        let pods =
            pods.map_err(|error| refused(act.clone(), "list pods", &self.namespace, &error))?;
        let ready = pods.iter().find(|pod| is_ready(pod));
        ready
            .map(kube::ResourceExt::name_any)
            .ok_or_else(|| Error::Cluster {
                act,
                reason: format!("none of {} is ready", pods.items.len()),
                hint: Some(format!(
                    "`kubectl get pods -l {} -n {}` shows them",
                    self.labels, self.namespace
                )),
            })
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| {
        let mut conditions = conditions.iter();
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}
