//! A control plane without nodes: etcd and kube-apiserver, as `envtest` runs them.
//!
//! The API server makes its own serving certificate; the admin's token is in a static token file,
//! as are those of further users. There are no controllers: nothing makes pods of a Job, no token or
//! default account appears in a namespace, and a deleted namespace stays `Terminating`.

mod etcd;
mod kubeconfig;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use rcgen::KeyPair;

use crate::http::{self, Request, Response};
use crate::process::Process;
use crate::{PATIENCE, Programs, Scratch, free_port, wait_for};
use etcd::Etcd;

/// What a stopping API server gets before it is killed: it may wait for its watches, and nobody waits for
/// them.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How often a start is tried again on other ports when somebody else took one.
const START_ATTEMPTS: usize = 5;

/// Log lines shown of each server when something failed.
const LOG_LINES: usize = 40;

/// What is different from a plain control plane.
#[derive(Clone, Debug, Default)]
pub struct ControlPlaneOptions {
    /// Users besides the admin.
    pub users: Vec<User>,
    /// Further flags of kube-apiserver.
    pub apiserver_args: Vec<String>,
}

/// A user with a static token. Without groups it may do nothing until RBAC says so.
#[derive(Clone, Debug)]
pub struct User {
    /// The name, as RBAC subjects have it.
    pub name: String,
    /// The bearer token.
    pub token: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// A running control plane. Its state outlives a restart of the API server.
///
/// # Guarantees
/// Dropping it ends its processes and removes its folder, see [`Scratch`].
#[derive(Debug)]
pub struct ControlPlane {
    programs: Programs,
    options: ControlPlaneOptions,
    port: u16,
    apiserver: Option<Process>,
    etcd: Etcd,
    // Last, so that the servers have ended when their folder goes.
    scratch: Scratch,
}

impl ControlPlane {
    /// The bearer token of the admin, a member of `system:masters`.
    pub const ADMIN_TOKEN: &'static str = "tiphys-testbed-admin";

    /// Starts etcd and kube-apiserver, and waits until the API server is ready.
    ///
    /// # Errors
    /// When a server does not come up: with its last log lines.
    pub fn start(programs: &Programs, options: ControlPlaneOptions) -> anyhow::Result<Self> {
        let scratch = Scratch::new("control-plane")?;
        write_credentials(&scratch, &options.users)?;
        let etcd = Etcd::start(&programs.etcd, &scratch)?;
        let mut control_plane = Self {
            programs: programs.clone(),
            options,
            port: free_port()?,
            apiserver: None,
            etcd,
            scratch,
        };
        control_plane.start_on_any_port()?;
        Ok(control_plane)
    }

    /// The address of the API server.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The PEM certificates that the API server's certificate is checked with.
    ///
    /// # Errors
    /// When the API server has not made them.
    pub fn authority(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.authority_path()).context("read the API server's certificate")
    }

    /// Writes a kubeconfig of the admin and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig(&self) -> anyhow::Result<PathBuf> {
        self.kubeconfig_with("admin", &kubeconfig::token(Self::ADMIN_TOKEN))
    }

    /// Writes a kubeconfig with another bearer token and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig_of(&self, user: &User) -> anyhow::Result<PathBuf> {
        self.kubeconfig_with(&user.name, &kubeconfig::token(&user.token))
    }

    /// Writes a kubeconfig in which the admin impersonates a service account, with that account's
    /// rights and no others, and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig_as(&self, namespace: &str, service_account: &str) -> anyhow::Result<PathBuf> {
        let user = kubeconfig::impersonation(Self::ADMIN_TOKEN, namespace, service_account);
        self.kubeconfig_with(&format!("{namespace}-{service_account}"), &user)
    }

    /// Sends a request as the admin.
    ///
    /// # Errors
    /// When there is no answer. An answer that says no is an answer.
    pub fn request(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Response> {
        let headers = [
            format!("Authorization: Bearer {}", Self::ADMIN_TOKEN),
            "Content-Type: application/json".to_owned(),
        ];
        let request = Request {
            method,
            path,
            headers: &headers,
            body,
        };
        http::send_tls(self.port, &self.authority()?, request)
    }

    /// Ends the API server as a rolling update does. etcd keeps the state.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn stop_apiserver(&mut self) -> anyhow::Result<()> {
        if let Some(mut apiserver) = self.apiserver.take() {
            apiserver.terminate(STOP_PATIENCE)?;
        }
        Ok(())
    }

    /// Ends the API server as a lost machine does. etcd keeps the state.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill_apiserver(&mut self) -> anyhow::Result<()> {
        if let Some(mut apiserver) = self.apiserver.take() {
            apiserver.kill()?;
        }
        Ok(())
    }

    /// Stops the API server in the middle of what it does; its connections stay open.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn freeze_apiserver(&mut self) -> anyhow::Result<()> {
        self.apiserver.as_mut().map_or(Ok(()), Process::freeze)
    }

    /// Lets the frozen API server go on.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn thaw_apiserver(&mut self) -> anyhow::Result<()> {
        self.apiserver.as_mut().map_or(Ok(()), Process::thaw)
    }

    /// Starts the API server again on its port, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_apiserver(&mut self) -> anyhow::Result<()> {
        if self.apiserver.is_none() {
            self.apiserver = Some(self.spawn_apiserver()?);
        }
        self.await_ready()
    }

    /// Makes etcd forget everything but the present.
    ///
    /// Continue tokens from before answer 410 at once. Watches do so after a restart of the API
    /// server, whose watch cache remembers more than etcd.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn compact(&self) -> anyhow::Result<()> {
        self.etcd.compact()
    }

    /// The ids of the processes that run.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes().map(Process::id).collect()
    }

    /// The last log lines of the servers.
    pub fn log_tails(&self) -> String {
        let tails: Vec<String> = self
            .processes()
            .map(|server| server.report(LOG_LINES))
            .collect();
        tails.join(
            "
",
        )
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.etcd.process).chain(&self.apiserver)
    }

    fn start_on_any_port(&mut self) -> anyhow::Result<()> {
        for _ in 1..START_ATTEMPTS {
            match self.start_apiserver() {
                Err(_) if self.port_was_taken() => {
                    self.apiserver = None;
                    self.port = free_port()?;
                }
                result => return result,
            }
        }
        self.start_apiserver()
    }

    fn port_was_taken(&self) -> bool {
        let in_use = "address already in use";
        self.apiserver
            .as_ref()
            .is_some_and(|server| server.log_tail(LOG_LINES).contains(in_use))
    }

    fn spawn_apiserver(&self) -> anyhow::Result<Process> {
        let folder = self.scratch.path();
        let mut command = Command::new(&self.programs.kube_apiserver);
        command
            .arg(format!("--etcd-servers={}", self.etcd.url()))
            .arg(format!("--secure-port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg(format!(
                "--cert-dir={}",
                folder.join("certificates").display()
            ))
            .arg(format!(
                "--token-auth-file={}",
                folder.join("tokens.csv").display()
            ))
            .arg("--authorization-mode=RBAC")
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!(
                "--service-account-key-file={}",
                folder.join("accounts.pub").display()
            ))
            .arg("--service-account-signing-key-file")
            .arg(folder.join("accounts.key"))
            .arg("--service-cluster-ip-range=10.0.0.0/24")
            // No controller makes the default account that this plugin wants for each pod.
            .arg("--disable-admission-plugins=ServiceAccount")
            // There is no cluster network in which the API server would have an address.
            .arg("--endpoint-reconciler-type=none")
            .args(&self.options.apiserver_args)
            .current_dir(folder);
        Process::spawn("kube-apiserver", &mut command, &self.scratch)
    }

    fn await_ready(&mut self) -> anyhow::Result<()> {
        wait_for("the API server being ready", PATIENCE, || {
            if let Some(apiserver) = self.apiserver.as_mut() {
                apiserver.ensure_running()?;
            }
            let answer = self.request("GET", "/readyz", "");
            Ok(answer.ok().filter(|answer| answer.status == 200).map(drop))
        })
        .with_context(|| self.log_tails())
    }

    fn authority_path(&self) -> PathBuf {
        self.scratch
            .path()
            .join("certificates")
            .join("apiserver.crt")
    }

    fn kubeconfig_with(&self, name: &str, user: &str) -> anyhow::Result<PathBuf> {
        let content = kubeconfig::render(&self.url(), &self.authority_path(), user);
        self.scratch.write(&format!("{name}.kubeconfig"), &content)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tails());
        }
        // The API server first: without etcd it would log errors until it is killed, too.
        self.apiserver = None;
    }
}

fn write_credentials(scratch: &Scratch, users: &[User]) -> anyhow::Result<()> {
    let admin = format!(
        "{},admin,admin,\"system:masters\"\n",
        ControlPlane::ADMIN_TOKEN
    );
    let others = users.iter().map(
        |User {
             name,
             token,
             groups,
         }| { format!("{token},{name},{name},\"{}\"\n", groups.join(",")) },
    );
    let tokens: String = std::iter::once(admin).chain(others).collect();
    scratch.write("tokens.csv", &tokens)?;
    let key = KeyPair::generate().context("make the key of the service accounts")?;
    scratch.write("accounts.key", &key.serialize_pem())?;
    scratch.write("accounts.pub", &key.public_key_pem())?;
    Ok(())
}
