//! Promises the recorded vectors cannot show: bounds, JSONPath, explanations.

use super::{Error, Kind, Path, There, Write};

#[track_caller]
fn path(text: &str) -> Path {
    Path::compile(text).unwrap()
}
