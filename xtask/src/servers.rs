//! `cargo xtask servers`: gets the servers and prints where they are.

use std::io::{self, Write as _};

use tiphys_testbed::{Broker, Programs, Progress};

/// Prints one line for each server, to be read by `export` or by a person.
pub(crate) fn run() -> anyhow::Result<()> {
    let programs = Programs::locate(Progress::Shown)?;
    let mut output = io::stdout().lock();
    for (variable, path) in programs.variables() {
        writeln!(output, "{variable}={}", path.display())?;
    }
    for broker in Broker::ALL {
        let path = broker.locate(Progress::Shown)?;
        writeln!(output, "{}={}", broker.variable(), path.display())?;
    }
    Ok(())
}
