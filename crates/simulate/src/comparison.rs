//! A comparison for people, in the manner of a unified diff, and for programs.

use serde::Serialize;
use serde_json::value::RawValue;

use super::diff::Field;
use super::expect::{Comparison, Part, Verdict};
use crate::lines::{Lines, line};

/// The differences; nothing if there are none.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut out = Lines::default();
    if comparison.is_equal() {
        return out.finish();
    }
    line!(out, "--- {}", comparison.file);
    line!(out, "+++ what would happen");
    for part in &comparison.parts {
        let by = part
            .by
            .as_ref()
            .map(|by| format!(" ({by})"))
            .unwrap_or_default();
        let verdict = match part.verdict {
            Verdict::Different => "",
            Verdict::Missing => ": does not happen",
            Verdict::Unexpected => ": is not expected",
        };
        line!(out, "@@ {}{verdict}{by} @@", part.action);
        for difference in &part.differences {
            lines('-', difference.expected.as_ref(), "", &mut out);
            lines('+', difference.actual.as_ref(), "", &mut out);
        }
    }
    for failure in &comparison.failures {
        line!(out, "@@ {}: fails @@", failure.by);
        line!(out, "! {}", failure.error);
    }
    out.finish()
}

/// The values of a field that is on one side.
pub(super) fn lines(sign: char, field: Option<&Field>, indent: &str, out: &mut Lines) {
    for (path, value) in field.map(Field::leaves).unwrap_or_default() {
        line!(out, "{indent}{sign} {path}: {value}");
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'c> {
    expected: &'c str,
    equal: bool,
    actions: usize,
    differences: Vec<Row<'c>>,
    failures: Vec<FailureRow<'c>>,
}

/// One difference of one action.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'c> {
    action: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'c str>,
    verdict: &'static str,
    /// Where it is in what was expected, or else in what is done.
    path: &'c str,
    /// Where it is in what is done, if that is another place.
    #[serde(skip_serializing_if = "Option::is_none")]
    actual_path: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct FailureRow<'c> {
    by: &'c str,
    error: &'c str,
}

/// One line of JSON.
pub(super) fn json(comparison: &Comparison) -> serde_json::Result<String> {
    let page = Page {
        expected: &comparison.file,
        equal: comparison.is_equal(),
        actions: comparison.actions,
        differences: comparison
            .parts
            .iter()
            .flat_map(rows)
            .collect::<Result<_, _>>()?,
        failures: comparison
            .failures
            .iter()
            .map(|failure| FailureRow {
                by: &failure.by,
                error: &failure.error,
            })
            .collect(),
    };
    Ok(serde_json::to_string(&page)? + "\n")
}

/// The differences of an action.
pub(super) fn rows(part: &Part) -> impl Iterator<Item = serde_json::Result<Row<'_>>> {
    part.differences.iter().map(|difference| {
        let [expected, actual] = [&difference.expected, &difference.actual].map(Option::as_ref);
        let path = expected.or(actual).map_or("", |field| field.path.as_str());
        let actual_path = actual
            .map(|field| field.path.as_str())
            .filter(|other| *other != path);
        Ok(Row {
            action: &part.action,
            by: part.by.as_deref(),
            verdict: match part.verdict {
                Verdict::Different => "different",
                Verdict::Missing => "missing",
                Verdict::Unexpected => "unexpected",
            },
            path,
            actual_path,
            expected: expected.map(raw).transpose()?,
            actual: actual.map(raw).transpose()?,
        })
    })
}

/// Whole numbers of any size stay exact.
fn raw(field: &Field) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(field.value.to_go_json())
}
