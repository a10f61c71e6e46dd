//! What programs take of the machine is what their limits say.
//!
//! Each program runs in a process of its own, whose memory the kernel tells: what one has given back to the
//! allocator is not there when the next one begins.

#![cfg(test)]
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use tiphys_lang::jq::{self, Program};
use tiphys_lang::lua::{self, Script};

/// Tells the process of a program which one that is.
const PROGRAM: &str = "TIPHYS_MEMORY_PROGRAM";
const SCRIPT: &str = "TIPHYS_MEMORY_SCRIPT";

/// What it says before the figure.
const GROWN: &str = "grown by ";

const MIB: usize = 1 << 20;

/// The memory of jq, and of Lua.
const JQ: usize = 128 * MIB;
const LUA: usize = 64 * MIB;

/// Long enough to come to the limit of the memory on any machine.
const PATIENT: Duration = Duration::from_mins(1);

/// A figure of the kernel about this process, in bytes.
fn memory(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.unwrap().trim_start_matches(':').trim();
    kib.trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Says by how much the process grows at most while this runs.
fn tell_growth(run: impl FnOnce()) {
    let start = memory("VmRSS");
    run();
    let grown = memory("VmHWM").saturating_sub(start);
    println!("\n{GROWN}{grown}");
}

fn transform(program: &str) {
    let limits = jq::Limits {
        time: PATIENT,
        memory: JQ,
    };
    let compiled = Program::compile(program).unwrap().with_limits(limits);
    let event = format!(r#"{{"s":"{}"}}"#, "x".repeat(100_000));
    tell_growth(|| {
        let result = compiled.transform(event.as_bytes());
        let is_bounded = !matches!(result, Err(jq::RunError::Failed { .. }));
        assert!(is_bounded, "{program}: {result:?}");
    });
}

fn run(script: &str) {
    let limits = lua::Limits {
        time: PATIENT,
        memory: LUA,
    };
    let compiled = Script::compile_within(script, limits).unwrap();
    tell_growth(|| drop(compiled.transform(b"{}")));
}

/// Runs this test again for one program; it may grow by half as much again as its limit.
#[track_caller]
fn check(variable: &str, program: &str, limit: usize) {
    let output = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "a_program_takes_half_as_much_again_as_it_may_at_most",
            "--nocapture",
        ])
        .env(variable, program)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let grown = text.lines().find_map(|line| line.strip_prefix(GROWN));
    let grown: usize = grown
        .unwrap_or_else(|| panic!("{program}: {text}"))
        .parse()
        .unwrap();
    assert!(grown <= limit * 3 / 2, "{program}: {} MiB", grown / MIB);
}

#[test]
fn a_program_takes_half_as_much_again_as_it_may_at_most() {
    if let Ok(program) = env::var(PROGRAM) {
        return transform(&program);
    }
    if let Ok(script) = env::var(SCRIPT) {
        return run(&script);
    }
    // Each took three to five times its limit once.
    for program in [
        "{a: [range(1e7) | {a: 1}]}",
        "{a: [range(1e7) | {}]}",
        "{a: [range(1e7) | []]}",
        "{a: [range(1e7) | [.]]}",
        "{a: [range(1e7) | \"\\(.)\"]}",
        "{a: (.s * 20 | split(\"\"))}",
        "{a: [.s * 20 | capture(\"(?<x>.)\"; \"g\")]}",
        "{a: [range(1e9)]}",
        "{a: (\"[\" + ([range(1e6) | \"{}\"] | join(\",\")) + \"]\" | fromjson)}",
        "def f: [., f]; {a: f}",
        "{a: (\"x\" * 1.2e8 | ascii_downcase)}",
        "{a: ([range(1500000)] | group_by(.))}",
        "{a: ([range(2e6)] | to_entries)}",
        "{a: ([[range(2e6)]] | transpose)}",
        "{a: [range(3e6), [range(3e6), [range(3e6), [range(3e6)]]]]}",
        "{a: (\"a\" * 2e7 | indices(\"a\"))}",
        "{a: (\"\\u0001\" * 6e7)}",
        "{a: (\"/w==\" * 2e7 | @base64d)}",
        "{a: ([\"x\" * 4e7] | @sh)}",
        "{a: (\"x\" | gsub(\"x\"; repeat(\"x\")))}",
    ] {
        check(PROGRAM, program, JQ);
    }
    for script in [
        "local t={} for i=1,1e8 do t[i]={} end return t",
        "local t={} for i=1,1e8 do t[i]=tostring(i) end return t",
        "local s='x' for i=1,40 do s=s..s end return {s=s}",
        "local s=string.rep('x',2e7) local t={} for i=1,999 do t[i]=s end string.format('',unpack(t)) return {}",
        "return {s=string.upper(string.rep('é', 2.5e7))}",
        "error(string.rep('x', 5e7))",
        "pcall(error, string.rep('x', 5e7)) return {}",
        "return {n=tonumber(string.rep('1', 5e7))}",
        "loadstring(string.rep('x=1 ', 1e7)) return {}",
        "return {s=string.rep('\\1', 3e7)}",
        "local t={} for i=1,2e6 do t[i]=1 end return t",
    ] {
        check(SCRIPT, script, LUA);
    }
}
