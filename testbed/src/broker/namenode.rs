//! How the name node of HDFS is started: it knows files, and has nowhere to put what is in them.

use std::process::Command;

use anyhow::Context as _;

use super::{BrokerServer, speaks_http};

/// Who may do everything there: whoever starts it.
const USER: &str = "hdfs";

const MAIN: &str = "org.apache.hadoop.hdfs.server.namenode.NameNode";
const SHELL: &str = "org.apache.hadoop.fs.FsShell";

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) -> anyhow::Result<()> {
    let scratch = &server.scratch;
    let folder = scratch.path().join("name");
    let settings = [
        ("fs.defaultFS", format!("hdfs://{}", server.address())),
        ("dfs.namenode.rpc-address", server.address()),
        ("dfs.namenode.http-address", server.tls_address()),
        (
            "dfs.namenode.name.dir",
            format!("file://{}", folder.display()),
        ),
        // There is nothing to wait for before it takes changes.
        ("dfs.namenode.safemode.extension", "0".to_owned()),
    ];
    let settings = settings.map(|(name, value)| {
        format!("<property><name>{name}</name><value>{value}</value></property>")
    });
    let text = format!("<configuration>{}</configuration>", settings.concat());
    // Each of the two overrides defaults of its own.
    for name in ["core-site.xml", "hdfs-site.xml"] {
        scratch.write(name, &text)?;
    }
    if !folder.exists() {
        run(server, &[MAIN, "-format", "-nonInteractive"])?;
    }
    command.arg(MAIN).env("HADOOP_USER_NAME", USER);
    Ok(())
}

/// It says what to do instead to who comes with a browser.
pub(super) fn serves(port: u16) -> bool {
    speaks_http(port)
}

impl BrokerServer {
    /// Does what `hdfs dfs` does with these arguments, as the user who may do everything; where it is the name node
    /// of HDFS.
    ///
    /// # Errors
    /// What it says, if it fails.
    pub fn hdfs(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let all: Vec<&str> = [SHELL].iter().chain(arguments).copied().collect();
        run(self, &all)
    }
}

fn run(server: &BrokerServer, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(&server.program)
        .current_dir(server.scratch.path())
        .args(arguments)
        .env("HADOOP_USER_NAME", USER)
        .output()
        .context("run a program of HDFS")?;
    anyhow::ensure!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
