//! Fields of a trigger's template that parameters write to: nothing is known of them before the events.

use crate::field_path::{self, Step};
use crate::parameter::TriggerParameter;
use crate::problem::Problem;
use crate::trigger::{TriggerKind, TriggerTemplate};

/// The fields that parameters write to, as paths from the object's root.
#[derive(Debug, Default)]
pub struct Written(Vec<Field>);

/// A field that is written to.
#[derive(Debug)]
struct Field {
    path: Vec<Step>,
    /// How many steps of it lead to what has to be there: what is said of all of that is not mended by a
    /// field in it.
    base: usize,
}

impl Written {
    /// Adds what a list of parameters writes into what stands at `field`; `base` steps lead to what has to
    /// be there.
    fn add(&mut self, field: &[Step], base: usize, parameters: &[TriggerParameter]) {
        // Without a destination nothing is written.
        let writing = parameters
            .iter()
            .filter(|parameter| !parameter.dest.is_empty());
        self.0.extend(writing.map(|parameter| {
            let mut path = field.to_vec();
            path.extend(steps(&parameter.dest));
            Field { path, base }
        }));
    }

    /// What the parameters of a kind write, whose template stands at `template`: of the kinds that send an
    /// object, they write to that.
    pub fn inside(template: &str, kind: TriggerKind, parameters: &[TriggerParameter]) -> Self {
        let mut written = Self::default();
        written.add_inside(template, kind, parameters);
        written
    }

    fn add_inside(&mut self, template: &str, kind: TriggerKind, parameters: &[TriggerParameter]) {
        let mut field = field_path::parse(&format!("{template}.{kind}"));
        let sends_object = matches!(kind, TriggerKind::K8s | TriggerKind::ArgoWorkflow);
        if sends_object && !parameters.is_empty() {
            field.push(Step::Key("source".to_owned()));
            let mut path = field.clone();
            // Where in the text nobody can tell.
            path.push(Step::Key("inline".to_owned()));
            let base = path.len();
            self.0.push(Field { path, base });
            field.push(Step::Key("resource".to_owned()));
        }
        self.add(&field, field.len(), parameters);
    }

    /// What all parameters of a trigger write into its template, which stands at `field`.
    pub fn of(field: &str, template: &TriggerTemplate, parameters: &[TriggerParameter]) -> Self {
        let mut written = Self::default();
        let place = field_path::parse(field);
        // The kind has to be there.
        written.add(&place, place.len() + 1, parameters);
        if let Ok(kind) = template.kind() {
            written.add_inside(field, kind, template.parameters(kind));
        }
        written
    }

    /// Whether something is written to a field, above or below it.
    pub fn touches(&self, field: &str) -> bool {
        let field = field_path::parse(field);
        self.0.iter().any(|Field { path, base }| {
            let is_wide = field.len() < path.len() && field.len() <= *base;
            let mut pairs = path.iter().zip(&field);
            !is_wide && pairs.all(|(written, step)| is_same(written, step))
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
    while let Some(next) = chars.next() {
        match next {
            '\\' => name.extend(chars.next()),
            '.' if name == "-1" => return steps,
            '.' => steps.push(step(&std::mem::take(&mut name))),
            '#' | '*' | '?' | '|' | '@' => return steps,
            _ => name.push(next),
        }
    }
    if name != "-1" {
        steps.push(step(&name));
    }
    steps
}

fn step(name: &str) -> Step {
    match name.parse() {
        Ok(index) => Step::Index(index),
        Err(_) => Step::Key(name.strip_prefix(':').unwrap_or(name).to_owned()),
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
        let template = TriggerTemplate::default();
        let written = Written::of("t.template", &template, &[parameter]);
        assert_eq!(written.touches(field), expected, "{dest} {field}");
    }

    #[test]
    fn what_is_written_is_touched_and_what_is_above_and_below() {
        check("k8s.operation", "t.template.k8s.operation", true);
        check("k8s.operation", "t.template.k8s.patchStrategy", false);
        check("k8s.source.resource.patch", "t.template.k8s.source", true);
        // That a kind is not run is not mended by a field in it.
        check("k8s.operation", "t.template.k8s", false);
        check("k8s", "t.template.k8s", true);
        check("k8s", "t.template.k8s.operation", true);
        check("k8s.operation", "t.parameters[0].dest", false);
        let inner = "t.template.k8s.parameters[0].src.dependencyName";
        check("k8s.parameters.0.src.dependencyName", inner, true);
        check("k8s.parameters.1.src.dependencyName", inner, false);
        check("k8s.parameters.#.src.dependencyName", inner, true);
        check("k8s.parameters.-1", inner, true);
        check("", inner, false);
        let parameter = TriggerParameter {
            dest: "metadata.name".into(),
            ..TriggerParameter::default()
        };
        let written = Written::inside("t.template", TriggerKind::K8s, &[parameter]);
        assert!(written.touches("t.template.k8s.source.resource.metadata"));
        assert!(written.touches("t.template.k8s.source.resource.metadata.name"));
        // An object has to be there.
        assert!(!written.touches("t.template.k8s.source"));
        assert!(!written.touches("t.template.k8s.operation"));
        check(
            r"http.headers.a\.b",
            r#"t.template.http.headers["a.b"]"#,
            true,
        );
    }
}
