//! A small world around a trigger's state: a bus with its stores, targets, and processes that end.

mod carry;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tiphys_api::RetryPolicy;
use tiphys_base::Reason;
use tiphys_eventbus::{Context, Event};
use tiphys_lang::expr::conditions::Conditions;

use super::super::super::wake::{Act, Arrival, Arrived, Attempt, Content, Fired};
use super::super::super::{
    Decision, Level, Limits, Member, Now, Outcome, Plan, Resets, Round, Tally, TriggerState, WorkId,
};
use super::promises::{Ledger, Place};
use crate::filter::Verdict;

type Wake = super::super::super::Wake<Deed>;
type Effect = super::super::super::Effect<Deed>;

/// How long the bus waits for an acknowledgement, in milliseconds.
const ACK_WAIT: u64 = 30_000;

const NAMES: [&str; 3] = ["a", "b", "c"];

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is drawn by itself: what the trigger is like, and what works at the moment"
)]
pub(super) struct World {
    random: fastrand::Rng,
    is_told: bool,
    now: u64,
    plan: Plan,
    limits: Limits,
    conditions: Rule,
    is_repeatable: bool,
    resets: bool,
    is_connected: bool,
    /// Nothing goes wrong any more.
    is_calm: bool,
    messages: Vec<Message>,
    /// What is kept for rounds, by dependency.
    kept: BTreeMap<usize, Member>,
    /// What ever was.
    ever_kept: BTreeSet<Place>,
    runners: Vec<Runner>,
    ledger: Ledger,
}

/// An action: it is known by the round that it was rendered for.
#[derive(Debug, Clone)]
struct Deed {
    round: Arc<Round>,
    is_repeatable: bool,
}

impl Act for Deed {
    /// There are three targets.
    fn target(&self) -> u64 {
        let sum: u64 = self.round.iter().map(|(_, member)| member.sequence).sum();
        sum % 3
    }

    fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }
}

/// What brings events together.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    Any,
    AAndB,
    AOrBAndC,
    COrAAndB,
}

/// A message of the stream.
struct Message {
    sequence: u64,
    object: Option<u64>,
    stored_at: u64,
    arrivals: Vec<(usize, Kind)>,
    is_acknowledged: bool,
    /// Who has it, and when it is delivered again.
    held: Option<(usize, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Taken,
    Refused,
    Failed,
}

/// One runner of the trigger.
struct Runner {
    number: usize,
    state: TriggerState<Deed>,
    /// Effects that are being carried out.
    pending: Vec<Pending>,
    is_subscribed: bool,
    in_hand: BTreeSet<u64>,
    /// What it gave back for a while.
    away: BTreeSet<u64>,
    /// Deliveries, without those that were given back.
    received: u64,
    counts: BTreeMap<Outcome, u64>,
    /// What was last decided of an event.
    decided: BTreeMap<String, Outcome>,
    /// What was counted before a handover.
    over: Tally,
    works: BTreeMap<WorkId, Firing>,
    /// Deliveries that it acknowledged before it acted.
    released: BTreeSet<u64>,
    /// What it asked the bus to keep, or found there.
    kept: BTreeSet<Place>,
    /// What was kept when it began.
    restored: BTreeSet<Place>,
    /// What it tried to put into the dead-letter stream.
    last_words: Vec<Place>,
    /// What waits in rounds, by dependency.
    waiting: BTreeMap<usize, u64>,
    /// Events that newer ones have taken the place of.
    outdated: Vec<Place>,
    /// Rounds that have to be fired.
    expected: Vec<Vec<Place>>,
    /// Acknowledgements that could not be sent yet.
    outbox: Vec<u64>,
}

/// A firing, as far as it can be seen.
struct Firing {
    round: Arc<Round>,
    is_released: bool,
    /// It was acted on, or a dead letter was stored.
    is_over: bool,
}

enum Pending {
    Keep(WorkId, usize, Member),
    Forget(WorkId, Vec<usize>),
    /// With the events that it tells of.
    Letter(WorkId, Vec<Place>),
    Confirm(u64),
    Attempt(Trial),
}

/// An attempt that is under way.
struct Trial {
    work: WorkId,
    level: usize,
    round: Arc<Round>,
    renders: bool,
    performs: bool,
    is_held: bool,
}

impl Rule {
    fn text(self) -> &'static str {
        match self {
            Self::Any => "a || b || c",
            Self::AAndB => "a && b",
            Self::AOrBAndC => "(a || b) && c",
            Self::COrAAndB => "c || a && b",
        }
    }

    fn holds(self, waiting: &BTreeMap<usize, u64>) -> bool {
        let has = |place| waiting.contains_key(&place);
        match self {
            Self::Any => !waiting.is_empty(),
            Self::AAndB => has(0) && has(1),
            Self::AOrBAndC => (has(0) || has(1)) && has(2),
            Self::COrAAndB => has(2) || has(0) && has(1),
        }
    }
}

fn places(round: &Round) -> Vec<Place> {
    let places = round
        .iter()
        .map(|(place, member)| (member.sequence, *place));
    places.collect()
}

impl World {
    pub(super) fn new(seed: u64, is_told: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let rules = [
            Rule::Any,
            Rule::Any,
            Rule::AAndB,
            Rule::AOrBAndC,
            Rule::COrAAndB,
        ];
        let conditions = *random.choice(&rules).unwrap();
        let resets = conditions != Rule::Any && random.u8(..4) == 0;
        let retry = RetryPolicy {
            duration: Duration::from_millis(random.u64(..3_000)),
            factor: 2.0,
            jitter: 0.5,
            attempts: random.u32(1..4),
        };
        let at_least_once = random.bool();
        let first = Level {
            name: "t".into(),
            retry,
            interval: (random.u8(..4) == 0).then_some(Duration::from_secs(2)),
            patience: Duration::from_secs(random.u64(1..90)),
            at_least_once,
        };
        let dlq = Level {
            name: "dlq".into(),
            retry,
            interval: None,
            patience: Duration::from_secs(1),
            at_least_once: false,
        };
        let mut levels = vec![first];
        levels.extend((random.u8(..4) == 0).then_some(dlq));
        let plan = Plan {
            conditions: Arc::new(Conditions::compile(conditions.text(), &NAMES).unwrap()),
            names: NAMES.map(Arc::from).into(),
            resets: if resets {
                every_minute()
            } else {
                Resets::default()
            },
            levels,
        };
        let mut world = Self {
            limits: Limits {
                in_flight: random.usize(2..20),
                running: random.usize(1..5),
                waiting: random.usize(..4),
                given_back: random.usize(..6),
            },
            is_repeatable: random.bool(),
            random,
            is_told,
            now: 0,
            plan,
            conditions,
            resets,
            is_connected: true,
            is_calm: false,
            messages: Vec::new(),
            kept: BTreeMap::new(),
            ever_kept: BTreeSet::new(),
            runners: Vec::new(),
            ledger: Ledger::default(),
        };
        world.begin();
        world
    }

    /// Something happens.
    pub(super) fn step(&mut self) {
        if self.runners.is_empty() {
            self.begin();
        }
        match self.random.u32(..1000) {
            0..250 => self.publish(),
            250..500 => self.deliver(),
            500..870 => self.finish_any(),
            870..960 => {
                let spans = [1, 100, 1_000, 5_000, 10_000, 61_000];
                let span = *self.random.choice(&spans).unwrap();
                self.pass(span);
            }
            960..975 => self.connect(!self.is_connected),
            975..983 => self.crash(),
            983..992 => self.wake_subscriber(Wake::Handover),
            _ => self.wake_subscriber(Wake::Shutdown),
        }
    }

    /// Nothing goes wrong any more, until everything is done.
    pub(super) fn come_to_rest(&mut self) {
        self.is_calm = true;
        self.connect(true);
        for _ in 0..3_000 {
            if self.runners.is_empty() {
                self.begin();
            }
            let is_idle = |runner: &Runner| runner.in_hand.is_empty() && runner.pending.is_empty();
            let is_quiet = self.runners.len() == 1 && self.runners.iter().all(is_idle);
            if is_quiet && self.messages.iter().all(|message| message.is_acknowledged) {
                return;
            }
            for _ in 0..20 {
                self.deliver();
                self.finish_any();
            }
            self.pass(500);
        }
        panic!("it does not come to rest");
    }

    /// Every event has come to an end that is promised, or waits.
    pub(super) fn account(&self) {
        for message in &self.messages {
            for (place, kind) in &message.arrivals {
                let kept = self.kept.get(place).map(|member| member.sequence);
                let waits = kept == Some(message.sequence);
                let place = (message.sequence, *place);
                let is_reset = self.resets && message.stored_at / 60_000 < self.now / 60_000;
                let is_well = *kind == Kind::Refused
                    || is_reset && *kind == Kind::Taken
                    || self.ledger.is_accounted_for(place, waits);
                assert!(is_well, "{place:?} is lost");
            }
        }
        for runner in &self.runners {
            let kept: Vec<Place> = self.kept.iter().map(|(p, m)| (m.sequence, *p)).collect();
            let known: Vec<Place> = runner.state.kept().map(|(p, m)| (m.sequence, p)).collect();
            assert_eq!(kept, known, "the bus keeps what the runner knows of");
            let waits = |id: &String| runner.decided.get(id) == Some(&Outcome::Waiting);
            let kept: BTreeSet<String> = kept.iter().map(|(s, _)| format!("e{s}")).collect();
            assert_eq!(
                runner.state.tally().count(Outcome::Waiting),
                kept.iter().filter(|id| waits(id)).count() as u64,
                "waiting"
            );
            assert!(
                runner.expected.is_empty() || self.resets,
                "a round did not fire"
            );
        }
    }

    fn at_most_once(&self, level: usize) -> bool {
        level > 0 || !self.is_repeatable && !self.plan.levels[0].at_least_once
    }

    fn say(&self, text: impl FnOnce() -> String) {
        if self.is_told {
            eprintln!("{:>7} {}", self.now, text());
        }
    }

    fn time(&self) -> Now {
        at(self.now)
    }

    /// A runner begins with what the bus keeps, and gets what nobody has acknowledged.
    fn begin(&mut self) {
        let number = self.runners.last().map_or(0, |runner| runner.number + 1);
        self.say(|| format!("runner {number} begins"));
        let seed = self.random.u64(..);
        let state = TriggerState::new(self.plan.clone(), self.limits, seed, self.time());
        let waiting = self
            .kept
            .iter()
            .map(|(place, member)| (*place, member.sequence));
        self.runners.push(Runner {
            number,
            state,
            pending: Vec::new(),
            is_subscribed: true,
            in_hand: BTreeSet::new(),
            away: BTreeSet::new(),
            received: 0,
            counts: BTreeMap::new(),
            decided: BTreeMap::new(),
            over: Tally::default(),
            works: BTreeMap::new(),
            released: BTreeSet::new(),
            kept: self.kept.iter().map(|(p, m)| (m.sequence, *p)).collect(),
            restored: self.kept.iter().map(|(p, m)| (m.sequence, *p)).collect(),
            last_words: Vec::new(),
            waiting: waiting.collect(),
            outdated: Vec::new(),
            expected: Vec::new(),
            outbox: Vec::new(),
        });
        for (dependency, member) in self.kept.clone() {
            self.wake(number, Wake::Restored { dependency, member });
        }
    }

    fn publish(&mut self) {
        let sequence = self.messages.len() as u64 + 1;
        let mut arrivals: Vec<(usize, Kind)> = Vec::new();
        let count = if self.conditions == Rule::AAndB { 2 } else { 3 };
        for place in 0..count {
            if self.random.u8(..10) < 4 {
                let kind = match self.random.u8(..20) {
                    0 => Kind::Failed,
                    1..3 => Kind::Refused,
                    _ => Kind::Taken,
                };
                arrivals.push((place, kind));
            }
        }
        self.random.shuffle(&mut arrivals);
        let object = self.random.u64(..4);
        self.messages.push(Message {
            sequence,
            object: (object > 0).then_some(object),
            stored_at: self.now,
            arrivals,
            is_acknowledged: false,
            held: None,
        });
    }

    /// The first message that nobody has goes to the subscriber.
    fn deliver(&mut self) {
        let Some(runner) = self.subscriber() else {
            return;
        };
        let has_room = self.runners[runner].state.has_room() && self.is_connected;
        let free = |message: &&Message| !message.is_acknowledged && message.held.is_none();
        if let (true, Some(message)) = (has_room, self.messages.iter().find(free)) {
            let (number, sequence) = (self.runners[runner].number, message.sequence);
            self.hand_out(number, sequence);
        }
    }

    fn hand_out(&mut self, number: usize, sequence: u64) {
        let due = self.now + ACK_WAIT;
        let message = &mut self.messages[usize::try_from(sequence).unwrap() - 1];
        message.held = Some((number, due));
        let context = Context {
            id: format!("e{sequence}"),
            ..Context::default()
        };
        let member = Member {
            event: Arc::new(Event {
                context: context.clone().into(),
                data: None,
            }),
            sequence,
            stored_at: at(message.stored_at).time,
            object: message.object,
            replay: None,
        };
        let arrivals = message.arrivals.iter().map(|(place, kind)| {
            let arrival = match kind {
                Kind::Taken => Arrival::Taken(member.clone()),
                Kind::Refused => Arrival::Filtered(Verdict::Reject("no".to_owned())),
                Kind::Failed => Arrival::Failed("bad".into()),
            };
            (*place, arrival)
        });
        let arrivals = arrivals.collect();
        let taken: Vec<usize> = message
            .arrivals
            .iter()
            .filter(|(_, kind)| *kind == Kind::Taken)
            .map(|(place, _)| *place)
            .collect();
        self.say(|| format!("{number} gets {sequence} for {taken:?}"));
        let rule = self.conditions;
        let runner = self.runner(number);
        runner.received += 1;
        runner.away.remove(&sequence);
        if runner.in_hand.insert(sequence) {
            runner.expect(sequence, &taken, rule);
        } else {
            *runner.counts.entry(Outcome::Deduplicated).or_default() += 1;
        }
        for place in std::mem::take(&mut self.runner(number).outdated) {
            self.ledger.obsolete(place);
        }
        if self.resets {
            // A reset in between decides which event takes the place of which.
            for place in taken {
                for older in 1..sequence {
                    self.ledger.obsolete((older, place));
                }
            }
        }
        let arrived = Arrived {
            sequence,
            weight: 1,
            content: Content::Event {
                context: context.into(),
                replay: None,
                arrivals,
            },
        };
        self.wake(number, Wake::Delivered(arrived));
    }

    /// Something that is being carried out ends.
    fn finish_any(&mut self) {
        let busy = self
            .runners
            .iter()
            .filter(|runner| !runner.pending.is_empty());
        let busy: Vec<usize> = busy.map(|runner| runner.number).collect();
        let Some(number) = self.random.choice(busy) else {
            return;
        };
        let count = self.runner(number).pending.len();
        let index = self.random.usize(..count);
        let pending = self.runner(number).pending.swap_remove(index);
        self.finish(number, pending);
    }

    fn finish(&mut self, number: usize, pending: Pending) {
        let answers = self.is_connected && (self.is_calm || self.random.u8(..10) > 0);
        let applies = answers || self.is_connected && self.random.bool();
        let wake = match pending {
            Pending::Confirm(sequence) => {
                if applies {
                    self.acknowledge(sequence);
                }
                Wake::Confirmed {
                    sequence,
                    is_confirmed: answers,
                }
            }
            Pending::Attempt(trial) => self.answer(trial),
            pending => {
                let work = pending.work();
                if applies {
                    let is_letter = matches!(pending, Pending::Letter(..));
                    if let Some(firing) = self.runner(number).works.get_mut(&work) {
                        firing.is_over |= is_letter;
                    }
                    self.apply(pending);
                }
                Wake::Stored {
                    work,
                    is_stored: answers,
                }
            }
        };
        self.wake(number, wake);
    }

    /// The bus does what it was asked for.
    fn apply(&mut self, pending: Pending) {
        match pending {
            Pending::Keep(_, place, member) => {
                self.ever_kept.insert((member.sequence, place));
                self.kept.insert(place, member);
            }
            Pending::Forget(_, places) => {
                for place in places {
                    self.kept.remove(&place);
                }
            }
            Pending::Letter(_, places) => self.ledger.letter(&places),
            Pending::Confirm(sequence) => self.acknowledge(sequence),
            Pending::Attempt(_) => {}
        }
    }

    fn acknowledge(&mut self, sequence: u64) {
        let message = &mut self.messages[usize::try_from(sequence).unwrap() - 1];
        message.is_acknowledged = true;
        message.held = None;
    }

    /// How an attempt ends.
    fn answer(&mut self, trial: Trial) -> Wake {
        let Trial {
            work,
            level,
            round,
            renders,
            performs,
            ..
        } = trial;
        let sum: u64 = round.iter().map(|(_, member)| member.sequence).sum();
        if renders && (sum + level as u64).is_multiple_of(23) {
            let fired = Fired::NotRendered("no path".into());
            return Wake::Fired { work, fired };
        }
        let deed = Deed {
            round: Arc::clone(&round),
            is_repeatable: level == 0 && self.is_repeatable,
        };
        if !performs {
            let fired = Fired::Rendered(deed);
            return Wake::Fired { work, fired };
        }
        let chance = if self.is_calm {
            0
        } else {
            self.random.u8(..100)
        };
        let attempt = match chance {
            0..70 => {
                self.act(&round, level);
                Attempt::Done
            }
            70..82 => Attempt::Refused("no".into()),
            82..97 => Attempt::Unavailable {
                reason: Reason::TargetUnavailable,
                message: "nobody".into(),
                hint: None,
                retry_after: self.random.bool().then_some(Duration::from_secs(7)),
            },
            _ => {
                self.act(&round, level);
                let message = "oh".to_owned();
                return Wake::Panicked { work, message };
            }
        };
        if renders {
            let fired = Fired::Performed(deed, attempt);
            Wake::Fired { work, fired }
        } else {
            Wake::Performed { work, attempt }
        }
    }

    fn connect(&mut self, is_connected: bool) {
        self.is_connected = is_connected;
        if is_connected {
            for index in 0..self.runners.len() {
                for sequence in std::mem::take(&mut self.runners[index].outbox) {
                    self.acknowledge(sequence);
                }
            }
        }
        let numbers: Vec<usize> = self.runners.iter().map(|runner| runner.number).collect();
        for number in numbers {
            self.wake(number, Wake::Connection(is_connected));
        }
    }

    /// The process is killed, and with it everything that was not stored. What was under way is done
    /// or not.
    fn crash(&mut self) {
        self.say(|| "crash".to_owned());
        for runner in std::mem::take(&mut self.runners) {
            for firing in runner.works.values() {
                let round = places(&firing.round);
                let is_open = |place: &Place| {
                    runner.in_hand.contains(&place.0) || runner.outbox.contains(&place.0)
                };
                if round.iter().any(is_open) {
                    self.ledger.may_repeat(&round);
                }
                if firing.is_released && !firing.is_over {
                    self.ledger.may_be_lost(&round);
                }
            }
            // What waits behind a firing of the same delivery is acknowledged early together with it.
            for (place, sequence) in &runner.waiting {
                let place = (*sequence, *place);
                if runner.released.contains(sequence) && !runner.kept.contains(&place) {
                    self.ledger.may_be_lost(&[place]);
                }
            }
            for round in &runner.expected {
                if round.iter().any(|place| runner.released.contains(&place.0)) {
                    self.ledger.may_be_lost(round);
                }
            }
            for pending in runner.pending {
                if !self.is_connected || self.random.bool() {
                    continue;
                }
                match pending {
                    Pending::Attempt(trial) if trial.performs => {
                        self.act(&trial.round, trial.level);
                    }
                    pending => self.apply(pending),
                }
            }
        }
        for message in &mut self.messages {
            message.held = None;
        }
    }

    /// The action of a round is done.
    fn act(&mut self, round: &Round, level: usize) {
        let at_most_once = self.at_most_once(level);
        self.ledger.fire(&places(round), level, at_most_once);
    }

    /// The action of a round may be done from here on.
    ///
    /// An event that was kept for one of several dependencies may be used while the rest of its delivery
    /// is not done: the bus delivers all of it again if the runner ends before that. So it does with one
    /// that was kept by a process which ended before it acknowledged it: the next runner knows that it was
    /// kept, and the one after that, where it comes again only then, does not know that it was used.
    fn begin_to_act(&mut self, round: &Round) {
        for place in places(round) {
            let message = &self.messages[usize::try_from(place.0).unwrap() - 1];
            let was_found = self
                .runners
                .iter()
                .any(|runner| runner.restored.contains(&place));
            let is_open = !message.is_acknowledged && (message.arrivals.len() > 1 || was_found);
            if is_open && self.ever_kept.contains(&place) {
                self.ledger.comes_again(place);
            }
        }
    }

    fn wake_subscriber(&mut self, wake: Wake) {
        if let Some(index) = self.subscriber() {
            let number = self.runners[index].number;
            self.say(|| format!("{number}: {wake:?}"));
            self.runners[index].is_subscribed = false;
            self.wake(number, wake);
        }
    }

    /// Time passes, with everything that falls due in it.
    fn pass(&mut self, span: u64) {
        let end = self.now + span;
        loop {
            let mut next = (end, None);
            for runner in &self.runners {
                let due = runner.state.next_due(self.time());
                let due = due.map_or(u64::MAX, |due| {
                    u64::try_from(due.as_nanos().div_ceil(1_000_000)).unwrap()
                });
                if due < next.0 {
                    next = (due, Some(runner.number));
                }
            }
            let held = self.messages.iter().filter_map(|message| {
                let (number, due) = message.held?;
                Some((due, number, message.sequence))
            });
            let again = held.min().filter(|_| self.is_connected);
            match (again, next) {
                (Some((due, number, sequence)), (other, _)) if due <= other => {
                    self.now = self.now.max(due);
                    self.offer_again(number, sequence);
                }
                (_, (due, Some(number))) => {
                    self.now = self.now.max(due);
                    self.wake(number, Wake::Deadline);
                }
                (_, (end, None)) => {
                    self.now = self.now.max(end);
                    return;
                }
            }
        }
    }

    /// Nobody has answered for a message in time.
    fn offer_again(&mut self, number: usize, sequence: u64) {
        let runner = self.runners.iter().find(|runner| runner.number == number);
        if runner.is_some_and(|runner| runner.is_subscribed) {
            self.hand_out(number, sequence);
        } else {
            self.messages[usize::try_from(sequence).unwrap() - 1].held = None;
        }
    }

    fn subscriber(&self) -> Option<usize> {
        self.runners.iter().position(|runner| runner.is_subscribed)
    }

    fn runner(&mut self, number: usize) -> &mut Runner {
        let runner = self
            .runners
            .iter_mut()
            .find(|runner| runner.number == number);
        runner.expect("it runs")
    }
}

impl Runner {
    /// What an event brings together: the rule, as a user would say it.
    fn expect(&mut self, sequence: u64, taken: &[usize], rule: Rule) {
        // What was kept before it came again is kept anew, unless it has been used since.
        let is_spent = |place: &usize| {
            let was_kept = self.restored.contains(&(sequence, *place));
            was_kept && self.waiting.get(place) != Some(&sequence)
        };
        let taken: Vec<usize> = taken.iter().copied().filter(|p| !is_spent(p)).collect();
        self.waiting.retain(|_, waiting| *waiting != sequence);
        for place in &taken {
            if rule == Rule::Any {
                self.expected.push(vec![(sequence, *place)]);
                continue;
            }
            if let Some(old) = self.waiting.insert(*place, sequence) {
                self.outdated.push((old, *place));
            }
            if rule.holds(&self.waiting) {
                let round = std::mem::take(&mut self.waiting).into_iter();
                self.expected
                    .push(round.map(|(place, sequence)| (sequence, place)).collect());
            }
        }
    }

    fn decide(&mut self, decision: Decision) {
        let Decision {
            event_id, outcome, ..
        } = decision;
        *self.counts.entry(outcome).or_default() += 1;
        if outcome != Outcome::Deduplicated
            && let Some(before) = self.decided.insert(event_id, outcome)
        {
            *self.counts.entry(before).or_default() -= 1;
        }
    }
}

impl Pending {
    fn work(&self) -> WorkId {
        match self {
            Self::Keep(work, ..) | Self::Forget(work, _) | Self::Letter(work, _) => *work,
            Self::Attempt(trial) => trial.work,
            Self::Confirm(_) => WorkId::MAX,
        }
    }
}

fn every_minute() -> Resets {
    let spec = serde_json::json!([{"byTime": {"cron": "* * * * *"}}]);
    let spec: Vec<_> = serde_json::from_value(spec).unwrap();
    Resets::compile(&spec, "conditionsReset", &mut Vec::new())
}

fn at(ms: u64) -> Now {
    let uptime = Duration::from_millis(ms);
    // The beginning of 2026.
    let start = Timestamp::constant(1_767_225_600, 0);
    Now {
        time: start + SignedDuration::try_from(uptime).unwrap(),
        uptime,
    }
}
