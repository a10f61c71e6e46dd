//! What scripts are promised where Argo Events' answer is mended, and that none can do harm.

use super::*;

#[track_caller]
fn run(script: &str, event: &str) -> String {
    let result = Script::compile(script).unwrap().transform(event.as_bytes());
    result.map_or_else(
        |error| error.to_string(),
        |bytes| String::from_utf8(bytes).unwrap(),
    )
}

#[track_caller]
fn check(script: &str, event: &str, expected: &str) {
    assert_eq!(run(script, event), expected, "{script}");
}

const KINDS: &str = r#"{"n":null,"ea":[],"nest":[[1],[]],"mix":[1,null,"x",null],"o":{"a":null}}"#;

#[test]
fn untouched_parts_survive() {
    let sorted = r#"{"ea":[],"mix":[1,null,"x",null],"n":null,"nest":[[1],[]],"o":{"a":null}}"#;
    check("return event", KINDS, sorted);
    check(
        "local n = 0 for k in pairs(event) do n = n + 1 end return {n}",
        KINDS,
        "[4]",
    );
    check(
        "for _, v in pairs(event) do local _ = #v end return event",
        KINDS,
        sorted,
    );
}

#[test]
fn null_members_are_nil_and_can_be_replaced_or_removed() {
    check(
        "return {event.n == nil, event.o.a == nil}",
        KINDS,
        "[true,true]",
    );
    check("event.o.a = 1 return event.o", KINDS, r#"{"a":1}"#);
    check("event.o.a = nil return event.o", KINDS, "{}");
    check("event.o.a = 1 event.o.a = nil return event.o", KINDS, "{}");
    check("event.o.b = 1 return event.o", KINDS, r#"{"a":null,"b":1}"#);
}

#[test]
fn nulls_in_arrays_keep_their_place() {
    check(
        "table.insert(event.mix, 'y') return event.mix",
        KINDS,
        r#"[1,null,"x",null,"y"]"#,
    );
    check(
        "return {#event.mix, tostring(event.mix[2]), event.mix[2].a == nil}",
        KINDS,
        r#"[4,"null",true]"#,
    );
}

#[test]
fn empty_arrays_stay_arrays_while_empty() {
    check("event.ea.k = 1 return event.ea", KINDS, r#"{"k":1}"#);
    check("event.ea[1] = 1 return event.ea", KINDS, "[1]");
    check("return {a = event.ea}", KINDS, r#"{"a":[]}"#);
    check(
        "getmetatable(event.ea).__is_array = false return event",
        KINDS,
        "<string>:1: attempt to modify a readonly table",
    );
}

#[test]
fn large_whole_numbers_are_exact_wherever_they_are_put() {
    let event = r#"{"a":9007199254740993,"b":18446744073709551616,"c":[12345678901234567891]}"#;
    check(
        "event.d = 1 return event",
        event,
        &format!("{},\"d\":1}}", &event[..event.len() - 1]),
    );
    check(
        "return {event.a, event.b, event.c[1]}",
        event,
        "[9007199254740993,18446744073709551616,12345678901234567891]",
    );
    check(
        "return {event.a == 9007199254740992, event.a + 2}",
        event,
        "[true,9007199254740994]",
    );
    let twins = r#"{"a":9007199254740993,"b":9007199254740992}"#;
    check(
        "event.c = 1 return event",
        twins,
        r#"{"a":9007199254740993,"b":9007199254740992,"c":1}"#,
    );
}

#[test]
fn nothing_outside_the_script_can_be_reached() {
    for name in [
        "os", "io", "require", "debug", "dofile", "loadfile", "package", "module", "newproxy",
    ] {
        check(&format!("return {{type({name})}}"), "{}", r#"["nil"]"#);
    }
    check(
        "return {getfenv(print) == _G, getfenv(pairs).host == nil}",
        "{}",
        "[true,true]",
    );
    check(
        "return {pcall(setfenv, pairs, {})}",
        "{}",
        r#"[false,"<string>:1: cannot change environment of given object"]"#
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .as_str(),
    );
}

#[test]
fn nothing_outlives_the_event() {
    let script = Script::compile(
        "local seen = leaked or string.leaked or getmetatable('').leaked or math.leaked
         leaked, string.leaked, math.leaked, getmetatable('').leaked = 1, 2, 3, 4
         function string:twice() return self .. self end
         return {seen = seen, twice = ('a'):twice()}",
    )
    .unwrap();
    for _ in 0..3 {
        assert_eq!(script.transform(b"{}").unwrap(), br#"{"twice":"aa"}"#);
    }
}

#[test]
fn errors_name_the_line() {
    check("\n\nlocal s = [[a\nb]]\nerror('x')", "{}", "<string>:5: x");
    check(
        "local a = 1\nreturn event.missing.x",
        "{}",
        "<string>:2: attempt to index a non-table object(nil) with key 'x'",
    );
    check(
        "local function f() error('x', 2) end\nf()",
        "{}",
        "<string>:2: x",
    );
    let error = Script::compile("local a = 1\nreturn a // 2").unwrap_err();
    assert_eq!(error.to_string(), "syntax error near '/', line 2");
    check(
        "return nil",
        "{}",
        "the script returned a nil instead of a table",
    );
    check("return event", "[1]", "the event is not a JSON object");
    check("return event", "null", "{}");
}

/// The answers of gopher-lua 1.1.2.
#[test]
fn what_pcall_catches_reads_as_in_gopher_lua() {
    let caught = |body: &str, expected: &str| {
        let script = format!("return {{select(2, pcall(function() {body} end))}}");
        check(
            &script,
            "{}",
            &format!("[\"\\u003cstring\\u003e:1: {expected}\"]"),
        );
    };
    caught(
        "return nil + 1",
        "cannot perform add operation between nil and number",
    );
    caught("return 1 < 'a'", "attempt to compare number with string");
    caught(
        "event.missing.x = 1",
        "attempt to index a non-table object(nil) with key 'x'",
    );
    caught("event:nosuch()", "attempt to call a non-function object");
    caught("assert(false, 'no port')", "no port");
    caught("assert(event.missing)", "assertion failed!");
    caught(
        "for _ in ipairs(event.missing) do end",
        "bad argument #1 to ipairs (table expected, got nil)",
    );
    caught(
        "return table.concat('x')",
        "bad argument #1 to concat (table expected, got string)",
    );
    caught(
        "return math.log({})",
        "bad argument #1 to log (number expected, got table)",
    );
    caught(
        "return ('x'):gsub('x', 5)",
        "bad argument #3 to gsub (string or table or function expected, got number)",
    );
    // Once these went through the `string.format` of scripts and came out as `#%! (string=upper)`.
    caught(
        "return string.upper(nil)",
        "bad argument #1 to upper (string expected, got nil)",
    );
    caught(
        "return table.concat({{}})",
        "invalid value (table) at index 1 in table for concat",
    );
    check(
        "return {select(2, xpcall(function() return #5 end, function(m) return 'h: ' .. m end))}",
        "{}",
        r#"["h: \u003cstring\u003e:1: __len undefined"]"#,
    );
    check(
        "return {select(2, coroutine.resume(coroutine.create(function() nosuch() end)))}",
        "{}",
        r#"["\u003cstring\u003e:1: attempt to call a non-function object"]"#,
    );
}

/// The answers of gopher-lua 1.1.2.
#[test]
fn libraries_answer_as_those_of_gopher_lua() {
    check(
        "return {math.huge, math.huge == 1/0, math.log(100, 10), math.log10(3), math.rad(math.pi), math.pow(0.1, 37)}",
        "{}",
        "[1.7976931348623157e+308,false,4.605170185988092,0.4771212547196624,0.05483113556160754,1.000000000000004e-37]",
    );
    check(
        r#"return {("abc"):gsub("b", "%a%%%0"), ("b"):gsub("b", "%%d"), ("b"):gsub("b", "%"), 0}"#,
        "{}",
        r#"["a%a%bc","%d","%",0]"#,
    );
    check(
        r##"return {select("#", rawset({}, 1, 2)), (("a.b"):gsub("%.", "%%.")), (("ab"):gsub("(a)", "%1%1"))}"##,
        "{}",
        r#"[0,"a%.b","aab"]"#,
    );
}

#[test]
fn goto_reaches_labels_before_and_behind() {
    check(
        "local i = 1 ::top:: i = i + 1 if i < 5 then goto top end return {i}",
        "{}",
        "[5]",
    );
    check(
        "local r = {} for i = 1, 4 do if i % 2 == 0 then goto continue end r[#r + 1] = i ::continue:: end return r",
        "{}",
        "[1,3]",
    );
    check(
        "local r = {} for i = 1, 3 do for j = 1, 3 do if j == 2 then goto next end r[#r + 1] = i * 10 + j end ::next:: end return r",
        "{}",
        "[11,21,31]",
    );
    check(
        "for i = 1, 3 do for j = 1, 3 do if i * j == 4 then goto done end end end ::done:: return {1}",
        "{}",
        "[1]",
    );
    check(
        "local n = 0 for i = 1, 9 do if i == 2 then goto skip end if i == 4 then break end n = n + i ::skip:: end return {n}",
        "{}",
        "[4]",
    );
    check(
        "local n = 0 ::again:: for i = 1, 3 do n = n + 1 if n < 5 then goto again end end return {n}",
        "{}",
        "[7]",
    );
}

#[test]
fn syntax_beyond_lua_5_1_is_refused() {
    for script in [
        "a += 1",
        "local a: number = 1",
        "return if true then 1 else 2",
        "return `x`",
        "continue",
        "for i = 1, 2 do continue end",
        "return 7 // 2",
        "return 1 & 2",
        "return 1 << 2",
        "return 0x1p4",
        "goto missing",
        "break",
        "return 1 return 2",
        "local x <const> = 1",
        "f\n()",
        "return 1_000",
        "type x = number",
        "::a:: ::a::",
        "goto a local b ::a:: b = 1",
    ] {
        assert!(Script::compile(script).is_err(), "{script}");
    }
}

#[test]
fn endless_scripts_end() {
    let limits = Limits {
        time: Duration::from_millis(100),
        ..Limits::default()
    };
    for source in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "pcall(function() while true do end end) return event",
        "repeat until false",
        "local function f() return f() end return f()",
        "local co = coroutine.wrap(function() while true do end end) co() return event",
        "return {(string.rep('a', 30)):match(string.rep('a?', 30) .. string.rep('a', 30) .. 'b')}",
        "for i = 1, 1e18 do end",
        "table.concat(setmetatable({}, {__index = function() return 'x' end}), '', 1, 1e18)",
        "load(function() return ' ' end)",
    ] {
        let script = Script::compile_within(source, limits).unwrap();
        assert!(script.transform(b"{}").is_err(), "{source}");
    }
}

/// A search for a plain text that nearly matches everywhere costs as much as the text is long, not
/// its length times that of what is looked for: it is done long before its time is up.
#[test]
fn plain_searches_do_not_multiply() {
    let script = Script::compile(
        "local s = string.rep('a', 1e6)
         event.found = s:find(string.rep('a', 1e5) .. 'b', 1, true) or 'nowhere'
         return event",
    )
    .unwrap();
    assert_eq!(script.transform(b"{}").unwrap(), br#"{"found":"nowhere"}"#);
}

#[test]
fn memory_is_bounded() {
    for source in [
        "local s = 'x' while true do s = s .. s end",
        "return {string.rep('x', 1e9)}",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local t = {} while true do t = {t} end",
        "return {string.format('%1000000d%1000000d', 1, 2):rep(1000)}",
        "return {[67108864] = 1}",
        "local t = {} for i = 1, 9e5 do t[i] = {} end return unpack(t)",
        "local t = {} for i = 1, 9e5 do t[i] = 'a' .. i end return {('%s'):format(unpack(t))}",
    ] {
        let error = Script::compile(source)
            .unwrap()
            .transform(b"{}")
            .unwrap_err();
        let bounded = matches!(
            error,
            RunError::OutOfMemory | RunError::TooLarge | RunError::TimedOut(_)
        ) || error.to_string().contains("too");
        assert!(bounded, "{source}: {error}");
    }
}

#[test]
fn a_script_goes_on_after_its_limits_were_hit() {
    let script = Script::compile("if event.bomb then while true do end end return event").unwrap();
    assert!(matches!(
        script.transform(br#"{"bomb":true}"#),
        Err(RunError::TimedOut(_))
    ));
    assert_eq!(script.transform(b"{}").unwrap(), b"{}");
}

#[test]
fn deep_and_cyclic_results_are_refused() {
    check(
        "local t = {} t.x = t return t",
        "{}",
        "the result nests too deep",
    );
    check(
        "local t = {} for i = 1, 1000 do t = {t} end return t",
        "{}",
        "the result nests too deep",
    );
    let doubling = "local t = {1} for i = 1, 60 do t = {t, t} end return t";
    let error = Script::compile(doubling)
        .unwrap()
        .transform(b"{}")
        .unwrap_err();
    assert!(
        matches!(error, RunError::TooLarge | RunError::TimedOut(_)),
        "{error}"
    );
    let deep = format!(
        "{}{}",
        r#"{"a":"#.repeat(500),
        "1".to_owned() + &"}".repeat(500)
    );
    check("return event", &deep, &deep);
}

#[test]
fn deep_programs_are_refused() {
    let parens = format!("return {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(
        Script::compile(&parens).unwrap_err().message,
        "nested too deep"
    );
    let tables = format!("return {}{}", "{".repeat(5000), "}".repeat(5000));
    assert_eq!(
        Script::compile(&tables).unwrap_err().message,
        "nested too deep"
    );
    let blocks = format!("{}{}", "do ".repeat(5000), "end ".repeat(5000));
    assert_eq!(
        Script::compile(&blocks).unwrap_err().message,
        "nested too deep"
    );
    let functions = "return ".to_owned() + &"function() return ".repeat(5000);
    assert_eq!(
        Script::compile(&functions).unwrap_err().message,
        "nested too deep"
    );
    let chain = format!("return {{{}1}}", "1 .. ".repeat(20_000));
    drop(Script::compile(&chain).map(|script| script.transform(b"{}")));
    let sum = format!("return {{{}1}}", "1 + ".repeat(100_000));
    drop(Script::compile(&sum).map(|script| script.transform(b"{}")));
    let minus = format!("return {{{}1}}", "- ".repeat(100_000));
    drop(Script::compile(&minus).map(|script| script.transform(b"{}")));
    let suffixes = format!("return {{event{}}}", ".a".repeat(100_000));
    drop(Script::compile(&suffixes).map(|script| script.transform(b"{}")));
    let recursion = "local function f() return 1 + f() end return {f()}";
    assert!(run(recursion, "{}").contains("stack overflow"));
}

#[test]
fn scripts_run_on_several_threads() {
    let script = Script::compile("event.b = event.a return event").unwrap();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let script = &script;
            scope.spawn(move || {
                let event = format!("{{\"a\":{number}}}");
                let expected = format!("{{\"a\":{number},\"b\":{number}}}");
                for _ in 0..50 {
                    let got = script.transform(event.as_bytes()).unwrap();
                    assert_eq!(String::from_utf8(got).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn numbers_print_as_gopher_lua_prints_them() {
    check(
        "return {1e15 .. '', 2^63 .. '', -0 .. '', 1234567.5 .. ''}",
        "{}",
        r#"["1000000000000000","9.223372036854776e+18","0","1.2345675e+06"]"#,
    );
    check(
        "return {010, 1e-17, 0.9999999999999999, -0}",
        "{}",
        "[8,1e-17,0.9999999999999999,-0]",
    );
    check(
        "return {table.concat({1, 2^63}, ','), 1 .. 2 == '12'}",
        "{}",
        r#"["1,9.223372036854776e+18",true]"#,
    );
}

#[test]
fn libraries_see_parts_of_the_event_as_tables() {
    let event = r#"{"l":[3,1,2],"o":{"k":1}}"#;
    check("table.sort(event.l) return event.l", event, "[1,2,3]");
    check("return {unpack(event.l)}", event, "[3,1,2]");
    check("return {next(event.o)}", event, r#"["k",1]"#);
    check(
        "return {rawget(event.o, 'k'), #event.l, table.maxn(event.l), table.remove(event.l)}",
        event,
        "[1,3,3,2]",
    );
    check(
        "rawset(event.o, 'k', 2) return event.o",
        event,
        r#"{"k":2}"#,
    );
    check(
        "return {setmetatable({}, event.o) ~= nil, getmetatable(event.o) == nil}",
        event,
        "[true,true]",
    );
    check(
        "local t = setmetatable({}, {__index = event.o}) return {t.k}",
        event,
        "[1]",
    );
    check(
        "return {table.concat(event.l, '-'), (('k'):gsub('k', event.o))}",
        event,
        r#"["3-1-2","1"]"#,
    );
}

/// Runs with a part of the memory, then with the whole.
#[track_caller]
fn check_short(script: &str, expected: &str) {
    let limits = Limits {
        time: Duration::from_mins(1),
        ..Limits::default()
    };
    let script = Script::compile_within(script, limits).unwrap();
    let event = br#"{"size": 3e7}"#;
    let part = Memory::part();
    script.transform_within(event, &part).ok();
    assert!(part.was_short());
    let whole = Memory::whole();
    let result = script.transform_within(event, &whole).unwrap();
    assert_eq!(String::from_utf8(result).unwrap(), expected);
    assert!(!whole.was_short());
    let part = Memory::part();
    script.transform_within(br#"{"size": 3}"#, &part).unwrap();
    assert!(!part.was_short());
}

#[test]
fn a_part_of_the_memory_is_a_quarter_of_it() {
    check_short(
        "return {length = #string.rep('x', event.size)}",
        r#"{"length":30000000}"#,
    );
}

#[test]
fn a_script_that_catches_the_want_of_memory_hides_nothing() {
    for call in [
        "local ok = pcall(string.rep, 'x', event.size)",
        "local ok = pcall(function() return {string.rep('x', event.size)} end)",
        "local ok = xpcall(function() return string.rep('x', event.size) end, function() end)",
        "local ok = coroutine.resume(coroutine.create(function() string.rep('x', event.size) end))",
    ] {
        check_short(&format!("{call} return {{ok = ok}}"), r#"{"ok":true}"#);
    }
}

/// A width or precision that Rust does not print was a panic, and the end of a trigger.
#[test]
fn any_width_and_precision_prints() {
    let long = |format: &str| {
        let script = format!(
            "local text = string.format('{format}', event.digits, event.price) \
             return {{size = #text, head = string.sub(text, 1, 4), tail = string.sub(text, -4)}}"
        );
        run(&script, r#"{"digits":70000,"price":1.5}"#)
    };
    assert_eq!(
        long("%.*f"),
        r#"{"head":"1.50","size":70002,"tail":"0000"}"#
    );
    assert_eq!(
        long("%.*e"),
        r#"{"head":"1.50","size":70006,"tail":"e+00"}"#
    );
    assert_eq!(long("%.*g"), r#"{"head":"1.5","size":3,"tail":"1.5"}"#);
    assert_eq!(
        long("%.*d"),
        r#"{"head":"0000","size":70000,"tail":"0001"}"#
    );
    for verb in [
        "d", "i", "b", "o", "x", "X", "c", "e", "E", "f", "F", "g", "G", "q", "s", "v",
    ] {
        for size in ["65535", "65536", "999999", "99999999999999999999"] {
            let script = format!(
                "string.format('%{size}{verb}', 1.5) string.format('%.{size}{verb}', 7) return event"
            );
            check(&script, r#"{"a":1}"#, r#"{"a":1}"#);
        }
    }
}

/// Each argument was copied before the first verb was read: gigabytes, out of the script's memory.
#[test]
fn arguments_of_a_format_are_not_copied() {
    let script = "local s = string.rep('x', 16000000) local t = {} \
         for i = 1, event.n do t[i] = s end \
         return {size = #string.format('%.3s%5.1s', unpack(t))}";
    check(script, r#"{"n":900}"#, r#"{"size":8}"#);
    let script = "local s = string.rep('\\255', 16000000) local t = {} \
         for i = 1, 900 do t[i] = s end \
         return {size = #string.format(string.rep('%.1s', 900), unpack(t))}";
    check(script, "{}", r#"{"size":2700}"#);
}

/// The function behind `..` had a name that a script could read and assign: events met there.
#[test]
fn no_name_of_ours_can_be_spelled() {
    let script = "local before = tiphys_text tiphys_text = event.id local out = 'a' .. 1 .. 'b' \
         return {before = tostring(before), out = out, jump = tostring(jump)}";
    let script = Script::compile(script).unwrap();
    for event in [r#"{"id":"A"}"#, r#"{"id":"B"}"#] {
        let output = script.transform(event.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(output).unwrap(),
            r#"{"before":"nil","jump":"nil","out":"a1b"}"#
        );
    }
    assert!(Script::compile("goto = 1 return event").is_err());
    assert!(Script::compile("return {a = event.goto}").is_err());
    // A script may use the name that jumps would have.
    check(
        "local jump = 5 for i = 1, 3 do for j = 1, 3 do if j == 2 then goto done end end end \
         ::done:: return {jump = jump}",
        "{}",
        r#"{"jump":5}"#,
    );
}

#[test]
fn a_random_seed_ends_with_its_event() {
    let script = "if event.seed then math.randomseed(7) end return {n = math.random(1000000000)}";
    let script = Script::compile(script).unwrap();
    let mut outputs = std::collections::HashSet::new();
    for _ in 0..3 {
        let seeded = script.transform(br#"{"seed":true}"#).unwrap();
        let next = script.transform(b"{}").unwrap();
        for output in [seeded, next] {
            outputs.insert(String::from_utf8(output).unwrap());
        }
    }
    assert_eq!(
        outputs.len(),
        4,
        "one with the seed, three without: {outputs:?}"
    );
}
