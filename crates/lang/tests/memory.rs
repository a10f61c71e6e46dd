//! What programs take of the machine is what their limits say.
//!
//! One test, in a process of its own: it looks at the memory of the whole process.

#![cfg(test)]
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use tiphys_lang::jq::{self, Program};
use tiphys_lang::lua::{self, Script};

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

/// How much larger the process is at most while this runs than it was at `start`: what is given back
/// to the allocator stays with it, and is used again.
fn growth(start: usize, run: impl FnOnce()) -> usize {
    // The peak begins anew.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    run();
    memory("VmHWM").saturating_sub(start)
}

#[test]
fn programs_take_no_more_than_half_as_much_again_as_they_may() {
    let start = memory("VmRSS");
    for script in [
        "local t={} for i=1,1e8 do t[i]={} end return t",
        "local t={} for i=1,1e8 do t[i]=tostring(i) end return t",
        "local s='x' for i=1,40 do s=s..s end return {s=s}",
        "local s=string.rep('x',2e7) local t={} for i=1,999 do t[i]=s end string.format('',unpack(t)) return {}",
    ] {
        let limits = lua::Limits {
            time: PATIENT,
            memory: LUA,
        };
        let compiled = Script::compile_within(script, limits).unwrap();
        let grown = growth(start, || drop(compiled.transform(b"{}")));
        assert!(grown <= LUA * 3 / 2, "{script}: {} MiB", grown / MIB);
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
    ] {
        let compiled = Program::compile(program).unwrap().with_limits(jq::Limits {
            time: PATIENT,
            memory: JQ,
        });
        let event = format!(r#"{{"s":"{}"}}"#, "x".repeat(100_000));
        let grown = growth(start, || {
            let result = compiled.transform(event.as_bytes());
            let is_bounded = !matches!(result, Err(jq::RunError::Failed { .. }));
            assert!(is_bounded, "{program}: {result:?}");
        });
        assert!(grown <= JQ * 3 / 2, "{program}: {} MiB", grown / MIB);
    }
}
