//! How OpenSSH is started: a server of SFTP with one user, who logs in by a password, or by a key.
//!
//! It believes to be this user, and to be known to the system, by libraries that are made for tests: it needs
//! neither root nor an account.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use super::{BrokerServer, answer};

/// The user's name, and the number of user and group that it believes to be.
const USER: &str = "tiphys";
const NUMBER: &str = "1000";

/// Its keys, and those that the user may log in with.
const HOST_KEYS: [(&str, &str); 2] = [("host_ed25519", "ed25519"), ("host_rsa", "rsa")];
const USER_KEYS: [(&str, &str); 2] = [("user_ed25519", "ed25519"), ("user_rsa", "rsa")];

/// Large enough to be accepted, and made in a moment.
const RSA_BITS: &str = "2048";

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) -> anyhow::Result<()> {
    let (scratch, folder) = (&server.scratch, server.scratch.path());
    let mut authorized = String::new();
    for (name, kind) in HOST_KEYS.into_iter().chain(USER_KEYS) {
        // A server that starts again is the same.
        if !folder.join(name).exists() {
            make_key(&server.program, &folder.join(name), kind)?;
        }
    }
    for (name, _) in USER_KEYS {
        let public = fs::read_to_string(folder.join(name).with_extension("pub"));
        authorized.push_str(&public.context("read a public key")?);
    }
    scratch.write("authorized_keys", &authorized)?;
    let home = folder.display();
    let users = format!(
        "{USER}:x:{NUMBER}:{NUMBER}::{home}:/bin/sh\n\
         sshd:x:65534:65534::/nonexistent:/bin/false\n"
    );
    scratch.write("passwd", &users)?;
    scratch.write("group", &format!("{USER}:x:{NUMBER}:\nnogroup:x:65534:\n"))?;
    let hash = match &server.options.password {
        Some(password) => hash(password)?,
        None => "*".to_owned(),
    };
    scratch.write("shadow", &format!("{USER}:{hash}:19000:0:99999:7:::\n"))?;
    scratch.write("sshd.conf", &configuration(server))?;
    command
        .args(["-D", "-e", "-f"])
        .arg(folder.join("sshd.conf"))
        .env("NSS_WRAPPER_PASSWD", folder.join("passwd"))
        .env("NSS_WRAPPER_GROUP", folder.join("group"))
        .env("NSS_WRAPPER_SHADOW", folder.join("shadow"))
        .env("UID_WRAPPER", "1")
        .env("UID_WRAPPER_INITIAL_RUID", NUMBER)
        .env("UID_WRAPPER_INITIAL_EUID", NUMBER);
    Ok(())
}

pub(super) fn serves(port: u16) -> bool {
    answer(port, b"SSH-2.0-probe\r\n") == Some(*b"SSH-2.0-")
}

/// Ends its sessions, which have groups of their own and survive it.
pub(super) fn kill_sessions(id: u32) {
    for id in descendants(id) {
        if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            kill_process(pid, Signal::KILL).unwrap_or_default();
        }
    }
}

fn configuration(server: &BrokerServer) -> String {
    let folder = server.scratch.path().display();
    let password = match server.options.password {
        Some(_) => "yes",
        None => "no",
    };
    let keys = HOST_KEYS.map(|(name, _)| format!("HostKey {folder}/{name}\n"));
    format!(
        "ListenAddress 127.0.0.1:{}\n\
         {}\
         AuthorizedKeysFile {folder}/authorized_keys\n\
         PasswordAuthentication {password}\n\
         KbdInteractiveAuthentication no\n\
         PidFile none\n\
         StrictModes no\n\
         UsePAM no\n\
         Subsystem sftp internal-sftp\n",
        server.port,
        keys.concat(),
    )
}

fn make_key(program: &Path, path: &Path, kind: &str) -> anyhow::Result<()> {
    // It came with the server, or it was here.
    let beside = PathBuf::from(format!("{}.root/usr/bin/ssh-keygen", program.display()));
    let keygen = if beside.is_file() {
        beside
    } else {
        PathBuf::from("ssh-keygen")
    };
    let mut command = Command::new(keygen);
    command
        .args(["-q", "-t", kind, "-N", "", "-C", "", "-f"])
        .arg(path);
    if kind == "rsa" {
        command.args(["-b", RSA_BITS]);
    }
    output(&mut command).map(drop)
}

/// A password as the system keeps it. Perl is everywhere where there are packages of Debian.
fn hash(password: &str) -> anyhow::Result<String> {
    let mut command = Command::new("perl");
    output(command.args(["-e", "print crypt($ARGV[0], q($6$tiphys$))", password]))
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().display().to_string();
    let output = command
        .output()
        .with_context(|| format!("run `{program}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{program}`: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("read what it says")
}

/// What a process has started, and what that has.
fn descendants(id: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let process = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // Behind the name, which may have anything in it: the state, the parent.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((parent.parse().ok()?, process))
        })
        .collect();
    let mut found = vec![id];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(
            parents
                .iter()
                .filter(|(of, _)| *of == parent)
                .map(|(_, process)| *process),
        );
        next += 1;
    }
    found.split_off(1)
}
