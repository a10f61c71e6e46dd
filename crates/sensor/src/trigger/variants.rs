//! Specs that parameters write to: compiled once for each set of values, of which the last used are
//! kept.
//!
//! Mended against Argo Events: what the parameters write counts, wherever they write to (there, the
//! subject of `nats` and the settings of a cached client stayed what they were).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiphys_api::{self as api, Problem};

use super::fire::{Input, Steps};
use super::{FireError, Kind, Unmet};
use crate::parameter::{self, Applied, Parameter, Resolved};
use crate::view::Views;

/// How many variants of a spec are kept.
///
/// A parameter such as `k8s.operation` has a few values; one that writes a name has as many as there
/// are objects, and gains nothing from being kept.
const KEPT: usize = 16;

/// How many bytes the texts of the variants of a spec that are kept have; one is kept however long it is.
const KEPT_BYTES: usize = 1 << 20;

/// How long the values of a variant that is kept may be: a payload that is written into a spec is
/// hardly ever the same again.
const KEPT_LENGTH: usize = 4 << 10;

/// A spec and what its parameters make of it.
#[derive(Debug)]
pub(super) struct Variants<T> {
    parameters: Vec<Parameter>,
    /// The spec as JSON: what the parameters write to.
    text: Vec<u8>,
    /// The spec as it stands. `None`: it has a fault that the parameters mend.
    fixed: Option<Arc<T>>,
    /// What was used last stands last. Few enough to be compared one by one.
    known: Mutex<Vec<Variant<T>>>,
}

/// What the spec is with these values of its parameters.
#[derive(Debug)]
struct Variant<T> {
    values: Vec<Option<Resolved>>,
    applied: Vec<Applied>,
    compiled: Arc<T>,
}

impl<T> Variants<T> {
    pub(super) fn new(parameters: Vec<Parameter>, text: Vec<u8>, fixed: Option<T>) -> Self {
        Self {
            parameters,
            text,
            fixed: fixed.map(Arc::new),
            known: Mutex::default(),
        }
    }

    /// The spec as it stands, if it is sound by itself.
    pub(super) fn fixed(&self) -> Option<&T> {
        self.fixed.as_deref()
    }

    /// The spec with its parameters applied, which stand at `field`.
    pub(super) fn get(
        &self,
        views: &Views<'_>,
        steps: &mut Steps<'_>,
        field: impl Fn() -> String,
        refuse: impl Fn((usize, parameter::Error)) -> FireError,
        compile: impl FnOnce(&[u8]) -> Result<T, FireError>,
    ) -> Result<Arc<T>, FireError> {
        if let (true, Some(fixed)) = (self.parameters.is_empty(), &self.fixed) {
            return Ok(Arc::clone(fixed));
        }
        let Ok(values) = parameter::resolve(&self.parameters, views) else {
            // One of those before it may fail, too, and be told instead.
            let applied = parameter::apply(&self.parameters, &mut self.text.clone(), views);
            return Err(applied.map_or_else(refuse, |_| {
                FireError::Object("the parameters are not the same twice".to_owned())
            }));
        };
        if let Some(compiled) = self.find(&values, &mut *steps, &field) {
            return Ok(compiled);
        }
        let mut text = self.text.clone();
        let applied = parameter::write(&self.parameters, &values, &mut text).map_err(refuse)?;
        let compiled = Arc::new(compile(&text)?);
        steps.add(&field, &self.parameters, applied.iter().cloned());
        let length: usize = values.iter().flatten().map(|value| value.text.len()).sum();
        if length <= KEPT_LENGTH {
            let kept = (KEPT_BYTES / self.text.len().max(1)).clamp(1, KEPT);
            let mut known = self.known();
            if known.len() >= kept {
                known.remove(0);
            }
            known.push(Variant {
                values,
                applied,
                compiled: Arc::clone(&compiled),
            });
        }
        Ok(compiled)
    }

    /// The variant of these values, if it is kept.
    fn find(
        &self,
        values: &[Option<Resolved>],
        steps: &mut Steps<'_>,
        field: impl Fn() -> String,
    ) -> Option<Arc<T>> {
        let mut known = self.known();
        let place = known.iter().rposition(|known| known.values == values)?;
        known[place..].rotate_left(1);
        let variant = known.last()?;
        // Why a value is a default differs from event to event.
        let applied = values.iter().zip(&variant.applied);
        let applied = applied.map(|(value, applied)| match (value, applied) {
            (Some(value), Applied::Written { .. }) => value.written(),
            (_, applied) => applied.clone(),
        });
        steps.add(field, &self.parameters, applied);
        Some(Arc::clone(&variant.compiled))
    }

    fn known(&self) -> MutexGuard<'_, Vec<Variant<T>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A kind's part of a template, with the parameters that write to it.
#[derive(Debug)]
pub(super) struct Written<K>(Variants<K>);

impl<K: Kind> Written<K> {
    /// Compiles a spec of the template at `field`. Faults are added to `problems`, except those that its
    /// parameters may mend.
    pub(super) fn compile(
        spec: &K::Spec,
        template: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let field = format!("{template}.{}", K::KIND);
        let place = format!("{field}.parameters");
        let parameters = Parameter::compile_all(K::parameters(spec), &place, problems);
        let text = serde_json::to_vec(spec)
            .map_err(|error| problems.push(Problem::error(field.as_str(), error.to_string())))
            .ok();
        let before = problems.len();
        let compiled = K::compile(spec, &field, problems);
        api::Written::inside(template, K::KIND, K::written(spec)).forget(problems, before);
        if compiled.is_none() && problems.len() > before {
            return None;
        }
        Some(Self(Variants::new(parameters, text?, compiled)))
    }

    /// The spec as it stands, if it is sound by itself.
    pub(super) fn fixed(&self) -> Option<&K> {
        self.0.fixed()
    }

    /// What is demanded of its actions and is known not to be so.
    pub(super) fn unmet(&self) -> Vec<Unmet> {
        self.fixed()
            .map_or_else(Vec::new, |fixed| fixed.unmet(None))
    }

    /// Renders with the parameters applied.
    pub(super) fn render(&self, input: &mut Input<'_, '_>) -> Result<K::Action, FireError> {
        let place = || format!("template.{}", K::KIND);
        let compiled = self.0.get(
            input.views,
            input.steps,
            || format!("{}.parameters", place()),
            |(index, source)| FireError::ResourceParameter { index, source },
            |text| read(text, &place()),
        )?;
        let action = compiled.render(input)?;
        match compiled.unmet(Some(&action)).into_iter().next() {
            Some(unmet) => Err(FireError::Object(unmet.to_string())),
            None => Ok(action),
        }
    }
}

/// Reads a spec that parameters have written to.
fn read<K: Kind>(text: &[u8], place: &str) -> Result<K, FireError> {
    let spec: K::Spec = serde_json::from_slice(text)
        .map_err(|error| FireError::template(place, error.to_string()))?;
    let mut problems = Vec::new();
    match K::compile(&spec, place, &mut problems) {
        Some(compiled) if !problems.iter().any(Problem::is_error) => Ok(compiled),
        _ => Err(FireError::Template(problems)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tiphys_eventbus::{Context, Event};

    use super::*;

    /// Variants of a spec, and what was compiled for it.
    struct Stage {
        variants: Variants<String>,
        compiled: RefCell<Vec<usize>>,
    }

    impl Stage {
        fn with(text: &str) -> Self {
            let spec =
                serde_json::from_str(r#"{"src":{"dependencyName":"a","dataKey":"n"},"dest":"n"}"#);
            let parameter = Parameter::compile(&spec.unwrap(), "p", &mut Vec::new()).unwrap();
            Self {
                variants: Variants::new(vec![parameter], text.into(), Some(String::new())),
                compiled: RefCell::default(),
            }
        }

        fn get(&self, n: usize) -> Arc<String> {
            let event = Event {
                context: Context {
                    datacontenttype: "application/json".into(),
                    ..Context::default()
                }
                .into(),
                data: Some(format!(r#"{{"n":"{n}"}}"#).into()),
            };
            let variant = self.variants.get(
                &Views::new([("a", &event)]),
                &mut Steps::none(),
                String::new,
                |(_, error)| FireError::Object(error.to_string()),
                |text| {
                    self.compiled.borrow_mut().push(n);
                    Ok(String::from_utf8_lossy(text).into_owned())
                },
            );
            variant.unwrap()
        }
    }

    #[test]
    fn the_variant_that_was_not_used_for_the_longest_time_goes_first() {
        let stage = Stage::with("{}");
        for n in (0..16).chain(0..16) {
            assert_eq!(*stage.get(n), format!(r#"{{"n":"{n}"}}"#));
        }
        assert_eq!(*stage.compiled.borrow(), (0..16).collect::<Vec<_>>());
        for n in [0, 16, 0, 1] {
            stage.get(n);
        }
        assert_eq!(stage.compiled.borrow()[16..], [16, 1]);
    }

    #[test]
    fn variants_of_a_large_spec_are_kept_within_a_mebibyte() {
        let stage = Stage::with(&format!(r#"{{"x":"{}"}}"#, "x".repeat(500_000)));
        for n in [0, 1, 0, 1, 2, 1, 0] {
            stage.get(n);
        }
        assert_eq!(*stage.compiled.borrow(), [0, 1, 2, 0]);
    }
}
