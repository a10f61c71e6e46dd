//! Where a parameter's value comes from: an event's attributes or payload, by key or by template.

use tiphys_api::Problem;
use tiphys_api::TriggerParameterSource;
use tiphys_lang::path::{Kind, Path};
use tiphys_lang::template::Template;

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
    template: Option<Template>,
    key: Option<Path>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Document {
    Context,
    Data,
}

/// A value as text, with the kind of JSON it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Strings without their quotes, objects and arrays as they were written.
    pub text: String,
    /// Decides how `useRawData` writes it.
    pub kind: Kind,
    /// It is the default.
    pub fell_back: bool,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to resolve '{dependency}' parameter value: {reason}")]
pub struct ResolveError {
    /// The dependency whose event was looked at.
    pub dependency: String,
    /// What was missing.
    pub reason: String,
}

impl Source {
    /// Compiles a source; `field` is its field path. Faults are added to `problems`.
    pub fn compile(
        spec: Option<&TriggerParameterSource>,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let Some(spec) = spec else {
            problems.push(Problem::error(field.to_owned(), "parameter source can't be empty"));
            return None;
        };
        let mut part = Part { field, problems, sound: true };
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
        part.sound.then(|| Self {
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

    /// Whether a resolved value is written as JSON text instead of as a string.
    pub(super) fn writes_raw(&self, value: &Resolved) -> bool {
        self.raw && value.kind != Kind::String
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
            (Ok(found), _) => Ok(Some(found)),
            (Err(_), Some(value)) => Ok(Some(Resolved::default_value(value.clone()))),
            (Err(reason), None) => {
                Err(ResolveError { dependency: self.dependency.clone(), reason })
            }
        }
    }
}

struct Part<'p> {
    field: &'p str,
    problems: &'p mut Vec<Problem>,
    sound: bool,
}

impl Part<'_> {
    fn lookup(
        &mut self,
        document: Document,
        (template_field, template): (&str, &str),
        (key_field, key): (&str, &str),
    ) -> Option<Lookup> {
        let template = Some(template).filter(|text| !text.is_empty());
        let key = Some(key).filter(|text| !text.is_empty());
        if template.is_none() && key.is_none() {
            return None;
        }
        let template = template.and_then(|text| {
            Template::compile(text).map_err(|error| self.fault(template_field, &error)).ok()
        });
        let key =
            key.and_then(|text| Path::compile(text).map_err(|error| self.fault(key_field, &error)).ok());
        Some(Lookup { document, template, key })
    }

    fn fault(&mut self, name: &str, error: &dyn std::fmt::Display) {
        self.sound = false;
        self.problems.push(Problem::error(format!("{}.{name}", self.field), error.to_string()));
    }
}

impl Lookup {
    /// The value, or why there is none.
    fn find(&self, view: &View<'_>) -> Result<Resolved, String> {
        let document = match self.document {
            Document::Context => view.context(),
            Document::Data => view.data().map_err(ToString::to_string)?,
        };
        let mut reason = None;
        if let Some(template) = &self.template {
            match template.render_json(document) {
                Ok(text) if text.is_empty() || text == "<no value>" => {
                    reason = Some("the template gives no value".to_owned());
                }
                Ok(text) => return Ok(Resolved::text(text)),
                Err(error) => reason = Some(error.to_string()),
            }
        }
        if let Some(key) = &self.key {
            let found = key.get(document);
            if found.exists() {
                let text = found.text().into_owned();
                return Ok(Resolved { text, kind: found.kind(), fell_back: false });
            }
            let missing = format!("{} finds nothing", key.as_str());
            reason = Some(reason.map_or(missing.clone(), |first| format!("{first}; {missing}")));
        }
        Err(reason.unwrap_or_default())
    }
}

impl Resolved {
    fn text(text: String) -> Self {
        Self { text, kind: Kind::String, fell_back: false }
    }

    fn default_value(text: String) -> Self {
        Self { text, kind: Kind::String, fell_back: true }
    }
}
