//! Schemas of the parts of an object that Kubernetes itself defines.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// The schema of a Kubernetes type without its texts.
///
/// The descriptions of a pod's volumes and affinities alone are larger than the 256 KiB that
/// `kubectl apply` can remember of an object, and `kubectl explain pod` has them already.
pub(crate) fn kubernetes<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<T>();
    if let Some(object) = schema.as_object_mut() {
        for value in object.values_mut() {
            drop_descriptions(value, false);
        }
    }
    schema
}

/// Removes `description` from every schema below; under `properties` it is the name of a field.
fn drop_descriptions(value: &mut Value, is_properties: bool) {
    match value {
        Value::Object(map) => {
            if !is_properties {
                map.remove("description");
            }
            for (key, child) in map.iter_mut() {
                drop_descriptions(child, !is_properties && key == "properties");
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| drop_descriptions(item, false)),
        _ => {}
    }
}
