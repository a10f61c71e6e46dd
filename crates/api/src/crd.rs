//! The CRDs, generated from the types.
//!
//! Clusters hold objects that were written when nothing checked them, so the schemas describe every
//! field, yet refuse only what could never be read, a value of the wrong type, and what could never
//! work: see `rules`. Unknown fields, `null` and missing fields pass, as they do with Argo Events' own
//! CRDs; `lint` and the admission webhook warn of them.

mod rules;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSONSchemaProps,
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::core::CustomResourceExt;

use crate::{EventBus, EventSource, Sensor};

/// The CRDs of all three kinds.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![event_bus(), event_source(), sensor()]
}

/// The CRD of the `EventBus`.
pub fn event_bus() -> CustomResourceDefinition {
    finished(EventBus::crd())
}

/// The CRD of the `EventSource`.
pub fn event_source() -> CustomResourceDefinition {
    finished(EventSource::crd())
}

/// The CRD of the `Sensor`.
pub fn sensor() -> CustomResourceDefinition {
    finished(Sensor::crd())
}

/// A CRD as YAML.
///
/// # Errors
/// If the CRD cannot be written, which the types rule out.
pub fn to_yaml(crd: &CustomResourceDefinition) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(crd)
}

/// The schema of the object that a CRD defines.
#[cfg(test)]
pub(crate) fn schema(crd: CustomResourceDefinition) -> Option<JSONSchemaProps> {
    crd.spec
        .versions
        .into_iter()
        .next()?
        .schema?
        .open_api_v3_schema
}

fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns());
        let schema = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut());
        if let Some(schema) = schema {
            loosen(schema);
            rules::add(&crd.spec.names.kind, schema);
            schema.x_kubernetes_preserve_unknown_fields = None;
            schema.required = Some(vec!["spec".to_owned()]);
            for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
                property.nullable = None;
            }
        }
    }
    crd
}

/// What `kubectl get` shows besides the name.
fn columns() -> Vec<CustomResourceColumnDefinition> {
    let ready = r#".status.conditions[?(@.type=="Ready")]"#;
    [
        ("Ready", "string", format!("{ready}.status")),
        ("Reason", "string", format!("{ready}.reason")),
        ("Age", "date", ".metadata.creationTimestamp".to_owned()),
    ]
    .map(|(name, type_, json_path)| CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path,
        ..Default::default()
    })
    .into()
}

/// Removes everything but descriptions and types, and lets unknown fields and `null` through.
fn loosen(schema: &mut JSONSchemaProps) {
    schema.required = None;
    schema.default = None;
    schema.enum_ = None;
    // List and map types promise that keys are present, which nothing here requires.
    schema.x_kubernetes_list_type = None;
    schema.x_kubernetes_list_map_keys = None;
    schema.x_kubernetes_map_type = None;
    // The API server warns of formats that it does not know.
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = Some("int64".to_owned());
    }
    if let Some(properties) = &mut schema.properties {
        for property in properties.values_mut() {
            loosen(property);
            property.nullable = Some(true);
        }
        schema.x_kubernetes_preserve_unknown_fields = Some(true);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => {
            loosen(items);
            items.nullable = None;
        }
        Some(JSONSchemaPropsOrArray::Schemas(all)) => all.iter_mut().for_each(loosen),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        loosen(values);
        values.nullable = None;
    }
}

#[cfg(test)]
mod tests;
