//! That the committed fields are those of the types.

use std::fmt::Write as _;
use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use super::*;
use crate::crd;

#[test]
fn committed_fields_are_those_of_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manifest/fields");
    for (name, crd) in [
        ("event_bus", crd::event_bus()),
        ("event_source", crd::event_source()),
        ("sensor", crd::sensor()),
    ] {
        let path = directory.join(format!("{name}.txt"));
        let mut printed = String::new();
        properties(&crd::schema(crd).unwrap(), 0, &mut printed);
        if std::env::var_os("UPDATE_CRDS").is_some() {
            std::fs::write(&path, &printed).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == printed,
            "{name}: run `UPDATE_CRDS=1 cargo test -p tiphys-api` and commit what changed"
        );
    }
}

fn properties(schema: &JSONSchemaProps, depth: usize, out: &mut String) {
    for (name, property) in schema.properties.iter().flatten() {
        line(name, property, depth, out);
    }
}

fn line(name: &str, schema: &JSONSchemaProps, depth: usize, out: &mut String) {
    let values = match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(values),
        _ => None,
    };
    let kind = match schema.type_.as_deref() {
        _ if schema.x_kubernetes_int_or_string == Some(true) => "int-or-text",
        Some("object") if schema.properties.is_none() && values.is_some() => "map",
        Some("object") => "object",
        Some("array") => "list",
        Some("string") => "text",
        Some("boolean") => "boolean",
        Some("number") => "number",
        Some("integer") if schema.format.as_deref() == Some("int32") => "int32",
        Some("integer") if schema.minimum == Some(0.0) => "count",
        Some("integer") => "int64",
        _ => "any",
    };
    writeln!(out, "{:depth$}{name} {kind}", "").unwrap();
    match (kind, &schema.items, values) {
        ("object", ..) => properties(schema, depth + 1, out),
        ("map", _, Some(values)) => line("*", values, depth + 1, out),
        ("list", Some(JSONSchemaPropsOrArray::Schema(item)), _) => line("*", item, depth + 1, out),
        _ => {}
    }
}

#[test]
fn fields_are_read_with_what_is_inside() {
    let read = read("a list\n * object\n  b count\n  c map\n   * text\nd object\n");
    let inner = Field::Object(vec![
        ("b", Field::Count),
        ("c", Field::Map(Box::new(Field::Text))),
    ]);
    let expected = Field::Object(vec![
        ("a", Field::List(Box::new(inner))),
        ("d", Field::OpenObject),
    ]);
    assert_eq!(read, expected);
}
