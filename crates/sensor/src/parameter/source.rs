//! Where a parameter's value comes from: an event's attributes or payload, by key or by template.

use tiphys_api::Problem;
use tiphys_api::TriggerParameterSource;
use tiphys_base::Failure;
use tiphys_lang::Refused;
use tiphys_lang::path::{Found, Kind, Path};
use tiphys_lang::template::Template;

use super::Applied;
use crate::view::{View, Views};

/// A compiled `src`.
#[derive(Debug)]
pub struct Source {
    dependency: String,
    lookup: Option<Lookup>,
    value: Option<String>,
    raw: bool,
}

/// A document of the event, and what to look up in it. The payload wins over the attributes.
#[derive(Debug)]
struct Lookup {
    document: Document,
    /// `Err`: it does not compile. Lint refuses it; what comes after it steps in, as in Argo Events.
    template: Option<Result<Template, String>>,
    key: Option<Result<Path, String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Document {
    Context,
    Data,
}

/// A value as text, with the kind of JSON it had.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Strings without their quotes, objects and arrays as they were written.
    pub text: String,
    /// The kind of JSON that it was.
    pub kind: Kind,
    /// It is written as JSON text instead of as a string.
    pub raw: bool,
    /// It is the default.
    pub fell_back: bool,
    /// Why it is, if something was looked for.
    why: Option<Failure>,
}

/// Equal values do the same, whyever they are what they are.
impl PartialEq for Resolved {
    fn eq(&self, other: &Self) -> bool {
        let key = |value: &Self| (value.kind, value.raw, value.fell_back);
        key(self) == key(other) && self.text == other.text
    }
}

impl Eq for Resolved {}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to resolve '{dependency}' parameter value: {}", reason.text())]
pub struct ResolveError {
    /// The dependency whose event was looked at.
    pub dependency: String,
    /// What was missing.
    pub reason: Failure,
}

impl ResolveError {
    /// Why, in a few words.
    pub(crate) fn short(&self) -> &str {
        short(&self.reason)
    }

    /// Without what the event holds.
    pub(super) fn public(&self) -> String {
        let Self { dependency, reason } = self;
        let reason = reason.public();
        format!("unable to resolve '{dependency}' parameter value: {reason}")
    }
}

impl Source {
    /// Compiles a source; `field` is its field path. Faults are added to `problems`.
    pub fn compile(
        spec: Option<&TriggerParameterSource>,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let Some(spec) = spec else {
            problems.push(Problem::error(
                field.to_owned(),
                "parameter source can't be empty",
            ));
            return None;
        };
        let mut part = Part { field, problems };
        let context = part.lookup(
            Document::Context,
            ("contextTemplate", &spec.context_template),
            ("contextKey", &spec.context_key),
        );
        let data = part.lookup(
            Document::Data,
            ("dataTemplate", &spec.data_template),
            ("dataKey", &spec.data_key),
        );
        Some(Self {
            dependency: spec.dependency_name.to_string(),
            lookup: data.or(context),
            value: spec.value.clone(),
            raw: *spec.use_raw_data,
        })
    }

    /// The dependency whose event is looked at.
    pub fn dependency(&self) -> &str {
        &self.dependency
    }

    /// Resolves against the events of a firing; `None`: the dependency has none and there is no
    /// default.
    ///
    /// # Errors
    /// If the event has no such value and there is no default.
    pub fn resolve(&self, events: &Views<'_>) -> Result<Option<Resolved>, ResolveError> {
        let Some(view) = events.get(&self.dependency) else {
            return Ok(self.value.clone().map(Resolved::default_value));
        };
        let Some(lookup) = &self.lookup else {
            return Ok(Some(match &self.value {
                Some(value) => Resolved::default_value(value.clone()),
                None => Resolved::text(view.event().to_json()),
            }));
        };
        match (lookup.find(view), &self.value) {
            (Ok(found), _) => Ok(Some(Resolved {
                raw: self.raw && found.kind != Kind::String,
                ..found
            })),
            (Err(reason), Some(value)) => Ok(Some(Resolved {
                why: Some(reason),
                ..Resolved::default_value(value.clone())
            })),
            (Err(reason), None) => Err(ResolveError {
                dependency: self.dependency.clone(),
                reason,
            }),
        }
    }
}

/// A reason in a few words: a path that is the only one needs no saying that it finds nothing.
fn short(reason: &Failure) -> &str {
    let text = reason.text();
    match text.split_once(NOTHING) {
        Some((path, missing)) if !path.contains([' ', ';']) => missing,
        _ => text,
    }
}

/// What is said of a path behind which something is missing.
const NOTHING: &str = " finds nothing: ";

struct Part<'p> {
    field: &'p str,
    problems: &'p mut Vec<Problem>,
}

impl Part<'_> {
    fn lookup(
        &mut self,
        document: Document,
        (template_field, template): (&str, &str),
        (key_field, key): (&str, &str),
    ) -> Option<Lookup> {
        if template.is_empty() && key.is_empty() {
            return None;
        }
        let template =
            (!template.is_empty()).then(|| self.note(template_field, Template::compile(template)));
        let key = (!key.is_empty()).then(|| self.note(key_field, Path::compile(key)));
        Some(Lookup {
            document,
            template,
            key,
        })
    }

    fn note<T, E: Refused>(&mut self, name: &str, compiled: Result<T, E>) -> Result<T, String> {
        compiled.map_err(|error| {
            let message = error.to_string();
            let field = format!("{}.{name}", self.field);
            self.problems
                .push(Problem::program(field, message.clone(), error.place()));
            message
        })
    }
}

impl Lookup {
    /// The value, or why there is none.
    fn find(&self, view: &View<'_>) -> Result<Resolved, Failure> {
        let document = match self.document {
            Document::Context => view.context(),
            Document::Data => view.data().map_err(not_json)?,
        };
        let mut reasons: Vec<Failure> = Vec::new();
        if let Some(template) = &self.template {
            match template
                .as_ref()
                .map(|template| template.render_json(document))
            {
                Ok(Ok(text)) if text.is_empty() || text == "<no value>" => {
                    reasons.push("the template gives no value".into());
                }
                Ok(Ok(text)) => return Ok(Resolved::text(text)),
                Ok(Err(error)) => {
                    let public = format!(
                        "the template failed, line {} column {}",
                        error.line, error.column
                    );
                    reasons.push(Failure::with_values(error.to_string(), public));
                }
                Err(fault) => reasons.push(fault.clone().into()),
            }
        }
        match &self.key {
            Some(Ok(key)) => {
                let found = match self.document {
                    Document::Context => key.get(document),
                    Document::Data => view.look_up(key).map_err(not_json)?,
                };
                if found.exists() {
                    return Ok(Resolved::found(&found));
                }
                reasons.push(missing(key, document));
            }
            Some(Err(fault)) => reasons.push(fault.clone().into()),
            None => {}
        }
        let all = reasons
            .into_iter()
            .reduce(|all, reason| all.then("; ", &reason));
        Err(all.unwrap_or_else(|| "there is nothing to look up".into()))
    }
}

/// Why a key finds nothing, with what is there.
fn missing(key: &Path, document: &[u8]) -> Failure {
    let public = format!("{} finds nothing", key.as_str());
    match key.explain(document) {
        Some(missing) => Failure::with_values(format!("{public}: {missing}"), public),
        None => public.into(),
    }
}

fn not_json(error: &impl ToString) -> Failure {
    Failure::with_values(error.to_string(), "the data is not JSON")
}

impl Resolved {
    /// What writing it does, for people.
    pub(crate) fn written(&self) -> Applied {
        Applied::Written {
            text: self.text.clone(),
            fell_back: self.fell_back,
            why: self.why.as_ref().map(|why| short(why).to_owned()),
        }
    }

    fn found(found: &Found<'_>) -> Self {
        let kind = found.kind();
        let text = if kind == Kind::Null {
            "null".to_owned()
        } else {
            found.text().into_owned()
        };
        Self {
            text,
            kind,
            raw: false,
            fell_back: false,
            why: None,
        }
    }

    fn text(text: String) -> Self {
        Self {
            text,
            kind: Kind::String,
            raw: false,
            fell_back: false,
            why: None,
        }
    }

    fn default_value(text: String) -> Self {
        Self {
            text,
            kind: Kind::String,
            raw: false,
            fell_back: true,
            why: None,
        }
    }
}
