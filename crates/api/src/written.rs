//! Fields of a trigger's template that parameters write to: nothing is known of them before the events.

use crate::field_path::{self, Step};
use crate::parameter::TriggerParameter;
use crate::problem::Problem;
use crate::trigger::{TriggerKind, TriggerTemplate};

/// The fields that parameters write to, as paths from the object's root.
#[derive(Debug, Default)]
pub struct Written(Vec<Vec<Step>>);

impl Written {
    /// What a list of parameters writes into what stands at `field`.
    pub fn to(field: &str, parameters: &[TriggerParameter]) -> Self {
        let base = field_path::parse(field);
        let path = |parameter: &TriggerParameter| {
            let mut path = base.clone();
            path.extend(steps(&parameter.dest));
            path
        };
        Self(parameters.iter().map(path).collect())
    }

    /// What the parameters of a template's own kind write, which stands at `field`: of the kinds that
    /// send an object, they write to that.
    pub fn inside(field: &str, kind: TriggerKind, parameters: &[TriggerParameter]) -> Self {
        let field = format!("{field}.{kind}");
        if !matches!(kind, TriggerKind::K8s | TriggerKind::ArgoWorkflow) {
            return Self::to(&field, parameters);
        }
        let mut written = Self::to(&format!("{field}.source.resource"), parameters);
        if !parameters.is_empty() {
            // Where in the text nobody can tell.
            written.0.push(field_path::parse(&format!("{field}.source.inline")));
        }
        written
    }

    /// What all parameters of a trigger write into its template, which stands at `field`.
    pub fn of(field: &str, template: &TriggerTemplate, parameters: &[TriggerParameter]) -> Self {
        let mut written = Self::to(field, parameters);
        if let Ok(kind) = template.kind() {
            let own = template.parameters(kind);
            written.0.append(&mut Self::inside(field, kind, own).0);
        }
        written
    }

    /// Whether something is written to a field, above or below it.
    pub fn touches(&self, field: &str) -> bool {
        let field = field_path::parse(field);
        self.0.iter().any(|written| {
            let mut pairs = written.iter().zip(&field);
            pairs.all(|(written, step)| is_same(written, step))
        })
    }

    /// Forgets what was said since `from` of fields that are written to.
    pub fn forget(&self, problems: &mut Vec<Problem>, from: usize) {
        if self.0.is_empty() || problems.len() <= from {
            return;
        }
        let mut said = problems.split_off(from);
        said.retain(|problem| !self.touches(&problem.field_path));
        problems.append(&mut said);
    }
}

/// The steps of a destination, up to where it may lead to several places.
fn steps(dest: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut name = String::new();
    let mut chars = dest.chars();
    let mut has_more = !dest.is_empty();
    while let Some(next) = chars.next() {
        match next {
            '\\' => name.extend(chars.next()),
            '.' => {
                steps.push(step(std::mem::take(&mut name)));
                has_more = true;
                continue;
            }
            '#' | '*' | '?' | '|' | '@' => return steps,
            _ => name.push(next),
        }
        has_more = true;
    }
    if has_more && name != "-1" {
        steps.push(step(name));
    }
    steps
}

fn step(name: String) -> Step {
    match name.parse() {
        Ok(index) => Step::Index(index),
        Err(_) => Step::Key(name.strip_prefix(':').map_or(name.clone(), ToOwned::to_owned)),
    }
}

/// A key of digits is an index where a list is.
fn is_same(written: &Step, step: &Step) -> bool {
    match (written, step) {
        (Step::Index(index), Step::Key(key)) => *key == index.to_string(),
        (written, step) => written == step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dest: &str, field: &str, expected: bool) {
        let parameter = TriggerParameter {
            dest: dest.into(),
            ..TriggerParameter::default()
        };
        let written = Written::to("t.template", &[parameter]);
        assert_eq!(written.touches(field), expected, "{dest} {field}");
    }

    #[test]
    fn what_is_written_is_touched_and_what_is_above_and_below() {
        check("k8s.operation", "t.template.k8s.operation", true);
        check("k8s.operation", "t.template.k8s.patchStrategy", false);
        check("k8s.operation", "t.template.k8s", true);
        check("k8s", "t.template.k8s.operation", true);
        check("k8s.operation", "t.parameters[0].dest", false);
        let inner = "t.template.k8s.parameters[0].src.dependencyName";
        check("k8s.parameters.0.src.dependencyName", inner, true);
        check("k8s.parameters.1.src.dependencyName", inner, false);
        check("k8s.parameters.#.src.dependencyName", inner, true);
        check("k8s.parameters.-1", inner, true);
        check(r"http.headers.a\.b", r#"t.template.http.headers["a.b"]"#, true);
    }
}
