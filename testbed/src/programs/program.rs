//! The programs that can be got, and what identifies each: its name, its source, its version.

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// The module whose `tool` lines name the servers and their versions.
pub(super) const GO_MODULE: &str = include_str!("../../../tests/servers/go.mod");

/// The envtest release with the control plane nearest to the one of `go.mod`.
///
/// Envtest follows minor releases, not each patch.
pub(super) const ENVTEST_VERSION: &str = "v1.35.0";

/// Digits of a source's hash that stand for a version: enough to tell a handful apart.
const HASH_DIGITS: usize = 12;

/// One of the programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Program {
    Etcd,
    KubeApiserver,
    NatsServer,
    KubeControllerManager,
    KubeScheduler,
    KubeProxy,
    Kubelet,
    Kubectl,
    Coredns,
    Pause,
    Podrm,
    BusClient,
}

/// Where a program is made from.
enum Source {
    /// A command of a module that `go.mod` requires.
    Module {
        module: &'static str,
        package: &'static str,
    },
    /// A folder beside `go.mod`, with the text of its one file.
    Folder {
        package: &'static str,
        text: &'static str,
    },
}

impl Program {
    /// All that a node runs, the one that takes longest to build first.
    pub(super) const NODE: [Self; 11] = [
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubelet,
        Self::KubeScheduler,
        Self::KubeProxy,
        Self::Kubectl,
        Self::Coredns,
        Self::Etcd,
        Self::NatsServer,
        Self::Podrm,
        Self::Pause,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::NatsServer => "nats-server",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::KubeProxy => "kube-proxy",
            Self::Kubelet => "kubelet",
            Self::Kubectl => "kubectl",
            Self::Coredns => "coredns",
            Self::Pause => "pause",
            Self::Podrm => "podrm",
            Self::BusClient => "bus-client",
        }
    }

    fn source(self) -> Source {
        let kubernetes = |package| Source::Module {
            module: "k8s.io/kubernetes",
            package,
        };
        let whole = |module| Source::Module {
            module,
            package: module,
        };
        match self {
            Self::Etcd => whole("go.etcd.io/etcd/server/v3"),
            Self::NatsServer => whole("github.com/nats-io/nats-server/v2"),
            Self::KubeApiserver => kubernetes("k8s.io/kubernetes/cmd/kube-apiserver"),
            Self::KubeControllerManager => {
                kubernetes("k8s.io/kubernetes/cmd/kube-controller-manager")
            }
            Self::KubeScheduler => kubernetes("k8s.io/kubernetes/cmd/kube-scheduler"),
            Self::KubeProxy => kubernetes("k8s.io/kubernetes/cmd/kube-proxy"),
            Self::Kubelet => kubernetes("k8s.io/kubernetes/cmd/kubelet"),
            Self::Kubectl => kubernetes("k8s.io/kubernetes/cmd/kubectl"),
            Self::Coredns => Source::Folder {
                package: "./dns",
                text: include_str!("../../../tests/servers/dns/main.go"),
            },
            Self::Pause => Source::Folder {
                package: "./pause",
                text: include_str!("../../../tests/servers/pause/main.go"),
            },
            Self::Podrm => Source::Folder {
                package: "./podrm",
                text: include_str!("../../../tests/servers/podrm/main.go"),
            },
            Self::BusClient => Source::Folder {
                package: "./client",
                text: include_str!("../../../tests/servers/client/main.go"),
            },
        }
    }

    /// Names the program itself. `KUBEBUILDER_ASSETS` names the folder of the control plane.
    ///
    /// What only a node runs has to be of one version, and none can be named.
    pub(super) fn variable(self) -> Option<&'static str> {
        match self {
            Self::Etcd => Some("TIPHYS_ETCD"),
            Self::KubeApiserver => Some("TIPHYS_KUBE_APISERVER"),
            Self::NatsServer => Some("NATS_SERVER"),
            _ => None,
        }
    }

    pub(super) fn is_in_envtest(self) -> bool {
        matches!(self, Self::Etcd | Self::KubeApiserver)
    }

    pub(super) fn is_of_kubernetes(self) -> bool {
        matches!(self.source(), Source::Module { module, .. } if module == "k8s.io/kubernetes")
    }

    /// What Go builds: a `tool` line of `go.mod`, or a folder beside it.
    pub(super) fn package(self) -> &'static str {
        match self.source() {
            Source::Module { package, .. } | Source::Folder { package, .. } => package,
        }
    }

    /// What Go calls it: the last element of its package that is no version.
    pub(super) fn built_name(self) -> &'static str {
        let mut elements = self.package().rsplit('/');
        let is_version = |element: &&str| {
            element
                .strip_prefix('v')
                .is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
        };
        elements
            .find(|element| !is_version(element))
            .unwrap_or_default()
    }

    /// The version in `go.mod`, such as `v2.12.8`; of a folder, a hash of all that it is made from.
    pub(super) fn version(self) -> anyhow::Result<String> {
        match self.source() {
            Source::Module { module, .. } => required_version(module)
                .map(str::to_owned)
                .with_context(|| format!("find the version of {module} in go.mod")),
            Source::Folder { text, .. } => Ok(hash([GO_MODULE, text])),
        }
    }

    /// The oldest minor release that serves, when somebody else installed it; `None`: none does.
    ///
    /// NATS 2.10 is the first with several filter subjects for a consumer and with stream metadata;
    /// Kubernetes 1.32 is the oldest whose API server streams lists by default.
    pub(super) fn oldest(self) -> Option<(u32, u32)> {
        match self {
            Self::Etcd => Some((3, 5)),
            Self::KubeApiserver => Some((1, 32)),
            Self::NatsServer => Some((2, 10)),
            _ => None,
        }
    }

    pub(super) fn install_line(self) -> &'static str {
        match self {
            Self::Etcd | Self::KubeApiserver => {
                "install Go (https://go.dev/dl) and run `cargo xtask servers`, or set \
                 KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver"
            }
            Self::NatsServer => {
                "install Go (https://go.dev/dl) and run `cargo xtask servers`, or run \
                 `go install github.com/nats-io/nats-server/v2@v2.12.8`, or set NATS_SERVER to a \
                 nats-server"
            }
            Self::BusClient => "install Go (https://go.dev/dl)",
            _ => "install Go (https://go.dev/dl) and run `cargo xtask node up`",
        }
    }

    /// The names it may have in the cache, the preferred one first.
    pub(super) fn cached_names(self) -> anyhow::Result<Vec<String>> {
        let mut names = vec![self.cached_name(&self.version()?)];
        if self.is_in_envtest() {
            names.push(self.cached_name(&format!("envtest-{ENVTEST_VERSION}")));
        }
        Ok(names)
    }

    pub(super) fn cached_name(self, version: &str) -> String {
        format!("{}-{version}-{}-{}", self.name(), go_os(), go_arch())
    }
}

fn required_version(module: &str) -> Option<&'static str> {
    GO_MODULE
        .lines()
        .filter_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' '))
        .find_map(|rest| {
            rest.split_whitespace()
                .next()
                .filter(|word| word.starts_with('v'))
        })
}

/// A hash of texts that stands for a version.
pub(super) fn hash(texts: [&str; 2]) -> String {
    let hash = Sha256::new().chain_update(texts[0]).chain_update(texts[1]);
    format!("{:x}", hash.finalize())[..HASH_DIGITS].to_owned()
}

/// The operating system, as Go and the releases call it.
pub(super) fn go_os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// The processor, as Go and the releases call it.
pub(super) fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
