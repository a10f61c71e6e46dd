//! The recorded answers of Argo Events (`tests/vectors/`), asked of our own code.
//!
//! The folder is that of `TIPHYS_VECTORS`, or the one of the repository. For each file one line says
//! how many answers agree, and at most 20 that do not are listed. Lines marked `argo_bug` hold what
//! must not be copied: they only have to come to an end.

#[path = "vectors/events.rs"]
mod events;
#[path = "vectors/lang.rs"]
mod lang;
#[path = "vectors/sensor.rs"]
mod sensor;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::Value;

/// How many disagreements are listed for a file.
const LISTED: usize = 20;

/// What our code says to a line: the answer in the form of `want`, or an error.
type Answer = Result<Value, String>;

fn folder() -> PathBuf {
    std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors"),
        PathBuf::from,
    )
}

/// Asks every line of a file, and prints how it went.
fn check(name: &str, answer: impl Fn(&Value) -> Answer) {
    let path = folder().join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    let (mut passed, mut total, mut failures) = (0, 0, Vec::new());
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let got = answer(&line);
        if line.get("argo_bug").is_some() {
            continue;
        }
        total += 1;
        if agrees(&line, &got) {
            passed += 1;
        } else {
            failures.push(describe(&line, &got));
        }
    }
    let mut report = format!("{name}: {passed} of {total}\n");
    for failure in failures.iter().take(LISTED) {
        writeln!(report, "  {failure}").unwrap();
    }
    // Not by `print!`, which the test runner swallows where a test passes.
    std::io::stdout().write_all(report.as_bytes()).unwrap();
    assert!(total > 0, "{name} holds no answer");
    assert!(failures.is_empty(), "{name}: {} answers differ", failures.len());
}

fn agrees(line: &Value, got: &Answer) -> bool {
    match (line.get("want"), got) {
        // Filters give a verdict and an error at once: the verdict counts.
        (Some(want), Ok(got)) => want == got,
        (Some(want), Err(_)) => *want == Value::Bool(false) && line.get("error").is_some(),
        (None, got) => got.is_err(),
    }
}

fn describe(line: &Value, got: &Answer) -> String {
    let cut = |text: String| -> String { text.chars().take(300).collect() };
    let got = match got {
        Ok(got) => got.to_string(),
        Err(error) => format!("error {error}"),
    };
    let want = match (line.get("want"), line.get("error")) {
        (Some(want), _) => want.to_string(),
        (None, Some(error)) => format!("error {error}"),
        (None, None) => "an end".to_owned(),
    };
    format!("{}: got {}, want {}", line["id"], cut(got), cut(want))
}

/// A text of a line; one that is not UTF-8 is recorded as base64.
fn text(line: &Value, key: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    match line.get(key)? {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(map) => {
            let text = map.get("base64")?.as_str()?;
            base64::engine::general_purpose::STANDARD.decode(text).ok()
        }
        _ => None,
    }
}

/// An output in the form in which it is recorded.
fn recorded(bytes: Vec<u8>) -> Value {
    use base64::Engine as _;
    match String::from_utf8(bytes) {
        Ok(text) => Value::String(text),
        Err(error) => {
            let text = base64::engine::general_purpose::STANDARD.encode(error.as_bytes());
            serde_json::json!({ "base64": text })
        }
    }
}
