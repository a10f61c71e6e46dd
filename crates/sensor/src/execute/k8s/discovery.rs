//! Plural and scope of kinds, as the API server says: never guessed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use kube::Client;

use super::Error;
use super::request::classify;

/// A kind that the API server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    /// `v1`, or `networking.k8s.io/v1`.
    pub(super) api_version: String,
    /// The resource in paths, such as `ingresses`.
    pub(super) plural: String,
    /// Whether its objects live in namespaces.
    pub(super) namespaced: bool,
}

/// Looks kinds up and remembers them.
///
/// A kind that is not known is looked for again each time, so that one that comes later (a CRD) is
/// found; what was found stays, because plural and scope of a served kind cannot change.
pub(super) struct Discovery {
    client: Client,
    known: Mutex<HashMap<(String, String), Kind>>,
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discovery")
    }
}

impl Discovery {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    pub(super) async fn kind(&self, api_version: &str, kind: &str) -> Result<Kind, Error> {
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(known) = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(known.clone());
        }
        self.look_up(api_version).await?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key).cloned().ok_or_else(|| {
            Error::Refused(format!(
                "the cluster serves no kind {kind} in {api_version}; see `kubectl api-resources`"
            ))
        })
    }

    async fn look_up(&self, api_version: &str) -> Result<(), Error> {
        let listed = if api_version.contains('/') {
            self.client.list_api_group_resources(api_version).await
        } else {
            self.client.list_core_api_resources(api_version).await
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(error) => return Err(classify(&error, &format!("discover {api_version}"))),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in listed.resources {
            // Subresources are listed too, as `pods/log`.
            if !resource.name.contains('/') {
                let kind = Kind {
                    api_version: api_version.to_owned(),
                    plural: resource.name,
                    namespaced: resource.namespaced,
                };
                known.insert((api_version.to_owned(), resource.kind), kind);
            }
        }
        Ok(())
    }
}
