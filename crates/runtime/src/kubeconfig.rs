//! The cluster that the command line means.

use std::error::Error as _;
use std::path::PathBuf;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig as File};
use tiphys_api::message::with_causes;

use crate::Error;

/// Which kubeconfig is used.
#[derive(Debug, Clone, Default)]
pub struct Kubeconfig {
    /// Its file; by default `$KUBECONFIG`, `~/.kube/config`, or the pod's own service account.
    pub path: Option<PathBuf>,
    /// Its context; by default its current one.
    pub context: Option<String>,
}

impl Kubeconfig {
    /// Reads it; nothing is asked of the cluster.
    ///
    /// # Errors
    /// If there is none, or it cannot be used.
    pub async fn config(&self) -> Result<Config, Error> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let unusable = |error| Error::UseKubeconfig(Box::new(error));
        match &self.path {
            Some(path) => {
                let file = File::read_from(path).map_err(|source| Error::ReadKubeconfig {
                    path: path.clone(),
                    source: Box::new(source),
                })?;
                let config = Config::from_custom_kubeconfig(file, &options).await;
                config.map_err(unusable)
            }
            None if self.context.is_some() => {
                Config::from_kubeconfig(&options).await.map_err(unusable)
            }
            None => Config::infer().await.map_err(|error| {
                // Its own text says each of its causes once more.
                let cause = error
                    .source()
                    .map_or_else(|| error.to_string(), with_causes);
                Error::FindKubeconfig(cause)
            }),
        }
    }
}
