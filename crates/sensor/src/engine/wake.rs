//! The language of a trigger's state machine: what can happen to it, and what it wants done.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tiphys_base::{Failure, Reason};
use tiphys_eventbus::{Context, DeadLetterReason, Replay};

use super::{Decision, Member, Round, Tally, WorkId};
use crate::filter::Verdict;

/// The time, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// What the clock on the wall says: events and schedules go by it. It may be set.
    pub time: Timestamp,
    /// How long a clock has run that is never set: waits go by it.
    pub uptime: Duration,
}

/// A rendered action, as far as a trigger's state has to know it.
pub trait Act: Clone {
    /// What it has to be there for: actions that name the same wait for each other while it is
    /// unavailable.
    fn target(&self) -> u64;

    /// Performing it a second time can be told from the first, and does no harm.
    fn is_repeatable(&self) -> bool;
}

/// Everything that can happen to a trigger. `A` is a rendered action.
#[derive(Debug)]
pub enum Wake<A> {
    /// The bus holds an event that an earlier runner kept. These come first.
    Restored {
        /// The dependency's place in the spec.
        dependency: usize,
        /// The event.
        member: Member,
    },
    /// A delivery was received and prepared.
    Delivered(Arrived),
    /// [`Effect::Fire`] has ended.
    Fired {
        /// The piece of work it was done for.
        work: WorkId,
        /// How it ended.
        fired: Fired<A>,
    },
    /// [`Effect::Perform`] has ended.
    Performed {
        /// The piece of work it was done for.
        work: WorkId,
        /// How it ended.
        attempt: Attempt,
    },
    /// [`Effect::Keep`], [`Effect::Forget`] or [`Effect::DeadLetter`] has ended.
    Stored {
        /// The piece of work it was done for.
        work: WorkId,
        /// False if the bus did not do it, or did not answer.
        is_stored: bool,
    },
    /// [`Effect::Confirm`] has ended.
    Confirmed {
        /// The delivery's number in the stream.
        sequence: u64,
        /// False if no answer came: the bus may know of it or not.
        is_confirmed: bool,
    },
    /// The code that carried out an effect for this piece of work panicked.
    Panicked {
        /// The piece of work.
        work: WorkId,
        /// What the panic said.
        message: String,
    },
    /// The bus can be reached, or not any more.
    Connection(bool),
    /// The moment of [`TriggerState::next_due`](super::TriggerState::next_due) has come.
    Deadline,
    /// Another runner wants to take over.
    Handover,
    /// The process stops.
    Shutdown,
}

/// A delivery, prepared.
#[derive(Debug)]
pub struct Arrived {
    /// Its number in the stream.
    pub sequence: u64,
    /// How much memory it holds, in units of [`WEIGHT`](super::WEIGHT): 1 at least.
    pub weight: usize,
    /// What it holds.
    pub content: Content,
}

/// What a delivery holds.
#[derive(Debug)]
pub enum Content {
    /// Nothing that can be worked on: why, in one word and in full.
    Unusable(DeadLetterReason, Failure),
    /// An event.
    Event {
        /// Its attributes as they came.
        context: Arc<Context>,
        /// The dead letter whose event is delivered again, if it is one.
        replay: Option<Arc<Replay>>,
        /// What each dependency that waits for it makes of it, by its place in the spec.
        arrivals: Vec<(usize, Arrival)>,
    },
}

/// What a dependency makes of an event.
#[derive(Debug)]
pub enum Arrival {
    /// It takes it.
    Taken(Member),
    /// Its filters do not take it.
    Filtered(Verdict),
    /// The transform failed: the whole chain of causes, in one line.
    Failed(Failure),
}

/// How [`Effect::Fire`] ended.
#[derive(Debug)]
pub enum Fired<A> {
    /// No action could be rendered: the same events fail the same way again.
    NotRendered(Failure),
    /// The action, which was not performed.
    Rendered(A),
    /// The action, and how performing it ended.
    Performed(A, Attempt),
    /// Nothing was done before it was cancelled.
    Interrupted,
}

/// How one attempt at an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The action is done.
    Done,
    /// It was refused: an answer, counted as a failed attempt.
    Refused(Failure),
    /// Whoever should have done it is unavailable: no answer, so it is tried again without counting.
    Unavailable {
        /// The cause in one word.
        reason: Reason,
        /// What was attempted, and what is wrong.
        message: Failure,
        /// What a human can do, if it does not pass by itself.
        hint: Option<String>,
        /// When to try again, if the other side said so.
        retry_after: Option<Duration>,
    },
    /// [`Effect::Cancel`] cut it short.
    Interrupted {
        /// It had begun.
        may_be_done: bool,
    },
}

/// What a trigger wants done. All that names a piece of work is answered by a [`Wake`] that names it.
#[derive(Debug)]
pub enum Effect<A> {
    /// Store an event on the bus until its round is complete.
    Keep {
        /// The piece of work it is done for.
        work: WorkId,
        /// The dependency's place in the spec.
        dependency: usize,
        /// The event.
        member: Member,
    },
    /// Remove kept events from the bus.
    Forget {
        /// The piece of work it is done for.
        work: WorkId,
        /// Their dependencies' places in the spec.
        dependencies: Vec<usize>,
    },
    /// Store a delivery in the dead-letter stream.
    DeadLetter {
        /// The piece of work it is done for.
        work: WorkId,
        /// The delivery's number in the stream.
        sequence: u64,
        /// Why, and what was tried.
        letter: Letter<A>,
    },
    /// Render the action of a round, and perform it if that may be.
    Fire {
        /// The piece of work it is done for.
        work: WorkId,
        /// Which trigger: 0 is the trigger itself, 1 its `dlqTrigger`, and so on.
        level: usize,
        /// The events.
        round: Arc<Round>,
        /// What is done with the action at once.
        performs: Performs,
        /// The bus delivers again if nothing comes of it: [`Cancel::Held`] is meant for it, too.
        is_held: bool,
    },
    /// It is a while until the action that was rendered can be performed: its place is for others.
    GivesWay {
        /// The piece of work.
        work: WorkId,
    },
    /// Perform an action that was rendered before.
    Perform {
        /// The piece of work it is done for.
        work: WorkId,
        /// Which trigger.
        level: usize,
        /// The action.
        action: A,
        /// As in [`Effect::Fire`].
        is_held: bool,
    },
    /// Cut attempts short.
    Cancel(Cancel),
    /// Acknowledge a delivery, and tell when the bus has confirmed it.
    Confirm {
        /// The delivery's number in the stream.
        sequence: u64,
    },
    /// Acknowledge a delivery: nothing more will be asked of it.
    Acknowledge {
        /// The delivery's number in the stream.
        sequence: u64,
    },
    /// Negative-acknowledge a delivery: the bus delivers it again at once.
    NegativeAcknowledge {
        /// The delivery's number in the stream.
        sequence: u64,
    },
    /// Give a delivery back to the bus for a while: it is delivered again after `delay`, or when it is
    /// recalled.
    GiveBack {
        /// The delivery's number in the stream.
        sequence: u64,
        /// After how long.
        delay: Duration,
    },
    /// The bus is to deliver what was given back to it.
    Recall {
        /// The deliveries' numbers in the stream.
        sequences: Vec<u64>,
    },
    /// Nothing more will be asked of a delivery that was acknowledged before, or given back and never
    /// delivered again.
    Release {
        /// The delivery's number in the stream.
        sequence: u64,
    },
    /// Tell the bus that these deliveries are being worked on.
    InProgress {
        /// Their numbers in the stream.
        sequences: Vec<u64>,
    },
    /// It was decided what becomes of an event, or of one that had waited.
    Decided(Decision),
    /// A dependency's filters do not take an event.
    Refused {
        /// The dependency's place in the spec.
        dependency: usize,
        /// Id of the event.
        event_id: String,
        /// Why.
        verdict: Verdict,
    },
    /// An action was performed.
    Succeeded {
        /// Which trigger.
        level: usize,
        /// The events.
        round: Arc<Round>,
    },
    /// A trigger cannot perform its action for a round.
    GaveUp {
        /// Which trigger.
        level: usize,
        /// Why.
        error: Failure,
        /// How often it was tried.
        attempts: u32,
        /// There was an action to try.
        was_rendered: bool,
    },
    /// A piece of work waits for somebody who is unavailable.
    Waits {
        /// The piece of work.
        work: WorkId,
        /// The cause in one word.
        reason: Reason,
        /// What was attempted, and what is wrong.
        message: Failure,
        /// What a human can do.
        hint: Option<String>,
    },
    /// It does not wait any more.
    WaitsNoMore {
        /// The piece of work.
        work: WorkId,
    },
    /// So many kept events were forgotten because of a reset.
    Reset {
        /// How many.
        events: usize,
    },
    /// Another runner may begin: what is still at work here will not be delivered to it. What was
    /// counted so far is left to it; from here on, only what is at work counts.
    HandedOver(Tally),
    /// All is over.
    Ended,
}

/// Whether a rendered action is performed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Performs {
    /// Whatever it is.
    Always,
    /// If it is repeatable.
    IfRepeatable,
    /// In no case: somebody decides when it is known what its target is.
    Never,
}

impl Performs {
    /// Whether an action is performed that is repeatable, or is not.
    pub fn includes(self, is_repeatable: bool) -> bool {
        match self {
            Self::Always => true,
            Self::IfRepeatable => is_repeatable,
            Self::Never => false,
        }
    }
}

/// Which attempts are cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// Those whose deliveries the bus holds.
    Held,
    /// All.
    All,
}

/// What is kept with an event that is dead-lettered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter<A> {
    /// Why, in one word.
    pub reason: DeadLetterReason,
    /// Why, in words.
    pub error: Failure,
    /// How often it was tried.
    pub attempts: u32,
    /// The dependencies that the delivery came for, by their places in the spec. None: it was not looked at.
    pub dependencies: Vec<usize>,
    /// The action was under way, is not repeatable, and may have been done.
    pub may_be_done: bool,
    /// What would have been done.
    pub action: Option<A>,
}

impl<A> Letter<A> {
    /// The letter of a delivery for which nothing was tried.
    pub(super) fn of(reason: DeadLetterReason, error: Failure, dependencies: Vec<usize>) -> Self {
        Self {
            reason,
            error,
            attempts: 0,
            dependencies,
            may_be_done: false,
            action: None,
        }
    }
}
