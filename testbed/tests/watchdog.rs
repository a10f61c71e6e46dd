//! A run that is killed leaves nothing behind.

#![cfg(test)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tiphys_testbed::{PATIENCE, Process, Scratch, is_alive, wait_for};

/// Set in the child that is to be killed.
const ROLE: &str = "TIPHYS_WATCHDOG_TEST";

#[test]
fn a_killed_run_leaves_no_process_and_no_folder() {
    if std::env::var_os(ROLE).is_some() {
        run_until_killed();
    }
    let mut run = start_self();
    let output = BufReader::new(run.stderr.take().unwrap());
    let line = output
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("watched ").map(str::to_owned))
        .unwrap();
    let (server, folder) = line.split_once(' ').unwrap();
    let (server, folder): (u32, &Path) = (server.parse().unwrap(), Path::new(folder));
    assert!(is_alive(server) && folder.is_dir());

    run.kill().unwrap();
    run.wait().unwrap();

    wait_for("the folder's end", PATIENCE, || {
        Ok((!folder.exists()).then_some(()))
    })
    .unwrap();
    wait_for("the server's end", PATIENCE, || {
        Ok(has_ended(server).then_some(()))
    })
    .unwrap();
}

fn start_self() -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_killed_run_leaves_no_process_and_no_folder",
            "--nocapture",
        ])
        .env(ROLE, "killed")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run_until_killed() -> ! {
    let scratch = Scratch::new("watchdog").unwrap();
    let server = Process::spawn("server", Command::new("sleep").arg("1000"), &scratch).unwrap();
    eprintln!("\nwatched {} {}", server.id(), scratch.path().display());
    loop {
        std::thread::park();
    }
}

/// Where nobody collects orphans, the killed server stays a zombie.
fn has_ended(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    !is_alive(id) || stat.contains(") Z ")
}
