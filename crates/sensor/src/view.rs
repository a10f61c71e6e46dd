//! One event as parameters and filters see it: its documents, made at most once.

use std::cell::OnceCell;

use tiphys_eventbus::Event;
use tiphys_lang::path::{Document, Found, Path};
use tiphys_lang::yaml;

/// Content type of a payload that is JSON. Argo Events compares it exactly.
pub(crate) const JSON: &str = "application/json";
/// Content type of a payload that is YAML.
const YAML: &str = "application/yaml";

/// An event with its documents: the attributes as JSON, and the payload as JSON.
#[derive(Debug)]
pub struct View<'e> {
    event: &'e Event,
    context: OnceCell<String>,
    data: OnceCell<Result<Data<'e>, DataError>>,
}

/// A payload as JSON.
#[derive(Debug)]
enum Data<'e> {
    /// As it came.
    AsIs(Document<'e>),
    /// Made of something else.
    Converted(Vec<u8>),
}

/// Why a payload cannot be read as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The content type says JSON, the payload is none.
    #[error("the payload is not valid JSON")]
    NotJson,
    /// The content type says YAML, the payload is none.
    #[error("the payload is not valid YAML: {0}")]
    NotYaml(String),
    /// Neither JSON nor YAML.
    #[error("unsupported event content type: {0}")]
    ContentType(String),
}

impl<'e> View<'e> {
    /// Looks at `event`; nothing is read yet.
    pub fn new(event: &'e Event) -> Self {
        Self {
            event,
            context: OnceCell::new(),
            data: OnceCell::new(),
        }
    }

    /// The event itself.
    pub fn event(&self) -> &'e Event {
        self.event
    }

    /// The attributes as a JSON object.
    pub fn context(&self) -> &[u8] {
        self.context
            .get_or_init(|| self.event.context.to_json())
            .as_bytes()
    }

    /// The payload as a JSON document, by its content type.
    ///
    /// # Errors
    /// If the payload is missing, is not what its content type says, or is of another type.
    pub fn data(&self) -> Result<&[u8], &DataError> {
        Ok(match self.read()? {
            Data::AsIs(document) => document.json(),
            Data::Converted(json) => json,
        })
    }

    /// What a path finds in the payload.
    ///
    /// # Errors
    /// As [`View::data`].
    pub fn look_up(&self, path: &Path) -> Result<Found<'_>, &DataError> {
        Ok(match self.read()? {
            Data::AsIs(document) => path.find(document),
            Data::Converted(json) => path.get(json),
        })
    }

    fn read(&self) -> Result<&Data<'e>, &DataError> {
        self.data.get_or_init(|| self.read_data()).as_ref()
    }

    fn read_data(&self) -> Result<Data<'e>, DataError> {
        let payload = self.event.data.as_deref().unwrap_or_default();
        match self.event.context.datacontenttype.as_str() {
            JSON => Document::read(payload)
                .map(Data::AsIs)
                .ok_or(DataError::NotJson),
            YAML => yaml::to_json(payload)
                .map(Data::Converted)
                .map_err(|error| DataError::NotYaml(error.to_string())),
            other => Err(DataError::ContentType(other.to_owned())),
        }
    }
}

/// The events of one firing, by the names of their dependencies.
#[derive(Debug)]
pub struct Views<'e> {
    events: Vec<(&'e str, View<'e>)>,
}

impl<'e> Views<'e> {
    /// Looks at `events`, each under the name of its dependency.
    pub fn new(events: impl IntoIterator<Item = (&'e str, &'e Event)>) -> Self {
        Self {
            events: events
                .into_iter()
                .map(|(name, event)| (name, View::new(event)))
                .collect(),
        }
    }

    /// The event of the dependency `name`, if it takes part in this firing.
    pub fn get(&self, name: &str) -> Option<&View<'e>> {
        self.events
            .iter()
            .find(|(dependency, _)| *dependency == name)
            .map(|(_, view)| view)
    }

    /// All events, in the order of their dependencies.
    pub fn iter(&self) -> impl Iterator<Item = (&'e str, &View<'e>)> {
        self.events.iter().map(|(name, view)| (*name, view))
    }
}
