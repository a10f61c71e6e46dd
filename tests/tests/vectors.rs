//! The recorded answers of Argo Events (`tests/vectors/`), asked of our own code.
//!
//! The folder is that of `TIPHYS_VECTORS`, or the one of the repository. For each file one line says
//! how many answers agree, and at most 20 that do not are listed. A line marked `argo_bug` holds what
//! must not be copied: what is answered instead stands in `mended.jsonl`. In a folder without that
//! file marked lines only have to come to an end, and do not count.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the functions the tests share are tests too"
)]

#[path = "vectors/ask.rs"]
mod ask;
#[path = "vectors/events.rs"]
mod events;
#[path = "vectors/lang.rs"]
mod lang;
#[path = "vectors/line.rs"]
mod line;
#[path = "vectors/sensor.rs"]
mod sensor;
#[path = "vectors/source.rs"]
mod source;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ask::{Answer, Outcome, ask};
use line::{Expected, Line, Mended};

/// How many disagreements are listed for a file.
const LISTED: usize = 20;

fn folder() -> PathBuf {
    std::env::var_os("TIPHYS_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors"),
        PathBuf::from,
    )
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// Asks every line of a file, and prints how it went.
fn check(name: &str, answer: fn(&Line) -> Answer) {
    let lines = read(&folder().join(format!("{name}.jsonl")));
    let lines: Arc<[Line]> = lines.lines().map(Line::parse).collect();
    let mended = Mended::read(&folder().join("mended.jsonl"), name);
    let (mut passed, mut total, mut failures) = (0, 0, Vec::new());
    for (line, outcome) in lines.iter().zip(ask(&lines, answer)) {
        let expected = mended.expected(line);
        let agrees = expected.is_met_by(&outcome);
        if !matches!(expected, Expected::End) {
            total += 1;
            passed += usize::from(agrees);
        }
        if !agrees {
            failures.push(describe(line, &expected, &outcome));
        }
    }
    // The test runner may have begun a line of its own.
    let mut report = format!("\n{name}: {passed} of {total}\n");
    for failure in failures.iter().take(LISTED) {
        writeln!(report, "  {failure}").unwrap();
    }
    // Not by `print!`, which the test runner swallows where a test passes. Whoever closed the output
    // still gets the verdict of the test.
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(report.as_bytes())
        .and_then(|()| stdout.flush())
        .ok();
    drop(stdout);
    assert!(total > 0, "{name} holds no answer");
    assert!(
        failures.is_empty(),
        "{name}: {} answers differ",
        failures.len()
    );
}

fn describe(line: &Line, expected: &Expected, outcome: &Outcome) -> String {
    let cut = |text: String| -> String { text.chars().take(300).collect() };
    let (got, want) = (cut(outcome.to_string()), cut(expected.to_string()));
    format!("{}: got {got}, want {want}", line["id"])
}
