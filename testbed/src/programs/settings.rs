//! What the environment says about the programs, read once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::Context as _;

use super::broker::Broker;

/// Where the official builds of the control plane for tests lie.
const ENVTEST_RELEASES: &str =
    "https://github.com/kubernetes-sigs/controller-tools/releases/download";

/// The checksums of all of them.
const ENVTEST_INDEX: &str =
    "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml";

/// Where the official builds of NATS lie.
const NATS_RELEASES: &str = "https://github.com/nats-io/nats-server/releases/download";

/// The newest Kafka.
const KAFKA: &str = "4.1.1";

/// Folders of servers, which are not on everybody's `PATH`.
const SERVERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// The variables that are read, besides those that place the cache and those of brokers.
const VARIABLES: [&str; 4] = [
    "KUBEBUILDER_ASSETS",
    "NATS_SERVER",
    "TIPHYS_ETCD",
    "TIPHYS_KUBE_APISERVER",
];

/// How programs are found and got.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The programs and folders that the environment names.
    pub(super) named: BTreeMap<&'static str, OsString>,
    /// Where programs stay from one run to the next.
    pub(super) cache: PathBuf,
    /// The folders of `PATH`, and those of servers.
    pub(super) path: Vec<PathBuf>,
    /// `TIPHYS_OFFLINE`: nothing is downloaded from a release page.
    pub(super) offline: bool,
    /// `TIPHYS_ENVTEST_MIRROR`: `<mirror>/envtest-v1.35.0/envtest-v1.35.0-linux-amd64.tar.gz`.
    pub(super) envtest_releases: String,
    /// With a mirror, `<mirror>/envtest-releases.yaml`.
    pub(super) envtest_index: String,
    /// `TIPHYS_NATS_MIRROR`: `<mirror>/v2.12.8/nats-server-v2.12.8-linux-amd64.tar.gz`.
    pub(super) nats_releases: String,
    /// `TIPHYS_KAFKA_VERSION`: 3.3 and newer can be run.
    pub(super) kafka_version: String,
    /// The folder of `go.mod`.
    pub(super) go_module: PathBuf,
}

impl Settings {
    pub(super) fn from_environment() -> anyhow::Result<Self> {
        let envtest_mirror = text("TIPHYS_ENVTEST_MIRROR");
        let envtest_index = envtest_mirror.as_ref().map_or_else(
            || ENVTEST_INDEX.to_owned(),
            |mirror| format!("{mirror}/envtest-releases.yaml"),
        );
        let brokers = Broker::ALL.into_iter().chain(Broker::HEAVY);
        let brokers = brokers.map(Broker::variable);
        let named = VARIABLES
            .into_iter()
            .chain(brokers)
            .filter_map(|name| Some((name, set(name)?)))
            .collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(Self {
            named,
            cache: cache_folder()?,
            path: std::env::split_paths(&path)
                .chain(SERVERS.map(PathBuf::from))
                .collect(),
            offline: set("TIPHYS_OFFLINE").is_some_and(|value| value != "0"),
            envtest_releases: envtest_mirror.unwrap_or_else(|| ENVTEST_RELEASES.to_owned()),
            envtest_index,
            nats_releases: text("TIPHYS_NATS_MIRROR").unwrap_or_else(|| NATS_RELEASES.to_owned()),
            kafka_version: text("TIPHYS_KAFKA_VERSION").unwrap_or_else(|| KAFKA.to_owned()),
            go_module: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/servers")),
        })
    }

    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.named.get(name).map(OsString::as_os_str)
    }
}

/// The user's cache, so that a fresh clone and a cleaned target folder find the programs again.
pub(super) fn cache_folder() -> anyhow::Result<PathBuf> {
    let base = match set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
    {
        Some(path) => path,
        None => std::env::home_dir()
            .context("find the home folder for the cache")?
            .join(".cache"),
    };
    Ok(base.join("tiphys").join("servers"))
}

fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn text(name: &str) -> Option<String> {
    let value = set(name)?
        .to_string_lossy()
        .trim_end_matches('/')
        .to_owned();
    Some(value)
}
