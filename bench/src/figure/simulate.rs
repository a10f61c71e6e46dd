//! `tiphys simulate`: from the command to its answer.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tiphys_testbed::Scratch;

use crate::clock::Samples;
use crate::report::{Report, Row};
use crate::{Bench, event};

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::new("bench")?;
    let text = String::from_utf8(event::story(0, event::LARGE).encode().to_vec())?;
    let path = scratch.write("event.json", &text)?;
    let runs = bench.count(50, 5);
    let simulate = || {
        let mut command = Command::new(&bench.tiphys);
        command
            .arg("simulate")
            .arg("-f")
            .arg(&bench.story)
            .arg("--event")
            .arg(&path);
        command
    };
    let version = || {
        let mut command = Command::new(&bench.tiphys);
        command.arg("--version");
        command
    };
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..runs {
        times.0.push(time(&mut simulate())?);
        times.1.push(time(&mut version())?);
    }
    let (simulate, version): (Samples, Samples) =
        (times.0.into_iter().collect(), times.1.into_iter().collect());
    report.add(
        Row::new(
            "tiphys simulate, the story",
            "ms",
            simulate.percentile_ms(50),
        )
        .at_most(100.0)
        .floor("tiphys --version", version.percentile_ms(50)),
    );
    Ok(())
}

fn time(command: &mut Command) -> anyhow::Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().context("start tiphys")?;
    let time = start.elapsed();
    ensure!(status.success(), "tiphys ended with {status}");
    Ok(time)
}
