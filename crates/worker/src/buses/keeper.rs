//! Keeps one bus: opens it beside everything else, follows its settings, and says how it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tiphys_api::worker::{BUS_KEY, Health};
use tiphys_base::Reason;
use tiphys_eventbus::{BusConfig, OpenError, Server, Usage, embedded, jetstream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::letters::Letters;
use super::{Open, State};
use crate::connection::{self, Folders, Settings};
use crate::files::Files;

/// How often the files and the connection are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long closing a bus may take that is no longer used.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Which bus is wanted.
pub(super) enum Wanted {
    /// The one that files describe, which may change.
    Files {
        folders: Folders,
        client: String,
        files: Files,
    },
    /// Always this one; `None` once it was asked for.
    Fixed(Option<Box<Settings>>),
}

impl Wanted {
    pub(super) fn files(folders: Folders, client: String) -> Self {
        let files = Files::new(vec![folders.spec.join(BUS_KEY)]);
        Self::Files {
            folders,
            client,
            files,
        }
    }

    pub(super) fn server(config: jetstream::Config, stream: Option<String>) -> Self {
        let server = Server::JetStream(config);
        Self::fixed(BusConfig { server, stream })
    }

    pub(super) fn embedded(stream: Option<String>) -> Self {
        let server = Server::Embedded(embedded::Config);
        Self::fixed(BusConfig { server, stream })
    }

    fn fixed(config: BusConfig) -> Self {
        Self::Fixed(Some(Box::new(Settings {
            target: Ok(config),
            files: Vec::new(),
            fingerprint: 0,
        })))
    }

    /// What is wanted from here on, if that is something else than before.
    fn look(&mut self) -> Option<Settings> {
        match self {
            Self::Fixed(settings) => settings.take().map(|settings| *settings),
            Self::Files {
                folders,
                client,
                files,
            } => {
                let mut found = None;
                while files.have_changed() {
                    let settings = connection::load(folders, client);
                    // If they are other files than before, what changed while they were read is
                    // read again.
                    files.watch(settings.files.clone());
                    found = Some(settings);
                }
                found
            }
        }
    }
}

/// What is in use, and what is being opened.
struct Keeper {
    /// The settings that count: those of `open`, or of what is being opened.
    wanted: Option<u64>,
    opening: JoinSet<Opened>,
    progress: watch::Receiver<Health>,
    open: Option<Opened>,
    letters: Letters,
    closing: JoinSet<()>,
}

/// A bus that was opened.
struct Opened {
    open: Open,
    /// Which settings it was opened with.
    fingerprint: u64,
    /// What of its settings the stream did not take.
    refused: String,
}

/// Everything that can happen.
enum Wake {
    Look,
    Opened(Opened),
    Progress,
    Letters(Option<Usage>),
    Closed,
}

/// Keeps a bus until `stop`, then closes it as soon as nobody uses it.
pub(super) async fn keep(
    mut wanted: Wanted,
    letters: Letters,
    ids: Arc<AtomicU64>,
    state: watch::Sender<State>,
    stop: CancellationToken,
) {
    let mut keeper = Keeper {
        wanted: None,
        opening: JoinSet::new(),
        progress: watch::Sender::new(Health::default()).subscribe(),
        open: None,
        letters,
        closing: JoinSet::new(),
    };
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let wake = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            opened = opened(&mut keeper.opening, keeper.wanted) => Wake::Opened(opened),
            Ok(()) = keeper.progress.changed() => Wake::Progress,
            usage = keeper.letters.answer() => Wake::Letters(usage),
            Some(_) = keeper.closing.join_next() => Wake::Closed,
            _ = looks.tick() => Wake::Look,
        };
        match wake {
            Wake::Look => {
                if let Some(settings) = wanted.look() {
                    keeper.want(settings);
                }
                keeper.ask_for_letters();
            }
            Wake::Opened(opened) => keeper.replace(opened, ids.fetch_add(1, Ordering::Relaxed)),
            Wake::Letters(Some(usage)) => keeper.letters.note(usage),
            Wake::Progress | Wake::Letters(None) | Wake::Closed => {}
        }
        keeper.show(&state);
    }
    if let Some(last) = keeper.open.take() {
        keeper.closing.spawn(close(last.open));
    }
    while keeper.closing.join_next().await.is_some() {}
}

impl Keeper {
    /// Begins to open the bus of these settings, unless that is the one already.
    fn want(&mut self, settings: Settings) {
        let Settings {
            target,
            fingerprint,
            ..
        } = settings;
        if self.wanted == Some(fingerprint) {
            return;
        }
        self.wanted = Some(fingerprint);
        self.opening.abort_all();
        let open = self.open.as_ref();
        if open.is_some_and(|open| open.fingerprint == fingerprint) {
            return;
        }
        let (sender, receiver) = watch::channel(Health::default());
        self.progress = receiver;
        match target {
            Ok(target) => {
                self.opening.spawn(open_bus(target, fingerprint, sender));
            }
            Err(unusable) => {
                warn!(error = unusable.message, "There is no bus to connect to");
                sender.send_replace(bad(unusable.reason, unusable.message));
            }
        }
    }

    fn replace(&mut self, mut opened: Opened, id: u64) {
        opened.open.id = id;
        self.letters.replace();
        if let Some(before) = self.open.replace(opened) {
            self.closing.spawn(close(before.open));
        }
    }

    /// Asks how full the dead letters are, of a bus that can be reached.
    fn ask_for_letters(&mut self) {
        if let Some(Opened { open, .. }) = &self.open
            && open.bus.events.is_connected()
        {
            self.letters.ask(&open.bus);
        }
    }

    fn show(&self, state: &watch::Sender<State>) {
        let open = self.open.as_ref().map(|opened| &opened.open);
        let id = open.map(|open| open.id);
        let is_connected = open.is_some_and(|open| open.bus.events.is_connected());
        let health = self.health(is_connected);
        let dead_letters = self.letters.health();
        state.send_if_modified(|shown| {
            let is_new = !shown.is_known
                || shown.id() != id
                || shown.is_connected != is_connected
                || shown.health != health
                || shown.dead_letters != dead_letters;
            if is_new {
                *shown = State {
                    open: open.cloned(),
                    is_known: true,
                    is_connected,
                    health,
                    dead_letters,
                };
            }
            is_new
        });
    }

    fn health(&self, is_connected: bool) -> Health {
        let progress = self.progress.borrow().clone();
        let Some(opened) = &self.open else {
            return progress;
        };
        if self.wanted != Some(opened.fingerprint) {
            let message = match progress.message.as_str() {
                "" => "connecting with changed settings".to_owned(),
                why => format!("with changed settings: {why}"),
            };
            return Health {
                message: format!("{message}; the connection from before is used"),
                ..progress
            };
        }
        if !is_connected {
            return bad(
                Reason::Disconnected,
                "the connection was lost and is being restored".to_owned(),
            );
        }
        let is_as_wanted = opened.refused.is_empty();
        Health {
            ok: Some(true),
            reason: (!is_as_wanted).then_some(Reason::StreamSettingsRefused),
            message: opened.refused.clone(),
        }
    }
}

/// The bus that was opened with these settings.
///
/// # Cancellation
/// Nothing is lost.
async fn opened(opening: &mut JoinSet<Opened>, wanted: Option<u64>) -> Opened {
    loop {
        match opening.join_next().await {
            Some(Ok(opened)) if Some(opened.fingerprint) == wanted => return opened,
            Some(_) => {}
            None => std::future::pending::<()>().await,
        }
    }
}

async fn open_bus(config: BusConfig, fingerprint: u64, progress: watch::Sender<Health>) -> Opened {
    let report = |OpenError { reason, message }| {
        progress.send_replace(bad(reason, message));
    };
    let (bus, report) = tiphys_eventbus::open(&config, report).await;
    let refused = report
        .refused
        .iter()
        .map(|(setting, reason)| format!("the stream keeps its {setting}: {reason}"));
    Opened {
        refused: refused.collect::<Vec<_>>().join("; "),
        open: Open {
            bus,
            id: 0,
            users: TaskTracker::new(),
        },
        fingerprint,
    }
}

/// Closes a bus as soon as nobody uses it.
async fn close(open: Open) {
    open.users.close();
    open.users.wait().await;
    let closed = tokio::time::timeout(CLOSE_WITHIN, open.bus.events.close()).await;
    if let Ok(Err(error)) = closed {
        let error: &dyn std::error::Error = &error;
        warn!(error, "The event bus was not closed in order");
    }
}

fn bad(reason: Reason, message: String) -> Health {
    Health {
        ok: Some(false),
        reason: Some(reason),
        message,
    }
}
