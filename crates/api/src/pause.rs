//! Objects that are paused: an annotation says so, so that neither the spec nor whoever applies it has
//! to change.

use kube::core::ObjectMeta;

use crate::field_path;
use crate::problem::{Code, Problem};

/// Annotation of an `EventSource` or `Sensor` that is not to run: `"true"`.
pub const PAUSED_ANNOTATION: &str = "events.argoproj.io/paused";

/// The value with which it counts.
pub const PAUSED: &str = "true";

/// Whether the object is paused.
pub fn is_paused(metadata: &ObjectMeta) -> bool {
    value(metadata) == Some(PAUSED)
}

/// What is wrong with the annotation: values that look as if they would pause the object.
pub fn problem(metadata: &ObjectMeta) -> Option<Problem> {
    let value = value(metadata)?;
    if matches!(value, PAUSED | "false") {
        return None;
    }
    let path = field_path::join("metadata.annotations", PAUSED_ANNOTATION);
    let message = format!("{value:?} does not pause it");
    let problem = Problem::warning(path, message).with_code(Code::NoEffect);
    Some(problem.with_hint(format!("write {PAUSED:?}")))
}

fn value(metadata: &ObjectMeta) -> Option<&str> {
    let annotations = metadata.annotations.as_ref()?;
    annotations.get(PAUSED_ANNOTATION).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: Option<&str>) -> ObjectMeta {
        let annotation = |value: &str| (PAUSED_ANNOTATION.to_owned(), value.to_owned());
        ObjectMeta {
            annotations: value.map(|value| [annotation(value)].into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn only_true_pauses_and_what_looks_like_it_is_a_problem() {
        for (value, expected) in [
            (None, (false, false)),
            (Some("true"), (true, false)),
            (Some("false"), (false, false)),
            (Some("yes"), (false, true)),
            (Some("True"), (false, true)),
            (Some(""), (false, true)),
        ] {
            let metadata = metadata(value);
            let found = (is_paused(&metadata), problem(&metadata).is_some());
            assert_eq!(found, expected, "{value:?}");
        }
        let problem = problem(&metadata(Some("yes"))).unwrap();
        assert_eq!(
            problem.text(),
            "metadata.annotations[\"events.argoproj.io/paused\"]: \"yes\" does not pause it (write \"true\")"
        );
    }
}
