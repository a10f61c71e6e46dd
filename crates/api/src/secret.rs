//! References to keys of Secrets and ConfigMaps.

use crate::given::{Given, object};

object! {
    /// A key of a Secret in the object's namespace.
    pub struct SecretKeySelector {
        /// Name of the Secret.
        name: Given<String>,
        /// Key in its data.
        key: Given<String>,
        /// The pod starts even if the Secret or the key is missing. Default: false.
        optional: Option<bool>,
    }
}

object! {
    /// A key of a ConfigMap in the object's namespace.
    pub struct ConfigMapKeySelector {
        /// Name of the ConfigMap.
        name: Given<String>,
        /// Key in its data.
        key: Given<String>,
        /// The pod starts even if the ConfigMap or the key is missing. Default: false.
        optional: Option<bool>,
    }
}

impl SecretKeySelector {
    /// Where the key is mounted in a worker pod.
    pub fn path(&self) -> String {
        format!(
            "/argo-events/secrets/{}/{}",
            self.name.as_str(),
            self.key.as_str()
        )
    }
}

impl ConfigMapKeySelector {
    /// Where the key is mounted in a worker pod.
    pub fn path(&self) -> String {
        format!(
            "/argo-events/config/{}/{}",
            self.name.as_str(),
            self.key.as_str()
        )
    }
}
