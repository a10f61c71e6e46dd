//! A cluster whose nodes run pods, used as people use it: by `kubectl`. Each story gets a namespace
//! of its own in it.
//!
//! `cargo xtask test --cluster` brings the cluster, the image and the installed product, and names
//! them in the environment.

use std::ffi::{OsStr, OsString};
use std::process::{Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::wait::{eventually, kubectl_patience};
use crate::world::unique_name;

/// The program; `kubectl` on `PATH` if it is not set.
const KUBECTL_VARIABLE: &str = "TIPHYS_KUBECTL";

/// The context of the kubeconfig; the current one if it is not set.
const CONTEXT_VARIABLE: &str = "TIPHYS_CLUSTER_CONTEXT";

/// What pods name to run the product.
const IMAGE_VARIABLE: &str = "TIPHYS_IMAGE";

/// The same under another name: what an upgrade brings.
const NEXT_IMAGE_VARIABLE: &str = "TIPHYS_NEXT_IMAGE";

/// Which run of `cargo xtask test` this is part of.
const RUN_VARIABLE: &str = "TIPHYS_RUN";

/// Carried by the namespaces of stories; its value is the run, which waits for the end of all of them.
const RUN_LABEL: &str = "tiphys.dev/run";

/// Set to keep the namespaces of stories.
const KEEP_VARIABLE: &str = "E2E_KEEP";

/// Where the product is installed.
const INSTALLED_IN: &str = "argo-events";

/// What all stories share: the installed product.
static INSTALLATION: RwLock<()> = RwLock::const_new(());

/// Shown of each container when a story fails.
const LOG_LINES: &str = "--tail=60";

/// Shown when a story fails, as people look at them.
const SHOWN: &str = "eventbus,eventsources,sensors,statefulsets,deployments,pods,services,\
                     persistentvolumeclaims,leases";

/// A cluster that all stories share.
#[derive(Debug)]
pub struct Cluster {
    kubectl: OsString,
    context: Option<OsString>,
    image: String,
    next_image: String,
    run: String,
}

/// What one story has to itself: a namespace.
///
/// It is deleted in the end. When the story fails, its objects, events and logs are printed first.
#[derive(Debug)]
pub struct Story {
    cluster: &'static Cluster,
    namespace: String,
    _share: Share,
}

/// What a story has of the installation, until it ends.
#[derive(Debug)]
#[expect(dead_code, reason = "it is held, not read")]
enum Share {
    Some(RwLockReadGuard<'static, ()>),
    All(RwLockWriteGuard<'static, ()>),
}

/// A condition of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word.
    pub reason: String,
    /// In words.
    pub message: String,
}

impl Cluster {
    /// The cluster that the environment names.
    ///
    /// # Panics
    /// When it names none.
    pub fn open() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| {
            let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
            let image = std::env::var(IMAGE_VARIABLE).unwrap_or_else(|_| {
                panic!("{IMAGE_VARIABLE} is not set: run `cargo xtask test --cluster`")
            });
            Self {
                kubectl: set(KUBECTL_VARIABLE).unwrap_or_else(|| "kubectl".into()),
                context: set(CONTEXT_VARIABLE),
                next_image: std::env::var(NEXT_IMAGE_VARIABLE).unwrap_or_default(),
                image,
                run: std::env::var(RUN_VARIABLE).unwrap_or_default(),
            }
        })
    }

    /// The program that users have on their `PATH`.
    pub fn program(&self) -> &OsStr {
        &self.kubectl
    }

    /// What pods name to run the product.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// The context of the kubeconfig that names it, if it is not the current one.
    pub fn context(&self) -> Option<&OsStr> {
        self.context.as_deref()
    }

    /// The same program under another name.
    pub fn next_image(&self) -> &str {
        &self.next_image
    }

    /// Makes a namespace for a story.
    ///
    /// # Panics
    /// When the cluster refuses it.
    pub async fn story(&'static self) -> Story {
        let share = Share::Some(INSTALLATION.read().await);
        self.story_with(share).await
    }

    /// Makes a namespace for a story that disturbs the installation: no other one runs meanwhile.
    ///
    /// # Panics
    /// When the cluster refuses it.
    pub async fn story_alone(&'static self) -> Story {
        let share = Share::All(INSTALLATION.write().await);
        self.story_with(share).await
    }

    /// Runs `kubectl` where the product is installed and returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub async fn installation<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        self.kubectl(within(INSTALLED_IN, arguments)).await
    }

    /// Waits until all pods of a workload of the product (`deployment/a`) are those of its newest spec,
    /// and ready.
    ///
    /// # Panics
    /// When they are not in time.
    pub async fn installed(&self, workload: &str) {
        self.installation(["rollout", "status", workload, &kubectl_patience()])
            .await;
    }

    /// Runs `kubectl` there where nothing can be awaited, and whether or not it succeeds.
    pub fn restore(&self, arguments: &[&str]) {
        let mut command = self.command();
        let status = command.args(within(INSTALLED_IN, arguments)).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("kubectl {} has failed", words(arguments));
        }
    }

    async fn story_with(&'static self, share: Share) -> Story {
        let namespace = unique_name();
        let manifest = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}, \
             labels: {{{RUN_LABEL}: '{}'}}}}}}",
            self.run
        );
        self.kubectl_with(["apply", "-f", "-"], &manifest).await;
        let story = Story {
            cluster: self,
            namespace,
            _share: share,
        };
        // Pods are refused until their default service account is made.
        eventually("the namespace's service account", || async {
            let asked = story.try_kubectl(["get", "serviceaccount", "default"]);
            asked.await.status.success().then_some(())
        })
        .await;
        story
    }

    /// Runs `kubectl` and returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub async fn kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        self.kubectl_with(arguments, "").await
    }

    /// Runs `kubectl` with `input` and returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub async fn kubectl_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> String {
        let arguments: Vec<S> = arguments.into_iter().collect();
        let output = self.run(&arguments, input).await;
        assert!(
            output.status.success(),
            "kubectl {}: {}",
            words(&arguments),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn run<S: AsRef<OsStr>>(&self, arguments: &[S], input: &str) -> Output {
        let mut command = Command::from(self.command());
        let mut kubectl = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("kubectl can be started");
        let mut stdin = kubectl.stdin.take().expect("kubectl has an input");
        let writing = async {
            // It may end without having read all; its exit status tells what that means.
            drop(stdin.write_all(input.as_bytes()).await);
            drop(stdin);
        };
        let ((), output) = tokio::join!(writing, kubectl.wait_with_output());
        output.expect("kubectl ends")
    }

    /// `kubectl` for this cluster, for where nothing can be awaited.
    fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.kubectl);
        if let Some(context) = &self.context {
            command.arg("--context").arg(context);
        }
        command
    }
}

impl Story {
    /// The cluster, which other stories use, too.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// The story's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Runs `kubectl` in the story's namespace and returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub async fn kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        self.cluster.kubectl(self.here(arguments)).await
    }

    /// Runs `kubectl` in the story's namespace, whether or not it succeeds.
    pub async fn try_kubectl<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Output {
        self.cluster.run(&self.here(arguments), "").await
    }

    /// Applies manifests: objects that name no namespace go into the story's.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn apply(&self, manifests: &str) {
        let arguments = self.here(["apply", "-f", "-"]);
        self.cluster.kubectl_with(arguments, manifests).await;
    }

    /// The object `name` of a kind, if there is one.
    ///
    /// # Panics
    /// When the cluster does not answer.
    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let text = self
            .kubectl(["get", kind, name, "--ignore-not-found", "-o", "json"])
            .await;
        (!text.is_empty()).then(|| serde_json::from_str(&text).expect("kubectl prints JSON"))
    }

    /// What the pods with these labels print.
    ///
    /// # Panics
    /// When the cluster does not answer.
    pub async fn logs(&self, selector: &str) -> String {
        self.kubectl(["logs", "--tail=-1", "-l", selector]).await
    }

    /// Posts to a path of the API server; false if it, or whoever it hands the request to, refuses.
    pub async fn post(&self, path: &str, body: &str) -> bool {
        let arguments = ["create", "--raw", path, "-f", "-"].map(OsString::from);
        self.cluster.run(&arguments, body).await.status.success()
    }

    /// Applies manifests that are refused, and returns why.
    ///
    /// # Panics
    /// When they are taken.
    pub async fn refused(&self, manifests: &str) -> String {
        let arguments = self.here(["apply", "-f", "-"]);
        let output = self.cluster.run(&arguments, manifests).await;
        assert!(!output.status.success(), "it was taken:\n{manifests}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Waits as people do: until `what` (as `kubectl wait --for` has it) holds for all `objects`.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn wait<S: AsRef<str>>(&self, what: &str, objects: &[S]) {
        let mut arguments = vec![
            "wait".to_owned(),
            format!("--for={what}"),
            kubectl_patience(),
        ];
        arguments.extend(objects.iter().map(|object| object.as_ref().to_owned()));
        self.kubectl(arguments).await;
    }

    /// Waits until all pods of a workload (`deployment/a`) are those of its newest spec, and ready.
    ///
    /// # Panics
    /// When they are not in time.
    pub async fn rolled_out(&self, workload: &str) {
        self.kubectl(["rollout", "status", workload, &kubectl_patience()])
            .await;
    }

    /// Waits until a condition of an object (`sensor/harbour`) has a status and a reason, and returns
    /// its message.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn told(&self, object: &str, condition: &str, expected: (&str, &str)) -> String {
        let path = format!("{{.status.conditions[?(@.type==\"{condition}\")]");
        let (status, reason) = expected;
        let objects = [object];
        self.wait(&format!("jsonpath={path}.status}}={status}"), &objects)
            .await;
        if !reason.is_empty() {
            self.wait(&format!("jsonpath={path}.reason}}={reason}"), &objects)
                .await;
        }
        self.condition(object, condition).await.message
    }

    /// A condition of an object (`sensor/harbour`); an empty one if it has none.
    ///
    /// # Panics
    /// When there is no such object.
    pub async fn condition(&self, object: &str, condition: &str) -> Told {
        let object: Value =
            serde_json::from_str(&self.kubectl(["get", object, "-o", "json"]).await)
                .expect("kubectl prints JSON");
        let conditions = object["status"]["conditions"].as_array();
        let found = conditions
            .into_iter()
            .flatten()
            .find(|found| found["type"] == condition);
        let text = |key| {
            let text = found.and_then(|found| found[key].as_str());
            text.unwrap_or_default().to_owned()
        };
        Told {
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
        }
    }

    /// A value of each object of a kind, by a JSON path without braces: `.metadata.name`.
    ///
    /// # Panics
    /// When the cluster does not answer.
    pub async fn list(&self, kind: &str, selector: &str, path: &str) -> Vec<String> {
        let format = format!("jsonpath={{range .items[*]}}{{{path}}}{{\"\\n\"}}{{end}}");
        let text = self
            .kubectl(["get", kind, "-l", selector, "-o", &format])
            .await;
        text.lines().map(str::to_owned).collect()
    }

    fn here<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Vec<OsString> {
        within(&self.namespace, arguments)
    }

    /// Prints what people would look at, each part as far as there is one.
    fn print_all(&self) {
        let looks: [&[&str]; 5] = [
            &["get", SHOWN, "-o", "wide", "--ignore-not-found"],
            &["get", "eventbus,eventsources,sensors", "-o", "yaml"],
            &["describe", "pods"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["get", "pods", "-o", "name"],
        ];
        let mut pods = String::new();
        for look in looks {
            pods = self.show(look);
        }
        for pod in pods.lines() {
            let options = ["--all-containers", "--prefix", LOG_LINES];
            self.show(&[&["logs", pod], &options[..]].concat());
        }
    }

    fn show(&self, arguments: &[&str]) -> String {
        let mut command = self.cluster.command();
        let output = command.args(self.here(arguments)).output();
        let output = output.expect("kubectl can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        eprintln!("$ kubectl {}\n{text}{error}", words(&self.here(arguments)));
        text
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_all();
        }
        if std::env::var_os(KEEP_VARIABLE).is_some_and(|value| !value.is_empty()) {
            eprintln!(
                "{KEEP_VARIABLE} is set: the namespace {} stays",
                self.namespace
            );
            return;
        }
        // Whoever runs the stories waits for the end of all namespaces at once.
        let mut command = self.cluster.command();
        command.args(["delete", "namespace", &self.namespace, "--wait=false"]);
        if !command
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
        {
            eprintln!("the namespace {} may still be there", self.namespace);
        }
    }
}

fn within<S: AsRef<OsStr>>(
    namespace: &str,
    arguments: impl IntoIterator<Item = S>,
) -> Vec<OsString> {
    let mut all = vec!["--namespace".into(), OsString::from(namespace)];
    all.extend(arguments.into_iter().map(|word| word.as_ref().to_owned()));
    all
}

fn words<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let words = arguments.iter().map(|word| word.as_ref().to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}
