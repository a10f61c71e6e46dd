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
use tiphys_check::Loaded;
use tiphys_console::{Console, Door, Key, Manifests, Site};
use tiphys_eventbus::Event;
use tiphys_http::{Limits, Router, Server, listen};
use tiphys_live::access;
use tiphys_live::objects::{self, DEFAULT, Text};
use tiphys_live::reach::Place;
use tiphys_runtime::{Signals, process};
use tiphys_worker::Files;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::args::LogArgs;
use crate::desk::{DeskArgs, write};
use crate::files;

#[derive(Debug, Args)]
pub(crate) struct ConsoleArgs {
    /// Where it is served: an address of this machine alone; port 0 takes a free one
    #[arg(
        long,
        env = "TIPHYS_CONSOLE",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:7780"
    )]
    pub(crate) listen: SocketAddr,
    /// Open it in the browser
    #[arg(long)]
    pub(crate) open: bool,
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
        desk,
    } = args;
    if !address.ip().is_loopback() {
        bail!(
            "--listen {address}: whoever reaches it acts as you do; only addresses of this machine are served"
        );
    }
    let mut signals = Signals::open()?;
    let site = site(desk).await?;
    let listener = listen(address).await;
    let listener = listener
        .with_context(|| format!("listen on {address} (--listen 127.0.0.1:0 takes a free port)"))?;
    let address = listener.local_addr().context("ask for the port")?;
    // Two ids are 244 random bits.
    let door = Door::new(Event::new_id() + &Event::new_id(), address);
    let url = door.url();
    let console = Arc::new(Console::new(site, door));
    let router = Arc::new(Router::fixed([], console));
    let server = Server::new(listener, router, Limits::default());
    write(format!("{url}\n").as_bytes())?;
    if open {
        show(&url);
    }
    let stop = CancellationToken::new();
    let serving = server.serve(stop.clone());
    let stopping = async {
        signals.next().await;
        stop.cancel();
    };
    tokio::join!(serving, stopping);
    Ok(ExitCode::SUCCESS)
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

/// What is looked at.
async fn site(args: DeskArgs) -> anyhow::Result<Site> {
    let DeskArgs { files, bus } = args;
    let given = bus.namespace.clone();
    let place = bus.place().await?;
    let quoted: Vec<String> = files
        .iter()
        .map(|path| format!(" -f '{}'", path.display()))
        .collect();
    let files_in_words = quoted.concat();
    let (client, namespace, bus, place_in_words, arguments) = match &place {
        Place::Cluster {
            client,
            namespace,
            name,
        } => (
            Some(client.clone()),
            Some(namespace.clone()),
            Some(name.clone()),
            format!("EventBus {name} of namespace {namespace}"),
            format!("-n {namespace} --bus {name}{files_in_words}"),
        ),
        Place::Servers(config) => {
            if files.is_empty() {
                bail!("with --nats, `-f` says where the EventSources and Sensors are");
            }
            let of = given.as_ref().map(|namespace| format!(" -n {namespace}"));
            let words = format!("NATS at {}", config.url);
            let arguments = format!(
                "--nats {}{}{files_in_words}",
                config.url,
                of.unwrap_or_default()
            );
            (None, given, None, words, arguments)
        }
    };
    let default = namespace.clone().unwrap_or_else(|| DEFAULT.to_owned());
    let (user, pausing) = match &client {
        Some(client) => rights(client, &default).await,
        None => (
            None,
            Err("with --nats, there is no cluster in which objects are paused".to_owned()),
        ),
    };
    let manifests: Box<dyn Manifests> = match (&client, files.is_empty()) {
        (Some(client), true) => Box::new(OfCluster {
            client: client.clone(),
            namespace: default,
        }),
        _ => Box::new(OfFiles {
            paths: files,
            namespace: default,
            known: Mutex::new((Files::new(Vec::new()), None)),
        }),
    };
    Ok(Site {
        place,
        place_in_words,
        arguments,
        namespace,
        bus,
        client,
        user,
        pausing,
        manifests,
    })
}

/// Who looks, and whether he may pause; otherwise why not.
async fn rights(client: &Client, namespace: &str) -> (Option<String>, Result<(), String>) {
    // A cluster that does not say who somebody is serves him all the same.
    let user = access::name(client)
        .await
        .ok()
        .filter(|user| !user.is_empty());
    let pausing = match access::missing_to_pause(client, namespace).await {
        Ok(None) => Ok(()),
        Ok(Some(missing)) => Err(missing),
        Err(error) => Err(error.to_string()),
    };
    (user, pausing)
}

/// The objects of files, which may change: they are compiled when they have.
struct OfFiles {
    paths: Vec<PathBuf>,
    namespace: String,
    known: Mutex<(Files, Option<Arc<Loaded>>)>,
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
