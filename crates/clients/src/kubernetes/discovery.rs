//! Plural and scope of kinds, as the API server says: never guessed.

use std::sync::PoisonError;

use super::request::classify;
use super::{Cluster, Kind, is_name};
use crate::Error;

impl Cluster {
    /// Looks a kind up, and remembers it.
    ///
    /// A kind that is not known is looked for again each time, so that one that comes later (a CRD)
    /// is found; what was found stays, because plural and scope of a served kind cannot change.
    ///
    /// # Errors
    /// If the cluster does not serve it, or does not answer.
    pub async fn kind(&self, api_version: &str, kind: &str) -> Result<Kind, Error> {
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(known) = self
            .kinds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(known.clone());
        }
        self.look_up(api_version).await?;
        let known = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key).cloned().ok_or_else(|| {
            Error::refused(format!(
                "the cluster serves no kind {kind} in {api_version}; see `kubectl api-resources`"
            ))
        })
    }

    async fn look_up(&self, api_version: &str) -> Result<(), Error> {
        // It may come from an event, and goes into a path.
        if !is_api_version(api_version) {
            return Err(Error::refused(format!("{api_version:?} is no apiVersion")));
        }
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
        let mut known = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Whether a text is a version, or a group and a version.
pub fn is_api_version(text: &str) -> bool {
    match text.split_once('/') {
        Some((group, version)) => is_name(group) && is_name(version),
        None => is_name(text),
    }
}

#[cfg(test)]
mod tests {
    use super::is_api_version;

    #[test]
    fn an_api_version_is_no_path() {
        for text in ["v1", "apps/v1", "networking.k8s.io/v1beta1"] {
            assert!(is_api_version(text), "{text}");
        }
        for text in [
            "",
            "/v1",
            "apps/",
            "..",
            "../v1",
            "apps/..",
            "v1/namespaces/kube-system",
            "apps/v1/deployments",
            "v1?x=1",
            "v1#",
            "apps%2fv1",
        ] {
            assert!(!is_api_version(text), "{text}");
        }
    }
}
