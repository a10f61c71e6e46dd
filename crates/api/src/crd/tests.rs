//! What an API server asks of a CRD, and that the committed files are those of the code.

use std::path::Path;

use super::*;

#[test]
fn committed_crds_are_those_of_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
    for crd in crds() {
        let name = crd.metadata.name.clone().unwrap();
        let path = directory.join(format!("{name}.yaml"));
        let printed = to_yaml(&crd).unwrap();
        if std::env::var_os("UPDATE_CRDS").is_some() {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&path, &printed).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == printed,
            "{name}: run `UPDATE_CRDS=1 cargo test -p tiphys-api` and commit crds/"
        );
    }
}

#[test]
fn names_are_those_of_argo_events() {
    let names: Vec<_> = crds()
        .into_iter()
        .map(|crd| {
            let names = crd.spec.names;
            (
                crd.metadata.name.unwrap(),
                names.plural,
                names.singular.unwrap(),
                names.kind,
                names.short_names.unwrap().concat(),
                crd.spec.scope,
            )
        })
        .collect();
    let row = |name: &str, plural: &str, singular: &str, kind: &str, short: &str| {
        let [name, plural, singular, kind, short] =
            [name, plural, singular, kind, short].map(str::to_owned);
        (name, plural, singular, kind, short, "Namespaced".to_owned())
    };
    assert_eq!(
        names,
        [
            row(
                "eventbus.argoproj.io",
                "eventbus",
                "eventbus",
                "EventBus",
                "eb"
            ),
            row(
                "eventsources.argoproj.io",
                "eventsources",
                "eventsource",
                "EventSource",
                "es"
            ),
            row("sensors.argoproj.io", "sensors", "sensor", "Sensor", "sn"),
        ]
    );
}

#[test]
fn each_has_one_version_with_a_status_and_columns() {
    for crd in crds() {
        let [version] = crd.spec.versions.as_slice() else {
            panic!("one version")
        };
        assert_eq!(version.name, "v1alpha1");
        assert!(version.served && version.storage);
        assert!(version.subresources.as_ref().unwrap().status.is_some());
        let columns = version.additional_printer_columns.as_ref().unwrap();
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["Ready", "Reason", "Age"]);
    }
}

/// Calls `check` with every schema and the path to it.
fn walk(path: &str, schema: &JSONSchemaProps, check: &mut impl FnMut(&str, &JSONSchemaProps)) {
    check(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        walk(&format!("{path}.{name}"), property, check);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        walk(&format!("{path}[]"), items, check);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(&format!("{path}{{}}"), values, check);
    }
}

#[test]
fn schemas_are_structural() {
    for crd in crds() {
        walk("", &super::schema(crd).unwrap(), &mut |path, schema| {
            let typed = schema.type_.is_some()
                || schema.x_kubernetes_int_or_string == Some(true)
                || schema.x_kubernetes_preserve_unknown_fields == Some(true);
            assert!(typed, "{path} has no type");
            assert!(schema.ref_path.is_none(), "{path} has a $ref");
            assert!(schema.one_of.is_none(), "{path} has oneOf");
            assert!(schema.any_of.is_none(), "{path} has anyOf");
            assert!(schema.all_of.is_none(), "{path} has allOf");
            assert!(schema.not.is_none(), "{path} has not");
            assert!(schema.default.is_none(), "{path} has a default");
            assert!(
                !(schema.properties.is_some() && schema.additional_properties.is_some()),
                "{path} has both properties and additionalProperties"
            );
        });
    }
}

#[test]
fn unknown_fields_pass_below_the_top() {
    for crd in crds() {
        walk("", &super::schema(crd).unwrap(), &mut |path, schema| {
            if !path.is_empty() && schema.properties.is_some() {
                assert_eq!(
                    schema.x_kubernetes_preserve_unknown_fields,
                    Some(true),
                    "{path}"
                );
                assert_eq!(schema.required, None, "{path}");
            }
        });
    }
}

#[test]
fn every_field_of_ours_is_described() {
    for crd in crds() {
        let mut without = Vec::new();
        walk("", &super::schema(crd).unwrap(), &mut |path, schema| {
            for (name, property) in schema.properties.iter().flatten() {
                let inside_kubernetes = [
                    "affinity",
                    "securityContext",
                    "volumes",
                    "env",
                    "envFrom",
                    "volumeMounts",
                    "tolerations",
                    "imagePullSecrets",
                    "ports",
                    "resources",
                ]
                .iter()
                .any(|part| path.split(['.', '[']).any(|step| step == *part));
                if !path.is_empty() && !inside_kubernetes && property.description.is_none() {
                    without.push(format!("{path}.{name}"));
                }
            }
        });
        assert_eq!(without, Vec::<String>::new());
    }
}

#[test]
fn client_side_apply_can_remember_them() {
    for crd in crds() {
        let size = serde_json::to_string(&crd).unwrap().len();
        assert!(size < 262_144, "{:?}: {size} bytes", crd.metadata.name);
    }
}
