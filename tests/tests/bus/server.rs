//! A nats-server of the test's own, on a free port, with its data in a folder that goes away.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tiphys_eventbus::EventBus;
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_tests::{pause, within};
use tokio::process::{Child, Command};

/// How often its file is looked for: the tests start and restart many servers.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) struct NatsServer {
    process: Child,
    directory: TempDir,
    settings: String,
    pub(crate) port: u16,
}

impl NatsServer {
    /// Starts a server with JetStream and `settings` in its configuration.
    pub(crate) async fn start(settings: &str) -> Self {
        let directory = tempfile::tempdir().expect("a folder for the server");
        let process = spawn(&directory, settings, -1);
        let mut server = Self {
            process,
            directory,
            settings: settings.to_owned(),
            port: 0,
        };
        server.port = server.announced_port().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// A connection to it.
    pub(crate) async fn bus(&self) -> EventBus {
        JetStream::connect(&Config::new(self.url()))
            .await
            .expect("the server can be reached")
            .into()
    }

    /// A plain client, as another program would have it.
    pub(crate) async fn client(&self) -> async_nats::Client {
        async_nats::connect(self.url())
            .await
            .expect("the server can be reached")
    }

    /// Kills it without a warning.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("the server runs");
    }

    /// Starts it again on the same port with the same data.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(&self.directory, &self.settings, self.port.into());
        self.announced_port().await;
    }

    /// Removes what it has stored; it must not be running.
    pub(crate) fn lose_everything(&self) {
        std::fs::remove_dir_all(self.directory.path().join("data")).expect("there is data");
    }

    /// The port that the server writes down once it takes connections.
    async fn announced_port(&mut self) -> u16 {
        let pid = self.process.id().expect("the server runs");
        let suffix = format!("_{pid}.ports");
        let coming = async {
            loop {
                let announced = self
                    .file_that_ends_with(&suffix)
                    .and_then(|path| std::fs::read(path).ok())
                    .and_then(|ports| serde_json::from_slice::<serde_json::Value>(&ports).ok());
                if let Some(port) = announced
                    .as_ref()
                    .and_then(|ports| ports["nats"][0].as_str())
                {
                    let port = port.rsplit(':').next().and_then(|port| port.parse().ok());
                    return port.expect("the server writes a URL with a port");
                }
                let status = self.process.try_wait().expect("the server can be asked");
                if status.is_some() {
                    let log = std::fs::read_to_string(self.directory.path().join("log"));
                    panic!(
                        "the server did not come up ({status:?}): {}",
                        log.unwrap_or_default()
                    );
                }
                pause(LOOK).await;
            }
        };
        within("the server's start", coming).await
    }
}

impl NatsServer {
    /// The file's name begins with that of the program.
    fn file_that_ends_with(&self, suffix: &str) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.directory.path()).ok()?;
        let mut paths = entries.flatten().map(|entry| entry.path());
        paths.find(|path| path.to_string_lossy().ends_with(suffix))
    }
}

fn spawn(directory: &TempDir, settings: &str, port: i32) -> Child {
    let path = directory.path().display();
    let configuration = format!(
        "listen: \"127.0.0.1:{port}\"\n\
         ports_file_dir: \"{path}\"\n\
         log_file: \"{path}/log\"\n\
         jetstream {{ store_dir: \"{path}/data\" }}\n\
         {settings}\n"
    );
    let file = directory.path().join("nats.conf");
    std::fs::write(&file, configuration).expect("the folder takes a file");
    Command::new(program())
        .arg("-c")
        .arg(file)
        .kill_on_drop(true)
        .spawn()
        .expect("nats-server can be started")
}

fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("NATS_SERVER") {
        return program.into();
    }
    let home = std::env::home_dir().expect("there is a home");
    let directory = home.join(".cache/tiphys/servers");
    let entries = std::fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("nats-server"))
        })
        .expect("nats-server is installed: `cargo xtask servers`, or set NATS_SERVER to its path")
}
