use super::*;
use crate::comparison;

const INGRESS: &str = r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress",
    "metadata":{"name":"a-ing","namespace":"ns"},"spec":{"port":80}}"#;

fn action(operation: &str, object: &str) -> String {
    format!(r#"{{"k8s":{{"operation":"{operation}","object":{object}}}}}"#)
}

/// Compares documents with actions, and gives the text.
#[track_caller]
fn compared(expected: &[&str], actions: &[String]) -> String {
    let mut wanted = Vec::new();
    for document in expected {
        take(json::from_slice(document.as_bytes()).unwrap(), &mut wanted).unwrap();
    }
    let performed = actions.iter().map(|action| Performed {
        by: "sensor ns/s, trigger t".into(),
        action: json::from_slice(action.as_bytes()).unwrap(),
    });
    let done = Done {
        actions: performed.collect(),
        failures: Vec::new(),
    };
    let expected = Expected {
        file: "expected.yaml".into(),
        actions: wanted,
    };
    comparison::text(&expected.compare(done))
}

fn with(object: &str, member: &str) -> String {
    object.replacen('{', &format!("{{{member},"), 1)
}

#[test]
fn of_a_json_patch_only_its_operations_are_compared() {
    let patch = r#""patch":[{"op":"remove","path":"/spec/port"}]"#;
    let object = r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress",
        "metadata":{"name":"a-ing","namespace":"ns"},"#;
    let performed = format!(
        r#"{{"k8s":{{"operation":"patch","patch":"application/json-patch+json","object":{object}{patch}}}}}}}"#
    );
    let written = with(INGRESS, patch);
    assert_eq!(compared(&[&written], std::slice::from_ref(&performed)), "");
    let other = with(INGRESS, &patch.replace("remove", "test"));
    assert_eq!(
        compared(&[&other], &[performed]),
        "--- expected.yaml\n+++ what would happen\n\
         @@ patch Ingress ns/a-ing (sensor ns/s, trigger t) @@\n\
         - patch[0].op: \"test\"\n\
         + patch[0].op: \"remove\"\n"
    );
}

#[test]
fn an_object_without_operation_is_created_updated_or_patched() {
    for operation in ["create", "update", "patch"] {
        assert_eq!(compared(&[INGRESS], &[action(operation, INGRESS)]), "");
    }
    assert_eq!(
        compared(&[INGRESS], &[action("delete", INGRESS)]),
        "--- expected.yaml\n+++ what would happen\n\
         @@ delete Ingress ns/a-ing (sensor ns/s, trigger t) @@\n\
         - operation: \"create, update or patch\"\n\
         + operation: \"delete\"\n"
    );
}

#[test]
fn an_operation_is_compared_if_it_is_given() {
    let expected = with(INGRESS, r#""operation":"create""#);
    assert_eq!(compared(&[&expected], &[action("create", INGRESS)]), "");
    assert_eq!(
        compared(&[&expected], &[action("update", INGRESS)]),
        "--- expected.yaml\n+++ what would happen\n\
         @@ update Ingress ns/a-ing (sensor ns/s, trigger t) @@\n\
         - operation: \"create\"\n\
         + operation: \"update\"\n"
    );
}

#[test]
fn of_a_deletion_only_the_name_counts() {
    let expected = r#"{"operation":"delete","apiVersion":"networking.k8s.io/v1","kind":"Ingress",
        "metadata":{"name":"a-ing","namespace":"ns"}}"#;
    assert_eq!(compared(&[expected], &[action("delete", INGRESS)]), "");
}

#[test]
fn an_action_can_be_expected_as_a_whole() {
    let action = action("update", INGRESS);
    assert_eq!(compared(&[&action], std::slice::from_ref(&action)), "");
    let http = r#"{"http":{"method":"GET","url":"http://a"}}"#.to_owned();
    assert_eq!(
        compared(&[r#"{"http":{"method":"POST","url":"http://a"}}"#], &[http]),
        "--- expected.yaml\n+++ what would happen\n\
         @@ http (sensor ns/s, trigger t) @@\n\
         - http.method: \"POST\"\n\
         + http.method: \"GET\"\n"
    );
}

#[test]
fn logged_events_count_only_if_some_are_expected() {
    let log = r#"{"log":{"lines":[],"intervalSeconds":0}}"#.to_owned();
    assert_eq!(
        compared(&[INGRESS], &[action("create", INGRESS), log.clone()]),
        ""
    );
    assert_eq!(compared(&[&log], std::slice::from_ref(&log)), "");
}

#[test]
fn actions_are_compared_with_those_about_the_same_object() {
    let other = INGRESS.replace("a-ing", "b-ing").replace("80", "81");
    let text = compared(
        &[INGRESS, &other.replace("81", "82")],
        &[action("create", &other)],
    );
    assert_eq!(
        text,
        "--- expected.yaml\n+++ what would happen\n\
         @@ Ingress ns/a-ing: does not happen @@\n\
         - apiVersion: \"networking.k8s.io/v1\"\n\
         - kind: \"Ingress\"\n\
         - metadata.name: \"a-ing\"\n\
         - metadata.namespace: \"ns\"\n\
         - spec.port: 80\n\
         @@ create Ingress ns/b-ing (sensor ns/s, trigger t) @@\n\
         - spec.port: 82\n\
         + spec.port: 81\n"
    );
}

#[test]
fn an_object_under_another_name_is_compared_all_the_same() {
    let text = compared(
        &[&INGRESS.replace("a-ing", "b-ing")],
        &[action("create", INGRESS)],
    );
    assert!(
        text.contains("- metadata.name: \"b-ing\"\n+ metadata.name: \"a-ing\"\n"),
        "{text}"
    );
    assert!(!text.contains("spec"), "{text}");
}

#[test]
fn an_action_that_nobody_expects_is_told() {
    let text = compared(&[], &[action("create", r#"{"kind":"Job"}"#)]);
    assert_eq!(
        text,
        "--- expected.yaml\n+++ what would happen\n\
         @@ create Job: is not expected (sensor ns/s, trigger t) @@\n\
         + operation: \"create\"\n\
         + kind: \"Job\"\n"
    );
}

#[test]
fn a_failure_is_never_expected() {
    let failure = Failure {
        by: "sensor ns/s, trigger t".into(),
        error: "no such field".into(),
        why: String::new(),
    };
    let done = Done {
        actions: Vec::new(),
        failures: vec![failure],
    };
    let comparison = Expected {
        file: "expected.yaml".into(),
        actions: Vec::new(),
    }
    .compare(done);
    assert!(!comparison.is_equal());
    assert_eq!(
        comparison::text(&comparison),
        "--- expected.yaml\n+++ what would happen\n\
         @@ sensor ns/s, trigger t: fails @@\n! no such field\n"
    );
}

#[test]
fn programs_get_values_with_their_paths() {
    let wanted = json::from_slice(INGRESS.replace("80", "12345678901234567890123").as_bytes());
    let expected = Expected {
        file: "e.yaml".into(),
        actions: vec![wanted.unwrap()],
    };
    let action = json::from_slice(action("create", INGRESS).as_bytes()).unwrap();
    let done = Done {
        actions: vec![Performed {
            by: "sensor ns/s, trigger t".into(),
            action,
        }],
        failures: Vec::new(),
    };
    assert_eq!(
        comparison::json(&expected.compare(done)).unwrap(),
        concat!(
            r#"{"expected":"e.yaml","equal":false,"actions":1,"differences":[{"#,
            r#""action":"create Ingress ns/a-ing","by":"sensor ns/s, trigger t","#,
            r#""verdict":"different","path":"spec.port","expected":12345678901234567890123,"#,
            r#""actual":80}],"failures":[]}"#,
            "\n"
        )
    );
}

#[test]
fn items_of_a_list_are_documents_and_scalars_are_none() {
    let mut actions = Vec::new();
    let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{INGRESS},{INGRESS}]}}"#);
    take(json::from_slice(list.as_bytes()).unwrap(), &mut actions).unwrap();
    assert_eq!(actions.len(), 2);
    assert!(take(Value::String("x".into()), &mut actions).is_err());
}
