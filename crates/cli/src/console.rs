//! `tiphys console`: the event flow in a browser.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context, bail};
use async_trait::async_trait;
use clap::Args;
use kube::Client;
use serde_json::Value;
use tiphys_api::message::with_causes;
use tiphys_check::Loaded;
use tiphys_console::{Address, Caller, Clients, Console, Door, Key, Logins, Manifests, Mode, Site};
use tiphys_eventbus::Event;
use tiphys_http::{Limits, Router, Server, listen};
use tiphys_live::access::{self, OWN_LOGIN, Right};
use tiphys_live::objects::{self, DEFAULT, Text};
use tiphys_live::reach::{Place, Way};
use tiphys_runtime::cluster::Cluster;
use tiphys_runtime::{Signals, process};
use tiphys_worker::Files;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::args::LogArgs;
use crate::bus::BusArgs;
use crate::desk::{DeskArgs, write};
use crate::files;

#[derive(Debug, Args)]
pub(crate) struct ConsoleArgs {
    /// Where it is served; port 0 takes a free one. Without --login: an address of this machine alone
    #[arg(
        long,
        env = "TIPHYS_CONSOLE",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:7780"
    )]
    pub(crate) listen: SocketAddr,
    /// Open it in the browser
    #[arg(long, conflicts_with = "login")]
    pub(crate) open: bool,
    /// For others, in a pod: whoever comes logs in with a token of the cluster, and may do what his roles allow
    #[arg(long, env = "TIPHYS_CONSOLE_LOGIN")]
    pub(crate) login: bool,
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
}

pub(crate) fn main(args: ConsoleArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings(), None, |_| serve(args))
}

async fn serve(args: ConsoleArgs) -> anyhow::Result<ExitCode> {
    let ConsoleArgs {
        listen: address,
        open,
        login,
        desk,
    } = args;
    if !login && !address.ip().is_loopback() {
        bail!(
            "--listen {address}: whoever reaches it acts as you do; only addresses of this machine are served \
             (--login lets everybody in by his own token)"
        );
    }
    if login && desk.bus.nats.url.is_some() && desk.bus.namespace.is_none() {
        bail!(
            "with --login and --nats, -n says in which namespace rights count: those with its EventBus `default`"
        );
    }
    let mut signals = Signals::open()?;
    let logins = if login {
        Some(logins(&desk.bus).await?)
    } else {
        None
    };
    let (site, owner) = site(desk, login).await?;
    let listener = listen(address).await;
    let listener = listener
        .with_context(|| format!("listen on {address} (--listen 127.0.0.1:0 takes a free port)"))?;
    let address = listener.local_addr().context("ask for the port")?;
    let door = if let Some(logins) = logins {
        info!(%address, "Serving the console to who logs in");
        Door::Login(Arc::new(logins))
    } else {
        let printed = Address::new(Event::new_id() + &Event::new_id(), address);
        let url = printed.url();
        write(format!("{url}\n").as_bytes())?;
        if open {
            show(&url);
        }
        Door::Printed(printed, Arc::new(owner))
    };
    let console = Arc::new(Console::new(site, door));
    let router = Arc::new(Router::fixed([], console));
    let server = Server::new(listener, router, Limits::default());
    let stop = CancellationToken::new();
    let serving = server.serve(stop.clone());
    let stopping = async {
        signals.next().await;
        stop.cancel();
    };
    tokio::join!(serving, stopping);
    Ok(ExitCode::SUCCESS)
}

/// Lets in who shows a token of the cluster.
async fn logins(bus: &BusArgs) -> anyhow::Result<Logins> {
    let cluster = Cluster::open(&bus.kubeconfig.clone().wanted(), false).await;
    let cluster = cluster.context("with --login, a cluster says who somebody is")?;
    let namespace = bus.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| cluster.namespace.clone());
    let clients: Clients =
        Box::new(move |token| cluster.bearer(token).map_err(|error| with_causes(&error)));
    Ok(Logins::new(clients, namespace, bus.bus.clone()))
}

/// Opens the browser. Where there is none, the address was printed.
fn show(url: &str) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        eprintln!("{program}: {error}; open the address yourself");
    }
}

/// What is looked at, and what whoever started it may do.
async fn site(args: DeskArgs, login: bool) -> anyhow::Result<(Site, Caller)> {
    let DeskArgs { files, bus } = args;
    let given = bus.namespace.clone();
    let place = match bus.place().await? {
        Place::Cluster {
            client,
            namespace,
            name,
            ..
        } if login => Place::Cluster {
            client,
            namespace,
            name,
            way: Way::Direct,
        },
        place => place,
    };
    let (client, namespace, bus, place_in_words, arguments) = match &place {
        Place::Cluster {
            client,
            namespace,
            name,
            ..
        } => (
            Some(client.clone()),
            Some(namespace.clone()),
            Some(name.clone()),
            format!("EventBus {name} of namespace {namespace}"),
            format!("-n {namespace} --bus {name}{}", quoted(&files)),
        ),
        Place::Servers(config) => {
            if files.is_empty() {
                bail!("with --nats, `-f` says where the EventSources and Sensors are");
            }
            let words = format!("NATS at {}", config.url);
            let arguments = arguments(&config.url, given.as_deref(), &files);
            (None, given, None, words, arguments)
        }
        Place::Process(_) => bail!("the bus of another process cannot be looked at"),
    };
    let default = namespace.clone().unwrap_or_else(|| DEFAULT.to_owned());
    let owner = match (&client, &bus) {
        (Some(client), Some(bus)) if !login => owner(client, &default, bus).await,
        _ => no_pause("with --nats, there is no cluster in which objects are paused"),
    };
    let manifests: Box<dyn Manifests> = match (&client, files.is_empty()) {
        (Some(client), true) => Box::new(OfCluster {
            client: client.clone(),
            namespace: default,
        }),
        _ => Box::new(OfFiles::new(files, default)),
    };
    let site = Site {
        place,
        place_in_words,
        arguments: Some(arguments),
        namespace,
        bus,
        client,
        mode: if login { Mode::Cluster } else { Mode::Desk },
        manifests,
    };
    Ok((site, owner))
}

/// What a command needs to look at NATS servers and files.
pub(crate) fn arguments(url: &str, namespace: Option<&str>, files: &[PathBuf]) -> String {
    let of = namespace.map(|namespace| format!(" -n {namespace}"));
    format!("--nats {url}{}{}", of.unwrap_or_default(), quoted(files))
}

/// Files as a shell takes them.
fn quoted(files: &[PathBuf]) -> String {
    let quoted = files.iter().map(|path| format!(" -f '{}'", path.display()));
    quoted.collect()
}

/// Who has started it, and what he may. A cluster that does not say it serves him all the same.
async fn owner(client: &Client, namespace: &str, bus: &str) -> Caller {
    match access::who(client, (namespace, bus), &OWN_LOGIN).await {
        Ok(Some(who)) => who.into(),
        Ok(None) => no_pause("the cluster does not know who you are"),
        Err(error) => no_pause(&error.to_string()),
    }
}

/// Somebody who may do everything but pause.
pub(crate) fn no_pause(why: &str) -> Caller {
    Caller {
        name: None,
        missing: [(Right::Pause, why.to_owned())].into(),
    }
}

/// The objects of files, which may change: they are compiled when they have.
pub(crate) struct OfFiles {
    paths: Vec<PathBuf>,
    namespace: String,
    known: Mutex<(Files, Option<Arc<Loaded>>)>,
}

impl OfFiles {
    /// Objects without a namespace are in `namespace`.
    pub(crate) fn new(paths: Vec<PathBuf>, namespace: String) -> Self {
        Self {
            paths,
            namespace,
            known: Mutex::new((Files::new(Vec::new()), None)),
        }
    }
}

#[async_trait]
impl Manifests for OfFiles {
    async fn read(&self) -> Result<(Arc<Loaded>, HashMap<Key, Value>), String> {
        let mut known = self.known.lock().await;
        let (watched, last) = &mut *known;
        let is_other = watched.watch(files::listed(&self.paths));
        if watched.have_changed() || is_other {
            *last = None;
        }
        if let Some(last) = last {
            return Ok((Arc::clone(last), HashMap::new()));
        }
        let (paths, namespace) = (self.paths.clone(), self.namespace.clone());
        let read = tokio::task::spawn_blocking(move || files::load(&paths, &namespace));
        let loaded = read.await.map_err(|error| error.to_string())?;
        let loaded = Arc::new(loaded.map_err(|error| format!("{error:#}"))?);
        *last = Some(Arc::clone(&loaded));
        Ok((loaded, HashMap::new()))
    }
}

/// The objects of a namespace.
struct OfCluster {
    client: Client,
    namespace: String,
}

#[async_trait]
impl Manifests for OfCluster {
    async fn read(&self) -> Result<(Arc<Loaded>, HashMap<Key, Value>), String> {
        let mut texts = objects::read(&self.client, &self.namespace)
            .await
            .map_err(|e| e.to_string())?;
        let buses = objects::buses(&self.client, &self.namespace).await;
        texts.extend(buses.map_err(|error| error.to_string())?);
        let statuses = texts.iter().filter_map(status).collect();
        let namespace = self.namespace.clone();
        let read = tokio::task::spawn_blocking(move || objects::loaded(texts, &namespace));
        let loaded = read.await.map_err(|error| error.to_string())?;
        Ok((Arc::new(loaded), statuses))
    }
}

/// What is said of an object, by its kind, namespace and name.
fn status(text: &Text) -> Option<(Key, Value)> {
    let status = text.status.clone()?;
    let object: Value = serde_json::from_str(&text.json).ok()?;
    let of = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let key = (
        of("/kind")?,
        of("/metadata/namespace").unwrap_or_default(),
        of("/metadata/name")?,
    );
    Some((key, status))
}
