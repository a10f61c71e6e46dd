//! The state machine of one trigger: every decision between a delivery and its acknowledgement.
//!
//! [`TriggerState::on`] takes what happened and the time, and returns what is to be done. It waits
//! for nothing and knows no clock and no client; with the same seed, the same wakes at the same times
//! have the same effects.
//!
//! A delivery leads to pieces of work: keep an event for its round, forget kept events, fire,
//! dead-letter. Each waits for its turn on its ordering keys, asks for effects one after another, and
//! ends with an outcome; when all work of a delivery has ended, the delivery is settled.
//!
//! A **held** delivery is not acknowledged: whatever happens, the bus delivers it again. An action
//! that is repeatable, or whose trigger says `atLeastOnce`, is performed while its delivery is held.
//! Any other is acknowledged first, and performed when the bus has confirmed that; from there on,
//! nobody but this state can bring it to its end, over a handover and to the end of a drain.
//!
//! A firing has a **place** while its action is rendered or performed, and none while it waits for its
//! target or its next try. When too many wait, held deliveries are **given back**: the bus delivers them
//! again later, and their work keeps its turn on its ordering keys meanwhile.

mod at_target;
mod confirm;
mod ending;
mod fire;
mod given_back;
mod receive;
mod targets;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;
use std::vec::Drain;

use jiff::{SignedDuration, Timestamp};

use super::books::{Books, Fate};
use super::ordering::Ordering;
use super::pace::Limiter;
use super::plan::{Limits, Plan};
use super::seen::Seen;
use super::wake::{Act, Effect, Now, Wake};
use super::{Member, Rounds, Tally, WorkId};
use confirm::Confirmation;
use ending::Phase;
use targets::Targets;
use work::Work;

/// How long a delivery may stay without an acknowledgement or heartbeat before the bus delivers it
/// again. Heartbeats are sent at a third of it, so it decides only how fast a crashed process is
/// replaced.
pub const ACK_WAIT: Duration = Duration::from_secs(30);

/// How often heartbeats are sent for deliveries that are being worked on.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often the connection is looked at while an acknowledgement is uncertain.
const LOOK_AT_CONNECTION: Duration = Duration::from_millis(500);

/// How often resets are looked at, however far the next one is: clocks are set.
const LOOK_AT_RESETS: Duration = Duration::from_mins(1);

/// The key of all work that touches a trigger's rounds on the bus: it is done in order.
const ROUNDS: u64 = 0;

/// The state of one trigger. `A` is a rendered action, which it only hands on.
#[derive(Debug)]
pub struct TriggerState<A> {
    plan: Plan,
    limits: Limits,
    phase: Phase,
    seen: Seen,
    rounds: Rounds,
    /// What an earlier runner kept, by number and dependency: its delivery may come again.
    restored: BTreeSet<(u64, usize)>,
    books: Books,
    /// Deliveries that are not settled, by their numbers in the stream.
    in_hand: HashMap<u64, Hand>,
    /// How much memory they hold.
    weight: usize,
    works: HashMap<WorkId, Work<A>>,
    ordering: Ordering,
    /// Firings whose turn it is and that wait for a place.
    ready: VecDeque<WorkId>,
    /// Places that are taken.
    running: usize,
    /// Firings that wait for the targets of their actions.
    targets: Targets,
    /// The work of deliveries that were given back to the bus, by their numbers in the stream.
    given_back: BTreeMap<u64, WorkId>,
    /// Work that goes on at a moment.
    timers: BTreeSet<(Duration, WorkId)>,
    /// Deliveries whose acknowledgement may have arrived or not.
    uncertain: BTreeSet<u64>,
    /// Since when the bus can be reached; `None` if it cannot.
    connected_since: Option<Duration>,
    heartbeat_due: Duration,
    reset_due: Option<Duration>,
    /// The resets between which the last moment lay that was looked at.
    between_resets: Option<Range<Timestamp>>,
    limiter: Limiter,
    random: fastrand::Rng,
    effects: Vec<Effect<A>>,
}

/// A delivery and the work that it led to.
#[derive(Debug, Default)]
struct Hand {
    event_id: String,
    /// How much memory it holds.
    weight: usize,
    /// It came for one dependency, so there is one piece of work.
    is_single: bool,
    /// The work that has waited for it since it was given back.
    returned: Option<WorkId>,
    /// By what it is known to have been here, if it is an event.
    seen: Option<u64>,
    /// Work that has not ended.
    works: Vec<WorkId>,
    fate: Fate,
    /// Not all of its work was carried out: the bus has to deliver it again.
    is_undone: bool,
    confirmation: Confirmation,
    /// It came again since it was acknowledged, or since that was tried.
    came_again: bool,
}

impl<A: Act> TriggerState<A> {
    /// Starts with nothing in hand. `seed` decides all that is left to chance.
    pub fn new(plan: Plan, limits: Limits, seed: u64, now: Now) -> Self {
        let keeps = plan.conditions.needs_and();
        Self {
            rounds: Rounds::new(plan.conditions.clone()),
            reset_due: (keeps && !plan.resets.is_empty()).then_some(now.uptime),
            plan,
            limits,
            phase: Phase::Running,
            seen: Seen::default(),
            restored: BTreeSet::new(),
            books: Books::default(),
            in_hand: HashMap::new(),
            weight: 0,
            works: HashMap::new(),
            ordering: Ordering::default(),
            ready: VecDeque::new(),
            running: 0,
            targets: Targets::default(),
            given_back: BTreeMap::new(),
            timers: BTreeSet::new(),
            uncertain: BTreeSet::new(),
            connected_since: Some(now.uptime),
            heartbeat_due: now.uptime + HEARTBEAT,
            between_resets: None,
            limiter: Limiter::default(),
            random: fastrand::Rng::with_seed(seed),
            effects: Vec::new(),
        }
    }

    /// Takes in what happened; returns what is to be done, in this order.
    pub fn on(&mut self, wake: Wake<A>, now: Now) -> Drain<'_, Effect<A>> {
        match wake {
            Wake::Restored { dependency, member } => {
                self.restored.insert((member.sequence, dependency));
                self.rounds.restore(dependency, member);
                self.reset_due = self.reset_due.map(|_| now.uptime);
            }
            Wake::Delivered(arrived) => self.receive(arrived, now),
            Wake::Fired { work, fired } => self.fired(work, fired, now),
            Wake::Performed { work, attempt } => self.performed(work, attempt, now),
            Wake::Stored { work, is_stored } => self.stored(work, is_stored, now),
            Wake::Confirmed {
                sequence,
                is_confirmed,
            } => self.confirmed(sequence, is_confirmed, now),
            Wake::Panicked { work, message } => self.panicked(work, &message, now),
            Wake::Connection(is_there) => {
                self.connected_since = is_there.then(|| self.connected_since.unwrap_or(now.uptime));
            }
            Wake::Deadline => {}
            Wake::Handover => self.hand_over(now),
            Wake::Shutdown => self.shut_down(now),
        }
        self.tick(now);
        self.start(now);
        self.end();
        self.effects.drain(..)
    }

    /// By when to call again with [`Wake::Deadline`], in the time of [`Now::uptime`].
    pub fn next_due(&self, now: Now) -> Option<Duration> {
        let resets = self.reset_due.filter(|_| self.phase == Phase::Running);
        let heartbeat = (!self.in_hand.is_empty()).then_some(self.heartbeat_due);
        let look = (!self.uncertain.is_empty()).then_some(now.uptime + LOOK_AT_CONNECTION);
        let timer = self.timers.first().map(|(due, _)| *due);
        [resets, heartbeat, look, timer, self.phase.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether one more delivery may be received.
    pub fn has_room(&self) -> bool {
        self.phase == Phase::Running && self.in_hand.len() < self.limits.in_flight
    }

    /// Whether [`Wake::Connection`] is wanted before the next [`Wake::Deadline`].
    pub fn asks_for_connection(&self) -> bool {
        !self.uncertain.is_empty()
    }

    /// How many events are where.
    pub fn tally(&self) -> Tally {
        self.books.tally()
    }

    /// Whether events are ever kept.
    pub fn keeps(&self) -> bool {
        self.rounds.keeps()
    }

    /// What is kept, by dependency.
    pub fn kept(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.rounds.kept()
    }

    /// Does what is due.
    fn tick(&mut self, now: Now) {
        while let Some((due, work)) = self.timers.first().copied() {
            if due > now.uptime {
                break;
            }
            self.timers.pop_first();
            self.go_on(work, now);
        }
        if self.heartbeat_due <= now.uptime {
            self.heartbeat_due = now.uptime + HEARTBEAT;
            self.show_heartbeats();
        }
        if self.phase == Phase::Running && self.reset_due.is_some_and(|due| due <= now.uptime) {
            let next = self.reset(now.time, now);
            let left = next.duration_since(now.time).max(SignedDuration::ZERO);
            let left = Duration::try_from(left).unwrap_or(LOOK_AT_RESETS);
            self.reset_due = Some(now.uptime + left.min(LOOK_AT_RESETS));
        }
        self.believe(now);
        self.end_patience(now);
    }

    fn show_heartbeats(&mut self) {
        let held = self.in_hand.iter().filter(|(_, hand)| hand.wants_time());
        let mut sequences: Vec<u64> = held.map(|(sequence, _)| *sequence).collect();
        if !sequences.is_empty() {
            sequences.sort_unstable();
            self.effects.push(Effect::InProgress { sequences });
        }
    }

    /// Forgets the kept events that the last reset at `moment` is about. Returns when the next is.
    ///
    /// Asked for each event with the time at which it was stored, so that a backlog is worked off as
    /// if nothing had stopped; and at the resets themselves.
    fn reset(&mut self, moment: Timestamp, now: Now) -> Timestamp {
        let known = self.between_resets.clone();
        let between = known.filter(|between| between.contains(&moment));
        let between = between.unwrap_or_else(|| {
            let last = self.plan.resets.last(moment).unwrap_or(Timestamp::MIN);
            last..self.plan.resets.next(moment).unwrap_or(Timestamp::MAX)
        });
        let next = between.end;
        let forgotten = self.rounds.forget_before(between.start);
        self.between_resets = Some(between);
        if !forgotten.is_empty() {
            let events = forgotten.len();
            self.effects.push(Effect::Reset { events });
            self.add_reset(forgotten, now);
        }
        next
    }
}

impl Hand {
    /// Whether the bus waits for an answer.
    fn is_unanswered(&self) -> bool {
        self.confirmation != Confirmation::Confirmed || self.came_again
    }

    /// Whether the bus is to wait longer for an answer. Not while an acknowledgement may have got
    /// lost: that it does not come again is the only sign that it was not.
    fn wants_time(&self) -> bool {
        matches!(self.confirmation, Confirmation::Held | Confirmation::Wanted)
    }

    /// Whether nobody else can bring its work to an end.
    fn is_ours(&self) -> bool {
        self.confirmation != Confirmation::Held
    }
}

#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;
