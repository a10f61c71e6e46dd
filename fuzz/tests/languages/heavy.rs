//! Programs that would take all time, memory or stack if they could.

pub(crate) const PATHS: &[&str] = &[
    "a.#(b.#(c==\"1\")#)#.d",
    "*?*?*?*?*.*?*?*?*",
    "@this|@this|@reverse|@flatten:{\"deep\":true}|@tostr|@fromstr",
    "@pretty:{\"width\":99999999,\"indent\":\"        \"}",
    "[{a,b,\"c\":#.#.#},[@this,@this,@this]]",
    "a.99999",
    "-1.-1.-1.-1",
    "$..*[?(@.a == 1 || @..b)]",
    "$..*..*..*",
    "#(%\"*a*b*c*d*e*f*g*\")#",
];

pub(crate) const TEMPLATES: &[&str] = &[
    "{{ range until 100000 }}{{ range until 100000 }}x{{ end }}{{ end }}",
    "{{ range 1000000000 }}{{ . }}{{ end }}",
    "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
    "{{ repeat 100000000 \"x\" }}{{ printf \"%0100000000d\" 1 }}",
    "{{ $x := list 1 }}{{ range until 1000 }}{{ $x = concat $x $x }}{{ end }}{{ $x }}",
    "{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ toJson $d }}{{ $d }}{{ deepCopy $d }}",
    "{{ $s := \"xx\" }}{{ range until 100 }}{{ $s = cat $s $s | replace \"x\" \"xxxx\" }}{{ end }}{{ $s }}",
    "{{ regexReplaceAll \"(a*)*b\" (repeat 10000 \"a\") \"x\" }}{{ wrapWith 1 \"long\" (repeat 1000 \"ab \") }}",
    "{{ fromJson (repeat 5000 \"[\") }}{{ toPrettyJson .Input }}{{ .Input | toJson | fromJson | toJson }}",
    "{{ seq 0 1 100000000 }}{{ untilStep 0 100000000 1 }}{{ shuffle (repeat 100000 \"x\") }}",
];

pub(crate) const EXPRESSIONS: &[&str] = &[
    "len(map(1..100000, map(1..100000, #))) > 0",
    "repeat(\"x\", 100000000) == \"\"",
    "len(map(1..1000, sprig.repeat(1000000, \"x\"))) > 0",
    "reduce(1..100000, #acc + string(#)) == \"\"",
    "any(1..1000000, name matches \"(a*)*b\")",
    "let x = [1]; let y = [x, x, x]; let z = [y, y, y]; toJSON([z, z, z]) == string(z)",
    "sprig.fromJson(toJSON($env)) == $env && groupBy(1..10000, # % 7)[0] == nil",
    "sort(map(1..10000, -#))[0] < 0 and join(map(1..1000, string(#)), \",\") contains \"7\"",
];

pub(crate) const EXPRS: &[&str] = &[
    "((((((((((a)))))))))) == !!!!!!!!!!true || -(-(-(-1))) > 2",
    "a =~ \"(a*)*b\" || a in (1, 2, (3, 4), \"x\") ? a ?? b : c",
    "2 ** 2 ** 2 ** 2 ** 1e300 << 3 >> 70 | 5 ^ 7 & ~9",
];

pub(crate) const CONDITIONS: &[&str] = &[
    "((a && b) || (c && (d || (e && f)))) && a",
    "a // b /* c */ && [d] || \"e\" + 'f'",
];

pub(crate) const JQ: &[&str] = &[
    "def f: f; f",
    "def f: [f]; f",
    "def f(g): f(g | g); f(.)",
    "[range(1e9)]",
    "{a: (last(repeat(. + .)))}",
    "{a: (\"x\" * 1000000000)}",
    "reduce range(1000000) as $i (.; .a = [.a])",
    "[recurse([., .])] | length",
    "{a: ([range(1000)] | combinations(9))}",
    "{a: (\"a\" * 10000 | test(\"(a*)*b\")), b: ([limit(1e9; repeat(1))] | add)}",
    "{a: (label $out | foreach repeat(1) as $x (0; . + $x; if . > 1e9 then ., break $out else empty end))}",
    "{a: ([paths] | map(tostring) | join(\",\")), b: (. as $d | [paths] | map(. as $p | $d | getpath($p)))}",
    "{a: (\"[\" * 100000 | fromjson), b: ([1, [2]] | getpath([1000000000])), c: ([] | .[100000000] = 1)}",
    "{a: (. * . * . | tojson | fromjson | @json | @base64 | @uri | ascii_downcase | explode | implode)}",
];

pub(crate) const LUA: &[&str] = &[
    "while true do end",
    "local function f() return f() end return f()",
    "local function f() return 1 + f() end return f()",
    "return {a = string.rep(\"x\", 1000000000)}",
    "local t = {} for i = 1, 1e9 do t[i] = {} end return t",
    "local t = {} t.t = t return t",
    "local t = event for i = 1, 1000 do t = {t} end return t",
    "return {a = string.find(string.rep(\"a\", 10000), \".-.-.-.-.-b\")}",
    "return {a = string.format(\"%99d %s\", 1, string.rep(\"x\", 1e6)), b = (\"x\"):rep(1e6):gsub(\"x\", \"%0%0\")}",
    "local ok, e = pcall(function() while true do end end) return {a = ok, e = e}",
    "local c = coroutine.wrap(function() while true do coroutine.yield(1) end end) while true do c() end",
    "setmetatable(event, {__index = function(t, k) return t[k .. k] end}) return {a = event.a}",
    "return setmetatable({}, {__tostring = function(t) return tostring(t) end, __len = function() return 1e9 end})",
    "local s = \"x\" while true do s = s .. s end",
    "table.sort(event.list or {3, 1, 2}, function(a, b) return true end) return event",
    "loadstring(string.rep(\"(\", 100000))() return event",
];

pub(crate) const YAML: &[&str] = &[
    "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c, *c]\n",
    "a: &a {k: 1}\nb: {<<: [*a, *a], l: 2}\nc: &c {<<: *a, m: {<<: *a}}\n",
    "[[[[[[[[{a: {b: {c: [1, 2.5e3, 0x1F, 0o7, 1_000, .inf, ~, yes, 2026-03-01]}}}]]]]]]]]",
    "a: |2-\n   text\n  more\nb: >+\n  folded\n\n\n? complex\n: - x\n  - ! tagged\n",
];

pub(crate) const PATTERNS: &[&str] = &[
    "((((a*)*)*)*)*$",
    "(a{1000}){1000}",
    "(?i)\\p{L}{200}[^\\x00-\\x{10FFFF}]",
    "(?P<1n>a)|(?s-m:.)\\Q.*\\E[[:alpha:]\\d]\\b\\B\\z",
];
