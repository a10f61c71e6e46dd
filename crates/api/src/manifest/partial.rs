//! What is left of an object without the fields that have the wrong type.

use super::document::{Node, Value};
use crate::field_path::{self, Step};
use crate::problem::Problem;

/// An object without its faulty fields: one of them is as if it were left out. A part of a list keeps
/// its place, as other parts are known by theirs.
pub(super) fn without(object: &Node, problems: &[Problem]) -> Node {
    let mut left = object.clone();
    for problem in problems.iter().filter(|problem| problem.is_error()) {
        remove(&mut left, &field_path::parse(&problem.field_path));
    }
    left
}

fn remove(node: &mut Node, path: &[Step]) {
    let Some((step, inner)) = path.split_first() else {
        node.value = match node.value {
            Value::Object(_) => Value::Object(Vec::new()),
            _ => Value::Null,
        };
        return;
    };
    match (&mut node.value, step) {
        (Value::Object(members), Step::Key(key)) => {
            if let Some((_, member)) = members.iter_mut().find(|(name, _)| name == key) {
                if inner.is_empty() {
                    member.value = Value::Null;
                } else {
                    remove(member, inner);
                }
            }
        }
        (Value::List(items), Step::Index(index)) => {
            let Some(item) = items.get_mut(*index) else {
                return;
            };
            match (&item.value, inner) {
                (Value::Object(_), _) => remove(item, inner),
                (_, []) => item.value = Value::Object(Vec::new()),
                _ => {}
            }
        }
        // What should be a list or an object is none.
        _ => node.value = Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::{self, Content};

    /// One value of the wrong type took the whole Sensor out of sight.
    #[test]
    fn what_has_the_right_type_is_there() {
        let text = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: s}
spec:
  dependencies: [{name: d, eventSourceName: es, eventName: ev}]
  triggers:
  - template: {name: bad, k8s: {operation: 1, parameters: [{src: {useRawData: 'yes'}}]}}
  - 5
  - template: {name: good, log: {}}
";
        let manifest = manifest::read("f.yaml", text);
        let [object] = &manifest.objects[..] else {
            panic!("{:?}", manifest.faults);
        };
        let broken: Vec<&str> = object.broken.iter().map(|p| &*p.field_path).collect();
        assert_eq!(
            broken,
            [
                "spec.triggers[0].template.k8s.operation",
                "spec.triggers[0].template.k8s.parameters[0].src.useRawData",
                "spec.triggers[1]"
            ]
        );
        let Content::Sensor(sensor) = &object.content else {
            panic!("no Sensor");
        };
        let names: Vec<&str> = sensor
            .spec
            .triggers
            .iter()
            .map(|trigger| trigger.template.as_ref().map_or("", |t| &t.name))
            .collect();
        assert_eq!(names, ["bad", "", "good"]);
    }
}
