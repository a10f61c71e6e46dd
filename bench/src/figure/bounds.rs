//! What nobody should be able to make slow: hostile files, endless programs, and a large picture.

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tiphys_api::manifest;
use tiphys_lang::path::Path;
use tiphys_lang::{jq, lua, template, yaml};
use tiphys_testbed::Scratch;

use crate::Bench;
use crate::report::{Report, Row};

/// What a program may take before it is stopped.
const TIME_LIMIT: f64 = 1.0;

const ENDLESS_JQ: [&str; 4] = [
    "def f: f; f",
    "[range(1e9)] | length",
    "last(range(1e12))",
    "[limit(1e9; repeat(1))]",
];

const ENDLESS_LUA: [&str; 4] = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "local function f() return f() end return f()",
    "return {(string.rep('a', 30)):match(string.rep('a?', 30) .. string.rep('a', 30) .. 'b')}",
];

const LARGE_TEMPLATES: [&str; 5] = [
    r#"{{ repeat 1000000000 "x" }}"#,
    r#"{{ splitList "" (repeat 4000000 "x") | join (repeat 4000 "y") }}"#,
    "{{ untilStep 0 9223372036854775807 1 }}",
    "{{ $x := list 1 2 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}",
    "{{ uniq (until 100000) }}",
];

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let files = files();
    let read = slowest(&files, |file| {
        !manifest::read("hostile.yaml", file).faults.is_empty()
    })?;
    report.add(Row::new("hostile manifest read, the slowest", "s", read).at_most(2.0));
    let refused = slowest(&files, |file| yaml::to_json(file.as_bytes()).is_err())?;
    report.add(Row::new("hostile YAML refused, the slowest", "s", refused).at_most(2.0));
    let path = Path::compile(&format!("@this{}", "|@tostr".repeat(3000)))?;
    let explained = slowest(&["[0.000001]"], |data| {
        path.explain(data.as_bytes()).is_none()
    })?;
    report.add(Row::new("path of 3,000 steps explained", "s", explained).at_most(1.0));
    let stopped = [
        slowest(&ENDLESS_JQ, |program| {
            jq::Program::compile(program).is_ok_and(|program| program.transform(b"{}").is_err())
        })?,
        slowest(&ENDLESS_LUA, |program| {
            lua::Script::compile(program).is_ok_and(|script| script.transform(b"{}").is_err())
        })?,
        slowest(&LARGE_TEMPLATES, |program| {
            template::Template::compile(program)
                .is_ok_and(|template| template.render_json(b"{}").is_err())
        })?,
    ];
    for (language, stopped) in ["jq", "Lua", "templates"].into_iter().zip(stopped) {
        report.add(
            Row::new(
                format!("endless {language} stopped, the slowest"),
                "s",
                stopped,
            )
            .floor("the time limit", TIME_LIMIT)
            .within(3.0),
        );
    }
    graph(bench, report)
}

/// How long the slowest of `inputs` takes, each of which has to be bad.
fn slowest<T: AsRef<str>>(inputs: &[T], is_bad: impl Fn(&str) -> bool) -> anyhow::Result<f64> {
    let mut slowest = Duration::ZERO;
    for input in inputs {
        let input = input.as_ref();
        let start = Instant::now();
        let is_bad = black_box(is_bad(black_box(input)));
        slowest = slowest.max(start.elapsed());
        let shown: String = input.chars().take(60).collect();
        ensure!(is_bad, "it was taken: {shown}");
    }
    Ok(slowest.as_secs_f64())
}

/// Files that grow when they are read, or that nest without end.
fn files() -> Vec<String> {
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..30 {
        let below = vec![format!("*a{}", level - 1); 10].join(",");
        laughs.extend([format!("a{level}: &a{level} [{below}]\n")]);
    }
    let mut merges = "m0: &m0 {k: 1}\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        merges.extend([format!(
            "m{level}: &m{level} {{<<: [*m{below}, *m{below}]}}\n"
        )]);
    }
    vec![
        laughs,
        merges,
        format!("a: &a [{}]\nb: [{}]", "x,".repeat(5000), "*a,".repeat(5000)),
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
    ]
}

/// A picture of a thousand nodes: event sources, sensors, and what they do.
fn graph(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::new("bench")?;
    let mut manifests = String::new();
    for number in 0..bench.count(350, 10) {
        let resource = json!({"version": "v1", "resource": "services"});
        let source = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
            "metadata": {"name": format!("source-{number}")},
            "spec": {"resource": {"event": resource}},
        });
        let sensor = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Sensor",
            "metadata": {"name": format!("sensor-{number}")},
            "spec": {
                "dependencies": [{
                    "name": "d",
                    "eventSourceName": format!("source-{}", number / 2),
                    "eventName": "event",
                }],
                "triggers": [{"template": {"name": "log", "log": {}}}],
            },
        });
        manifests.extend([format!("---\n{source}\n---\n{sensor}\n")]);
    }
    let path = scratch.write("many.yaml", &manifests)?;
    let run = |arguments: &[&str]| -> anyhow::Result<f64> {
        let mut command = Command::new(&bench.tiphys);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let start = Instant::now();
        let status = command.status().context("start tiphys")?;
        let took = start.elapsed();
        ensure!(status.success(), "tiphys ended with {status}");
        Ok(took.as_secs_f64())
    };
    let file = path.display().to_string();
    let drawn = run(&["graph", "-f", &file])?;
    report.add(
        Row::new("tiphys graph, a thousand nodes", "s", drawn)
            .at_most(1.0)
            .floor("tiphys --version", run(&["--version"])?),
    );
    Ok(())
}
