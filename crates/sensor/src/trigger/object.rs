//! The object that an action is about: known, or to be fetched.

use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use tiphys_api::{ArtifactLocation, Problem};
use tiphys_lang::json::{self, Number, Value};
use tiphys_lang::yaml;

use super::artifact::{Artifact, Fault};
use super::fire::Input;
use super::{FireError, Part, Unmet};
use crate::parameter::{self, Applied, Edit, Parameter, Resolved};
use crate::view::Views;

/// The object of an action, as far as it is known when the action is rendered.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Object {
    /// All of it.
    Known {
        /// As sent, without the ownership labels that are added when it is.
        #[serde(serialize_with = "as_sent")]
        object: Arc<Value>,
    },
    /// The object in the cluster, with edits.
    Live {
        /// Names the object.
        #[serde(serialize_with = "as_sent")]
        object: Arc<Value>,
        /// What is changed in it.
        live_edits: Vec<Edit>,
    },
    /// What is fetched when the action is performed, with edits.
    Fetched {
        /// Where it is.
        base: Box<Artifact>,
        /// What is changed in it.
        edits: Vec<Edit>,
    },
}

fn as_sent<S: Serializer>(object: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    object.as_ref().serialize(serializer)
}

impl Object {
    /// The kind and namespace that a right is given for, and where the object is fetched.
    pub(super) fn target(&self, target: &mut impl Hasher) {
        match self {
            Self::Known { object } | Self::Live { object, .. } => {
                let namespace = object
                    .get("metadata")
                    .and_then(|part| part.get("namespace"));
                for part in [object.get("apiVersion"), object.get("kind"), namespace] {
                    match part {
                        Some(Value::String(text)) => text.as_str().hash(target),
                        _ => "".hash(target),
                    }
                }
            }
            Self::Fetched { base, .. } => base.hash(target),
        }
    }

    /// What is demanded of it and is not so, as far as it is known.
    pub(super) fn known<S>(&self, sent: S, demand: impl Fn(&Value, S) -> Vec<Unmet>) -> Vec<Unmet> {
        match self {
            Self::Known { object } | Self::Live { object, .. } => demand(object, sent),
            Self::Fetched { base, .. } => base.unmet(),
        }
    }

    /// What is known of it, and what is done to it later, for people.
    pub(super) fn describe(&self) -> Vec<Part> {
        let (document, edits, place) = match self {
            Self::Known { object } => (Part::document(&**object), &[][..], ""),
            Self::Live { object, live_edits } => {
                (Part::document(&**object), &live_edits[..], "live")
            }
            Self::Fetched { base, edits } => (Part::document(base), &edits[..], "fetched"),
        };
        let edit = |edit: &Edit| {
            let Edit { dest, value, .. } = edit;
            Part::Line(format!("# in the {place} object: {dest} ← {value}"))
        };
        std::iter::once(document)
            .chain(edits.iter().map(edit))
            .collect()
    }
}

/// Where a template's object comes from.
#[derive(Debug)]
pub(super) enum Base {
    /// It is in the spec.
    Known(Known),
    /// It is fetched when the action is performed.
    Fetched(Box<ArtifactLocation>),
}

/// An object in a spec.
#[derive(Debug)]
pub(super) struct Known {
    /// Its JSON: some writes find their place only there.
    text: Vec<u8>,
    /// The same as a tree, which all others are made in. `None`: a key is there twice.
    tree: Option<Arc<Value>>,
}

impl Base {
    /// Compiles a location; `field` is its field path. Faults are added to `problems`.
    pub(super) fn compile(
        spec: Option<&ArtifactLocation>,
        missing: &str,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let Some(spec) = spec else {
            problems.push(Problem::error(field.to_owned(), missing));
            return None;
        };
        if spec.s3.is_none()
            && let Some(text) = &spec.inline
        {
            let known = yaml::to_json(text.as_bytes()).map_err(|error| {
                problems.push(Problem::error(format!("{field}.inline"), error.to_string()));
            });
            return known.ok().map(Known::new).map(Self::Known);
        }
        match Artifact::of(spec, "") {
            Ok(Some(_)) => Some(Self::Fetched(Box::new(spec.clone()))),
            Ok(None) => {
                let resource = spec.resource.as_ref();
                if resource.is_none() {
                    problems.push(
                        Problem::error(field.to_owned(), "unknown artifact location")
                            .with_hint("write the object under `resource`"),
                    );
                }
                resource.map(|resource| Self::Known(Known::new(resource.get().as_bytes().to_vec())))
            }
            Err(Fault {
                field: name,
                message,
            }) => {
                problems.push(Problem::error(format!("{field}.{name}"), message));
                None
            }
        }
    }

    /// What is demanded of the object as it stands and is not so.
    pub(super) fn known<S>(&self, sent: S, demand: impl Fn(&Value, S) -> Vec<Unmet>) -> Vec<Unmet> {
        match self {
            Self::Known(known) => match known.read() {
                Ok(object) => demand(&object, sent),
                Err(message) => vec![Unmet::new("source", message)],
            },
            Self::Fetched(location) => match Artifact::of(location, "") {
                Ok(Some(artifact)) => artifact.unmet(),
                _ => Vec::new(),
            },
        }
    }

    /// The object with `parameters` applied, as far as it is known.
    pub(super) fn render(
        &self,
        parameters: &[Parameter],
        field: &str,
        input: &mut Input<'_, '_>,
    ) -> Result<Object, FireError> {
        match self {
            Self::Known(known) => Ok(Object::Known {
                object: known.render(parameters, field, input)?,
            }),
            Self::Fetched(location) => Ok(Object::Fetched {
                base: Box::new(fetched(location, input.namespace)?),
                edits: edits(parameters, input.views)?,
            }),
        }
    }

    /// The object without parameters.
    pub(super) fn render_plain(&self, namespace: &str) -> Result<Object, FireError> {
        Ok(match self {
            Self::Known(known) => Object::Known {
                object: known.object()?,
            },
            Self::Fetched(location) => Object::Fetched {
                base: Box::new(fetched(location, namespace)?),
                edits: Vec::new(),
            },
        })
    }

    /// The object in the cluster that has this name, with `parameters` as edits.
    pub(super) fn render_live(
        &self,
        parameters: &[Parameter],
        input: &Input<'_, '_>,
    ) -> Result<Object, FireError> {
        let views = input.views;
        match self {
            Self::Known(known) => Ok(Object::Live {
                object: known.object()?,
                live_edits: edits(parameters, views)?,
            }),
            Self::Fetched(_) => Err(FireError::Object(
                "liveObject needs the object's name under `resource` or `inline`".to_owned(),
            )),
        }
    }
}

impl Known {
    fn new(text: Vec<u8>) -> Self {
        let tree = json::from_slice_unique(&text).map(|mut tree| {
            plain_numbers(&mut tree);
            Arc::new(tree)
        });
        Self { text, tree }
    }

    /// The object as it stands.
    fn read(&self) -> Result<Arc<Value>, String> {
        Ok(match &self.tree {
            Some(tree) => Arc::clone(tree),
            None => Arc::new(read_json(&self.text)?),
        })
    }

    /// The object as it stands, to be sent.
    fn object(&self) -> Result<Arc<Value>, FireError> {
        let object = self.read().map_err(FireError::Object)?;
        check(&object).map_err(FireError::Object)?;
        Ok(object)
    }

    /// The object with `parameters` applied, which stand at `field`.
    fn render(
        &self,
        parameters: &[Parameter],
        field: &str,
        input: &mut Input<'_, '_>,
    ) -> Result<Arc<Value>, FireError> {
        if parameters.is_empty() {
            return self.object();
        }
        if let Some(object) = self.render_tree(parameters, field, input)? {
            check(&object).map_err(FireError::Object)?;
            return Ok(Arc::new(object));
        }
        let mut text = self.text.clone();
        let applied = parameter::apply(parameters, &mut text, input.views)
            .map_err(|(index, source)| FireError::ResourceParameter { index, source })?;
        input.steps.add(|| field.to_owned(), parameters, applied);
        let object = read_object(&text).map_err(FireError::Object)?;
        Ok(Arc::new(object))
    }

    /// The same without its text; `None`: a write finds its place only there.
    fn render_tree(
        &self,
        parameters: &[Parameter],
        field: &str,
        input: &mut Input<'_, '_>,
    ) -> Result<Option<Value>, FireError> {
        let Some(tree) = &self.tree else {
            return Ok(None);
        };
        let mut object = Value::clone(tree);
        let mut applied = Vec::new();
        for (index, parameter) in parameters.iter().enumerate() {
            let refuse = |source| FireError::ResourceParameter { index, source };
            let value = parameter
                .resolve(input.views)
                .map_err(|error| refuse(error.into()))?;
            if input.steps.are_wanted() {
                applied.push(value.as_ref().map_or(Applied::Skipped, Resolved::written));
            }
            let Some(value) = value else { continue };
            if !parameter.write_tree(value, &mut object).map_err(refuse)? {
                return Ok(None);
            }
        }
        input.steps.add(|| field.to_owned(), parameters, applied);
        Ok(Some(object))
    }
}

fn fetched(location: &ArtifactLocation, namespace: &str) -> Result<Artifact, FireError> {
    match Artifact::of(location, namespace) {
        Ok(Some(artifact)) => Ok(artifact),
        Ok(None) => Err(FireError::Object("unknown artifact location".to_owned())),
        Err(fault) => Err(FireError::Object(fault.message)),
    }
}

/// Parameters as edits, for an object that is known only when the action is performed.
pub(super) fn edits(parameters: &[Parameter], views: &Views<'_>) -> Result<Vec<Edit>, FireError> {
    let mut edits = Vec::with_capacity(parameters.len());
    for (index, parameter) in parameters.iter().enumerate() {
        let edit = parameter
            .edit(views)
            .map_err(|source| FireError::ResourceParameter { index, source })?;
        edits.extend(edit);
    }
    Ok(edits)
}

/// An object as it is sent: whole numbers exact, keys sorted.
///
/// # Errors
/// If it is no JSON object, or has no `kind`.
pub fn render_object(text: &[u8]) -> Result<String, String> {
    read_object(text).map(|object| object.to_go_json())
}

/// Reads an object that is to be sent.
pub(super) fn read_object(text: &[u8]) -> Result<Value, String> {
    let object = read_json(text)?;
    check(&object)?;
    Ok(object)
}

fn read_json(text: &[u8]) -> Result<Value, String> {
    let mut value = json::from_slice(text).map_err(|error| error.to_string())?;
    plain_numbers(&mut value);
    Ok(value)
}

fn check(object: &Value) -> Result<(), String> {
    match object.get("kind") {
        Some(Value::String(kind)) if !kind.is_empty() => Ok(()),
        _ => Err("the object has no `kind`".to_owned()),
    }
}

/// Makes numbers those that the API server keeps: `-0` is 0, and beyond 64 bits a number is the double
/// that it becomes there, if its text is still the same number. What is a whole number when it is
/// written is one here, too: an object that was sent compares equal to itself.
pub(crate) fn plain_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(members) => members.values_mut().for_each(plain_numbers),
        Value::Number(number) => plain_number(number),
        _ => {}
    }
}

fn plain_number(number: &mut Number) {
    if let Number::Big(digits) = number {
        let nearest: f64 = digits.parse().unwrap_or(f64::NAN);
        if nearest.to_string() == **digits {
            *number = Number::Float(nearest);
        }
    }
    match number {
        Number::Float(float) if *float == 0.0 => *number = Number::Int(0),
        Number::Float(float) if float.fract() == 0.0 => {
            let mut text = String::new();
            json::write_float(*float, &mut text);
            *number = Number::from_text(&text);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use tiphys_eventbus::{Context, Event};

    use super::*;
    use crate::trigger::fire::{Place, Steps};
    use crate::trigger::policy::Policy;

    /// Sending, and reading what was sent, changes nothing: an update that changes nothing is seen.
    #[test]
    fn numbers_are_those_that_are_sent() {
        for (number, sent) in [
            ("3.0", "3"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1e3", "1000"),
            ("0.10", "0.1"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
            ("1000000000000000000000", "1e+21"),
        ] {
            let object = read_object(format!(r#"{{"kind":"A","n":{number}}}"#).as_bytes()).unwrap();
            let text = object.to_go_json();
            assert_eq!(text, format!(r#"{{"kind":"A","n":{sent}}}"#));
            assert_eq!(
                json::from_slice(text.as_bytes()).unwrap(),
                object,
                "{number}"
            );
        }
    }

    /// Numbers, texts and duplicate keys keep what they are, whichever way a parameter is written.
    #[test]
    fn parameters_are_written_into_the_tree_or_the_text() {
        let base = r#"{"kind":"A","n":1.0,"big":12345678901234567890123,"l":[{"x":"a"}],"o":{"b":2,  "a":1}}"#;
        let twice = r#"{"kind":"A","o":{"x":1},"o":{"y":2}}"#;
        for (base, parameter, expected) in [
            (
                base,
                r#"{"src":{"dependencyName":"a","dataKey":"m"},"dest":"l.0.x","operation":"prepend"}"#,
                r#"{"big":12345678901234567890123,"kind":"A","l":[{"x":"1.50a"}],"n":1,"o":{"a":1,"b":2}}"#,
            ),
            (
                base,
                r#"{"src":{"dependencyName":"a","dataKey":"n","useRawData":true},"dest":"new.deep"}"#,
                r#"{"big":12345678901234567890123,"kind":"A","l":[{"x":"a"}],"n":1,"new":{"deep":9007199254740993},"o":{"a":1,"b":2}}"#,
            ),
            (
                base,
                r#"{"src":{"dependencyName":"a","dataKey":"m"},"dest":"o","operation":"append"}"#,
                r#"{"big":12345678901234567890123,"kind":"A","l":[{"x":"a"}],"n":1,"o":"{\"b\":2,  \"a\":1}1.50"}"#,
            ),
            (
                base,
                r#"{"src":{"dependencyName":"a","dataKey":"m"},"dest":"l.-1"}"#,
                r#"{"big":12345678901234567890123,"kind":"A","l":[{"x":"a"},"1.50"],"n":1,"o":{"a":1,"b":2}}"#,
            ),
            (
                twice,
                r#"{"src":{"dependencyName":"a","dataKey":"m"},"dest":"o.x"}"#,
                r#"{"kind":"A","o":{"y":2}}"#,
            ),
        ] {
            let spec = serde_json::from_str(parameter).unwrap();
            let parameter = Parameter::compile(&spec, "p", &mut Vec::new()).unwrap();
            let event = Event {
                context: Context {
                    datacontenttype: "application/json".into(),
                    ..Context::default()
                }
                .into(),
                data: Some(r#"{"m":"1.50","n":9007199254740993}"#.into()),
            };
            let mut input = Input {
                place: Place::default(),
                views: &Views::new([("a", &event)]),
                sensor: "s",
                namespace: "n",
                trigger: "t",
                policy: &Policy::default(),
                steps: &mut Steps::none(),
            };
            let known = Known::new(base.as_bytes().to_vec());
            let object = known.render(&[parameter], "p", &mut input).unwrap();
            assert_eq!(object.to_go_json(), expected);
        }
    }
}
