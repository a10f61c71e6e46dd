//! Follows events through event sources and sensors, offline: what `tiphys simulate` shows.
//!
//! A trigger is driven by the state machine that drives it in a running sensor, in virtual time: its
//! bus stores everything, its targets refuse nothing, and what it would wait for comes at once.
//! Nothing here reads a file or a clock.

mod comparison;
mod diff;
mod documents;
mod error;
mod expect;
mod explain;
mod input;
mod json;
mod lines;
mod text;
mod trace;

use jiff::Timestamp;
use tiphys_api::EventSource;
use tiphys_sensor::Compiled;

pub use error::Error;
pub use expect::Expected;
pub use explain::Question;
pub use input::What;
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
#[derive(Debug, Default)]
pub struct Objects<'o> {
    /// Event sources, with what they compile to if they can run.
    pub event_sources: Vec<(&'o EventSource, Option<&'o tiphys_eventsource::Compiled>)>,
    /// Sensors.
    pub sensors: Vec<&'o Compiled>,
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
    arrivals: std::vec::IntoIter<Arrival>,
}

/// What differs between a simulation and what was expected of it.
#[derive(Debug)]
pub struct Comparison(expect::Comparison);

impl<'o> Simulation<'o> {
    /// Reads events, or makes them as event sources would. `now` is when those happen that do not say
    /// so.
    ///
    /// # Errors
    /// If they cannot be read, or no event source would make one.
    pub fn new(what: &What, objects: &Objects<'o>, now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            arrivals: input::read(what, objects, now)?.into_iter(),
            world: World::new(objects.sensors.clone(), now),
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

impl Iterator for Simulation<'_> {
    type Item = Report;

    /// Follows the next event to its end.
    fn next(&mut self) -> Option<Report> {
        let arrival = self.arrivals.next()?;
        Some(self.world.follow(arrival))
    }
}

impl Report {
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
