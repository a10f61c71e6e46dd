//! Carries the effects of a trigger's state out, and brings back what came of them.
//!
//! What is short is done at once; whatever waits for somebody is a task or a future of its own, so
//! the loop never waits for one of them. A task that panics costs its piece of work and no other.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tiphys_api::message::with_causes;
use tiphys_eventbus::{Delivery, Error as BusError};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::DropGuard;

use super::Runner;
use super::budget::{CHUNK, Permit};
use super::hands::{Hands, Means};
use super::preparation::InFlight;
use super::status::Waiting;
use crate::engine::{self, Performs, Round, Tally, WorkId, panic_message};
use crate::trigger::{Action, Trigger};

pub(super) type Wake = engine::Wake<Arc<Action>>;
pub(super) type Effect = engine::Effect<Arc<Action>>;

/// What carries out the effects of one trigger.
pub(super) struct Carrier {
    hands: Arc<Hands>,
    /// The latest delivery of each message in hand: only it can be answered.
    deliveries: HashMap<u64, Arc<InFlight>>,
    /// Deliveries that were given back to the bus for a while, without their payloads.
    given_back: HashMap<u64, Delivery>,
    tasks: JoinSet<Vec<Ended>>,
    /// Firings to begin that wait for nobody: they go together, for a task is dearer than each of them.
    immediate: Vec<(WorkId, Step)>,
    /// What ended, and was not told yet.
    ended: VecDeque<Ended>,
    /// Firings whose actions are rendered and not begun yet: an event is acknowledged early only when
    /// its action may run.
    permits: HashMap<WorkId, Permit>,
    confirmations: FuturesUnordered<BoxFuture<'static, Wake>>,
    /// Who is said to wait.
    waiting: HashMap<WorkId, Waiting>,
    /// Until another runner may begin.
    holds: Option<Arc<DropGuard>>,
    is_handed_over: bool,
    is_over: bool,
}

/// A step of a firing.
enum Step {
    /// Renders the action, and performs it if that may be done at once.
    Fire {
        level: usize,
        round: Arc<Round>,
        performs: Performs,
        is_held: bool,
    },
    /// Performs the action.
    Perform {
        level: usize,
        action: Arc<Action>,
        permit: Option<Permit>,
        is_held: bool,
    },
}

/// Something has ended.
struct Ended {
    wake: Wake,
    /// A permit that its work goes on to need.
    permit: Option<(WorkId, Permit)>,
}

impl Carrier {
    pub(super) fn new(
        runner: Runner,
        trigger: &Arc<Trigger>,
        means: Means,
        holds: Arc<DropGuard>,
    ) -> Self {
        Self {
            hands: Arc::new(Hands::new(runner, trigger, means)),
            deliveries: HashMap::new(),
            given_back: HashMap::new(),
            tasks: JoinSet::new(),
            immediate: Vec::new(),
            ended: VecDeque::new(),
            permits: HashMap::new(),
            confirmations: FuturesUnordered::new(),
            waiting: HashMap::new(),
            holds: Some(holds),
            is_handed_over: false,
            is_over: false,
        }
    }

    /// Takes a delivery in hand.
    pub(super) fn receive(&mut self, in_flight: Arc<InFlight>) {
        let position = in_flight.delivery.position.to_wire();
        self.given_back.remove(&position);
        self.deliveries.insert(position, in_flight);
    }

    /// What came of an effect; nothing as long as none is being carried out.
    ///
    /// # Cancellation
    /// Nothing gets lost.
    pub(super) async fn next(&mut self) -> Result<Wake, JoinError> {
        loop {
            if let Some(Ended { wake, permit }) = self.ended.pop_front() {
                self.permits.extend(permit);
                return Ok(wake);
            }
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => self.ended.extend(ended?),
                Some(wake) = self.confirmations.next() => return Ok(wake),
                else => pending().await,
            }
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Shows where the events are.
    pub(super) fn show(&self, tally: &Tally) {
        let Some((trigger, metrics)) = self.hands.first() else {
            return;
        };
        let status = self.hands.status();
        match (self.is_handed_over, self.is_over) {
            (false, _) => metrics.show(&status.count(trigger.name(), tally)),
            (true, true) => status.finished(trigger.name(), tally),
            (true, false) => {}
        }
    }

    /// Carries an effect out, or begins to.
    pub(super) async fn carry(&mut self, effect: Effect) {
        match effect {
            Effect::Keep { .. }
            | Effect::Forget { .. }
            | Effect::DeadLetter { .. }
            | Effect::Fire { .. }
            | Effect::Perform { .. } => self.begin(effect),
            Effect::Cancel(which) => {
                self.permits.clear();
                self.hands.cancel(which);
            }
            Effect::Confirm { sequence } => self.confirm(sequence),
            Effect::Acknowledge { sequence } => {
                if let Some(in_flight) = self.deliveries.remove(&sequence) {
                    warn_unsent(in_flight.delivery.ack().await);
                }
            }
            Effect::NegativeAcknowledge { sequence } => {
                if let Some(in_flight) = self.deliveries.remove(&sequence) {
                    warn_unsent(in_flight.delivery.retry_after(Duration::ZERO).await);
                }
            }
            Effect::Release { sequence } => {
                self.deliveries.remove(&sequence);
                self.given_back.remove(&sequence);
            }
            Effect::GivesWay { work } => drop(self.permits.remove(&work)),
            Effect::GiveBack { sequence, delay } => self.give_back(sequence, delay).await,
            Effect::Recall { sequences } => {
                for sequence in sequences {
                    if let Some(delivery) = self.given_back.get(&sequence) {
                        warn_unsent(delivery.retry_after(Duration::ZERO).await);
                    }
                }
            }
            Effect::InProgress { sequences } => self.show_heartbeats(&sequences).await,
            Effect::Waits {
                work,
                reason,
                message,
                hint,
            } => {
                let waiting = self.hands.waits(reason, &message, hint.as_deref());
                self.waiting.insert(work, waiting);
            }
            Effect::WaitsNoMore { work } => {
                self.waiting.remove(&work);
            }
            Effect::HandedOver(over) => {
                self.show(&over);
                self.is_handed_over = true;
                // Some are of work that was given back.
                self.permits.clear();
                self.holds = None;
            }
            Effect::Ended => self.is_over = true,
            effect @ (Effect::Decided(_)
            | Effect::Refused { .. }
            | Effect::Succeeded { .. }
            | Effect::GaveUp { .. }
            | Effect::Reset { .. }) => self.hands.log(effect),
        }
    }

    /// Begins what takes a while.
    fn begin(&mut self, effect: Effect) {
        let hands = Arc::clone(&self.hands);
        match effect {
            Effect::Keep {
                work,
                dependency,
                member,
            } => self.spawn(work, async move {
                let stored = match &hands.means.kept {
                    Some(kept) => kept.keep(dependency, &member).await,
                    None => Ok(()),
                };
                hands.stored(work, "keep an event", &stored)
            }),
            Effect::Forget { work, dependencies } => self.spawn(work, async move {
                let stored = match &hands.means.kept {
                    Some(kept) => kept.forget(&dependencies).await,
                    None => Ok(()),
                };
                hands.stored(work, "forget kept events", &stored)
            }),
            Effect::DeadLetter {
                work,
                sequence,
                letter,
            } => {
                self.permits.remove(&work);
                if let Some(in_flight) = self.deliveries.get(&sequence).cloned() {
                    self.spawn(work, async move {
                        let stored = hands.dead_letter(&in_flight.delivery, letter).await;
                        hands.stored(work, "dead-letter an event", &stored)
                    });
                }
            }
            Effect::Fire {
                work,
                level,
                round,
                performs,
                is_held,
            } => {
                let step = Step::Fire {
                    level,
                    round,
                    performs,
                    is_held,
                };
                self.begin_step(work, step);
            }
            Effect::Perform {
                work,
                level,
                action,
                is_held,
            } => {
                let step = Step::Perform {
                    level,
                    action,
                    permit: self.permits.remove(&work),
                    is_held,
                };
                self.begin_step(work, step);
            }
            _ => {}
        }
    }

    fn begin_step(&mut self, work: WorkId, step: Step) {
        if self.hands.is_immediate(step.level()) {
            self.immediate.push((work, step));
        } else {
            let hands = Arc::clone(&self.hands);
            self.tasks
                .spawn(async move { vec![guarded(work, step.run(work, &hands)).await] });
        }
    }

    /// Begins the firings that wait for nobody.
    pub(super) fn begin_immediate(&mut self) {
        while !self.immediate.is_empty() {
            let size = self.immediate.len().min(CHUNK);
            let steps: Vec<_> = self.immediate.drain(..size).collect();
            let hands = Arc::clone(&self.hands);
            self.tasks.spawn(async move {
                let mut ended = Vec::with_capacity(steps.len());
                for (work, step) in steps {
                    ended.push(guarded(work, step.run(work, &hands)).await);
                }
                ended
            });
        }
    }

    fn spawn(&mut self, work: WorkId, task: impl Future<Output = Wake> + Send + 'static) {
        let permit = None;
        let task = task.map(|wake| Ended { wake, permit });
        self.tasks
            .spawn(async move { vec![guarded(work, task).await] });
    }

    fn confirm(&mut self, sequence: u64) {
        let Some(in_flight) = self.deliveries.get(&sequence).cloned() else {
            return;
        };
        let hands = Arc::clone(&self.hands);
        self.confirmations.push(Box::pin(async move {
            let confirmed = in_flight.delivery.ack_confirmed().await;
            let is_confirmed = hands.is_stored("confirm an acknowledgement", &confirmed);
            Wake::Confirmed {
                sequence,
                is_confirmed,
            }
        }));
    }

    /// Gives a delivery back for a while. What is needed to recall it stays here.
    async fn give_back(&mut self, sequence: u64, delay: Duration) {
        let Some(in_flight) = self.deliveries.remove(&sequence) else {
            return;
        };
        warn_unsent(in_flight.delivery.retry_after(delay).await);
        if let Some(in_flight) = Arc::into_inner(in_flight) {
            self.given_back
                .insert(sequence, in_flight.delivery.without_payload());
        }
    }

    async fn show_heartbeats(&mut self, sequences: &[u64]) {
        for sequence in sequences {
            if let Some(in_flight) = self.deliveries.get(sequence)
                && in_flight.delivery.in_progress().await.is_err()
            {
                return;
            }
        }
    }
}

impl Step {
    /// Which trigger of a chain takes it.
    fn level(&self) -> usize {
        match self {
            Self::Fire { level, .. } | Self::Perform { level, .. } => *level,
        }
    }

    async fn run(self, work: WorkId, hands: &Arc<Hands>) -> Ended {
        match self {
            Self::Fire {
                level,
                round,
                performs,
                is_held,
            } => {
                let (fired, permit) = hands.fire(level, round, performs, is_held).await;
                Ended {
                    wake: Wake::Fired { work, fired },
                    permit: permit.map(|permit| (work, permit)),
                }
            }
            Self::Perform {
                level,
                action,
                permit,
                is_held,
            } => {
                let attempt = hands.perform(level, &action, permit, is_held).await;
                Ended {
                    wake: Wake::Performed { work, attempt },
                    permit: None,
                }
            }
        }
    }
}

/// A panic costs this piece of work and no other.
async fn guarded(work: WorkId, task: impl Future<Output = Ended>) -> Ended {
    let ended = AssertUnwindSafe(task).catch_unwind().await;
    ended.unwrap_or_else(|panic| Ended {
        wake: Wake::Panicked {
            work,
            message: panic_message(&*panic),
        },
        permit: None,
    })
}

fn warn_unsent(answered: Result<(), BusError>) {
    if let Err(error) = answered {
        tracing::warn!(
            error = with_causes(&error),
            "An acknowledgement was not sent"
        );
    }
}
