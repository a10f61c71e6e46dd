//! Tests of manifests: what is given, and what has to come of it.

mod update;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tiphys_api::{EventSourceKind, ResourceEventType};
use tiphys_eventbus::Event;
use tiphys_lang::json::{Value, from_slice};

use crate::decisions::Decisions;
use crate::error::Act as _;
use crate::expect::{Done, Expected};
use crate::{Error, File, Format, Objects, Simulation, What, comparison, documents};

pub use update::update;

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suite {
    /// Files and folders of manifests, from the folder of the file; by default that folder.
    #[serde(default = "here")]
    pub manifests: Vec<String>,
    /// The namespace of objects that name none.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The tests.
    pub tests: Vec<Case>,
}

/// One test.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What it promises.
    pub name: String,
    given: Given,
    expect: Outcome,
}

/// What happens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    /// An event, as in `--event`.
    event: Option<Box<RawValue>>,
    /// Several, one after another.
    #[serde(default)]
    events: Vec<Box<RawValue>>,
    /// An object that something happens to.
    object: Option<Box<RawValue>>,
    /// How it was before.
    old: Option<Box<RawValue>>,
    /// The body of a call.
    body: Option<Box<RawValue>>,
    /// Headers that come with it.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What happens to the object, or the type of event source that gets the body.
    r#as: Option<String>,
    /// When it happens.
    time: Option<Timestamp>,
}

/// What has to come of it.
#[derive(Debug)]
enum Outcome {
    /// `nothing`.
    Nothing,
    Parts(Parts),
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if raw.get() == r#""nothing""# {
            return Ok(Self::Nothing);
        }
        let parts = serde_json::from_str(raw.get());
        parts.map(Self::Parts).map_err(|error| {
            D::Error::custom(format!(
                "`expect` is `nothing`, or an object of actions and a reason: {error}"
            ))
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parts {
    /// Actions, as in `--expect`.
    actions: Option<Vec<Box<RawValue>>>,
    /// A text that `simulate` has to print.
    reason: Option<String>,
}

/// What became of a test.
#[derive(Debug)]
pub struct Verdict {
    /// Why it failed; nothing if it passed.
    pub failure: Option<String>,
    /// What would have to be expected for it to pass, as YAML.
    pub expectation: String,
}

fn here() -> Vec<String> {
    vec![".".to_owned()]
}

impl Suite {
    /// Reads a file of tests.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(file: &File) -> Result<Self, Error> {
        let documents = documents::read(file)?;
        let [document] = &documents[..] else {
            let problem = format!("{}: a file of tests is one document", file.name);
            return Err(Error::Given(problem));
        };
        serde_json::from_str(&document.json).act(|| format!("read the tests of {}", file.name))
    }
}

/// A file with one test: the event is given, and what comes of it is expected.
///
/// # Errors
/// If its payload is no JSON, or an action cannot be printed.
pub fn test_of_event(
    event: &Event,
    name: Option<&str>,
    objects: &Objects<'_>,
) -> Result<String, Error> {
    let context = &event.context;
    let data = event.data.as_deref().unwrap_or(b"null");
    let data: serde_json::Value =
        serde_json::from_slice(data).act(|| "read the payload of the event".to_owned())?;
    let time = context.time.map(|time| time.to_string());
    let mut done = Done::default();
    let now = context.time.unwrap_or_default();
    for report in Decisions::new(objects, now).follow(event.clone()) {
        done.add(&report)?;
    }
    let named = format!("{}/{} {}", context.source, context.subject, context.id);
    let file = Written {
        tests: [WrittenCase {
            name: name.unwrap_or(&named),
            given: WrittenGiven {
                event: WrittenEvent {
                    event_source_name: &context.source,
                    event_name: &context.subject,
                    id: &context.id,
                    time,
                    data,
                },
            },
            expect: done.expectation()?,
        }],
    };
    serde_saphyr::to_string(&file).act(|| "write the test".to_owned())
}

/// A file of tests that is written, in the order that people read.
#[derive(Serialize)]
struct Written<'e> {
    tests: [WrittenCase<'e>; 1],
}

#[derive(Serialize)]
struct WrittenCase<'e> {
    name: &'e str,
    given: WrittenGiven<'e>,
    expect: serde_json::Value,
}

#[derive(Serialize)]
struct WrittenGiven<'e> {
    event: WrittenEvent<'e>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEvent<'e> {
    event_source_name: &'e str,
    event_name: &'e str,
    id: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    data: serde_json::Value,
}

impl Case {
    /// Runs the test. `now` is when it happens if it does not say so.
    ///
    /// # Errors
    /// If what is given cannot be read, or an action cannot be printed.
    pub fn run(&self, objects: &Objects<'_>, now: Timestamp) -> Result<Verdict, Error> {
        let what = self.given.what()?;
        let now = self.given.time.unwrap_or(now);
        let (mut done, mut shown) = (Done::default(), String::new());
        for report in Simulation::new(&what, objects, now)? {
            done.add(&report)?;
            shown.push_str(&report.print(Format::Text)?);
        }
        let (actions, reason) = match &self.expect {
            Outcome::Nothing => (Some(&[][..]), None),
            Outcome::Parts(Parts { actions, reason }) => (actions.as_deref(), reason.as_ref()),
        };
        let expectation = match done.expectation()? {
            serde_json::Value::String(nothing) => nothing,
            parts => serde_saphyr::to_string(&parts).act(|| "write what is expected".to_owned())?,
        };
        let mut failures = Vec::new();
        if let Some(actions) = actions {
            let expected = Expected::of("expected", actions)?;
            // What fails is expected where a reason is.
            let comparison = expected.compare(done).without_failures(reason.is_some());
            failures.extend(Some(comparison::text(&comparison)).filter(|text| !text.is_empty()));
        }
        if let Some(reason) = reason.filter(|reason| !shown.contains(reason.as_str())) {
            failures.push(format!("{reason:?} is not shown:\n{shown}"));
        }
        let failure = (!failures.is_empty()).then(|| failures.join("\n"));
        Ok(Verdict {
            failure,
            expectation,
        })
    }
}

impl Given {
    fn what(&self) -> Result<What, Error> {
        let file = |name: &str, json: &RawValue| File {
            name: name.to_owned(),
            text: json.get().to_owned(),
        };
        let events: Vec<File> = self
            .event
            .iter()
            .chain(&self.events)
            .map(|event| file("event", event))
            .collect();
        let kind = self.r#as.as_deref().unwrap_or_default();
        match (&self.object, &self.body) {
            (None, None) if !events.is_empty() => Ok(What::Events(events)),
            (Some(object), None) if events.is_empty() => Ok(What::Objects {
                files: vec![file("object", object)],
                event_type: ResourceEventType::from_name(kind).ok_or_else(|| {
                    Error::Given("as: ADD, UPDATE or DELETE goes with an object".to_owned())
                })?,
                old: self.old.as_ref().map(|old| file("old", old)),
            }),
            (None, body) if events.is_empty() => {
                Ok(What::Body {
                    body: body.as_ref().map(|body| self::body(body)).transpose()?,
                    headers: self.headers.clone().into_iter().collect(),
                    kind: EventSourceKind::from_field(kind).ok_or_else(|| {
                        let problem = "given: an event, an object and `as`, or a body and `as` with the type of \
                                       event source are needed";
                        Error::Given(problem.to_owned())
                    })?,
                    source: None,
                })
            }
            _ => Err(Error::Given(
                "given: one of event, object and body is enough".to_owned(),
            )),
        }
    }
}

/// A body that is a text is sent as such, anything else as JSON.
fn body(json: &RawValue) -> Result<File, Error> {
    let value = from_slice(json.get().as_bytes()).act(|| "read the body".to_owned())?;
    Ok(File {
        name: "body".to_owned(),
        text: match value {
            Value::String(text) => text,
            _ => json.get().to_owned(),
        },
    })
}
