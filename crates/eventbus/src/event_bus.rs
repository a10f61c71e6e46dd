//! All that a bus does, in one hand.

use std::sync::Arc;

use crate::{Bus, DeadLetters, History, Overview, StateStore};

/// A bus: its stream of events, its state and its dead letters. Clones are the same bus.
#[derive(Debug, Clone)]
pub struct EventBus {
    /// The stream of events.
    pub events: Arc<dyn Bus>,
    /// What that stream holds.
    pub history: Arc<dyn History>,
    /// How far everybody is.
    pub overview: Arc<dyn Overview>,
    /// Small values that outlive the process.
    pub state: Arc<dyn StateStore>,
    /// What could not be processed.
    pub dead_letters: Arc<dyn DeadLetters>,
}

impl<B: Bus + History + Overview + StateStore + DeadLetters + 'static> From<B> for EventBus {
    fn from(bus: B) -> Self {
        let bus = Arc::new(bus);
        Self {
            events: Arc::<B>::clone(&bus),
            history: Arc::<B>::clone(&bus),
            overview: Arc::<B>::clone(&bus),
            state: Arc::<B>::clone(&bus),
            dead_letters: bus,
        }
    }
}
