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
    // The rest is the program's file, which the system drops when it needs the room.
    report.add(Row::new(
        "of it not backed by the program's file",
        "MiB",
        memory.anonymous,
    ));
    // Argo Events' figure is that of two processes of one program: what they share is not private.
    let second = world.tiphys(bench, "second")?;
    std::thread::sleep(Duration::from_secs(1));
    let shared = tiphys.memory()?;
    report.add(
        Row::new(
            "idle story beside a second one, private",
            "MiB",
            shared.private,
        )
        .at_most(10.0),
    );
    second.stop()?;
    tiphys.stop()?;
    Ok(())
}
