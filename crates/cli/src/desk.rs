//! A bus that runs, and the objects of its users: what commands look at from a desk.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;
use tiphys_eventbus::Until;
use tiphys_live::events::{self, Seen};
use tiphys_live::objects;
use tiphys_live::reach::{Place, Reached};
use tiphys_runtime::cluster::Cluster;
use tiphys_simulate::Objects;

use crate::bus::BusArgs;
use crate::files::{self, Loaded};
use crate::simulate;

/// How often is shown how far reading has come.
const PROGRESS: Duration = Duration::from_millis(200);

/// A bus, and who lives on it.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeskArgs {
    /// Files or folders with the EventSources and Sensors; by default they are those of the namespace
    #[arg(short, long = "file", value_name = "PATH", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

/// What the arguments lead to.
pub(crate) struct Desk {
    /// The bus.
    pub(crate) reached: Reached,
    /// The objects, unless nobody says where they are.
    pub(crate) loaded: Option<Loaded>,
    /// The namespace of objects that name none.
    pub(crate) namespace: Option<String>,
    /// The cluster, if it is one's.
    pub(crate) client: Option<Client>,
}

impl DeskArgs {
    /// Reads the objects, and connects to the bus.
    pub(crate) async fn open(self) -> anyhow::Result<Desk> {
        let Self { files, bus } = self;
        if files.is_empty() {
            return Desk::with_objects(bus).await;
        }
        let default = bus.namespace.as_deref().unwrap_or(simulate::DEFAULT);
        let loaded = files::load(&files, default)?;
        let desk = Desk::of_bus(bus).await?;
        Ok(Desk {
            loaded: Some(loaded),
            ..desk
        })
    }
}

impl Desk {
    /// A bus alone.
    pub(crate) async fn of_bus(bus: BusArgs) -> anyhow::Result<Self> {
        let (given, kubeconfig) = (bus.namespace.clone(), bus.kubeconfig.clone());
        let place = bus.place().await?;
        let (client, namespace) = match &place {
            Place::Cluster {
                client, namespace, ..
            } => (Some(client.clone()), Some(namespace.clone())),
            // Beside --nats, a cluster is meant only if one is named.
            Place::Servers(_) if kubeconfig.is_named() => {
                let cluster = Cluster::open(&kubeconfig.wanted(), false).await?;
                let namespace = given.unwrap_or_else(|| cluster.namespace.clone());
                (Some(cluster.user(&namespace, "")?.client), Some(namespace))
            }
            Place::Servers(_) | Place::Process(_) => (None, given),
        };
        Ok(Self {
            reached: place.open().await?,
            loaded: None,
            namespace,
            client,
        })
    }

    /// A bus, with the objects of its namespace if it is a cluster's.
    pub(crate) async fn with_objects(bus: BusArgs) -> anyhow::Result<Self> {
        let mut desk = Self::of_bus(bus).await?;
        if let (Some(client), Some(namespace)) = (&desk.client, &desk.namespace) {
            let texts = objects::read(client, namespace).await?;
            desk.loaded = Some(objects::loaded(texts, namespace));
        }
        Ok(desk)
    }

    /// The objects, and what is wrong with them is said.
    pub(crate) fn objects(&self) -> Option<Objects<'_>> {
        let loaded = self.loaded.as_ref()?;
        simulate::say(loaded);
        Some(objects::subjects(loaded, self.namespace.as_deref()))
    }

    /// The objects, where there is no answer without them.
    pub(crate) fn needed(&self) -> anyhow::Result<Objects<'_>> {
        let objects = self.objects();
        objects.context("with --nats, `-f` says where the EventSources and Sensors are")
    }

    /// Hands over each event that the bus holds, from a moment on; returns how many there were. Those of dead
    /// letters that are delivered again have been there before, and are left out.
    pub(crate) async fn each(
        &self,
        since: Option<Timestamp>,
        mut each: impl FnMut(&Seen) -> anyhow::Result<()>,
    ) -> anyhow::Result<u64> {
        let mut seen = events::read(&*self.reached.bus.history, since, Until::Now).await?;
        let mut progress = Progress::new();
        while let Some(next) = seen.next().await {
            let next = next?;
            if next.replay.is_none() {
                progress.passed(next.left);
                each(&next)?;
            }
        }
        Ok(progress.done)
    }
}

/// How far reading has come, on a terminal.
struct Progress {
    done: u64,
    shown: Instant,
    is_shown: bool,
    is_terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            done: 0,
            shown: Instant::now(),
            is_shown: false,
            // Where the answer goes to a terminal as well, it would stand in it.
            is_terminal: std::io::stderr().is_terminal() && !std::io::stdout().is_terminal(),
        }
    }

    fn passed(&mut self, left: u64) {
        self.done += 1;
        if self.is_terminal && self.shown.elapsed() >= PROGRESS {
            self.shown = Instant::now();
            self.is_shown = true;
            let (done, all) = (self.done, self.done + left);
            eprint!("\r{}", bar(done, all));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            eprint!("\r\u{1b}[K");
        }
    }
}

/// `[#########           ] 45,000 of 100,000 events`
fn bar(done: u64, all: u64) -> String {
    const WIDTH: u64 = 30;
    let full = done * WIDTH / all.max(1);
    let full = usize::try_from(full.min(WIDTH)).unwrap_or(0);
    let empty = usize::try_from(WIDTH).unwrap_or(0) - full;
    let (full, empty) = ("#".repeat(full), " ".repeat(empty));
    format!("[{full}{empty}] {done} of {all} events")
}

/// Writes to standard output, at once.
pub(crate) fn write(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text).and_then(|()| out.flush());
    written.context("write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_how_far_it_is() {
        assert_eq!(
            bar(50, 100),
            format!("[{}{}] 50 of 100 events", "#".repeat(15), " ".repeat(15))
        );
        assert_eq!(bar(0, 0), format!("[{}] 0 of 0 events", " ".repeat(30)));
    }
}
