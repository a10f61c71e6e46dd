//! The loop of one trigger: everything that can happen to it is a [`Wake`].

mod ending;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::{SignedDuration, Timestamp};
use tiphys_api::message::with_causes;
use tiphys_eventbus::{
    Context, DeadLetterReason, Delivery, Durable, StartAt, Subject, Subscription,
    SubscriptionConfig,
};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::prepare::{Arrival, Content, Prepared, prepare};
use super::rounds::Kept;
use super::work::{BUS_WAIT, Finished, Shared, Work};
use super::{ACK_WAIT, DRAIN, MAX_IN_FLIGHT, MAX_RUNNING, Opening, Runner};
use crate::Error;
use crate::engine::{Lanes, Outcome, Rounds, Seen, Step, Tally, Ticket};
use crate::trigger::Trigger;

/// How many deliveries are prepared together: enough to make the hop to another thread cheap.
const CHUNK: usize = 32;

/// How many chunks are prepared at a time: one per core, and one to hand over.
const CHUNKS: usize = 4;

/// How often resets are looked at, however far the next one is: clocks are set.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// One trigger of a running sensor.
pub(super) struct TriggerLoop {
    shared: Arc<Shared>,
    opening: Arc<Opening>,
    rounds: Rounds,
    seen: Seen,
    lanes: Lanes,
    tally: Tally,
    /// Deliveries that are not acknowledged yet, by their numbers in the stream.
    in_flight: HashMap<u64, InFlight>,
    work: HashMap<Ticket, Work>,
    ready: VecDeque<Ticket>,
    running: JoinSet<(Ticket, Finished)>,
    /// Work whose event took the place of one that waited: counted when it is done, and so after the
    /// one that waited.
    replacing: HashSet<Ticket>,
    /// The resets between which the last moment lay that was looked at.
    between_resets: Option<Range<Timestamp>>,
}

/// A delivery and the work that it led to.
struct InFlight {
    /// The latest delivery of the message: only it can be answered.
    delivery: watch::Sender<Arc<Delivery>>,
    /// Its attributes, if it is an event.
    context: Option<Context>,
    /// Pieces of work that are not finished.
    left: usize,
    /// The best that any of them came to.
    outcome: Option<Outcome>,
    /// The work was not carried out: the bus has to deliver again.
    again: bool,
}

/// Everything that can wake a trigger.
enum Wake {
    Prepared(Result<Vec<Prepared>, JoinError>),
    Finished(Result<(Ticket, Finished), JoinError>),
    SignOfLife,
    /// A moment at which kept events may have to be forgotten.
    Deadline,
}

impl TriggerLoop {
    pub(super) fn new(runner: Runner, trigger: Arc<Trigger>, opening: Arc<Opening>) -> Self {
        Self {
            opening,
            rounds: Rounds::new(Arc::clone(trigger.conditions())),
            seen: Seen::default(),
            lanes: Lanes::default(),
            tally: Tally::default(),
            in_flight: HashMap::new(),
            work: HashMap::new(),
            ready: VecDeque::new(),
            running: JoinSet::new(),
            replacing: HashSet::new(),
            between_resets: None,
            shared: Arc::new(Shared::new(runner, trigger)),
        }
    }

    /// Runs until `shutdown` or until another runner takes over, then finishes what is in flight.
    /// `holds` is dropped when the other runner may begin.
    pub(super) async fn run(
        mut self,
        shutdown: CancellationToken,
        holds: Arc<DropGuard>,
    ) -> Result<(), Error> {
        let handover = self.shared.runner.handover.asked.clone();
        self.shared.runner.status.begin(self.shared.trigger.name());
        let opened = tokio::select! {
            () = handover.cancelled() => return Ok(()),
            opened = self.open(&shutdown) => opened?,
        };
        let Some((kept, subscription)) = opened else {
            return Ok(());
        };
        self.shared
            .runner
            .status
            .listening(self.shared.trigger.name());
        self.opening.opened();
        let mut prepared = self.prepared(subscription);
        let mut signs = interval(ACK_WAIT / 3);
        signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deadline = self.forget_before(self.now(), kept.as_ref());
        loop {
            let room = self.in_flight.len() < MAX_IN_FLIGHT;
            let wake = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = handover.cancelled() => break,
                Some(finished) = self.running.join_next() => Wake::Finished(finished),
                Some(prepared) = prepared.next(), if room => Wake::Prepared(prepared),
                _ = signs.tick() => Wake::SignOfLife,
                () = sleep_until(deadline) => Wake::Deadline,
            };
            if matches!(wake, Wake::Deadline) {
                deadline = self.forget_before(self.now(), kept.as_ref());
            }
            self.on(wake, kept.as_ref()).await?;
        }
        drop(prepared);
        let hands_over = self.hand_over(&shutdown).await?;
        drop(holds);
        self.drain(&shutdown).await?;
        if hands_over {
            let Shared {
                runner, trigger, ..
            } = &*self.shared;
            runner.status.finished(trigger.name(), &self.tally);
        } else {
            self.show();
        }
        Ok(())
    }

    /// Opens what is needed of the bus, as often as it takes; `None` after a stop.
    async fn open(
        &mut self,
        shutdown: &CancellationToken,
    ) -> Result<Option<(Option<Kept>, Subscription)>, Error> {
        let mut wait = BUS_WAIT.0;
        loop {
            let error = match self.try_open().await {
                Ok(opened) => return Ok(Some(opened)),
                Err(error) => error,
            };
            let Shared {
                runner, trigger, ..
            } = &*self.shared;
            let error = with_causes(&error);
            runner.status.not_listening(trigger.name(), &error);
            tracing::warn!(
                sensorName = %runner.sensor.name,
                triggerName = %trigger.name(),
                error,
                "Waiting for the event bus"
            );
            tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(BUS_WAIT.1),
            }
        }
    }

    async fn try_open(&mut self) -> Result<(Option<Kept>, Subscription), Error> {
        let Shared {
            runner, trigger, ..
        } = &*self.shared;
        let name = || Arc::clone(trigger.name());
        let kept = if self.rounds.keeps() {
            let kept = Kept::open(runner, trigger, &mut self.rounds);
            Some(kept.await.map_err(|source| Error::State {
                trigger: name(),
                source,
            })?)
        } else {
            None
        };
        let config = SubscriptionConfig {
            durable: Durable::trigger(
                &runner.sensor.namespace,
                &runner.sensor.name,
                trigger.name(),
            ),
            subjects: subjects(runner, trigger),
            start: StartAt::Time(runner.start(trigger)),
            ack_wait: ACK_WAIT,
            max_in_flight: MAX_IN_FLIGHT * 2,
        };
        let subscription = runner.bus.subscribe(config).await;
        let subscription = subscription.map_err(|source| Error::Subscribe {
            trigger: name(),
            source,
        })?;
        Ok((kept, subscription))
    }

    /// The deliveries, prepared on all cores, in stream order.
    fn prepared(
        &self,
        subscription: Subscription,
    ) -> BoxStream<'static, Result<Vec<Prepared>, JoinError>> {
        let shared = Arc::clone(&self.shared);
        let deliveries = subscription.deliveries.filter_map(|delivery| async move {
            delivery
                .map_err(|error| {
                    tracing::warn!(
                        error = with_causes(&error),
                        "NATS connection lost, reconnecting..."
                    );
                })
                .ok()
        });
        let prepare_chunk = move |chunk: Vec<Delivery>| {
            let shared = Arc::clone(&shared);
            tokio::task::spawn_blocking(move || {
                let dependencies = &shared.runner.sensor.dependencies;
                chunk
                    .into_iter()
                    .map(|delivery| prepare(delivery, dependencies, &shared.trigger))
                    .collect()
            })
        };
        Box::pin(
            deliveries
                .ready_chunks(CHUNK)
                .map(prepare_chunk)
                .buffered(CHUNKS),
        )
    }

    async fn on(&mut self, wake: Wake, kept: Option<&Kept>) -> Result<(), Error> {
        match wake {
            Wake::Prepared(prepared) => {
                for prepared in prepared? {
                    self.take(prepared, kept).await;
                }
            }
            Wake::Finished(finished) => self.finish(finished?).await,
            Wake::SignOfLife => self.show_signs_of_life().await,
            // What is forgotten is work like any other.
            Wake::Deadline => {}
        }
        self.start();
        self.show();
        Ok(())
    }

    /// Shows where the events are.
    fn show(&self) {
        let Shared {
            runner,
            trigger,
            metrics,
            ..
        } = &*self.shared;
        metrics.show(&runner.status.count(trigger.name(), &self.tally));
    }

    async fn take(&mut self, prepared: Prepared, kept: Option<&Kept>) {
        let Prepared { delivery, content } = prepared;
        let sequence = delivery.sequence;
        self.tally.receive();
        let Shared {
            runner, trigger, ..
        } = &*self.shared;
        runner
            .status
            .received(trigger.name(), delivery.pending, self.now());
        // Delivered again while it is still being worked on.
        if let Some(flight) = self.in_flight.get_mut(&sequence) {
            flight.delivery.send_replace(delivery);
            self.tally.shift(Outcome::InFlight, Outcome::Deduplicated);
            return;
        }
        let context = match &content {
            Content::Event { context, .. } => Some(context.clone()),
            Content::Unreadable(_) => None,
        };
        let latest = watch::Sender::new(Arc::clone(&delivery));
        let flight = InFlight {
            delivery: latest,
            context,
            left: 0,
            outcome: None,
            again: false,
        };
        self.in_flight.insert(sequence, flight);
        match content {
            Content::Unreadable(error) => {
                let reason = DeadLetterReason::Malformed;
                self.add(
                    &[],
                    Work::DeadLetter {
                        delivery,
                        reason,
                        error: with_causes(&error),
                    },
                );
            }
            Content::Event { context, arrivals } => {
                if self.seen.insert(&context, self.now()) {
                    self.log_refusals(&context.id, &arrivals);
                    for (dependency, arrival) in arrivals {
                        self.arrive(dependency, arrival, &delivery, kept);
                    }
                } else {
                    self.note(sequence, Outcome::Deduplicated);
                }
            }
        }
        self.settle(sequence).await;
    }

    fn arrive(
        &mut self,
        dependency: usize,
        arrival: Arrival,
        delivery: &Arc<Delivery>,
        kept: Option<&Kept>,
    ) {
        let Some(flight) = self.in_flight.get(&delivery.sequence) else {
            return;
        };
        let latest = flight.delivery.subscribe();
        let delivery = Arc::clone(delivery);
        let member = match arrival {
            Arrival::Taken(member) => member,
            Arrival::Filtered(_) => return self.note(delivery.sequence, Outcome::Filtered),
            Arrival::Failed(error) => {
                self.add(
                    &[],
                    Work::DeadLetter {
                        delivery,
                        reason: DeadLetterReason::TransformFailed,
                        error,
                    },
                );
                return;
            }
        };
        self.forget_before(member.stored_at, kept);
        let names = self.shared.trigger.dependency_names();
        let (step, member) = (
            self.rounds.arrive(dependency, member.clone(), names),
            member,
        );
        match step {
            Step::Fire { round, replaced } => {
                let mut keys: Vec<u64> = round.iter().filter_map(|(_, m)| m.object).collect();
                keys.extend(kept.map(|_| ROUNDS));
                let work = Work::Fire {
                    round,
                    delivery,
                    latest,
                    kept: kept.cloned(),
                };
                let ticket = self.add(&keys, work);
                self.replacing.extend(replaced.map(|_| ticket));
            }
            Step::Keep {
                dependency,
                replaced,
            } => {
                if let Some(kept) = kept.cloned() {
                    let work = Work::Keep {
                        dependency,
                        member,
                        delivery,
                        kept,
                    };
                    let ticket = self.add(&[ROUNDS], work);
                    self.replacing.extend(replaced.map(|_| ticket));
                }
            }
        }
    }

    fn now(&self) -> Timestamp {
        (self.shared.runner.now)()
    }

    /// Forgets the kept events that the last reset at `moment` is about. Returns when to look again.
    ///
    /// Asked for each event with the time at which it was stored, so that a backlog is worked off as
    /// if nothing had stopped; and at the resets themselves.
    fn forget_before(&mut self, moment: Timestamp, kept: Option<&Kept>) -> Instant {
        if !self
            .between_resets
            .as_ref()
            .is_some_and(|between| between.contains(&moment))
        {
            let resets = self.shared.trigger.resets();
            let last = resets.last(moment).unwrap_or(Timestamp::MIN);
            self.between_resets = Some(last..resets.next(moment).unwrap_or(Timestamp::MAX));
        }
        let Some(Range { start, end }) = self.between_resets.clone() else {
            return Instant::now() + LOOK_AGAIN;
        };
        let forgotten = self.rounds.forget_before(start);
        if let (Some(kept), false) = (kept.cloned(), forgotten.is_empty()) {
            for _ in &forgotten {
                self.tally.shift(Outcome::Waiting, Outcome::Filtered);
            }
            tracing::info!(
                sensorName = %self.shared.runner.sensor.name,
                triggerName = %self.shared.trigger.name(),
                events = forgotten.len(),
                "Forgot events that waited for others"
            );
            let dependencies = forgotten
                .into_iter()
                .map(|(dependency, _)| dependency)
                .collect();
            self.add(&[ROUNDS], Work::Forget { dependencies, kept });
        }
        let left = end.duration_since(self.now()).max(SignedDuration::ZERO);
        Instant::now()
            + Duration::try_from(left)
                .unwrap_or(LOOK_AGAIN)
                .min(LOOK_AGAIN)
    }

    fn add(&mut self, keys: &[u64], work: Work) -> Ticket {
        let sequence = work.delivery().map(|delivery| delivery.sequence);
        if let Some(flight) = sequence.and_then(|sequence| self.in_flight.get_mut(&sequence)) {
            flight.left += 1;
        }
        let (ticket, is_ready) = self.lanes.enter(keys);
        self.work.insert(ticket, work);
        if is_ready {
            self.ready.push_back(ticket);
        }
        ticket
    }

    fn note(&mut self, sequence: u64, outcome: Outcome) {
        if let Some(flight) = self.in_flight.get_mut(&sequence) {
            flight.outcome = Some(flight.outcome.map_or(outcome, |best| best.min(outcome)));
        }
    }

    fn log_refusals(&self, event_id: &str, arrivals: &[(usize, Arrival)]) {
        for (dependency, arrival) in arrivals {
            if let Arrival::Filtered(verdict) = arrival {
                tracing::debug!(
                    sensorName = %self.shared.runner.sensor.name,
                    triggerName = %self.shared.trigger.name(),
                    eventID = event_id,
                    reason = ?verdict,
                    "not interested in dependency {} (didn't pass filter)",
                    self.shared.trigger.dependency_names()[*dependency],
                );
            }
        }
    }

    /// Starts what is ready, as far as there is room.
    fn start(&mut self) {
        while self.running.len() < MAX_RUNNING {
            let Some(ticket) = self.ready.pop_front() else {
                return;
            };
            let Some(work) = self.work.remove(&ticket) else {
                continue;
            };
            let shared = Arc::clone(&self.shared);
            self.running
                .spawn(async move { (ticket, shared.carry_out(work).await) });
        }
    }

    async fn finish(&mut self, (ticket, finished): (Ticket, Finished)) {
        self.ready.extend(self.lanes.leave(ticket));
        if self.replacing.remove(&ticket) && finished.outcome.is_some() {
            self.tally.shift(Outcome::Waiting, Outcome::Filtered);
        }
        let Some(sequence) = finished.sequence else {
            return;
        };
        let Some(flight) = self.in_flight.get_mut(&sequence) else {
            return;
        };
        flight.left -= 1;
        match finished.outcome {
            Some(outcome) => {
                for _ in 0..finished.joined {
                    self.tally.shift(Outcome::Waiting, outcome);
                }
                self.note(sequence, outcome);
            }
            None => flight.again = true,
        }
        self.settle(sequence).await;
    }

    /// Answers a delivery whose work is finished.
    async fn settle(&mut self, sequence: u64) {
        if self
            .in_flight
            .get(&sequence)
            .is_none_or(|flight| flight.left > 0)
        {
            return;
        }
        let Some(flight) = self.in_flight.remove(&sequence) else {
            return;
        };
        let delivery = flight.delivery.borrow().clone();
        let answered = if flight.again {
            self.tally.give_back();
            if let Some(context) = &flight.context {
                self.seen.remove(context);
            }
            delivery.retry_after(Duration::ZERO).await
        } else {
            self.tally.shift(
                Outcome::InFlight,
                flight.outcome.unwrap_or(Outcome::Filtered),
            );
            delivery.ack().await
        };
        if let Err(error) = answered {
            tracing::warn!(
                error = with_causes(&error),
                "An acknowledgement was not sent"
            );
        }
    }

    async fn show_signs_of_life(&self) {
        for flight in self.in_flight.values() {
            let delivery = flight.delivery.borrow().clone();
            if delivery.in_progress().await.is_err() {
                return;
            }
        }
    }
}

/// The key of all work that touches a trigger's rounds on the bus: it is done in order.
const ROUNDS: u64 = 0;

fn subjects(runner: &Runner, trigger: &Trigger) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = Vec::new();
    for &index in trigger.dependencies() {
        let subject = runner.sensor.dependencies[index].subject();
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    subjects
}
