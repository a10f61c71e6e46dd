//! Arguments that several commands have.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args as ClapArgs, ValueEnum};
use jiff::Timestamp;
use tiphys_api::{EventSourceKind, ResourceEventType, suggestion};
use tiphys_runtime::cluster::Cluster;
use tiphys_runtime::{Error, Kubeconfig, logging};
use tiphys_simulate::Format;
use tracing::Level;

/// What is logged, and how.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Logging")]
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

/// The manifests to read.
#[derive(Debug, Clone, ClapArgs)]
#[group(id = "manifests", required = true, multiple = true)]
pub(crate) struct FileArgs {
    /// Files or folders of manifests; `-` is standard input
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The same, as an option
    #[arg(short, long = "file", value_name = "PATH", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
}

impl FileArgs {
    /// Everything that is named.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        let Self { paths, files } = self;
        paths.iter().chain(files).cloned().collect()
    }
}

/// The cluster to act on.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Cluster")]
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
#[command(next_help_heading = "Cluster")]
pub(crate) struct KubeconfigArgs {
    /// The kubeconfig; by default $KUBECONFIG, ~/.kube/config, or the pod's own service account
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; by default its current one
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["event", "object", "as"])))]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    /// File with events: CloudEvents, or {"eventSourceName", "eventName", "data"} with `id` and
    /// `time` if wanted; JSON documents one after another, or YAML documents; `-` is standard
    /// input. May be given several times
    #[arg(long, value_name = "FILE", conflicts_with_all = ["object", "as"])]
    pub(crate) event: Vec<PathBuf>,
    /// File with Kubernetes objects, one after another or in a list as kubectl prints it: makes the events
    /// that resource event sources would make. May be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) object: Vec<PathBuf>,
    /// What happens to the object: ADD, UPDATE or DELETE; by default ADD, or with --old UPDATE. Without
    /// an object, the kind of event source that gets the body on standard input, for example `github`
    #[arg(long = "as", id = "as", value_name = "TYPE|KIND", value_parser = As::read)]
    pub(crate) r#as: Option<As>,
    /// The event source that gets the body; by default all that have an event of the kind
    #[arg(long, value_name = "NAME", requires = "as", conflicts_with = "object")]
    pub(crate) event_source: Option<String>,
    /// File with the body instead of standard input
    #[arg(long, value_name = "FILE", requires = "as", conflicts_with = "object")]
    pub(crate) body: Option<PathBuf>,
    /// A header that comes with the body, for example `X-GitHub-Event: issues`; those that the kind
    /// has always are there already. May be given several times
    #[arg(long, value_name = "NAME: VALUE", requires = "as", conflicts_with = "object", value_parser = header)]
    pub(crate) header: Vec<(String, String)>,
    /// File with the object as it was before an UPDATE; of several, each by its kind and name
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
    /// Namespace of objects that name none; without it each of them may be where another one is
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

/// What an event is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// What happens to a Kubernetes object.
    Object(ResourceEventType),
    /// Whoever gets a body.
    Kind(EventSourceKind),
}

impl As {
    fn read(text: &str) -> Result<Self, String> {
        if let Some(found) = ResourceEventType::from_name(&text.to_ascii_uppercase()) {
            return Ok(Self::Object(found));
        }
        EventSourceKind::from_field(text)
            .map(Self::Kind)
            .ok_or_else(|| {
                let fields = EventSourceKind::ALL.iter().map(|kind| kind.field());
                let known = ResourceEventType::NAMES.into_iter().chain(fields);
                match suggestion(text, known) {
                    Some(nearest) => format!("did you mean {nearest}?"),
                    None => "ADD, UPDATE, DELETE, or a kind of event source".to_owned(),
                }
            })
    }
}

/// The values of a closed set, as those of an option.
pub(crate) fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    value: impl Fn(T) -> PossibleValue,
) -> impl TypedValueParser<Value = T> {
    let values = all.map(|one| (value(one), one));
    let names = values.clone().map(|(value, _)| value);
    PossibleValuesParser::new(names).try_map(move |name| {
        let mut values = values.iter();
        let found = values.find(|(value, _)| value.matches(&name, false));
        found.map(|(_, one)| *one).ok_or("there is no such value")
    })
}

/// A header, `Name: value`.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("there is no colon in it")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// One JSON object a line, one line an event
    Json,
}

impl Output {
    /// The format of a report.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Text => Format::Text,
            Self::Json => Format::Json,
        }
    }
}

impl LogArgs {
    /// As [`LogArgs::settings`], for a command whose output is an answer: that it connects is no news.
    pub(crate) fn settings_of_an_answer(&self) -> logging::Settings {
        let settings = self.settings();
        logging::Settings {
            level: match settings.level {
                Level::INFO => Level::WARN,
                level => level,
            },
            ..settings
        }
    }

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
    /// True if the command line says which: what is named has to be there.
    pub(crate) fn is_named(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

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
