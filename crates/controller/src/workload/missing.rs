//! What pods wait for that is not there. The kubelet tells of it in Kubernetes Events alone, which
//! nobody should have to search.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, ResourceExt};
use tiphys_api::KeyRef;

use super::Workload;
use super::check::{listed, shortened};
use crate::condition::Verdict;
use crate::{Context, Error};

/// The keys of one Secret or ConfigMap.
type Keys = BTreeSet<String>;

/// Which of the Secrets and ConfigMaps that an object needs is missing, or lacks a key.
///
/// # Errors
/// If the API server does not tell.
pub(super) async fn find<K: Workload>(
    object: &K,
    context: &Context,
) -> Result<Option<Verdict>, Error> {
    let namespace = object.namespace().unwrap_or_default();
    for ((kind, name), needed) in needed(&object.key_refs()) {
        let failed = |error| Error::request("get", kind, name.clone(), error);
        let client = context.client.clone();
        let there: Option<Keys> = if kind == SECRET {
            let api: Api<Secret> = Api::namespaced(client, &namespace);
            let found = api.get_opt(&name).await.map_err(failed)?;
            found.map(|secret| secret.data.unwrap_or_default().into_keys().collect())
        } else {
            let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
            let found = api.get_opt(&name).await.map_err(failed)?;
            found.map(|map| {
                let binary = map.binary_data.unwrap_or_default().into_keys();
                binary
                    .chain(map.data.unwrap_or_default().into_keys())
                    .collect()
            })
        };
        if let Some(verdict) = judge(kind, &name, &needed, there.as_ref()) {
            return Ok(Some(verdict));
        }
    }
    Ok(None)
}

const SECRET: &str = "Secret";
const CONFIG_MAP: &str = "ConfigMap";

/// The keys without which no pod starts, by kind and name.
fn needed(refs: &[KeyRef<'_>]) -> BTreeMap<(&'static str, String), Keys> {
    let mut needed: BTreeMap<(&'static str, String), Keys> = BTreeMap::new();
    for reference in refs {
        let (kind, name, key, optional) = match reference {
            KeyRef::Secret(secret) => (SECRET, &secret.name, &secret.key, secret.optional),
            KeyRef::ConfigMap(map) => (CONFIG_MAP, &map.name, &map.key, map.optional),
        };
        if optional != Some(true) && !name.is_empty() && !key.is_empty() {
            let keys = needed.entry((kind, name.to_string())).or_default();
            keys.insert(key.to_string());
        }
    }
    needed
}

fn judge(kind: &str, name: &str, needed: &Keys, there: Option<&Keys>) -> Option<Verdict> {
    let Some(there) = there else {
        let message = shortened(&format!("{kind} {name} does not exist"));
        return Some(Verdict::fails(format!("{kind}NotFound"), message));
    };
    let missing = needed.difference(there);
    let messages: Vec<String> = missing
        .map(|key| format!("{kind} {name} has no key {key}"))
        .collect();
    (!messages.is_empty()).then(|| Verdict::fails(format!("{kind}KeyNotFound"), listed(&messages)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(there: Option<&[&str]>, expected: Option<(&str, &str)>) {
        let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<Keys>();
        let there = there.map(keys);
        let verdict = judge(
            SECRET,
            "login",
            &keys(&["password", "user"]),
            there.as_ref(),
        );
        let told = verdict.map(|verdict| (verdict.reason, verdict.message));
        let expected = expected.map(|(reason, message)| (reason.to_owned(), message.to_owned()));
        assert_eq!(told, expected);
    }

    #[test]
    fn a_secret_that_is_not_there_is_told() {
        check(
            None,
            Some(("SecretNotFound", "Secret login does not exist")),
        );
    }

    #[test]
    fn a_key_that_is_not_there_is_told() {
        check(
            Some(&["user"]),
            Some(("SecretKeyNotFound", "Secret login has no key password")),
        );
    }

    #[test]
    fn what_is_there_is_not_missing() {
        check(Some(&["other", "password", "user"]), None);
    }
}
