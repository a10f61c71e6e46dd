//! The loop of one trigger: it wakes the trigger's state, and has its effects carried out.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tiphys_api::message::with_causes;
use tiphys_base::Backoff;
use tiphys_eventbus::{Durable, StartAt, Subject, Subscription, SubscriptionConfig};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::budget::{LIMITS, Part};
use super::carrier::{Carrier, Wake};
use super::hands::Means;
use super::kept::Kept;
use super::preparation::{Prepared, prepared};
use super::{Opening, Runner};
use crate::Error;
use crate::engine::{
    self, ACK_WAIT, BUS_FIRST, BUS_LAST, Compiled, Limits, Member, Now, TriggerState,
};
use crate::trigger::Trigger;

/// The longest sleep: nothing is due.
const IDLE: Duration = Duration::from_hours(1);

/// One trigger of a running sensor.
pub(super) struct TriggerLoop {
    runner: Runner,
    trigger: Arc<Trigger>,
    opening: Arc<Opening>,
    part: Part,
    /// The start of the uptime.
    start: Instant,
}

/// What is needed of the bus.
struct Opened {
    kept: Option<Kept>,
    /// What is kept already, by its dependency.
    members: Vec<(usize, Member)>,
    subscription: Subscription,
}

/// What ended a wait.
enum Came {
    Wake(Wake),
    Prepared(Result<Vec<Prepared>, JoinError>),
}

impl TriggerLoop {
    pub(super) fn new(runner: Runner, trigger: Arc<Trigger>, opening: Arc<Opening>) -> Self {
        Self {
            part: runner.part(),
            runner,
            trigger,
            opening,
            start: Instant::now(),
        }
    }

    /// Runs until `shutdown` or until another runner takes over, then finishes what is in flight.
    /// `holds` is dropped when the other runner may begin.
    pub(super) async fn run(
        self,
        shutdown: CancellationToken,
        holds: Arc<DropGuard>,
    ) -> Result<(), Error> {
        let name = self.trigger.name();
        let handover = self.runner.handover.asked.clone();
        self.runner.status.begin(name);
        let opened = tokio::select! {
            () = handover.cancelled() => return Ok(()),
            opened = self.open(&shutdown) => opened,
        };
        let Some(opened) = opened else {
            return Ok(());
        };
        self.runner.status.listening(name);
        self.opening.opened();
        self.work(opened, &shutdown, holds).await
    }

    /// Wakes the state with what comes, until it says that all is over.
    async fn work(
        &self,
        opened: Opened,
        shutdown: &CancellationToken,
        holds: Arc<DropGuard>,
    ) -> Result<(), Error> {
        let handover = &self.runner.handover.asked;
        let plan = engine::Plan::of(&self.trigger);
        let limits = Limits::of(self.trigger.is_immediate());
        let mut state = TriggerState::new(plan, limits, fastrand::u64(..), self.now());
        let subscription = opened.subscription;
        let mut deliveries = prepared(subscription, &self.runner.sensor, &self.trigger, &self.part);
        let means = Means {
            kept: opened.kept,
            part: self.part.clone(),
        };
        let mut carrier = Carrier::new(self.runner.clone(), &self.trigger, means, holds);
        let members = opened.members.into_iter();
        let mut wakes: Vec<Wake> = members
            .map(|(dependency, member)| Wake::Restored { dependency, member })
            .collect();
        wakes.push(Wake::Deadline);
        let (mut stops, mut hands_over) = (false, false);
        loop {
            for wake in wakes.drain(..) {
                for effect in state.on(wake, self.now()) {
                    carrier.carry(effect).await;
                }
            }
            carrier.begin_immediate();
            carrier.show(&state.tally());
            if carrier.is_over() {
                return Ok(());
            }
            let now = self.now();
            let due = state.next_due(now).map_or(now.uptime + IDLE, |due| due);
            let came = tokio::select! {
                biased;
                () = shutdown.cancelled(), if !stops => {
                    stops = true;
                    Came::Wake(Wake::Shutdown)
                }
                () = handover.cancelled(), if !stops && !hands_over => {
                    hands_over = true;
                    Came::Wake(Wake::Handover)
                }
                wake = carrier.next() => Came::Wake(wake?),
                Some(prepared) = deliveries.next(), if state.has_room() => Came::Prepared(prepared),
                () = sleep_until(self.start + due) => Came::Wake(Wake::Deadline),
            };
            if stops || hands_over {
                deliveries = stream::empty().boxed();
            }
            if state.asks_for_connection() {
                wakes.push(Wake::Connection(self.runner.bus.events.is_connected()));
            }
            match came {
                Came::Wake(wake) => wakes.push(wake),
                Came::Prepared(prepared) => {
                    wakes.extend(self.receive(prepared?, &mut carrier));
                }
            }
            // What has come besides is taken along: one look at everything else for all of it.
            while let Some(wake) = carrier.next().now_or_never() {
                wakes.push(wake?);
            }
        }
    }

    fn now(&self) -> Now {
        Now {
            time: (self.runner.now)(),
            uptime: self.start.elapsed(),
        }
    }

    fn receive(
        &self,
        prepared: Vec<Prepared>,
        carrier: &mut Carrier,
    ) -> impl Iterator<Item = Wake> {
        if let Some((last, _)) = prepared.last() {
            let now = (self.runner.now)();
            self.runner
                .status
                .received(self.trigger.name(), last.delivery.pending, now);
        }
        prepared.into_iter().map(|(delivery, arrived)| {
            carrier.receive(delivery);
            Wake::Delivered(arrived)
        })
    }

    /// Opens what is needed of the bus, as often as it takes; `None` after a stop.
    async fn open(&self, shutdown: &CancellationToken) -> Option<Opened> {
        let mut backoff = Backoff::new(BUS_FIRST, BUS_LAST);
        loop {
            let error = match self.try_open().await {
                Ok(opened) => return Some(opened),
                Err(error) => with_causes(&error),
            };
            let name = self.trigger.name();
            self.runner.status.not_listening(name, &error);
            tracing::warn!(
                namespace = %self.runner.sensor.namespace,
                sensorName = %self.runner.sensor.name,
                triggerName = %name,
                error,
                "Waiting for the event bus"
            );
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(backoff.wait()) => {}
            }
        }
    }

    async fn try_open(&self) -> Result<Opened, Error> {
        let Self {
            runner, trigger, ..
        } = self;
        let name = || Arc::clone(trigger.name());
        let (mut kept, mut members) = (None, Vec::new());
        if trigger.conditions().needs_and() {
            let opened = Kept::open(runner, trigger).await;
            let (opened, found) = opened.map_err(|source| Error::State {
                trigger: name(),
                source,
            })?;
            (kept, members) = (Some(opened), found);
        }
        let Compiled {
            namespace,
            name: sensor,
            ..
        } = &*runner.sensor;
        let durable = Durable::trigger(namespace, sensor, trigger.name());
        let mut subjects = subjects(runner, trigger);
        subjects.push(Subject::replay(&durable));
        let config = SubscriptionConfig {
            durable,
            subjects,
            start: StartAt::Time(runner.start(trigger)),
            ack_wait: ACK_WAIT,
            max_in_flight: LIMITS.in_flight * 2 + LIMITS.given_back,
        };
        let subscription = runner.bus.events.subscribe(config).await;
        let subscription = subscription.map_err(|source| Error::Subscribe {
            trigger: name(),
            source,
        })?;
        Ok(Opened {
            kept,
            members,
            subscription,
        })
    }
}

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
