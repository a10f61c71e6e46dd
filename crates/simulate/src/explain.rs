//! What paths find in events as triggers see them, or why they find nothing.

use serde::Serialize;
use serde_json::value::RawValue;
use tiphys_eventbus::Event;
use tiphys_lang::json;
use tiphys_lang::path::Path;
use tiphys_sensor::view::View;

use crate::error::Act as _;
use crate::lines::{Lines, line};
use crate::trace::Report;
use crate::{Error, Format};

/// How much of a value is shown to people.
const SHOWN: usize = 1_000;

/// The paths that are asked for.
#[derive(Debug)]
pub struct Question {
    paths: Vec<Path>,
}

/// What became of a path in one event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'q> {
    path: &'q str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing: Option<String>,
}

/// The answers for one event.
#[derive(Debug, Serialize)]
struct Page<'q> {
    event: Option<Identity>,
    dependencies: Vec<Seen<'q>>,
}

/// Which event it is.
#[derive(Debug, Serialize)]
struct Identity {
    id: String,
    #[serde(rename = "eventSourceName")]
    source: String,
    #[serde(rename = "eventName")]
    event: String,
}

/// The event as the triggers of one sensor see it through a dependency.
#[derive(Debug, Serialize)]
struct Seen<'q> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sensor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dependency: Option<String>,
    /// The dependency's filters take it.
    taken: bool,
    /// Why the transform gave no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    paths: Vec<Answer<'q>>,
}

impl Question {
    /// Compiles the paths.
    ///
    /// # Errors
    /// If one is none.
    pub fn new(paths: &[String]) -> Result<Self, Error> {
        let compile =
            |path: &String| Path::compile(path).act(|| "read the path to explain".to_owned());
        Ok(Self {
            paths: paths.iter().map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The answers for one event, for people or for programs.
    ///
    /// # Errors
    /// If an answer cannot be printed.
    pub fn print(&self, report: &Report<'_>, format: Format) -> Result<String, Error> {
        match format {
            Format::Text => Ok(self.text(report)),
            Format::Json => self.json(report).act(|| "print the answers".to_owned()),
        }
    }

    /// For people.
    fn text(&self, report: &Report<'_>) -> String {
        let page = self.answer(report);
        let mut out = Lines::default();
        if let Some(Identity { id, source, event }) = &page.event {
            line!(out, "event {id} {source}/{event}");
        } else if let Err(why) = &report.arrival.event {
            line!(out, "no event: {why}");
        }
        for seen in &page.dependencies {
            seen.text(&mut out);
        }
        out.finish()
    }

    /// One line of JSON.
    fn json(&self, report: &Report<'_>) -> serde_json::Result<String> {
        Ok(serde_json::to_string(&self.answer(report))? + "\n")
    }

    fn answer(&self, report: &Report<'_>) -> Page<'_> {
        let Ok(event) = &report.arrival.event else {
            return Page {
                event: None,
                dependencies: Vec::new(),
            };
        };
        let mut dependencies = Vec::new();
        for sensor in &report.sensors {
            for dependency in &sensor.dependencies {
                let seen = dependency.seen(event);
                dependencies.push(Seen {
                    sensor: Some(format!("{}/{}", sensor.namespace, sensor.name)),
                    dependency: Some(dependency.name.to_string()),
                    taken: dependency.taken.is_some(),
                    error: seen.err().map(ToOwned::to_owned),
                    paths: seen.map(|event| self.ask(event)).unwrap_or_default(),
                });
            }
        }
        if dependencies.is_empty() {
            let paths = self.ask(event);
            let alone = Seen {
                sensor: None,
                dependency: None,
                taken: false,
                error: None,
                paths,
            };
            dependencies.push(alone);
        }
        let context = &event.context;
        let identity = Identity {
            id: context.id.clone(),
            source: context.source.clone(),
            event: context.subject.clone(),
        };
        Page {
            event: Some(identity),
            dependencies,
        }
    }

    fn ask(&self, event: &Event) -> Vec<Answer<'_>> {
        let view = View::new(event);
        self.paths.iter().map(|path| answer(path, &view)).collect()
    }
}

fn answer<'q>(path: &'q Path, view: &View<'_>) -> Answer<'q> {
    let (value, nothing) = match view.data() {
        Err(error) => (None, Some(error.to_string())),
        Ok(data) => {
            let found = path.get(data);
            let value = if found.exists() {
                one_line(found.raw())
            } else {
                None
            };
            let reason = || path.explain(data).map(|missing| missing.to_string());
            let nothing = if value.is_none() { reason() } else { None };
            (value, nothing)
        }
    };
    let nothing = nothing.map(|reason| {
        let hint = if path.get(view.context()).exists() {
            "; it is an attribute of the event: `contextKey` finds it"
        } else {
            ""
        };
        reason + hint
    });
    Answer {
        path: path.as_str(),
        value,
        nothing,
    }
}

fn one_line(raw: &[u8]) -> Option<Box<RawValue>> {
    let text = if raw.contains(&b'\n') {
        json::from_slice(raw).ok()?.to_go_json()
    } else {
        String::from_utf8_lossy(raw).into_owned()
    };
    RawValue::from_string(text).ok()
}

impl Seen<'_> {
    fn text(&self, out: &mut Lines) {
        match (&self.sensor, &self.dependency) {
            (Some(sensor), Some(dependency)) => {
                let filtered = match (self.taken, &self.error) {
                    (false, None) => " (filtered: no trigger sees it)",
                    _ => "",
                };
                line!(out, "  sensor {sensor}, dependency {dependency}{filtered}");
            }
            _ => line!(out, "  as it comes: no sensor waits for it"),
        }
        if let Some(error) = &self.error {
            line!(out, "    ✗ transform: {error}");
        }
        for Answer {
            path,
            value,
            nothing,
        } in &self.paths
        {
            match (value, nothing) {
                (Some(value), _) => {
                    line!(out, "    ✓ {path} = {}", shown(value.get()));
                }
                (None, reason) => {
                    let reason = reason.as_deref().unwrap_or("nothing");
                    line!(out, "    ✗ {path} finds nothing: {reason}");
                }
            }
        }
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tiphys_eventbus::Context;

    fn event(data: &str) -> Event {
        Event {
            context: Context {
                id: "id-1".into(),
                source: "es".into(),
                specversion: "1.0".into(),
                r#type: "resource".into(),
                datacontenttype: "application/json".into(),
                subject: "ev".into(),
                time: None,
            }
            .into(),
            data: Some(Bytes::copy_from_slice(data.as_bytes())),
        }
    }

    #[track_caller]
    fn check(path: &str, data: &str, expected: Result<&str, &str>) {
        let path = Path::compile(path).unwrap();
        let event = event(data);
        let answer = answer(&path, &View::new(&event));
        let found = answer.value.as_ref().map(|value| value.get());
        assert_eq!(
            found.ok_or(answer.nothing.as_deref().unwrap_or_default()),
            expected
        );
    }

    #[test]
    fn what_a_path_finds_is_shown_as_json_in_one_line() {
        let data = "{\"a\":{\"n\":1.0,\n\"s\":\"x\"}}";
        check("a.n", data, Ok("1.0"));
        check("a.s", data, Ok("\"x\""));
        check("a", data, Ok(r#"{"n":1,"s":"x"}"#));
    }

    #[test]
    fn a_path_that_finds_nothing_says_how_far_it_leads() {
        check(
            "body.spec.ports.0.nme",
            r#"{"body":{"spec":{"ports":[{"name":"http","port":80}]}}}"#,
            Err("`body.spec.ports.0` has only name, port: no `nme`"),
        );
        check("a", "no json", Err("the payload is not valid JSON"));
    }

    #[test]
    fn an_attribute_is_pointed_to() {
        check(
            "subject",
            r#"{"a":1}"#,
            Err("the document has only a: no `subject`; \
                 it is an attribute of the event: `contextKey` finds it"),
        );
    }
}
