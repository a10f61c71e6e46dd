//! Holds many objects at work, each by its key, and starts, changes and ends them as their source says.
//!
//! An object is a task of its own: what one does, an edit, a stop or a panic, is no matter of another.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use tiphys_api::worker::Report;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::context::Context;
use crate::specs::{Change, Changes};
use crate::unit::{Ends, Shown, Unit, Wanted};
use crate::{Key, Kind};

/// How often it is asked whether all objects still go round.
const LOOK: Duration = Duration::from_millis(200);

/// How long one may take for a round. Nothing in it waits.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The wait before an object is started again whose task has died.
const AFTER_A_PANIC: Duration = Duration::from_secs(1);

/// How much of a stop the event sources have, where the sensors have to wait for them.
const SOURCES_STOP: Duration = Duration::from_secs(1);

/// How much of it an embedded bus has to run empty: nothing else keeps its events.
const RUN_EMPTY: Duration = Duration::from_millis(1_500);

/// The objects at work.
pub(crate) struct Supervisor {
    context: Arc<Context>,
    units: BTreeMap<Key, Held>,
    tasks: JoinSet<()>,
    keys: HashMap<Id, Key>,
    /// What is wrong with objects whose names are not known.
    unreadable: Vec<String>,
}

/// An object at work, as it is held.
struct Held {
    wanted: watch::Sender<Wanted>,
    shown: watch::Receiver<Shown>,
    beat: Arc<AtomicBool>,
    /// When its loop went round last.
    beat_at: Instant,
    stop: CancellationToken,
    /// It is deleted and ends: what it is to be after that, if it was applied again meanwhile.
    next: Option<Wanted>,
}

/// Everything that can happen.
enum Wake {
    Change(Change),
    Ended(Result<(Id, ()), JoinError>),
    Shown,
    Look,
}

impl Supervisor {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            units: BTreeMap::new(),
            tasks: JoinSet::new(),
            keys: HashMap::new(),
            unreadable: Vec::new(),
        }
    }

    /// Runs what `changes` say, until `seen`, which sees it after everything that happens, has seen
    /// enough.
    ///
    /// # Cancellation
    /// All goes on; stop it with [`Self::stop`].
    pub(crate) async fn run<T>(
        &mut self,
        mut changes: Changes,
        mut seen: impl FnMut(&Self) -> ControlFlow<T>,
    ) -> T {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let context = Arc::clone(&self.context);
        loop {
            let wake = tokio::select! {
                biased;
                _ = looks.tick() => Wake::Look,
                Some(ended) = self.tasks.join_next_with_id() => Wake::Ended(ended),
                () = context.changed.notified() => Wake::Shown,
                Some(change) = changes.next() => Wake::Change(change),
            };
            match wake {
                Wake::Change(change) => self.on(change),
                Wake::Ended(ended) => self.ended(ended),
                Wake::Look => self.look(),
                Wake::Shown => {}
            }
            if let ControlFlow::Break(enough) = seen(self) {
                return enough;
            }
        }
    }

    fn on(&mut self, change: Change) {
        match change {
            Change::Applied(spec) => {
                self.unreadable.clear();
                let key = spec.key.clone();
                self.want(&key, |wanted| {
                    *wanted = Wanted {
                        spec: Some(Arc::new(spec)),
                        refused: None,
                    };
                });
            }
            Change::Refused(refused) => {
                if let Some(key) = refused.key.clone() {
                    self.want(&key, |wanted| wanted.refused = Some(Arc::new(refused)));
                } else {
                    error!(error = %refused, "The spec has faults");
                    self.unreadable = refused.faults;
                }
            }
            Change::Deleted(key) => {
                if let Some(held) = self.units.get_mut(&key) {
                    held.stop.cancel();
                    held.next = None;
                }
            }
        }
    }

    /// Has an object be something else, now or as soon as it has ended.
    fn want(&mut self, key: &Key, change: impl FnOnce(&mut Wanted)) {
        match self.units.get_mut(key) {
            Some(held) if held.stop.is_cancelled() => {
                change(held.next.get_or_insert_default());
            }
            Some(held) => held.wanted.send_modify(change),
            None => {
                let mut wanted = Wanted::default();
                change(&mut wanted);
                self.start(key.clone(), wanted, Duration::ZERO);
            }
        }
    }

    /// Starts an object after a pause.
    fn start(&mut self, key: Key, wanted: Wanted, pause: Duration) {
        let (wanted, receiver) = watch::channel(wanted);
        let (sender, shown) = watch::channel(Shown::default());
        let held = Held {
            wanted,
            shown,
            beat: Arc::default(),
            beat_at: Instant::now() + pause,
            stop: CancellationToken::new(),
            next: None,
        };
        let ends = Ends {
            wanted: receiver,
            shown: sender,
            beat: Arc::clone(&held.beat),
            stop: held.stop.clone(),
        };
        let unit = Unit::new(key.clone(), Arc::clone(&self.context), ends);
        let task = self.tasks.spawn(async move {
            sleep(pause).await;
            unit.run().await;
        });
        self.keys.insert(task.id(), key.clone());
        self.units.insert(key, held);
    }

    /// The task of an object has ended.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(key) = self.keys.remove(&id) else {
            return;
        };
        let Some(held) = self.units.remove(&key) else {
            return;
        };
        match ended {
            Err(error) if !held.stop.is_cancelled() => {
                error!(object = %key, %error, "Died, and is started again");
                let wanted = held.wanted.borrow().clone();
                self.start(key, wanted, AFTER_A_PANIC);
            }
            _ => {
                if let Some(wanted) = held.next {
                    self.start(key, wanted, Duration::ZERO);
                }
            }
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        for held in self.units.values_mut() {
            if held.beat.swap(false, Ordering::Relaxed) || held.stop.is_cancelled() {
                held.beat_at = now;
            }
        }
    }

    /// Whether the loops of all objects go round.
    pub(crate) fn is_alive(&self) -> bool {
        let mut units = self.units.values();
        units.all(|held| held.beat_at.elapsed() < STUCK_AFTER)
    }

    /// Whether there is something, and all of it that can run is ready.
    pub(crate) fn is_ready(&self) -> bool {
        let is_ready = |held: &Held| {
            let shown = held.shown.borrow();
            shown.is_ready || shown.cannot_run
        };
        !self.units.is_empty() && self.units.values().all(is_ready)
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.units.len()
    }

    /// How many objects of a kind run.
    pub(crate) fn running(&self, kind: Kind) -> usize {
        let runs =
            |(key, held): &(&Key, &Held)| key.kind == kind && !held.shown.borrow().cannot_run;
        self.units.iter().filter(runs).count()
    }

    /// What the only object says, or what is wrong with it.
    pub(crate) fn report(&self) -> Report {
        match self.units.values().next() {
            Some(held) => held.shown.borrow().report.clone(),
            // The bus is looked at before there is anything to run on it.
            None => Report {
                faults: self.unreadable.clone(),
                bus: self.context.buses.follow("", "").borrow().health.clone(),
                ..Report::default()
            },
        }
    }

    /// Finishes what was received, and closes the buses. What an embedded bus holds is handled
    /// before the sensors end.
    pub(crate) async fn stop(mut self) {
        if self.context.buses.are_embedded() {
            self.end(|key| key.kind == Kind::EventSource);
            let sources = self.until_gone(|key| key.kind == Kind::EventSource);
            // What takes longer is waited for below.
            timeout(SOURCES_STOP, sources).await.unwrap_or_default();
            self.context.buses.run_empty(RUN_EMPTY).await;
        }
        self.end(|_| true);
        self.until_gone(|_| true).await;
        self.context.buses.close().await;
    }

    fn end(&mut self, which: impl Fn(&Key) -> bool) {
        for (key, held) in &mut self.units {
            if which(key) {
                held.stop.cancel();
                held.next = None;
            }
        }
    }

    async fn until_gone(&mut self, which: impl Fn(&Key) -> bool) {
        while self.units.keys().any(&which)
            && let Some(ended) = self.tasks.join_next_with_id().await
        {
            self.ended(ended);
        }
    }
}

#[cfg(test)]
mod tests;
