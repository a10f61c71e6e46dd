//! Values of Secrets and `ConfigMaps`, looked up when a connection needs them.
//!
//! They pass from here to that connection, and nowhere else: a [`Value`] does not print itself. One trailing line break is cut off, as Argo Events does.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tiphys_api::worker::VALUES_FOLDER;
use tiphys_base::Cache;

use crate::kubernetes::{CALL_TIMEOUT, classify, is_name};
use crate::{Error, KeyOf, ValueRef};

/// How long an object is not asked for again: a changed Secret counts soon, and many firings make
/// one call.
const FRESH: Duration = Duration::from_secs(10);

/// How many objects are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// How many bytes they take: some objects of the largest size, 1 MiB.
const REMEMBERED_BYTES: usize = 16 << 20;

/// A value that is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Arc<[u8]>);

/// Knows the values of Secrets and `ConfigMaps`.
#[async_trait]
pub trait Values: fmt::Debug + Send + Sync {
    /// The value of a key of a Secret.
    async fn secret(&self, key: &KeyOf) -> Result<Value, Error>;

    /// The value of a key of a `ConfigMap`.
    async fn config_map(&self, key: &KeyOf) -> Result<Value, Error>;
}

impl Value {
    /// Takes a value as it is stored.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.strip_suffix(b"\n").unwrap_or(bytes).into())
    }

    /// The value.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value")
    }
}

impl dyn Values + '_ {
    /// The value that `reference` names.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn find(&self, reference: &ValueRef) -> Result<Value, Error> {
        match reference {
            ValueRef::SecretKeyRef(key) => self.secret(key).await,
            ValueRef::ConfigMapKeyRef(key) => self.config_map(key).await,
        }
    }

    /// The text that `reference` names; empty if there is none.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn text(&self, reference: Option<&ValueRef>) -> Result<String, Error> {
        match reference {
            Some(reference) => Ok(self.find(reference).await?.text()),
            None => Ok(String::new()),
        }
    }
}

/// Values from the API server, as one user.
pub struct ClusterValues {
    client: Client,
    known: Cache<Object, Known>,
}

/// The data of an object, and since when.
type Known = (Instant, Arc<BTreeMap<String, Value>>);

/// A Secret or a `ConfigMap`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Object {
    is_secret: bool,
    namespace: String,
    name: String,
}

impl fmt::Debug for ClusterValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterValues")
    }
}

impl ClusterValues {
    /// Asks with `client`.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Cache::within(REMEMBERED, REMEMBERED_BYTES, |(_, data)| size(data)),
        }
    }

    async fn find(&self, is_secret: bool, key: &KeyOf) -> Result<Value, Error> {
        let KeyOf {
            namespace,
            name,
            key,
        } = key.clone();
        let object = Object {
            is_secret,
            namespace,
            name,
        };
        // Names may come from events, and go into a path.
        if !is_name(&object.namespace) || !is_name(&object.name) {
            return Err(Error::refused(format!("{object} cannot be a name")));
        }
        if let Some(value) = self
            .remembered(&object)
            .and_then(|data| data.get(&key).cloned())
        {
            return Ok(value);
        }
        let data = self.ask(&object).await?;
        let value = data.get(&key).cloned();
        self.known
            .insert(object.clone(), (Instant::now(), Arc::new(data)));
        value.ok_or_else(|| {
            Error::unavailable(format!("{object} has no key {key}")).with_hint(format!(
                "add the key; `kubectl edit {}` does",
                object.path()
            ))
        })
    }

    fn remembered(&self, object: &Object) -> Option<Arc<BTreeMap<String, Value>>> {
        let (since, data) = self.known.get(object)?;
        (since.elapsed() < FRESH).then_some(data)
    }

    async fn ask(&self, object: &Object) -> Result<BTreeMap<String, Value>, Error> {
        let act = format!("get {}", object.path());
        let answer = async {
            let Object {
                is_secret,
                namespace,
                name,
            } = object;
            if *is_secret {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
                let found = api.get_opt(name).await?;
                return Ok(found.map(|secret| {
                    let data = secret.data.unwrap_or_default().into_iter();
                    data.map(|(key, bytes)| (key, Value::new(&bytes.0)))
                        .collect()
                }));
            }
            let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
            let found = api.get_opt(name).await?;
            Ok(found.map(|map| {
                let texts = map.data.unwrap_or_default().into_iter();
                let texts = texts.map(|(key, text)| (key, Value::new(text.as_bytes())));
                let bytes = map.binary_data.unwrap_or_default().into_iter();
                texts
                    .chain(bytes.map(|(key, bytes)| (key, Value::new(&bytes.0))))
                    .collect()
            }))
        };
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(Ok(Some(data))) => Ok(data),
            Ok(Ok(None)) => Err(Error::unavailable(format!("{object} does not exist"))
                .with_hint("create it: the trigger goes on by itself")),
            Ok(Err(error)) => Err(classify(&error, &act)),
            Err(_) => Err(Error::unavailable(format!(
                "{act}: no answer in {} s",
                CALL_TIMEOUT.as_secs()
            ))),
        }
    }
}

/// About how many bytes the data of an object takes.
fn size(data: &BTreeMap<String, Value>) -> usize {
    data.iter()
        .map(|(key, value)| key.len() + value.0.len())
        .sum()
}

impl Object {
    fn path(&self) -> String {
        let kind = if self.is_secret {
            "secrets"
        } else {
            "configmaps"
        };
        format!("{kind} {} -n {}", self.name, self.namespace)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_secret {
            "Secret"
        } else {
            "ConfigMap"
        };
        write!(f, "{kind} {}/{}", self.namespace, self.name)
    }
}

#[async_trait]
impl Values for ClusterValues {
    async fn secret(&self, key: &KeyOf) -> Result<Value, Error> {
        self.find(true, key).await
    }

    async fn config_map(&self, key: &KeyOf) -> Result<Value, Error> {
        self.find(false, key).await
    }
}

/// Values from files, one a key, as they are mounted into worker pods.
#[derive(Debug)]
pub struct MountedValues {
    root: PathBuf,
}

impl Default for MountedValues {
    fn default() -> Self {
        Self::new(VALUES_FOLDER)
    }
}

impl MountedValues {
    /// Reads below `root`: `secrets/<name>/<key>` and `config/<name>/<key>`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    async fn read(&self, folder: &str, key: &KeyOf) -> Result<Value, Error> {
        // Names may come from events; none may lead out of the folder.
        for part in [&key.name, &key.key] {
            if part.is_empty() || part.contains(['/', '\0']) || part == "." || part == ".." {
                return Err(Error::refused(format!(
                    "{part:?} is no name of a mounted value"
                )));
            }
        }
        let path = self.root.join(folder).join(&key.name).join(&key.key);
        match tokio::fs::read(&path).await {
            Ok(bytes) => Ok(Value::new(&bytes)),
            Err(error) => {
                let hint = format!("key {} of {} has to be mounted there", key.key, key.name);
                let message = format!("read {}: {error}", path.display());
                Err(Error::unavailable(message).with_hint(hint))
            }
        }
    }
}

#[async_trait]
impl Values for MountedValues {
    async fn secret(&self, key: &KeyOf) -> Result<Value, Error> {
        self.read("secrets", key).await
    }

    async fn config_map(&self, key: &KeyOf) -> Result<Value, Error> {
        self.read("config", key).await
    }
}

/// No values, where there is neither a cluster nor a mount.
#[derive(Debug)]
pub struct NoValues;

#[async_trait]
impl Values for NoValues {
    async fn secret(&self, key: &KeyOf) -> Result<Value, Error> {
        Err(nowhere("Secret", key))
    }

    async fn config_map(&self, key: &KeyOf) -> Result<Value, Error> {
        Err(nowhere("ConfigMap", key))
    }
}

fn nowhere(kind: &str, key: &KeyOf) -> Error {
    let message = format!("there is no cluster to read {kind} {} from", key.name);
    Error::unavailable(message).with_hint("set KUBECONFIG, or pass --kubeconfig")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, key: &str) -> KeyOf {
        KeyOf {
            namespace: "ns".into(),
            name: name.into(),
            key: key.into(),
        }
    }

    #[tokio::test]
    async fn mounted_values_lose_one_line_break_and_stay_in_their_folder() {
        let root = tempfile::tempdir().unwrap();
        for (folder, text) in [("secrets", "s3cret\n\n"), ("config", "plain")] {
            let folder = root.path().join(folder).join("login");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("token"), text).unwrap();
        }
        let values = MountedValues::new(root.path());
        assert_eq!(
            values.secret(&key("login", "token")).await.unwrap().text(),
            "s3cret\n"
        );
        assert_eq!(
            values
                .config_map(&key("login", "token"))
                .await
                .unwrap()
                .text(),
            "plain"
        );
        let missing = values.secret(&key("login", "other")).await.unwrap_err();
        assert!(matches!(missing, Error::Unavailable { .. }), "{missing}");
        for (name, part) in [("..", "x"), ("login", "../token"), ("", "x")] {
            let refused = values.secret(&key(name, part)).await.unwrap_err();
            assert!(matches!(refused, Error::Refused(_)), "{refused}");
        }
    }

    #[test]
    fn a_value_does_not_print_itself() {
        assert_eq!(format!("{:?}", Value::new(b"s3cret")), "Value");
    }
}
