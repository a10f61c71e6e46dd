//! One process with the story's event source and sensor, doing nothing.

use std::time::Duration;

use crate::Bench;
use crate::report::{Report, Row};
use crate::world::World;

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let world = World::start(bench)?;
    let tiphys = world.tiphys(bench, "tiphys")?;
    // Long enough for watches, consumers and heartbeats to have begun.
    std::thread::sleep(Duration::from_secs(if bench.quick { 1 } else { 6 }));
    let memory = tiphys.memory()?;
    report.add(Row::new("idle story, resident", "MiB", memory.resident).at_most(30.0));
    report.add(Row::new("idle story, private", "MiB", memory.private).at_most(10.0));
    // The rest is the program's file, which the system drops when it needs the room, and which all
    // processes of the program share.
    report.add(Row::new(
        "of it not backed by the program's file",
        "MiB",
        memory.anonymous,
    ));
    tiphys.stop()?;
    Ok(())
}
