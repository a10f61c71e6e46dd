//! Arguments that several commands have.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use jiff::Timestamp;
use tiphys_runtime::cluster::Cluster;
use tiphys_runtime::{Error, Kubeconfig, logging};
use tracing::Level;

/// What is logged, and how.
#[derive(Debug, ClapArgs)]
pub(crate) struct LogArgs {
    /// The least important lines that are logged
    #[arg(
        long,
        global = true,
        env = "LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub(crate) log_level: LogLevel,
    /// How lines are written: by default readable on a terminal, JSON elsewhere
    #[arg(long, global = true, env = "TIPHYS_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line, with Argo Events' field names
    Json,
    /// Lines for people
    Text,
}

/// The cluster to act on.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    pub(crate) kubeconfig: KubeconfigArgs,
    /// Act as the service account of each object (`spec.template.serviceAccountName`, or `default`), as
    /// its pod would; the kubeconfig's user has to have the right to impersonate
    #[arg(long, env = "TIPHYS_IMPERSONATE")]
    pub(crate) impersonate: bool,
}

/// The kubeconfig to use.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct KubeconfigArgs {
    /// The kubeconfig; by default $KUBECONFIG, ~/.kube/config, or the pod's own service account
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; by default its current one
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SimulateArgs {
    /// Files or folders of manifests; `-` is standard input
    #[arg(short, long = "file", value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    /// File with events: CloudEvents, or {"eventSourceName", "eventName", "data"} with `id` and
    /// `time` if wanted; JSON documents one after another, or YAML documents; `-` is standard
    /// input. May be given several times
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "object",
        conflicts_with = "object"
    )]
    pub(crate) event: Vec<PathBuf>,
    /// File with a Kubernetes object: makes the event that a resource event source would make
    #[arg(long, value_name = "FILE", requires = "as")]
    pub(crate) object: Option<PathBuf>,
    /// What happens to the object
    #[arg(long = "as", id = "as", value_name = "TYPE", ignore_case = true)]
    pub(crate) event_type: Option<EventType>,
    /// File with the object as it was before an UPDATE
    #[arg(long, value_name = "FILE", requires = "object")]
    pub(crate) old: Option<PathBuf>,
    /// When the events happen that name no time, for example 2026-03-01T09:30:00Z; by default now
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<Timestamp>,
    /// Compare the actions with those of a file, in order, and print the differences
    ///
    /// The file has YAML or JSON documents. A Kubernetes object stands for one that is created,
    /// updated or patched; `operation: create` (or update, patch, delete) beside its `kind` says
    /// which; of a deletion only kind, name and namespace are compared. Other actions are written as
    /// `-o json` prints them: `http: {…}`. Those of log triggers are left out unless the file has
    /// some. Nothing is printed and the exit code is 0 if all is equal, otherwise it is 1. With
    /// `-o json` the result is one JSON object: `equal`, `differences` and `failures`.
    #[arg(long, value_name = "FILE", conflicts_with = "explain")]
    pub(crate) expect: Option<PathBuf>,
    /// Say what a path (as in `dataKey`) finds in each event as the triggers see it, that is after
    /// the transform; or how far it leads, and what is there. May be given several times
    #[arg(long, value_name = "PATH")]
    pub(crate) explain: Vec<String>,
    /// How the result is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    /// Namespace of objects that name none
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,
}

/// What happens to a Kubernetes object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum EventType {
    /// It is created
    Add,
    /// It is changed
    Update,
    /// It is deleted
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// One JSON object a line, one line an event
    Json,
}

impl LogArgs {
    /// What is logged then.
    pub(crate) fn settings(&self) -> logging::Settings {
        let Self {
            log_level,
            log_format,
        } = self;
        logging::Settings {
            level: match log_level {
                LogLevel::Debug => Level::DEBUG,
                LogLevel::Info => Level::INFO,
                LogLevel::Warn => Level::WARN,
                LogLevel::Error => Level::ERROR,
            },
            format: log_format.map(|format| match format {
                LogFormat::Json => logging::Format::Json,
                LogFormat::Text => logging::Format::Text,
            }),
        }
    }
}

impl KubeconfigArgs {
    /// The kubeconfig that is meant.
    pub(crate) fn wanted(self) -> Kubeconfig {
        let Self {
            kubeconfig,
            context,
        } = self;
        Kubeconfig {
            path: kubeconfig,
            context,
        }
    }
}

impl ClusterArgs {
    /// Reads the configuration; nothing is asked of the cluster yet.
    pub(crate) async fn open(self) -> Result<Cluster, Error> {
        let Self {
            kubeconfig,
            impersonate,
        } = self;
        Cluster::open(&kubeconfig.wanted(), impersonate).await
    }
}
