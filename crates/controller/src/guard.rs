//! Reads the objects that users write, whatever is in them.
//!
//! An object that was stored before its CRD knew types can have any shape. One of them must not keep
//! the others from being read: it becomes an empty object, and its fault is kept beside it.

use std::borrow::Cow;

use kube::Resource;
use kube::api::ObjectMeta;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object, and what is wrong with its shape.
#[derive(Clone, Debug)]
pub(crate) struct Guarded<K> {
    /// The object; without a spec if its shape is wrong.
    pub(crate) object: K,
    /// What is wrong with its shape.
    pub(crate) fault: Option<String>,
}

impl<'de, K> Deserialize<'de> for Guarded<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Default,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Head {
            metadata: ObjectMeta,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let (mut object, fault) = match serde_json::from_str::<K>(text.get()) {
            Ok(object) => (object, None),
            Err(error) => {
                let Head { metadata } =
                    serde_json::from_str(text.get()).map_err(D::Error::custom)?;
                let mut object = K::default();
                *object.meta_mut() = metadata;
                (object, Some(error.to_string()))
            }
        };
        // Half of an object that was edited a few times, and nobody here reads it.
        object.meta_mut().managed_fields = None;
        Ok(Self { object, fault })
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Guarded<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        self.object.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.object.meta_mut()
    }
}

#[cfg(test)]
mod tests {
    use kube::api::{ObjectList, WatchEvent};
    use tiphys_api::Sensor;

    use super::*;

    const LIST: &str = r#"{"apiVersion": "argoproj.io/v1alpha1", "kind": "SensorList",
        "metadata": {"resourceVersion": "7"}, "items": [
            {"metadata": {"name": "bad", "uid": "1"}, "spec": {"replicas": "two"}},
            {"metadata": {"name": "good", "uid": "2"}, "spec": {"triggers": [{
                "retryStrategy": {"factor": 1.5}, "template": {"name": "t"}}]}}]}"#;

    #[test]
    fn an_object_of_the_wrong_shape_hides_no_other() {
        let list: ObjectList<Guarded<Sensor>> = serde_json::from_str(LIST).unwrap();
        let [bad, good] = list.items.as_slice() else {
            panic!("two objects")
        };
        assert_eq!(bad.object.metadata.name.as_deref(), Some("bad"));
        assert!(bad.fault.as_deref().unwrap().contains("invalid type"));
        assert_eq!(good.fault, None);
        assert_eq!(good.object.spec.triggers.len(), 1);
    }

    #[test]
    fn events_of_a_watch_are_read() {
        let line = r#"{"type":"MODIFIED","object":{"metadata":{"name":"s","managedFields":[{}]},
            "spec":{"triggers":[{"retryStrategy":{"factor":2}}]}}}"#;
        let WatchEvent::Modified(seen) =
            serde_json::from_str::<WatchEvent<Guarded<Sensor>>>(line).unwrap()
        else {
            panic!("a change")
        };
        assert_eq!(seen.fault, None);
        assert_eq!(seen.object.metadata.managed_fields, None);
    }
}
