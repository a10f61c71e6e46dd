//! Transforms: an event's payload becomes another one, by jq or by Lua.
//!
//! As in Argo Events, jq wins over a script, the attributes stay, and the content type becomes JSON.

use std::sync::Arc;

use bytes::Bytes;
use tiphys_api::message::with_causes;
use tiphys_api::{EventDependencyTransformer, Problem};
use tiphys_base::Failure;
use tiphys_eventbus::Event;
use tiphys_lang::{Memory, Refused, jq, lua};

use crate::view::JSON;

/// A compiled transform.
#[derive(Debug)]
pub enum Transform {
    /// jq as gojq speaks it.
    Jq(jq::Program),
    /// Lua 5.1.
    Lua(lua::Script),
}

/// Why an event could not be transformed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The jq program failed on it.
    #[error("jq transformation")]
    Jq(#[from] jq::RunError),
    /// The Lua script failed on it.
    #[error("Lua transformation")]
    Lua(#[from] lua::RunError),
}

impl Error {
    /// The same, for whoever may see the event and for others.
    pub fn failure(&self) -> Failure {
        let public = match self {
            Self::Jq(error) => format!("{self}: {}", error.kind()),
            Self::Lua(error) => format!("{self}: {}", error.kind()),
        };
        Failure::with_values(with_causes(self), public)
    }
}

impl Transform {
    /// Compiles a transform; `field` is its field path. Faults are added to `problems`; `None` also
    /// where there is nothing to do.
    pub fn compile(
        spec: &EventDependencyTransformer,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut fault = |name: &str, error: &dyn Refused| {
            let (field, message) = (format!("{field}.{name}"), error.to_string());
            problems.push(Problem::program(field, message, error.place()));
        };
        if !spec.jq.is_empty() {
            let program = jq::Program::compile(&spec.jq);
            program
                .map(Self::Jq)
                .map_err(|error| fault("jq", &error))
                .ok()
        } else if !spec.script.is_empty() {
            let script = lua::Script::compile(&spec.script);
            script
                .map(Self::Lua)
                .map_err(|error| fault("script", &error))
                .ok()
        } else {
            None
        }
    }

    /// Transforms `event`; one without a payload stays as it is.
    ///
    /// # Errors
    /// If the program fails, or gives what cannot be a payload.
    pub fn apply(&self, event: Event) -> Result<Event, Error> {
        self.apply_within(event, &Memory::whole())
    }

    /// As [`Transform::apply`], with so much of the program's memory.
    ///
    /// # Errors
    /// As [`Transform::apply`], and if the memory was short.
    pub fn apply_within(&self, event: Event, memory: &Memory) -> Result<Event, Error> {
        let Some(data) = &event.data else {
            return Ok(event);
        };
        let data = match self {
            Self::Jq(program) => program.transform_within(data, memory)?,
            Self::Lua(script) => script.transform_within(data, memory)?,
        };
        let mut context = event.context;
        if context.datacontenttype != JSON {
            JSON.clone_into(&mut Arc::make_mut(&mut context).datacontenttype);
        }
        Ok(Event {
            context,
            data: Some(Bytes::from(data)),
        })
    }
}
