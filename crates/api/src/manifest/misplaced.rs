//! Fields that are known, and stand in the wrong place: where they belong.

use super::fields::Field;
use crate::field_path::{self, Step};
use crate::problem::Problem;

/// What named the kind of a `k8s` trigger's object before Argo Events 1.0.
const OLD_KIND: [&str; 3] = ["group", "version", "resource"];

/// Says of unknown fields where they belong. Of those that belong together only the first is told.
pub(super) fn explain(kind: &Field, problems: &mut Vec<Problem>) {
    let mut told: Option<String> = None;
    problems.retain_mut(|problem| {
        let steps = field_path::parse(&problem.field_path);
        if problem.is_error() || kind_at(kind, &steps).is_some() {
            return true;
        }
        let Some((Step::Key(key), parents)) = steps.split_last() else {
            return true;
        };
        if is_old_kind(key, parents) {
            let parent = field_path::render(parents);
            if told.as_ref() == Some(&parent) {
                return false;
            }
            told = Some(parent);
            problem.hint = Some(
                "group, version and resource belong to Argo Events before 1.0: write apiVersion and kind in \
                 source.resource"
                    .to_owned(),
            );
        } else if let Some(place) = above(kind, parents, key).or_else(|| below(kind, parents, key)) {
            problem.hint = Some(format!("it belongs to {place}"));
        }
        true
    });
}

fn is_old_kind(key: &str, parents: &[Step]) -> bool {
    let is_k8s = parents.last() == Some(&Step::Key("k8s".to_owned()));
    is_k8s && OLD_KIND.contains(&key)
}

/// The field at a path.
fn kind_at<'f>(kind: &'f Field, path: &[Step]) -> Option<&'f Field> {
    path.iter()
        .try_fold(kind, |field, step| match (field, step) {
            (Field::List(item), Step::Index(_)) => Some(&**item),
            (Field::Map(value), Step::Key(_)) => Some(&**value),
            (field, Step::Key(key)) => field.get(key),
            _ => None,
        })
}

/// The nearest object around `parents` that has the field.
fn above(kind: &Field, parents: &[Step], key: &str) -> Option<String> {
    (1..parents.len()).rev().find_map(|length| {
        let place = &parents[..length];
        kind_at(kind, place)?.get(key)?;
        Some(field_path::join(&field_path::render(place), key))
    })
}

/// The object right inside that has the field, if it is the only one.
fn below(kind: &Field, parents: &[Step], key: &str) -> Option<String> {
    let parent = kind_at(kind, parents)?;
    let mut inside = parent.names().filter(|name| {
        parent
            .get(name)
            .is_some_and(|field| field.get(key).is_some())
    });
    let (only, None) = (inside.next()?, inside.next()) else {
        return None;
    };
    let place = field_path::join(&field_path::render(parents), only);
    Some(field_path::join(&place, key))
}

#[cfg(test)]
mod tests {
    use crate::manifest;

    #[track_caller]
    fn check(trigger: &str, expected: &[&str]) {
        let text = format!(
            "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: s}}
spec:
  dependencies: [{{name: d, eventSourceName: es, eventName: ev}}]
  triggers: [{trigger}]
"
        );
        let faults = manifest::read("f.yaml", &text).faults;
        let lines: Vec<_> = faults
            .iter()
            .map(|fault| {
                let hint = fault.problem.hint.as_deref().unwrap_or_default();
                format!("{}: {hint}", fault.problem.field_path)
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_field_of_another_place_is_sent_there() {
        check(
            "{template: {name: t, http: {url: 'http://h', retryStrategy: {steps: 3}}}}",
            &[
                "spec.triggers[0].template.http.retryStrategy: it belongs to spec.triggers[0].retryStrategy",
            ],
        );
        check(
            "{template: {name: t, retryStrategy: {steps: 3}, log: {}}}",
            &[
                "spec.triggers[0].template.retryStrategy: it belongs to spec.triggers[0].retryStrategy",
            ],
        );
        check(
            "{conditions: d, template: {name: t, log: {}}}",
            &["spec.triggers[0].conditions: it belongs to spec.triggers[0].template.conditions"],
        );
    }

    #[test]
    fn the_old_way_to_name_a_kind_is_told_once() {
        check(
            "{template: {name: t, k8s: {group: '', version: v1, resource: pods, operation: create}}}",
            &[
                "spec.triggers[0].template.k8s.group: group, version and resource belong to Argo Events before \
                 1.0: write apiVersion and kind in source.resource",
            ],
        );
    }
}
