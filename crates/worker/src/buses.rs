//! The buses of a process: each is opened once, and shared by all objects that use it.
//!
//! A keeper opens a bus, as often as it takes, follows its settings, and says how it is. Whoever uses
//! a bus holds it: one that was replaced is closed when nobody uses it any more.

mod keeper;
mod letters;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tiphys_api::worker::Health;
use tiphys_eventbus::EventBus;
use tiphys_eventbus::jetstream::Config;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::warn;

use crate::connection::Folders;
use keeper::Wanted;
use letters::Letters;

/// How often an embedded bus is asked whether it has run empty.
const LOOK: Duration = Duration::from_millis(10);

/// Namespace and name of an `EventBus`.
pub type Name = (String, String);

/// Where the buses are.
#[derive(Debug)]
pub(crate) enum Place {
    /// There is one, which the files of a pod describe.
    Folder {
        /// Where the files are.
        folders: Folders,
        /// What the server shows this client as.
        client: String,
    },
    /// One server stands for all.
    Server {
        /// How to connect.
        config: Config,
        /// The settings of its stream.
        stream: Option<String>,
    },
    /// Each is in this process, and ends with it: the settings of their streams.
    Embedded(BTreeMap<Name, String>),
}

/// The buses of a process.
pub(crate) struct Buses {
    place: Place,
    /// Makes each open bus distinct.
    ids: Arc<AtomicU64>,
    metrics: letters::Metrics,
    stop: CancellationToken,
    kept: Mutex<Kept>,
}

/// The buses that somebody has asked for.
#[derive(Default)]
struct Kept {
    states: HashMap<Name, watch::Receiver<State>>,
    keepers: JoinSet<()>,
}

/// How a bus is.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// The bus, once it was opened.
    open: Option<Open>,
    /// It was looked at.
    pub(crate) is_known: bool,
    /// Whether its connection stands.
    pub(crate) is_connected: bool,
    /// The same for people.
    pub(crate) health: Health,
    /// Whether its dead letters have room.
    pub(crate) dead_letters: Health,
}

/// An open bus.
#[derive(Debug, Clone)]
struct Open {
    bus: EventBus,
    /// No other bus of the process has it.
    id: u64,
    users: TaskTracker,
}

/// A bus that is used, and not closed while this lives.
pub(crate) struct InUse {
    bus: EventBus,
    id: u64,
    _user: TaskTrackerToken,
}

impl State {
    /// Which bus is open.
    pub(crate) fn id(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.id)
    }

    /// Whether nothing on it would be lost with this process.
    fn is_safe(&self) -> bool {
        let open = self.open.as_ref();
        open.is_none_or(|open| open.bus.events.is_safe())
    }

    /// Uses it, if it is open. Ask the newest state, while it is borrowed.
    pub(crate) fn used(&self) -> Option<InUse> {
        self.open.as_ref().map(|open| InUse {
            bus: open.bus.clone(),
            id: open.id,
            _user: open.users.token(),
        })
    }
}

impl InUse {
    pub(crate) fn bus(&self) -> EventBus {
        self.bus.clone()
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Buses {
    /// None is opened yet.
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            ids: Arc::default(),
            metrics: letters::Metrics::default(),
            stop: CancellationToken::new(),
            kept: Mutex::default(),
        }
    }

    /// Counts there.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// How the bus of an `EventBus` is; it is opened for the first who asks.
    pub(crate) fn follow(&self, namespace: &str, name: &str) -> watch::Receiver<State> {
        let name = match &self.place {
            // There is but one.
            Place::Folder { .. } | Place::Server { .. } => Name::default(),
            Place::Embedded(_) => (namespace.to_owned(), name.to_owned()),
        };
        let mut kept = self.kept();
        if let Some(state) = kept.states.get(&name) {
            return state.clone();
        }
        let wanted = match &self.place {
            Place::Folder { folders, client } => Wanted::files(folders.clone(), client.clone()),
            Place::Server { config, stream } => Wanted::server(config.clone(), stream.clone()),
            Place::Embedded(settings) => Wanted::embedded(settings.get(&name).cloned()),
        };
        let (sender, state) = watch::channel(State::default());
        kept.keepers.spawn(keeper::keep(
            wanted,
            Letters::new(self.metrics.of(&name)),
            Arc::clone(&self.ids),
            sender,
            self.stop.clone(),
        ));
        kept.states.insert(name, state.clone());
        state
    }

    /// Whether the buses end with this process.
    pub(crate) fn are_embedded(&self) -> bool {
        matches!(self.place, Place::Embedded(_))
    }

    /// Waits until embedded buses have delivered everything, for at most `time`: what they hold is
    /// gone with the process.
    pub(crate) async fn run_empty(&self, time: Duration) {
        let empty = async {
            while !self
                .kept()
                .states
                .values()
                .all(|state| state.borrow().is_safe())
            {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(time, empty).await.is_err() {
            warn!("The embedded bus still holds events: they are lost with this process");
        }
    }

    /// Sends what is still to be sent, and closes all of them, as soon as nobody uses them.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        let mut keepers = std::mem::take(&mut self.kept().keepers);
        while keepers.join_next().await.is_some() {}
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
