//! Filters: does a dependency take an event?
//!
//! Five kinds, in Argo Events' order: expressions, data, context, time, script. Combined by AND an
//! error rejects; combined by OR an error counts as false (Argo's documentation; its code rejects).

mod clock;
mod data;
mod exprs;
mod seen;

use std::fmt;

use tiphys_api::{EventContext, EventDependencyFilter, Problem};
use tiphys_eventbus::{Context, Event};
use tiphys_lang::path::Document;
use tiphys_lang::{Memory, Refused, lua};

/// The compiled filters of one dependency.
#[derive(Debug)]
pub struct Filters {
    parts: Vec<Part>,
    any: bool,
}

#[derive(Debug)]
enum Part {
    Exprs(exprs::Exprs),
    Data(data::Data),
    Context(Box<EventContext>),
    Time(clock::Window),
    Script(Result<lua::Script, String>),
}

/// What a filter says of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It takes it.
    Pass,
    /// It does not, and why.
    Reject(String),
    /// It could not tell, and why; this rejects.
    Fail(String),
}

/// What one entry of a filter says, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands in the filters: `data[0]`, `exprs[1]`, `context`, `time` or `script`.
    pub filter: String,
    /// What it asks: a path or an expression; may be empty.
    pub asks: String,
    /// What it saw; may be empty.
    pub saw: String,
    /// What it said.
    pub verdict: Verdict,
}

impl Step {
    fn new(filter: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            filter: filter.into(),
            asks: String::new(),
            saw: String::new(),
            verdict,
        }
    }
}

/// How the entries of one filter are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Combine {
    And,
    Or,
}

impl Combine {
    /// Exactly `or` is OR, everything else AND, as in Argo Events; lint refuses everything else.
    fn read(operator: &str) -> Self {
        if operator == "or" {
            Self::Or
        } else {
            Self::And
        }
    }
}

impl Verdict {
    /// Whether the event goes on.
    pub fn passes(&self) -> bool {
        *self == Self::Pass
    }

    fn reject(reason: impl fmt::Display) -> Self {
        Self::Reject(reason.to_string())
    }

    fn fail(reason: impl fmt::Display) -> Self {
        Self::Fail(reason.to_string())
    }
}

/// Faults of the parts of a filter, with their places.
struct Faults<'p> {
    field: &'p str,
    problems: &'p mut Vec<Problem>,
}

impl Faults<'_> {
    /// Notes the fault for lint, and keeps its text for the running filter, which fails with it.
    fn note<T, E: fmt::Display>(&mut self, place: &str, result: Result<T, E>) -> Result<T, String> {
        result.map_err(|error| {
            let message = error.to_string();
            self.problems.push(Problem::error(
                format!("{}.{place}", self.field),
                message.clone(),
            ));
            message
        })
    }

    /// As [`Faults::note`], of a program.
    fn program<T, E: Refused>(&mut self, place: &str, result: Result<T, E>) -> Result<T, String> {
        result.map_err(|error| {
            let message = error.to_string();
            self.problems.push(Problem::program(
                format!("{}.{place}", self.field),
                message.clone(),
                error.place(),
            ));
            message
        })
    }
}

impl Filters {
    /// Compiles filters; `field` is their field path. Faults are added to `problems`, and the
    /// filter that has one fails on every event.
    pub fn compile(
        spec: &EventDependencyFilter,
        operator: &str,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut faults = Faults { field, problems };
        let mut parts = Vec::new();
        if let Some(specs) = &spec.exprs {
            let combine = Combine::read(&spec.expr_logical_operator);
            parts.push(Part::Exprs(exprs::Exprs::compile(
                specs,
                combine,
                &mut faults,
            )));
        }
        if let Some(specs) = &spec.data {
            let combine = Combine::read(&spec.data_logical_operator);
            parts.push(Part::Data(data::Data::compile(specs, combine, &mut faults)));
        }
        if let Some(context) = &spec.context {
            parts.push(Part::Context(Box::new(context.clone())));
        }
        if let Some(time) = &spec.time {
            parts.push(Part::Time(clock::Window::compile(time, &mut faults)));
        }
        if !spec.script.is_empty() {
            parts.push(Part::Script(
                faults.program("script", lua::Script::compile(&spec.script)),
            ));
        }
        Self {
            parts,
            any: Combine::read(operator) == Combine::Or,
        }
    }

    /// Whether the event passes.
    pub fn check(&self, event: &Event) -> Verdict {
        self.check_within(event, &Memory::whole())
    }

    /// As [`Filters::check`], with so much of a script's memory.
    pub(crate) fn check_within(&self, event: &Event, memory: &Memory) -> Verdict {
        let mut rejected = None;
        for part in &self.parts {
            match (part.check(event, memory), self.any) {
                (Verdict::Pass, true) => return Verdict::Pass,
                (Verdict::Pass, false) => {}
                (verdict, true) => rejected = rejected.or(Some(verdict)),
                (verdict, false) => return verdict,
            }
        }
        rejected.unwrap_or(Verdict::Pass)
    }

    /// What every entry of every filter says of the event: for people who want to know why. Where one of
    /// several is enough, the last step says so.
    pub fn explain(&self, event: &Event) -> Vec<Step> {
        let memory = Memory::whole();
        let mut steps = Vec::new();
        for part in &self.parts {
            part.explain(event, &memory, &mut steps);
        }
        if self.any && self.parts.len() > 1 {
            steps.push(Step {
                asks: "one of them is enough (filtersLogicalOperator: or)".to_owned(),
                ..Step::new("all", self.check(event))
            });
        }
        steps
    }
}

impl Part {
    fn explain(&self, event: &Event, memory: &Memory, steps: &mut Vec<Step>) {
        let verdict = self.check(event, memory);
        match self {
            Self::Exprs(exprs) => exprs.explain(event, verdict, steps),
            Self::Data(data) => data.explain(event, verdict, steps),
            Self::Context(wanted) => steps.push(Step {
                // Otherwise the verdict says it.
                saw: match verdict {
                    Verdict::Pass => compared(wanted, &event.context),
                    _ => String::new(),
                },
                ..Step::new("context", verdict)
            }),
            Self::Time(_) => {
                let time = event.context.time.map(|time| time.to_string());
                steps.push(Step {
                    saw: time.unwrap_or_else(|| "it has no time".to_owned()),
                    ..Step::new("time", verdict)
                });
            }
            Self::Script(_) => steps.push(Step::new("script", verdict)),
        }
    }

    fn check(&self, event: &Event, memory: &Memory) -> Verdict {
        match self {
            Self::Exprs(exprs) => exprs.check(event),
            Self::Data(data) => data.check(event),
            Self::Context(wanted) => check_context(wanted, &event.context),
            Self::Time(window) => window.check(event.context.time),
            Self::Script(script) => check_script(script.as_ref(), event, memory),
        }
    }
}

/// Compares the attributes that the filter sets: type, subject, source, content type.
fn check_context(wanted: &EventContext, context: &Context) -> Verdict {
    let attributes = [
        ("type", &*wanted.r#type, &context.r#type),
        ("subject", &*wanted.subject, &context.subject),
        ("source", &*wanted.source, &context.source),
        (
            "datacontenttype",
            &*wanted.datacontenttype,
            &context.datacontenttype,
        ),
    ];
    let differs =
        |(_, wanted, found): &(_, &String, &String)| !wanted.is_empty() && wanted != found;
    match attributes.into_iter().find(differs) {
        None => Verdict::Pass,
        Some((name, wanted, found)) => {
            Verdict::reject(format_args!("context {name} is {found:?}, not {wanted:?}"))
        }
    }
}

/// The attributes that the filter sets, as the event has them.
fn compared(wanted: &EventContext, context: &Context) -> String {
    let attributes = [
        ("type", &*wanted.r#type, &context.r#type),
        ("subject", &*wanted.subject, &context.subject),
        ("source", &*wanted.source, &context.source),
        (
            "datacontenttype",
            &*wanted.datacontenttype,
            &context.datacontenttype,
        ),
    ];
    let set = attributes
        .iter()
        .filter(|(_, wanted, _)| !wanted.is_empty());
    let set: Vec<String> = set
        .map(|(name, _, found)| format!("{name} is {found:?}"))
        .collect();
    set.join(", ")
}

fn check_script(script: Result<&lua::Script, &String>, event: &Event, memory: &Memory) -> Verdict {
    let script = match script {
        Ok(script) => script,
        Err(message) => return Verdict::fail(format_args!("script filter error ({message})")),
    };
    let Some(data) = event.data.as_deref() else {
        return Verdict::Pass;
    };
    match script.filter_within(data, memory) {
        Ok(true) => Verdict::Pass,
        Ok(false) => Verdict::reject("the script does not return true"),
        Err(error) => Verdict::fail(format_args!("script filter error ({error})")),
    }
}

/// The payload for filters that look up paths: `None` where there is none, which passes.
fn json_payload(event: &Event) -> Option<Result<Document<'_>, &'static str>> {
    let payload = event.data.as_deref()?;
    Some(Document::read(payload).ok_or("event data not valid JSON"))
}
