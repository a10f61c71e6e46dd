//! Two specs side by side: what becomes of the same events.

use jiff::Timestamp;
use tiphys_eventbus::Event;
use tiphys_simulate::{Changes, Decisions, Error, Objects};

use crate::mask::Values;

/// Both specs, each with what it has seen.
pub struct Comparison<'o> {
    /// What is compared with.
    before: Decisions<'o>,
    /// What is compared.
    pub after: Decisions<'o>,
    is_revealed: bool,
    /// What differs so far.
    pub changes: Changes,
    /// The values of Secrets that were in the events, unless they are wanted.
    pub secrets: Values,
}

impl<'o> Comparison<'o> {
    /// Nothing is compared yet.
    pub fn new(before: &'o Objects<'o>, after: &'o Objects<'o>, is_revealed: bool) -> Self {
        let now = Timestamp::now();
        Self {
            before: Decisions::new(before, now),
            after: Decisions::new(after, now),
            is_revealed,
            changes: Changes::default(),
            secrets: Values::default(),
        }
    }

    /// Follows an event through both.
    ///
    /// # Errors
    /// If an action cannot be printed.
    pub fn add(&mut self, event: &Event) -> Result<(), Error> {
        if !self.is_revealed {
            self.secrets.add(event);
        }
        let before = self.before.follow(event.clone());
        let after = self.after.follow(event.clone());
        self.changes.add(&event.context.id, &before, &after)?;
        Ok(())
    }
}
