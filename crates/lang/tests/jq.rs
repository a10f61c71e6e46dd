//! What users and attackers may rely on: exact numbers, and programs that always come to an end.

#![expect(
    clippy::unwrap_used,
    reason = "the functions the tests share are tests too"
)]

use std::time::Duration;

use tiphys_lang::Memory;
use tiphys_lang::jq::{Limits, Program, RunError};

const EVENT: &str = r#"{"a":1,"list":[1,2,3],"s":"text"}"#;

#[track_caller]
fn check(program: &str, event: &str, expected: &str) {
    // How fast a machine is says nothing of the answer.
    let patient = Limits {
        time: Duration::from_mins(1),
        ..Limits::default()
    };
    let program = Program::compile(program).unwrap().with_limits(patient);
    let output = program.transform(event.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(output).unwrap(), expected);
}

#[track_caller]
fn check_error(program: &str, event: &str, expected: &str) {
    let program = Program::compile(program).unwrap();
    assert_eq!(
        program.transform(event.as_bytes()).unwrap_err().to_string(),
        expected
    );
}

#[track_caller]
fn check_refused(program: &str, expected: &str) {
    assert_eq!(Program::compile(program).unwrap_err().to_string(), expected);
}

/// Runs on the stack of a usual worker thread.
#[track_caller]
fn check_ends(program: &str) -> RunError {
    let source = program.to_owned();
    let run = move || {
        let limits = Limits {
            time: Duration::from_millis(300),
            ..Limits::default()
        };
        let program = Program::compile(&source).unwrap().with_limits(limits);
        program.transform(EVENT.as_bytes()).unwrap_err()
    };
    let thread = std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(run)
        .unwrap();
    thread.join().unwrap()
}

#[track_caller]
fn check_spent(program: &str) {
    let error = check_ends(program);
    let spent = [RunError::TimedOut, RunError::TooLarge, RunError::TooDeep];
    assert!(spent.contains(&error), "{error:?}");
}

#[test]
fn whole_numbers_of_an_event_stay_exact() {
    check(
        "{x: (.n + 1)}",
        r#"{"n":9007199254740993}"#,
        r#"{"x":9007199254740994}"#,
    );
    check(
        ".",
        r#"{"n":12345678901234567890}"#,
        r#"{"n":12345678901234567890}"#,
    );
    check(
        "{x: (.n * 2)}",
        r#"{"n":12345678901234567890}"#,
        r#"{"x":24691357802469135780}"#,
    );
    check(
        "{x: (.n | tostring)}",
        r#"{"n":-9223372036854775809}"#,
        r#"{"x":"-9223372036854775809"}"#,
    );
    check(
        "{x: (.n == 9007199254740992)}",
        r#"{"n":9007199254740993}"#,
        r#"{"x":false}"#,
    );
    check(
        "{x: (.n + .zero)}",
        r#"{"n":9007199254740993,"zero":0}"#,
        r#"{"x":9007199254740993}"#,
    );
}

#[test]
fn numbers_are_written_as_go_does() {
    check(
        "{a: 1.0, b: 1e3, c: 1e21, d: 1e-7, e: 1.50}",
        "{}",
        r#"{"a":1,"b":1000,"c":1e+21,"d":1e-7,"e":1.5}"#,
    );
    check("{a: (.n / 2)}", r#"{"n":3}"#, r#"{"a":1.5}"#);
    check_error("{a: infinite}", "{}", "the output holds nan or an infinity");
    check_error("{a: [nan]}", "{}", "the output holds nan or an infinity");
}

/// Objects of an event are read when a program looks into them, and handed on as they are otherwise.
#[test]
fn what_is_not_looked_into_comes_out_the_same() {
    let event = r#"{"o":{"a":{"b":[1,{"c":"\u003c"}],"n":12345678901234567890},"z":"é"},"x":1}"#;
    check(
        ".x = 2",
        event,
        r#"{"o":{"a":{"b":[1,{"c":"\u003c"}],"n":12345678901234567890},"z":"é"},"x":2}"#,
    );
    check(
        ".o.a.b[1].c |= . + \">\" | .x = (.o.a.n | tojson)",
        event,
        r#"{"o":{"a":{"b":[1,{"c":"\u003c\u003e"}],"n":12345678901234567890},"z":"é"},"x":"12345678901234567890"}"#,
    );
    check(
        ".x = .o.a | .o.a.b = 0 | del(.o.z, .x.b)",
        event,
        r#"{"o":{"a":{"b":0,"n":12345678901234567890}},"x":{"n":12345678901234567890}}"#,
    );
    check(
        "{same: (.o == .o), keys: (.o | keys), count: (.o.a | length), text: (.o.a.b | tojson)}",
        event,
        r#"{"count":2,"keys":["a","z"],"same":true,"text":"[1,{\"c\":\"\u003c\"}]"}"#,
    );
    check(
        ".o |= (.a.extra = 1 | .a |= . + {b: null})",
        r#"{"o":{"a":{"b":2}}}"#,
        r#"{"o":{"a":{"b":null,"extra":1}}}"#,
    );
    // What would be written otherwise is.
    for (object, written) in [
        (
            r#"{"b":1,"a":{"d":1,"c":2}}"#,
            r#"{"a":{"c":2,"d":1},"b":1}"#,
        ),
        (r#"{"a":{"b":1,"b":2}}"#, r#"{"a":{"b":2}}"#),
        (r#"{ "a" : { "b":1.50 } }"#, r#"{"a":{"b":1.5}}"#),
        (r#"{"a":{"b":"<\/\u00e9"}}"#, r#"{"a":{"b":"\u003c/é"}}"#),
    ] {
        let (event, written) = (
            format!("{{\"o\":{object}}}"),
            format!("{{\"o\":{written}}}"),
        );
        check(".", &event, &written);
    }
}

#[test]
fn deep_objects_are_read_in_time() {
    const DEPTH: usize = 500;
    let text = "x".repeat(500_000);
    let nested = format!(
        "{}\"{text}\"{}",
        r#"{"a":"#.repeat(DEPTH),
        "}".repeat(DEPTH)
    );
    let program = format!("{{length: (getpath([range({DEPTH}) | \"a\"]) | length)}}");
    check(&program, &nested, r#"{"length":500000}"#);
}

#[test]
fn only_objects_go_in_and_come_out() {
    check_error(".", "[1]", "the input is not an object");
    check_error(".", "{", "the input is not json: expected a key at byte 1");
    check_error(".", r#"{"n":1e400}"#, "the input has a number out of range");
    check_error(".a", EVENT, "the output is not an object but number (1)");
    check_error(".b", EVENT, "the output is not an object but null");
    check_error("empty", EVENT, "the program has no output");
    check_error("error(\"x\")", EVENT, "x");
    check("{a: 1}, error", EVENT, r#"{"a":1}"#);
    check(".", "null", "null");
    check(".a = 1", "null", r#"{"a":1}"#);
}

#[test]
fn faults_of_a_program_name_their_place() {
    check_refused("{a: 1,\n  b: ]}", "unexpected token \"]\", line 2 column 6");
    check_refused(
        ".a | nosuch(1)",
        "function not defined: nosuch/1, line 1 column 6",
    );
    check_refused("{a: $x}", "variable not defined: $x, line 1 column 5");
    check_refused(".a |", "unexpected end of the program, line 1 column 5");
    check_refused("  # nothing", "the program is empty, line 1 column 12");
    check_refused(
        "\"\\q\"",
        "invalid escape sequence in a text, line 1 column 2",
    );
    check_refused(
        "import \"x\" as x; .",
        "import is not available, line 1 column 1",
    );
    check_refused("break $out", "label not defined: $out, line 1 column 7");
}

#[test]
fn there_is_no_way_out_of_a_program() {
    check(
        "{a: env, b: $ENV, c: $ENV.PATH}",
        "{}",
        r#"{"a":{},"b":{},"c":null}"#,
    );
    for name in [
        "input",
        "inputs",
        "debug",
        "stderr",
        "input_filename",
        "$__prog_args",
    ] {
        assert!(Program::compile(name).is_err(), "{name}");
    }
    check_error(
        "try halt catch .",
        "{}",
        "the program was left by halt or break",
    );
    check_error("halt_error", "{}", "the program was left by halt or break");
}

#[test]
fn definitions_of_a_program_go_before_what_is_built_in() {
    check("def map(f): {mine: 1}; map(.)", "{}", r#"{"mine":1}"#);
    check("def tostring: 1; {a: \"\\(2)\"}", "{}", r#"{"a":"2"}"#);
    check("def empty: 1; {a: ([] | length)}", "{}", r#"{"a":0}"#);
    check("def f($a; $b): $a + b; {x: f(1; 2)}", "{}", r#"{"x":3}"#);
}

#[test]
fn the_first_pattern_without_error_binds() {
    check(
        "[[1, 2]] | .[] as [$a] ?// $a | {x: $a}",
        "{}",
        r#"{"x":1}"#,
    );
    check(
        "{k: 1} as [$a] ?// {k: $b} | {x: [$a, $b]}",
        "{}",
        r#"{"x":[null,1]}"#,
    );
}

#[test]
fn endless_programs_end() {
    for program in [
        "def f: f; f",
        "def f: def g: f; g; f",
        "def f: .a |= . | f; f",
        "last(range(1e12))",
        "last(range(0; 1; 0.0000000001))",
        "[limit(1e8; repeat(1))]",
        "{a: (1 | until(false; .))}",
        "[range(infinite)]",
        "def f: try error catch f; f",
        "def f: (f)?; f // f",
        "first(repeat(empty))",
        "label $x | foreach repeat(1) as $i (0; . + 1; if . < 0 then break $x else empty end)",
        "reduce repeat(1) as $i (0; . + $i)",
    ] {
        check_spent(program);
    }
    let doubled: Vec<_> = (1..60)
        .map(|n| format!("def f{n}: f{0} | f{0};", n - 1))
        .collect();
    let doubled = doubled.join(" ");
    check_spent(&format!("def f0: .; {doubled} f59"));
    let choices = vec!["(1, 1)"; 60].join(" | ");
    check_spent(&format!("first({choices} | empty)"));
    let descents = vec!["(.. | .list)?"; 60].join(", ");
    check_spent(&format!("[recurse({descents}, .)] | length"));
}

#[test]
fn deep_recursion_ends() {
    for program in [
        "def f: 1 + f; f",
        "def f: [f]; f",
        "def f(n): if n == 0 then 0 else 1 + f(n - 1) end; f(1000000)",
        "def f(g): f(g | g); f(.)",
        "def f(g): f(g | .); f(.)",
        "def f: f | f; f",
        "def f: (f, 1) | .; f",
        "path(def f: .a | f; f)",
        "last(path(repeat(.a)))",
        "path(reduce range(1e9) as $i (.; .a))",
        "reduce range(1e9) as $i (null; [.])",
        "reduce range(1e9) as $i ({}; {a: .})",
        "path(getpath([range(1e6) | 0]))",
        "path(def f: .a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a | f; f)",
        "path(recurse(.a))",
        "setpath([range(1e6) | \"a\"]; 1)",
        "[range(1e6) | 0] as $p | getpath($p)",
        "def f: {a: f}; f",
    ] {
        check_ends(program);
    }
}

#[test]
fn bombs_do_not_go_off() {
    for program in [
        "\"x\" * 1e9",
        "\"x\" * 1e12",
        "{a: (\"x\" * 1000 | until(length > 1e9; . + .))}",
        "{a: (\"x\" * 1000000 | [., .] | until(false; [., .]) | tojson)}",
        "reduce range(60) as $i (\"x\"; [., .]) | tojson",
        "{a: reduce range(60) as $i (\"x\"; [., .])}",
        "reduce range(60) as $i (\"x\"; [., .]) | flatten",
        "reduce range(60) as $i (\"x\"; [., .]) | [..] | length",
        "reduce range(60) as $i (\"x\"; [., .]) | [tostream] | length",
        "def d: reduce range(60) as $i (\"x\"; [., .]); [d, d] | sort",
        "def d: reduce range(60) as $i (\"x\"; [., .]); d == d",
        "def d: reduce range(60) as $i (\"x\"; [., .]); d | contains(d)",
        "reduce range(60) as $i ({}; {a: ., b: .}) | del(.. | .c?)",
        "[range(300000)] as $x | $x - [range(300000; 600000)]",
        "[range(300000)] as $x | $x | indices([range(200000)])",
        "[range(1e6)] | [., [], []] | [limit(3000; repeat(.[]))] | transpose",
        "{a: 1} | .list[100000000] = 1",
        "reduce range(60) as $i (3; . * .)",
        "reduce range(1e9) as $i (7; . * 12345678901234567890)",
        "[limit(200000; repeat(\"x\" * 100000))] | add",
        "\"x\" * 1000000 | [limit(200; repeat(.))] | join(\",\")",
        "\"x\" * 1000000 | test(\"(x{1,30}){1,30}y\")",
        "[range(1e9)] | length",
        "\"x\" * 3000000 | [match(\"\"; \"g\")] | length",
        "\"[\" * 1000000 | fromjson",
        "[[range(10)] | combinations(12)] | length",
    ] {
        check_ends(program);
    }
}

#[test]
fn deep_and_long_programs_are_refused_or_run() {
    for (open, close) in [
        ("[", "]"),
        ("(", ")"),
        ("{a:", "}"),
        ("if ", ""),
        ("-", ""),
        ("def f: ", ""),
    ] {
        let source = format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
        assert!(Program::compile(&source).is_err(), "{open}");
    }
    for operator in ["+", "|", ",", "//", "and", "as $x |"] {
        let source = vec!["1"; 5_000].join(&format!(" {operator} "));
        assert!(Program::compile(&source).is_err(), "{operator}");
    }
    assert!(Program::compile(&"\"\\(".repeat(20_000)).is_err());
    assert!(Program::compile(&". ".repeat(40_000)).is_err());
    check(
        &format!("{{a: ({})}}", vec!["1"; 300].join(" + ")),
        "{}",
        r#"{"a":300}"#,
    );
    check(
        &format!(
            "{{a: ({})}}",
            vec![". + 1"; 300].join(" | ").replacen('.', "0", 1)
        ),
        "{}",
        r#"{"a":300}"#,
    );
    check(
        &format!("{{a: {}1{}}} | {{}}", "[".repeat(80), "]".repeat(80)),
        "{}",
        "{}",
    );
}

#[test]
fn recursion_of_a_usual_depth_works() {
    check(
        "def f: if . == 0 then 0 else (. - 1 | f) + 1 end; {a: (1000 | f)}",
        "{}",
        r#"{"a":1000}"#,
    );
    check(
        "def f: if . >= 50000 then . else . + 1 | f end; {a: (0 | f)}",
        "{}",
        r#"{"a":50000}"#,
    );
    check(
        "{a: ([limit(30000; repeat(1))] | length)}",
        "{}",
        r#"{"a":30000}"#,
    );
    check(
        "{a: (reduce range(100000) as $i (0; . + $i))}",
        "{}",
        r#"{"a":4999950000}"#,
    );
    check(
        "{a: (reduce range(300) as $i (null; [.]) | [..] | length)}",
        "{}",
        r#"{"a":301}"#,
    );
}

#[test]
fn a_spent_run_leaves_the_next_one_whole() {
    let endless = Program::compile("def f: f; f").unwrap();
    let endless = endless.with_limits(Limits {
        time: Duration::from_millis(50),
        ..Limits::default()
    });
    let fine = Program::compile(".a += 1").unwrap();
    for _ in 0..3 {
        assert_eq!(endless.transform(b"{}"), Err(RunError::TimedOut));
        assert_eq!(fine.transform(br#"{"a":1}"#), Ok(br#"{"a":2}"#.to_vec()));
    }
}

#[test]
fn a_program_is_shared_by_threads() {
    let program = std::sync::Arc::new(Program::compile(".a += 1").unwrap());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let program = program.clone();
            std::thread::spawn(move || program.transform(br#"{"a":1}"#))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Ok(br#"{"a":2}"#.to_vec()));
    }
}

#[test]
fn a_part_of_the_memory_is_a_quarter_of_it() {
    let limits = Limits {
        time: Duration::from_mins(1),
        ..Limits::default()
    };
    let large = Program::compile("{size: (\"x\" * .n | length)}").unwrap();
    let large = large.with_limits(limits);
    let event = br#"{"n": 40000000}"#;
    let part = Memory::part();
    assert_eq!(
        large.transform_within(event, &part).unwrap_err(),
        RunError::TooLarge
    );
    assert!(part.was_short());
    let whole = Memory::whole();
    assert_eq!(
        large.transform_within(event, &whole).unwrap(),
        br#"{"size":40000000}"#
    );
    assert!(!whole.was_short());
    let part = Memory::part();
    assert_eq!(
        large.transform_within(br#"{"n": 4}"#, &part).unwrap(),
        br#"{"size":4}"#
    );
    assert!(!part.was_short());
}

/// Each match copied all that was made before: 300 kB took minutes, and nothing stopped it.
#[test]
fn replacing_takes_as_long_as_the_text_is() {
    let event = format!(r#"{{"s":"{}"}}"#, "a".repeat(100_000));
    check(
        r#"{length: (.s | gsub("a"; "bbbbbbbbbb") | length)}"#,
        &event,
        r#"{"length":1000000}"#,
    );
    check(
        r#"[.s[:3] | gsub("(?<x>a)"; .x + "1", "2")] | {all: .}"#,
        &event,
        r#"{"all":["a1a1a1","222"]}"#,
    );
    check_error(
        r#"{s: (.s | gsub("a"; 1))}"#,
        r#"{"s":"a"}"#,
        r#"cannot add: string ("") and number (1)"#,
    );
    let program = r#"{s: (.s | gsub("a"; "b" * 100000))}"#;
    let program = Program::compile(program).unwrap();
    let error = program.transform(event.as_bytes()).unwrap_err();
    assert!(matches!(error, RunError::TooLarge | RunError::TimedOut));
}
