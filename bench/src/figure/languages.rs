//! The small languages, per core, as the sensor uses them.

use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::de::IgnoredAny;
use tiphys_api::manifest::{self, Content};
use tiphys_lang::expr::filter::Filter as Expression;
use tiphys_lang::path::Path;
use tiphys_lang::{jq, lua};
use tiphys_sensor::Compiled;
use tiphys_sensor::engine::{Admission, Member};

use crate::clock::rate;
use crate::report::{Report, Row};
use crate::{Bench, event};

const JQ: &str = r#".operation = ({"ADD": "create", "DELETE": "delete"}[.type] // "update")"#;

const LUA: &str = "
local operations = {ADD = 'create', DELETE = 'delete'}
event.operation = operations[event.type] or 'update'
return event
";

const EXPRESSION: &str =
    r#"group == "" && body.metadata.namespace == "playground" && body.spec.type == "ClusterIP""#;

/// A sensor whose dependencies filter by three conditions.
const FILTERS: &str = include_str!("../filters.yaml");

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let round = Duration::from_millis(if bench.quick { 10 } else { 200 });
    let rounds = bench.count(5, 1);
    let measure = |work: &mut dyn FnMut()| rate(round, rounds, work);
    let event = event::story(7, event::LARGE);
    let data = event.data.clone().context("the event has a payload")?;
    let read = measure(&mut || {
        black_box(serde_json::from_slice::<IgnoredAny>(black_box(&data)).is_ok());
    });
    let read = ("serde_json reads it, no tree", read);
    let tree = measure(&mut || {
        black_box(serde_json::from_slice::<serde_json::Value>(black_box(&data)).is_ok());
    });
    let tree = ("serde_json makes a tree", tree);
    let mut add =
        |what: &str, goal: f64, (floor, value): (&'static str, f64), work: &mut dyn FnMut()| {
            let row = Row::new(what, "/s per core", measure(work)).at_least(goal);
            report.add(row.floor(floor, value));
        };

    let path = Path::compile("body.metadata.annotations.autodeploy-ingress-host")?;
    ensure!(path.get(&data).exists(), "the path finds nothing");
    add("path lookup", 2e6, read, &mut || {
        black_box(path.get(black_box(&data)).exists());
    });
    let story = compile(&std::fs::read_to_string(
        bench.story.join("ingress-sn.yaml"),
    )?)?;
    let trigger = Arc::clone(&story.triggers[0]);
    let Admission::Taken(taken) = story.dependencies[0].admit(event.clone()) else {
        anyhow::bail!("the story's dependency does not take the event");
    };
    let round = [(
        0,
        Member {
            event: Arc::new(taken),
            sequence: 1,
            stored_at: jiff::Timestamp::UNIX_EPOCH,
            object: None,
            replay: None,
        },
    )];
    ensure!(
        trigger.fire(&round, "ingress-sn", "playground").is_ok(),
        "the story does not fire"
    );
    add("Ingress with 6 parameters", 2e5, read, &mut || {
        black_box(
            trigger
                .fire(black_box(&round), "ingress-sn", "playground")
                .is_ok(),
        );
    });
    let filters = compile(FILTERS)?;
    for (dependency, what, goal) in [
        (0, "data filter, 3 conditions", 3e5),
        (1, "expression filter (exprs), 3 conditions", 2e5),
    ] {
        let filter = filters.dependencies[dependency]
            .filters()
            .context("there is a filter")?;
        ensure!(filter.check(&event).passes(), "{what} does not pass");
        add(what, goal, read, &mut || {
            black_box(filter.check(black_box(&event)).passes());
        });
    }
    let expression = Expression::compile(EXPRESSION)?;
    ensure!(expression.passes(&data)?, "the expression does not pass");
    add(
        "filter.expression of an event source",
        2e5,
        tree,
        &mut || {
            black_box(expression.passes(black_box(&data)).is_ok());
        },
    );
    let program = jq::Program::compile(JQ)?;
    ensure!(program.transform(&data).is_ok(), "jq fails");
    add("jq of the story", 25e3, tree, &mut || {
        black_box(program.transform(black_box(&data)).is_ok());
    });
    let script = lua::Script::compile(LUA)?;
    ensure!(script.transform(&data).is_ok(), "Lua fails");
    add("the same in Lua", 25e3, tree, &mut || {
        black_box(script.transform(black_box(&data)).is_ok());
    });
    allocations(report)
}

/// Allocations are counted by a program of its own: counting them here would slow everything down.
#[expect(
    clippy::cast_precision_loss,
    reason = "allocations of one evaluation are few"
)]
fn allocations(report: &mut Report) -> anyhow::Result<()> {
    let mut program: PathBuf = std::env::current_exe()?;
    program.set_file_name("tiphys-bench-allocations");
    let output = Command::new(&program)
        .output()
        .context("count allocations")?;
    ensure!(
        output.status.success(),
        "allocations: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in String::from_utf8(output.stdout)?.lines() {
        let (what, counts) = line.split_once(": ").context("read the counts")?;
        let counts: Vec<u64> = counts
            .split(' ')
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let [small, large] = counts[..] else {
            anyhow::bail!("two counts are expected")
        };
        report.add(
            Row::new(
                format!("{what}, allocations for 20 KB"),
                "count",
                large as f64,
            )
            .floor("for 2 KB", small as f64)
            .within(1.0),
        );
    }
    Ok(())
}

/// Compiles the Sensor of a manifest.
fn compile(manifest: &str) -> anyhow::Result<Compiled> {
    let manifest = manifest::read("sensor.yaml", manifest);
    let sensor = manifest
        .objects
        .iter()
        .find_map(|object| match &object.content {
            Content::Sensor(sensor) => Some(sensor),
            _ => None,
        });
    let sensor = sensor.context("the manifest has a Sensor")?;
    Compiled::compile(sensor).map_err(|problems| anyhow::anyhow!("{problems:?}"))
}
