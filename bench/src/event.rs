//! Events as the story's event source makes them, of a wanted size.

use bytes::Bytes;
use serde_json::{Value, json};
use tiphys_eventbus::{Context, Event};

/// Payload for the languages.
pub(crate) const LARGE: usize = 2_048;

/// A service as a `resource` event, its payload filled up to `size` bytes.
pub(crate) fn story(index: usize, size: usize) -> Event {
    let mut data = payload(index);
    let short = data.to_string().len();
    let fields = (0..size.saturating_sub(short + 20) / 27)
        .map(|field| (format!("f:field-{field:06}"), json!({"f:": ""})))
        .collect::<serde_json::Map<_, _>>();
    data["body"]["metadata"]["managedFields"][0]["fieldsV1"] = Value::Object(fields);
    let missing = size.saturating_sub(data.to_string().len());
    data["body"]["metadata"]["annotations"]["fill"] = "x".repeat(missing.saturating_sub(10)).into();
    let context = Context {
        id: format!("{index:032x}"),
        source: "ingress-es".to_owned(),
        specversion: "1.0".to_owned(),
        r#type: "resource".to_owned(),
        datacontenttype: "application/json".to_owned(),
        subject: "ingress".to_owned(),
        time: "2026-01-02T03:04:05.000000006Z".parse().ok(),
    };
    Event {
        context: context.into(),
        data: Some(Bytes::from(data.to_string())),
    }
}

fn payload(index: usize) -> Value {
    json!({
        "type": "ADD",
        "group": "",
        "version": "v1",
        "resource": "services",
        "body": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": format!("harbour-svc-{index}"),
                "namespace": "playground",
                "uid": format!("00000000-0000-0000-0000-{index:012}"),
                "resourceVersion": index.to_string(),
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "labels": {"app": "harbour"},
                "annotations": {
                    "autodeploy-ingress-host": "harbour.127.0.0.1.nip.io",
                    "autodeploy-ingress-class": "nginx",
                },
                "managedFields": [{
                    "manager": "kubectl-create",
                    "operation": "Update",
                    "apiVersion": "v1",
                    "time": "2026-01-02T03:04:05Z",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {},
                }],
            },
            "spec": {
                "ports": [{"name": "http", "protocol": "TCP", "port": 8080, "targetPort": 8080}],
                "selector": {"app": "harbour"},
                "clusterIP": "10.64.3.77",
                "clusterIPs": ["10.64.3.77"],
                "type": "ClusterIP",
                "sessionAffinity": "None",
            },
            "status": {"loadBalancer": {}},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_wanted_size() {
        for size in [1_600, LARGE, 20_000] {
            let length = story(7, size).data.unwrap().len();
            assert!(length.abs_diff(size) <= 16, "{length} instead of {size}");
        }
    }
}
