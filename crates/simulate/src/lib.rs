//! Follows events through event sources and sensors, offline: what `tiphys simulate` shows.
//!
//! A trigger is driven by the state machine that drives it in a running sensor, in virtual time: its
//! bus stores everything, its targets refuse nothing, and what it would wait for comes at once.
//! What stands between an event and a sensor in a cluster stands there, too: the event source's filter, the
//! namespace and the bus. Nothing here reads a file or a clock.

mod absent;
mod changes;
mod comparison;
mod decisions;
mod diff;
mod documents;
mod error;
mod expect;
mod explain;
mod faulty;
mod input;
mod json;
mod lines;
mod manifest;
mod suite;
mod text;
mod trace;

use jiff::Timestamp;
use tiphys_api::manifest::Fault;

pub use changes::{Change, Changes};
pub use decisions::{Decision, Decisions};
pub use error::Error;
pub use expect::Expected;
pub use explain::Question;
pub use input::What;
pub use suite::{Case, Suite, Verdict, test_of_event, update};
pub use trace::Report;

use expect::Done;
use input::Arrival;
use trace::World;

/// What was read, and its name for people.
#[derive(Debug, Clone)]
pub struct File {
    /// The name.
    pub name: String,
    /// The content.
    pub text: String,
}

/// The objects that events go through.
#[derive(Debug)]
pub struct Objects<'o> {
    /// The namespace that is told of objects that name none.
    pub default: &'o str,
    /// Event sources.
    pub event_sources: Vec<Subject<'o, tiphys_api::EventSource, tiphys_eventsource::Compiled>>,
    /// Sensors.
    pub sensors: Vec<Subject<'o, tiphys_api::Sensor, tiphys_sensor::Compiled>>,
}

/// An object, with what compiled of it and what did not.
#[derive(Debug)]
pub struct Subject<'o, T, C> {
    /// The object.
    pub object: &'o T,
    /// The object as it was written.
    pub manifest: &'o tiphys_api::manifest::Object,
    /// Its namespace; empty if it names none.
    pub namespace: &'o str,
    /// What of it has no errors; `None`: nothing.
    pub compiled: Option<&'o C>,
    /// Its errors.
    pub faults: Vec<&'o Fault>,
    /// It is from a cluster: nobody has its lines before him.
    pub is_live: bool,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document a line.
    Json,
}

/// A simulation: events on their way through objects.
pub struct Simulation<'o> {
    world: World<'o>,
    arrivals: std::vec::IntoIter<Arrival<'o>>,
}

/// What differs between a simulation and what was expected of it.
#[derive(Debug)]
pub struct Comparison(expect::Comparison);

impl<T, C> Subject<'_, T, C> {
    /// The file and line of a field, or its path.
    fn line_of(&self, field: &str) -> String {
        if self.is_live {
            return field.to_owned();
        }
        let line = self.manifest.locate(field).line;
        format!("{}:{line}", self.manifest.file)
    }
}

impl<'o> Simulation<'o> {
    /// Reads events, or makes them as event sources would. `now` is when those happen that do not say
    /// so.
    ///
    /// # Errors
    /// If they cannot be read, or no event source would make one.
    pub fn new(what: &What, objects: &'o Objects<'o>, now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            arrivals: input::read(what, objects, now)?.into_iter(),
            world: World::new(objects, now),
        })
    }

    /// Follows all events to their ends, and says what is not as expected.
    ///
    /// # Errors
    /// If an action cannot be printed.
    pub fn compare(self, expected: Expected) -> Result<Comparison, Error> {
        let mut done = Done::default();
        for report in self {
            done.add(&report)?;
        }
        Ok(Comparison(expected.compare(done)))
    }
}

impl<'o> Iterator for Simulation<'o> {
    type Item = Report<'o>;

    /// Follows the next event to its end.
    fn next(&mut self) -> Option<Self::Item> {
        let arrival = self.arrivals.next()?;
        Some(self.world.follow(arrival))
    }
}

impl Report<'_> {
    /// Every stage, for people or for programs.
    ///
    /// # Errors
    /// If an action cannot be printed.
    pub fn print(&self, format: Format) -> Result<String, Error> {
        match format {
            Format::Text => Ok(text::render(self)),
            Format::Json => json::render(self),
        }
    }
}

impl Comparison {
    /// How many actions were compared.
    pub fn actions(&self) -> usize {
        self.0.actions
    }

    /// Whether all is as expected.
    pub fn is_equal(&self) -> bool {
        self.0.is_equal()
    }

    /// The differences, for people or for programs.
    ///
    /// # Errors
    /// If a difference cannot be printed.
    pub fn print(&self, format: Format) -> Result<String, Error> {
        use error::Act as _;
        match format {
            Format::Text => Ok(comparison::text(&self.0)),
            Format::Json => comparison::json(&self.0).act(|| "print the differences".to_owned()),
        }
    }
}
