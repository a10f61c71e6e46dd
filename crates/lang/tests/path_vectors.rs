//! Lookups and writes against what Argo Events answers (the recorded vectors).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the functions the tests share are tests too"
)]

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::Value;
use tiphys_lang::path::{Path, Write};

/// The lines of a file of vectors.
fn vectors(file: &str) -> Vec<Value> {
    let folder = std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors"),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A text, or one that is not UTF-8 as `{"base64": …}`.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Object(map) => {
            let text = map["base64"].as_str().unwrap();
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap()
        }
        other => panic!("{other} is no text"),
    }
}

fn check(file: &str, answer: impl Fn(&Value) -> Result<(), String>) {
    let vectors = vectors(file);
    let mut failures = Vec::new();
    for vector in &vectors {
        if let Err(difference) = answer(vector) {
            failures.push(format!("{}: {difference}", vector["id"]));
        }
    }
    let name = file.trim_end_matches(".jsonl");
    println!(
        "{name}: {} of {}",
        vectors.len() - failures.len(),
        vectors.len()
    );
    for failure in failures.iter().take(20) {
        println!("  {failure}");
    }
    assert!(
        failures.is_empty(),
        "{} vectors of {name} fail",
        failures.len()
    );
}

#[test]
fn lookups_find_what_argo_finds() {
    check("path_get.jsonl", |vector| {
        let json = bytes(&vector["json"]);
        let text = vector["path"].as_str().unwrap();
        let path = Path::compile(text).map_err(|error| error.to_string())?;
        let found = path.get(&json);
        let got = (
            found.exists(),
            found.kind().name().to_owned(),
            found.raw().to_vec(),
            found.bytes().into_owned(),
        );
        let want = &vector["want"];
        let want = (
            want["exists"].as_bool().unwrap(),
            want["type"].as_str().unwrap().to_owned(),
            bytes(&want["raw"]),
            bytes(&want["string"]),
        );
        if got == want {
            return Ok(());
        }
        Err(format!(
            "path {text} got {} {} {:?}, want {} {} {:?}",
            got.1,
            String::from_utf8_lossy(&got.2),
            String::from_utf8_lossy(&got.3),
            want.1,
            String::from_utf8_lossy(&want.2),
            String::from_utf8_lossy(&want.3),
        ))
    });
}

#[test]
fn writes_change_what_argo_changes() {
    check("path_set.jsonl", |vector| {
        let json = bytes(&vector["json"]);
        let text = vector["path"].as_str().unwrap();
        let value = bytes(&vector["value"]);
        let value_text = String::from_utf8_lossy(&value);
        let value = if vector["raw"].as_bool().unwrap() {
            Write::Raw(&value)
        } else {
            Write::Text(&value_text)
        };
        let set = Path::compile(text).and_then(|path| path.set(&json, value));
        let fails = vector.get("error").is_some();
        match set {
            Err(_) if fails => Ok(()),
            Ok(set) if !fails && set.json == bytes(&vector["want"]) => Ok(()),
            Ok(set) => {
                let got = String::from_utf8_lossy(&set.json).into_owned();
                Err(format!(
                    "path {text} got {got}, want {} {}",
                    vector["want"], vector["error"]
                ))
            }
            Err(error) => Err(format!("path {text} got {error}, want {}", vector["want"])),
        }
    });
}
