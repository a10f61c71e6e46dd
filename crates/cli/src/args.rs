//! The command line: what users type, parsed into final types.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use tiphys_api::worker;
use tiphys_sensor::execute::values;

const SIMULATE_EXAMPLES: &str = "\
Examples:
  tiphys simulate -f manifests --object service.yaml --as ADD
  tiphys simulate -f manifests --object new.yaml --as UPDATE --old old.yaml -o json
  tiphys simulate -f manifests --object service.yaml --as ADD --expect expected.yaml
  tiphys simulate -f manifests --object service.yaml --as ADD --explain body.spec.ports.0.name
  cat events.json | tiphys simulate -f manifests --event -";

/// Runs EventSource, EventBus and Sensor objects of Argo Events.
#[derive(Debug, Parser)]
#[command(name = "tiphys", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the event sources and sensors of files in this process
    ///
    /// Kubernetes is the cluster of the kubeconfig. SIGTERM or Ctrl-C finishes what was received and
    /// ends within 5 seconds; a second one ends at once. Exit code: 0 after a stop, 1 if nothing
    /// could be run or a part of it stopped for good.
    Run(Box<RunArgs>),
    /// Show what would happen to an event, offline
    ///
    /// Reads no cluster and no bus, and changes nothing. Each event goes through every stage of the
    /// sensors that wait for it: transform, filters, conditions, parameters, and the finished
    /// actions are printed. Secrets are named there, and never read.
    ///
    /// Exit code: 0 if the events were followed to their end, whatever that is, or are as --expect
    /// wants them; 1 if they are not, or if files or events cannot be read or have errors.
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateArgs),
    /// Find every fault of manifests
    ///
    /// Faults go to standard output, one a line. Exit code: 0 without errors, 1 with some.
    Lint(LintArgs),
    /// Draw the flow of events through manifests
    Graph(GraphArgs),
    /// Check EventSources, EventBuses and Sensors when they are applied to the cluster
    ///
    /// Serves Kubernetes' AdmissionReviews over HTTPS, with a certificate that it makes, shares with
    /// its replicas in a Secret, and renews; and registers itself as a
    /// ValidatingWebhookConfiguration. Without it everything goes on: what it would have said stands
    /// in the objects' conditions.
    Webhook(Box<WebhookArgs>),
    /// Run one EventSource: the process in its pod
    #[command(name = "eventsource")]
    EventSource(Box<WorkerArgs>),
    /// Run one Sensor: the process in its pod
    Sensor(Box<WorkerArgs>),
    /// Make servers and pods of the objects in a cluster
    ///
    /// One of several controllers works: the one that holds the Lease `argo-events-controller`. SIGTERM
    /// ends it at once; whatever it was at is done by the next one.
    Controller(Box<ControllerArgs>),
    /// Print the custom resource definitions
    Crds,
}

/// The process that makes servers and pods of the objects in a cluster.
#[derive(Debug, ClapArgs)]
pub(crate) struct ControllerArgs {
    /// Look at one namespace only
    #[arg(long)]
    pub(crate) namespaced: bool,
    /// The namespace of --namespaced, and of the Lease outside a pod
    #[arg(
        long,
        env = "NAMESPACE",
        value_name = "NAME",
        default_value = "argo-events"
    )]
    pub(crate) managed_namespace: String,
    /// Work only while no other controller does: `--leader-election=false` needs nobody's leave
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) leader_election: bool,
    /// Where metrics and health are served; port 0 takes a free one
    #[arg(long, env = "TIPHYS_ADMIN", value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, worker::ADMIN_PORT)))]
    pub(crate) admin: SocketAddr,
    /// Image of the pods of event sources and sensors; by default `$ARGO_EVENTS_IMAGE`, or this
    /// program's own version of `tiphys`
    #[arg(long, env = "TIPHYS_IMAGE", value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// When that image is pulled: `Always`, `IfNotPresent` or `Never`
    #[arg(
        long,
        env = "IMAGE_PULL_POLICY",
        value_name = "POLICY",
        default_value = "IfNotPresent"
    )]
    pub(crate) image_pull_policy: String,
    /// File with the versions of NATS and the defaults of buses, in Argo Events' format; it may change
    /// while the controller runs, and without it the built-in ones count
    #[arg(
        long,
        env = "TIPHYS_CONFIG",
        value_name = "FILE",
        default_value = "/etc/tiphys/controller-config.yaml"
    )]
    pub(crate) config: PathBuf,
    /// Name of the pod: who holds the Lease; by default one that nobody else has
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) pod_name: Option<String>,
    /// Namespace of the Lease; by default --managed-namespace
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Files or folders of manifests; `-` is standard input
    #[arg(short, long = "file", value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where metrics and health are served; port 0 takes a free one
    #[arg(
        long,
        env = "TIPHYS_ADMIN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:7777"
    )]
    pub(crate) admin: SocketAddr,
}

/// Where a process in a pod finds what it runs. All files may change while it runs.
#[derive(Debug, ClapArgs)]
pub(crate) struct WorkerArgs {
    /// Folder with object.json (or object.json.zst) and eventbus.json
    #[arg(long, env = "TIPHYS_SPEC", value_name = "DIR", default_value = worker::SPEC_FOLDER)]
    pub(crate) spec: PathBuf,
    /// Folder with auth.yaml, the login to the event bus
    #[arg(long, env = "TIPHYS_BUS_AUTH", value_name = "DIR", default_value = worker::BUS_AUTH_FOLDER)]
    pub(crate) bus_auth: PathBuf,
    /// Folder with secrets/NAME/KEY and config/NAME/KEY
    #[arg(long, env = "TIPHYS_VALUES", value_name = "DIR", default_value = values::MOUNTS)]
    pub(crate) values: PathBuf,
    /// Where metrics, health and the report are served; port 0 takes a free one
    #[arg(long, env = "TIPHYS_ADMIN", value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, worker::ADMIN_PORT)))]
    pub(crate) admin: SocketAddr,
    /// Name of the pod: who holds the lease; by default one that nobody else has
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) pod_name: Option<String>,
    /// Namespace of the pod and of its lease; by default that of the object
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
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

/// The NATS server that is the event bus.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Event bus")]
pub(crate) struct NatsArgs {
    /// URLs of a NATS server with JetStream, separated by commas; without it, the bus is in this
    /// process and ends with it
    #[arg(long = "nats", env = "TIPHYS_NATS", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// File with `username:` and `password:` (or `token:`) lines, or a bare token
    #[arg(long, env = "TIPHYS_NATS_AUTH", value_name = "FILE", requires = "url")]
    pub(crate) nats_auth: Option<PathBuf>,
    /// User name
    #[arg(
        long,
        env = "TIPHYS_NATS_USER",
        value_name = "NAME",
        requires = "nats_password"
    )]
    pub(crate) nats_user: Option<String>,
    /// Password
    #[arg(
        long,
        env = "TIPHYS_NATS_PASSWORD",
        value_name = "TEXT",
        hide_env_values = true
    )]
    pub(crate) nats_password: Option<String>,
    /// Token
    #[arg(
        long,
        env = "TIPHYS_NATS_TOKEN",
        value_name = "TEXT",
        hide_env_values = true
    )]
    pub(crate) nats_token: Option<String>,
    /// File with an nkey seed
    #[arg(long, env = "TIPHYS_NATS_NKEY", value_name = "FILE")]
    pub(crate) nats_nkey: Option<PathBuf>,
    /// Credentials file (JWT and seed)
    #[arg(long, env = "TIPHYS_NATS_CREDS", value_name = "FILE")]
    pub(crate) nats_creds: Option<PathBuf>,
    /// File with the CA certificates of the server, in PEM; turns TLS on
    #[arg(long, env = "TIPHYS_NATS_CA", value_name = "FILE")]
    pub(crate) nats_ca: Option<PathBuf>,
    /// File with the client's certificate, in PEM
    #[arg(
        long,
        env = "TIPHYS_NATS_CERT",
        value_name = "FILE",
        requires = "nats_key"
    )]
    pub(crate) nats_cert: Option<PathBuf>,
    /// File with the client's key, in PEM
    #[arg(
        long,
        env = "TIPHYS_NATS_KEY",
        value_name = "FILE",
        requires = "nats_cert"
    )]
    pub(crate) nats_key: Option<PathBuf>,
    /// Turn TLS on with the system's CA certificates
    #[arg(long, env = "TIPHYS_NATS_TLS")]
    pub(crate) nats_tls: bool,
    /// Turn TLS on without verifying the server's certificate
    #[arg(long, env = "TIPHYS_NATS_INSECURE")]
    pub(crate) nats_insecure: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WebhookArgs {
    /// Where reviews are served over HTTPS
    #[arg(long, env = "TIPHYS_LISTEN", value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8443)))]
    pub(crate) listen: SocketAddr,
    /// Where metrics and health are served; port 0 takes a free one
    #[arg(long, env = "TIPHYS_ADMIN", value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, worker::ADMIN_PORT)))]
    pub(crate) admin: SocketAddr,
    /// The namespace of its Service, Deployment and Secret
    #[arg(
        long,
        env = "NAMESPACE",
        value_name = "NAME",
        default_value = "argo-events"
    )]
    pub(crate) namespace: String,
    /// The Service by which the API server finds it
    #[arg(
        long,
        env = "SERVICE_NAME",
        value_name = "NAME",
        default_value = "events-webhook"
    )]
    pub(crate) service_name: String,
    /// The port of that Service
    #[arg(long, env = "PORT", value_name = "PORT", default_value_t = 443)]
    pub(crate) service_port: u16,
    /// Its Deployment, which the Secret goes with
    #[arg(
        long,
        env = "DEPLOYMENT_NAME",
        value_name = "NAME",
        default_value = "events-webhook"
    )]
    pub(crate) deployment_name: String,
    /// Its ClusterRole, which the ValidatingWebhookConfiguration goes with
    #[arg(
        long,
        env = "CLUSTER_ROLE_NAME",
        value_name = "NAME",
        default_value = "argo-events-webhook"
    )]
    pub(crate) cluster_role_name: String,
    /// The Secret with its certificate
    #[arg(long, value_name = "NAME", default_value = "events-webhook-certs")]
    pub(crate) secret_name: String,
    /// Where the API server finds it if not by the Service: an https URL
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<Url>,
    /// How long a certificate is valid; it is renewed after two thirds of that
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "2160h",
        value_parser = life
    )]
    pub(crate) certificate_life: Duration,
    #[command(flatten)]
    pub(crate) kubeconfig: KubeconfigArgs,
}

/// A duration as Argo Events writes it, of a second or more.
fn life(text: &str) -> Result<Duration, String> {
    let life = tiphys_api::parse_duration(text).map_err(|error| error.to_string())?;
    Duration::try_from(life)
        .ok()
        .filter(|life| *life >= Duration::from_secs(1))
        .ok_or_else(|| "at least 1s is needed".to_owned())
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

/// An `https` URL.
#[derive(Debug, Clone)]
pub(crate) struct Url {
    /// The URL as it was written.
    pub(crate) text: String,
    /// Its host.
    pub(crate) host: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: hyper::Uri = text.parse().map_err(|error| format!("{error}"))?;
        if uri.scheme_str() != Some("https") {
            return Err("an https URL is needed".to_owned());
        }
        let host = uri.host().unwrap_or_default();
        Ok(Self {
            text: text.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
        })
    }
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

#[derive(Debug, ClapArgs)]
pub(crate) struct LintArgs {
    /// Files or folders of manifests; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Warnings count as errors
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GraphArgs {
    /// Files or folders of manifests; `-` is standard input
    #[arg(short, long = "file", value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    /// How it is drawn
    #[arg(short, long, value_name = "FORMAT", default_value = "svg")]
    pub(crate) output: Drawing,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Drawing {
    /// A picture to look at
    Svg,
    /// Text that Markdown viewers draw
    Mermaid,
    /// Text for Graphviz
    Dot,
    /// The nodes and edges
    Json,
}
