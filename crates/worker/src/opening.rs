//! Opens the bus beside everything else, and says how that goes.

use std::sync::Arc;

use tiphys_api::worker::Health;
use tiphys_base::Reason;
use tiphys_eventbus::EventBus;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bus::{self, Hindrance};
use crate::connection::{Settings, Target};

/// The bus of a worker: the one in use, and the one that is being opened.
pub(crate) struct Bus {
    /// The settings that count: those of `open`, or of what is being opened.
    wanted: Option<u64>,
    opening: JoinSet<Open>,
    progress: watch::Receiver<Health>,
    pub(crate) open: Option<Open>,
}

/// An open bus.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) bus: Arc<dyn EventBus>,
    /// Which settings it was opened with.
    pub(crate) fingerprint: u64,
    /// What of its settings the stream did not take.
    refused: String,
}

impl Bus {
    pub(crate) fn new() -> Self {
        Self {
            wanted: None,
            opening: JoinSet::new(),
            progress: watch::Sender::new(Health::default()).subscribe(),
            open: None,
        }
    }

    /// Begins to open the bus of these settings, unless that is the one already.
    pub(crate) fn want(&mut self, settings: Settings) {
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
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.fingerprint == fingerprint)
        {
            return;
        }
        let (sender, receiver) = watch::channel(Health::default());
        self.progress = receiver;
        match target {
            Ok(target) => {
                self.opening.spawn(open(target, fingerprint, sender));
            }
            Err(unusable) => {
                tracing::warn!(error = unusable.message, "There is no bus to connect to");
                sender.send_replace(bad(unusable.reason, unusable.message));
            }
        }
    }

    /// The bus that was opened.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(crate) async fn opened(&mut self) -> Open {
        loop {
            match self.opening.join_next().await {
                Some(Ok(open)) if Some(open.fingerprint) == self.wanted => return open,
                Some(_) => {}
                None => std::future::pending::<()>().await,
            }
        }
    }

    /// How far opening it has come.
    pub(crate) fn progress(&self) -> Health {
        self.progress.borrow().clone()
    }

    /// How it is.
    pub(crate) fn health(&self) -> Health {
        let progress = self.progress.borrow().clone();
        let Some(open) = &self.open else {
            return progress;
        };
        if self.wanted != Some(open.fingerprint) {
            let message = match progress.message.as_str() {
                "" => "connecting with changed settings".to_owned(),
                why => format!("with changed settings: {why}"),
            };
            return Health {
                message: format!("{message}; the connection from before is used"),
                ..progress
            };
        }
        if !open.bus.is_connected() {
            return bad(
                Reason::Disconnected,
                "the connection was lost and is being restored".to_owned(),
            );
        }
        let is_as_wanted = open.refused.is_empty();
        Health {
            ok: Some(true),
            reason: (!is_as_wanted).then_some(Reason::StreamSettingsRefused),
            message: open.refused.clone(),
        }
    }
}

async fn open(target: Target, fingerprint: u64, progress: watch::Sender<Health>) -> Open {
    let Target { config, stream } = target;
    let tell = |hindrance| {
        let (reason, message) = match hindrance {
            Hindrance::Connect(why) => (Reason::ConnectionFailed, why),
            Hindrance::Stream(why) => (Reason::StreamFailed, why),
        };
        progress.send_replace(bad(reason, message));
    };
    let bus = bus::connect(&config, tell).await;
    let report = bus::set_up(&*bus, stream.as_deref(), tell).await;
    let refused = report
        .refused
        .iter()
        .map(|(setting, reason)| format!("the stream keeps its {setting}: {reason}"));
    Open {
        refused: refused.collect::<Vec<_>>().join("; "),
        bus,
        fingerprint,
    }
}

fn bad(reason: Reason, message: String) -> Health {
    Health {
        ok: Some(false),
        reason: Some(reason),
        message,
    }
}
