//! A control plane of a story's own, used by `kubectl`: what the stories here do is cluster-wide.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use kube::Client;
use tiphys_testbed::{ControlPlane, ControlPlaneOptions, Process, Scratch, free_port};
use tiphys_tests::{PATIENCE, binary, client, eventually, programs};

use crate::repository;

/// Where `kubectl` comes from.
const NO_KUBECTL: &str = "kubectl is missing: curl -LO https://dl.k8s.io/release/v1.35.4/bin/linux/\
                          amd64/kubectl && install kubectl /usr/local/bin/";

/// Log lines shown when a story fails.
const LOG_LINES: usize = 60;

/// A control plane.
pub(crate) struct Cluster {
    control_plane: ControlPlane,
    scratch: Scratch,
}

/// What `kubectl` printed, errors included.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) succeeded: bool,
}

/// A running `tiphys`; when the story fails, its last log lines are printed.
pub(crate) struct Running {
    pub(crate) process: Process,
    admin: u16,
}

/// A running `tiphys webhook`.
pub(crate) struct Webhook {
    pub(crate) running: Running,
    pub(crate) url: String,
}

/// `kubectl` without a cluster.
pub(crate) fn kubectl_alone<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Said {
    run(Command::new("kubectl").args(arguments), "")
}

fn run(command: &mut Command, input: &str) -> Said {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect(NO_KUBECTL);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        text: String::from_utf8(text).unwrap(),
        succeeded: output.status.success(),
    }
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self {
            control_plane: ControlPlane::start(programs(), ControlPlaneOptions::default()).unwrap(),
            scratch: Scratch::new("admission").unwrap(),
        }
    }

    /// A control plane with what `deploy/default` installs, and an empty namespace `playground`.
    pub(crate) async fn installed() -> Self {
        let cluster = Self::start();
        let folder = repository("deploy/default");
        let said = cluster.kubectl(["apply", "-k", folder.to_str().unwrap()]);
        assert!(said.succeeded, "{}", said.text);
        let said = cluster.kubectl(["create", "namespace", "playground"]);
        assert!(said.succeeded, "{}", said.text);
        for kind in ["eventbus", "eventsources", "sensors"] {
            eventually("a kind's being served", || async {
                let said = cluster.kubectl(["get", kind, "-n", "playground"]);
                said.succeeded.then_some(())
            })
            .await;
        }
        cluster
    }

    pub(crate) async fn client(&self) -> Client {
        client(&self.control_plane.kubeconfig().unwrap()).await
    }

    pub(crate) fn kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        self.kubectl_with(arguments, "")
    }

    /// `kubectl` of the admin.
    pub(crate) fn kubectl_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Said {
        let mut command = Command::new("kubectl");
        command
            .env("KUBECONFIG", self.control_plane.kubeconfig().unwrap())
            .args(arguments);
        run(&mut command, input)
    }

    /// `kubectl apply` into `playground`.
    pub(crate) fn apply(&self, manifest: &str) -> Said {
        self.kubectl_with(["-n", "playground", "apply", "-f", "-"], manifest)
    }

    /// Starts a replica of the webhook, with the rights that `deploy/default` gives it.
    pub(crate) async fn webhook(&self, name: &str, more: &[&str]) -> Webhook {
        let (port, admin) = (free_port().unwrap(), free_port().unwrap());
        let url = format!("https://127.0.0.1:{port}");
        let listen = format!("127.0.0.1:{port}");
        let mut arguments = vec!["webhook", "--url", &url, "--listen", &listen];
        arguments.extend(more);
        let running = self.program(name, "argo-events-webhook-sa", admin, &arguments);
        running.ready().await;
        Webhook { running, url }
    }

    /// Starts the controller, with the rights that `deploy/default` gives it.
    pub(crate) async fn controller(&self) -> Running {
        let admin = free_port().unwrap();
        let running = self.program("controller", "argo-events-sa", admin, &["controller"]);
        running.ready().await;
        running
    }

    /// Starts `tiphys` as a service account of `argo-events`.
    fn program(&self, name: &str, account: &str, admin: u16, arguments: &[&str]) -> Running {
        let kubeconfig = self.control_plane.kubeconfig_as("argo-events", account);
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .args([
                "--log-format",
                "json",
                "--admin",
                &format!("127.0.0.1:{admin}"),
            ])
            .arg("--kubeconfig")
            .arg(kubeconfig.unwrap());
        for variable in [
            "NAMESPACE",
            "POD_NAMESPACE",
            "POD_NAME",
            "PORT",
            "SERVICE_NAME",
            "LOG_LEVEL",
            "KUBECONFIG",
        ] {
            command.env_remove(variable);
        }
        let process = Process::spawn(name, &mut command, &self.scratch).unwrap();
        Running { process, admin }
    }
}

impl Running {
    async fn is_ready(&self) -> bool {
        let address = format!("127.0.0.1:{}", self.admin);
        let answer = tokio::task::spawn_blocking(move || {
            let mut connection = std::net::TcpStream::connect(&address).ok()?;
            connection.set_read_timeout(Some(PATIENCE)).ok()?;
            let request = "GET /readyz HTTP/1.1\r\nHost: webhook\r\nConnection: close\r\n\r\n";
            connection.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer).ok()?;
            Some(answer)
        });
        let answer = answer.await.unwrap();
        answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Waits until it says that it is ready.
    async fn ready(&self) {
        eventually("its being ready", || async {
            self.is_ready().await.then_some(())
        })
        .await;
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.process.log()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.process.report(LOG_LINES));
        }
    }
}
