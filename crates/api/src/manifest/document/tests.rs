//! Documents, their places, and hostile ones.

use super::*;
use crate::field_path;

fn json(text: &str) -> String {
    let (documents, faults) = read(text);
    assert_eq!(faults, [], "{text}");
    documents
        .iter()
        .map(Node::to_json)
        .collect::<Vec<_>>()
        .join("\n")
}

fn fault(text: &str) -> (usize, usize, String) {
    let (_, faults) = read(text);
    let fault = faults.into_iter().next().unwrap();
    (fault.place.line, fault.place.column, fault.message)
}

#[test]
fn documents_keep_order_and_texts() {
    assert_eq!(json("b: 1\na: '1'\nc: [yes, \"yes\", ~, 'x\"y']\n"), {
        r#"{"b":1,"a":"1","c":[true,"yes",null,"x\"y"]}"#
    });
    assert_eq!(json("operation: =\n"), r#"{"operation":"="}"#);
    assert_eq!(
        json("on: {1: a, 2.5: b}"),
        r#"{"true":{"1":"a","2.5":"b"}}"#
    );
    assert_eq!(json("a: !!str 5\nb: !!int '5'"), r#"{"a":"5","b":5}"#);
    assert_eq!(json("a: |\n  x\n  y\n"), r#"{"a":"x\ny\n"}"#);
}

#[test]
fn carriage_returns_and_empty_documents_do_not_matter() {
    let text =
        "# only a comment\r\n---\r\na: 1\r\n---\r\n---\r\n# nothing\r\n---\r\nb: x\r\n...\r\n";
    assert_eq!(json(text), "{\"a\":1}\n{\"b\":\"x\"}");
}

#[test]
fn anchors_and_merges_unfold() {
    let text = "base: &b {x: 1, z: 2}\nmore: {<<: *b, z: 3}\nlist: [*b]\n";
    assert_eq!(
        json(text),
        r#"{"base":{"x":1,"z":2},"more":{"z":3,"x":1},"list":[{"x":1,"z":2}]}"#
    );
}

#[test]
fn places_are_those_of_keys_and_items() {
    let (documents, _) = read("a: 1\n---\nspec:\n  deps:\n  - name: x\n    jq: .y\n");
    let at = |path: &str| {
        let place = documents[1].locate(&field_path::parse(path), None);
        (place.line, place.column)
    };
    assert_eq!(at("spec.deps[0].jq"), (6, 5));
    assert_eq!(at("spec.deps[0]"), (5, 5));
    assert_eq!(at("spec.deps[0].missing.deeper"), (5, 5));
    assert_eq!(at("spec.deps[7].jq"), (4, 3));
    assert_eq!(at(""), (3, 1));
}

#[test]
fn a_second_key_is_a_warning_and_counts() {
    let (documents, faults) = read("a: 1\nb: 2\na: 3\n");
    assert_eq!(documents[0].to_json(), r#"{"a":3,"b":2}"#);
    assert_eq!(
        (faults[0].place, faults[0].is_warning),
        (Place { line: 3, column: 1 }, true)
    );
}

#[test]
fn what_is_not_yaml_is_placed_and_later_documents_are_read() {
    let (documents, faults) = read("a: [1\n---\nb: 2\n");
    assert_eq!(
        documents.iter().map(Node::to_json).collect::<String>(),
        r#"{"b":2}"#
    );
    assert_eq!(faults.len(), 1);
    assert_eq!(fault("a: 1\n b: 2\n").0, 2);
    assert!(fault("a: *nobody\n").2.starts_with("not YAML"));
    assert_eq!(
        fault("a: .inf\n"),
        (1, 4, "Kubernetes has no infinity and no NaN".into())
    );
    assert_eq!(fault("? [a]\n: 1\n").2, "a key has to be a text");
}

#[test]
fn hostile_files_come_to_an_end() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..30 {
        let line = format!(
            "a{i}: &a{i} [{}]\n",
            vec![format!("*a{}", i - 1); 10].join(",")
        );
        bomb.push_str(&line);
    }
    let hostile = [
        bomb,
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "x: &x [*x]\n".to_owned(),
        format!(
            "a: &a [{}]\n{}",
            "x,".repeat(5_000),
            "b: *a\n".repeat(5_000)
        ),
        "&a ".repeat(1_000),
        "? ".repeat(100_000),
        "\u{0}".repeat(1_000),
    ];
    for text in hostile {
        let (_, faults) = read(&text);
        assert!(!faults.is_empty(), "{}", &text[..20.min(text.len())]);
    }
}

/// A megabyte of minified JSON took minutes: each text was looked for from the begin of its line.
#[test]
fn a_file_of_one_long_line_is_read() {
    let items: Vec<String> = (0..10_000)
        .map(|n| format!("{{\"name\":\"{n}\"}}"))
        .collect();
    let (documents, faults) = read(&format!("[{}]", items.join(",")));
    assert_eq!(faults, []);
    let place = documents[0].locate(&field_path::parse("[9999].name"), Some((1, 2)));
    assert_eq!((place.line, place.column), (1, 158_886));
}
