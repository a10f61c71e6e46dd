//! `tiphys run`: the event sources and sensors of files, in one process.

mod edits;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use kube::core::ObjectMeta;
use tiphys_api::manifest::Content;
use tiphys_api::{Code, Severity};
use tiphys_console::{Address, Console, Door, Mode, Site};
use tiphys_eventbus::Event;
use tiphys_live::reach::Place;
use tiphys_runtime::logging::Logging;
use tiphys_runtime::{Signals, process};
use tiphys_worker::{Edition, Key, Kind, Manifests, Name, Pages, Spec};
use tracing::{error, info, warn};

use crate::args::{ClusterArgs, FileArgs, LogArgs};
use crate::bus::NatsArgs;
use crate::console::{OfFiles, arguments, no_pause};
use crate::files::{self, Loadable, Loaded, Program};
use edits::Edits;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where metrics and health are served, and on an address of this machine alone the console; port 0 takes a
    /// free one
    #[arg(
        long,
        help_heading = "Admin port",
        env = "TIPHYS_ADMIN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:7777"
    )]
    pub(crate) admin: SocketAddr,
    /// Serve no console there. Its address, with the key to it, is logged otherwise
    #[arg(long, help_heading = "Admin port", env = "TIPHYS_NO_CONSOLE")]
    pub(crate) no_console: bool,
}

pub(crate) fn main(args: RunArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings(), None, |logging| run(args, logging))
}

async fn run(args: RunArgs, logging: Logging) -> anyhow::Result<ExitCode> {
    let RunArgs {
        files,
        nats,
        cluster,
        admin,
        no_console,
    } = args;
    let mut signals = Signals::open()?;
    let is_named = cluster.kubeconfig.is_named();
    let cluster = match cluster.open().await {
        // What was named has to be there; without a cluster, everything else runs.
        Err(error) if is_named => return Err(error.into()),
        cluster => cluster,
    };
    let namespace = cluster
        .as_ref()
        .map_or("default", |cluster| cluster.namespace.as_str());
    // What changes while it is read is read again.
    let edits = Edits::new(files.all(), namespace.to_owned());
    let loaded = files::load(&files.all(), namespace)?;
    let mut seen = Seen::default();
    let is_whole = seen.note(&loaded);
    let mut manifests = Manifests {
        server: nats.server("tiphys run")?,
        streams: settings(&loaded, namespace),
        first: edition(loaded, namespace, is_whole),
        edits: edits.editions(seen),
        admin,
        pages: None,
    };
    if manifests.first.specs.is_empty() {
        bail!("nothing to run: no EventSource or Sensor without errors in these files");
    }
    let buses = manifests.first.specs.iter().map(Spec::bus).collect();
    // Whoever reaches the console acts as whoever started it.
    if admin.ip().is_loopback() && !no_console {
        manifests.pages = pages(files.all(), &manifests, namespace, &buses);
    }
    let running = tiphys_worker::manifests(manifests, cluster, logging, &mut signals);
    Ok(Box::pin(running).await)
}

/// The console: of the first bus, if the objects have several.
fn pages(
    paths: Vec<PathBuf>,
    manifests: &Manifests,
    namespace: &str,
    buses: &BTreeSet<Name>,
) -> Option<Pages> {
    let name = buses.first()?.clone();
    let server = manifests.server.as_ref();
    // A bus in this process is reached by no other command.
    let arguments = server.map(|server| arguments(&server.url, None, &paths));
    let others = match buses.len() - 1 {
        0 => String::new(),
        count => format!(", one of {}", count + 1),
    };
    let place_in_words = format!("EventBus {} of namespace {}{others}", name.1, name.0);
    let namespace = namespace.to_owned();
    Some(Box::new(move |address, open| {
        let bus = name.clone();
        let site = Site {
            place: Place::Process(Arc::new(move || open(&name))),
            place_in_words,
            arguments,
            namespace: None,
            bus: Some(bus.1),
            client: None,
            mode: Mode::Run,
            manifests: Box::new(OfFiles::new(paths, namespace)),
        };
        let owner = no_pause("edit the files that run: they are read again");
        let printed = Address::new(Event::new_id() + &Event::new_id(), address);
        info!(url = printed.url(), "Serving the console");
        let door = Door::Printed(printed, Arc::new(owner));
        Arc::new(Console::new(site, door))
    }))
}

/// What was found when the files were read.
#[derive(Debug, Default)]
struct Seen {
    /// The faults of the last time.
    faults: BTreeSet<String>,
    /// The files that have had objects of ours.
    sources: BTreeSet<Arc<str>>,
}

impl Seen {
    /// Says what is wrong with the files, unless it was so before; the other objects run. Returns whether
    /// all files were read: otherwise an object that is not there may still be in one.
    fn note(&mut self, loaded: &Loaded) -> bool {
        let before = std::mem::take(&mut self.faults);
        let mut is_whole = true;
        for fault in &loaded.faults {
            let line = fault.to_string();
            match fault.problem.severity {
                _ if before.contains(&line) => {}
                Severity::Error => error!("{line}"),
                Severity::Warning => warn!("{line}"),
            }
            is_whole &= fault.problem.code != Code::Syntax;
            self.faults.insert(line);
        }
        let sources = loaded
            .ours()
            .map(|loadable| Arc::clone(&loadable.object.file));
        self.sources.extend(sources);
        for left_out in &loaded.left_out {
            if self.sources.contains(left_out.name().as_str()) {
                error!("{left_out}: what it had goes on");
                is_whole = false;
            }
        }
        is_whole
    }
}

/// What can run, and what could, were it not for its faults.
fn edition(loaded: Loaded, namespace: &str, is_whole: bool) -> Edition {
    let mut edition = Edition {
        is_whole,
        ..Edition::default()
    };
    for Loadable {
        object, program, ..
    } in loaded.objects
    {
        match (program, object.content) {
            (Some(Program::Sensor(compiled)), Content::Sensor(object)) => {
                edition.specs.push(Spec::sensor(*object, *compiled));
            }
            (Some(Program::EventSource(compiled)), Content::EventSource(object)) => {
                edition.specs.push(Spec::event_source(*object, *compiled));
            }
            (None, Content::Sensor(object)) => {
                let key = key(Kind::Sensor, &object.metadata, namespace);
                edition.faulty.extend(key);
            }
            (None, Content::EventSource(object)) => {
                let key = key(Kind::EventSource, &object.metadata, namespace);
                edition.faulty.extend(key);
            }
            _ => {}
        }
    }
    edition
}

/// The key of an object that has a name.
fn key(kind: Kind, metadata: &ObjectMeta, namespace: &str) -> Option<Key> {
    Some(Key {
        kind,
        namespace: metadata.namespace.as_deref().unwrap_or(namespace).into(),
        name: metadata.name.as_deref()?.into(),
    })
}

/// The `streamConfig` of each EventBus.
fn settings(loaded: &Loaded, namespace: &str) -> BTreeMap<Name, String> {
    let mut settings = BTreeMap::new();
    for loadable in &loaded.objects {
        let Content::EventBus(event_bus) = &loadable.object.content else {
            continue;
        };
        let metadata = &event_bus.metadata;
        let text = event_bus.spec.stream_config();
        if let (Some(name), Some(text)) = (&metadata.name, text) {
            let namespace = metadata.namespace.as_deref().unwrap_or(namespace);
            settings.insert((namespace.to_owned(), name.clone()), text.to_owned());
        }
    }
    settings
}
