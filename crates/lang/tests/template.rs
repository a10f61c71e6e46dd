//! Go templates: what they print, what is refused, and that none of them can do harm.

use tiphys_lang::json::{Map, Number, Value};
use tiphys_lang::template::{Template, sprig};

const EVENT: &str = r#"{
    "name": "alice", "age": 37, "million": 1000000, "big": 9007199254740993, "huge": 12345678901234567890123,
    "even": 9007199254740994, "none": null, "tags": ["b", "a"], "m": {"z": 1, "a": "x"}
}"#;

fn render(source: &str) -> Result<String, String> {
    let template = Template::compile(source).map_err(|error| format!("compile: {error}"))?;
    template
        .render_json(EVENT.as_bytes())
        .map_err(|error| format!("run: {error}"))
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(
        render(source).unwrap_or_else(|error| error),
        expected,
        "{source}"
    );
}

#[test]
fn values_print_as_in_go() {
    check("{{ .Input.million }}", "1e+06");
    check("{{ .Input.m }} {{ .Input.tags }}", "map[a:x z:1] [b a]");
    check(
        "a-{{ .Input.nope }}-{{ .Input.none }}",
        "a-<no value>-<no value>",
    );
    check("{{ print .Input.none }}", "<nil>");
    check(
        r#"{{ printf "%d %v %T" .Input.age 1 .Input.age }}"#,
        "%!d(float64=37) 1 float64",
    );
}

#[test]
fn whole_numbers_that_a_double_cannot_hold_stay_exact() {
    check(
        "{{ .Input.big }} {{ .Input.huge }}",
        "9007199254740993 12345678901234567890123",
    );
    check(
        "{{ .Input.big | int64 }} {{ add .Input.big 1 }}",
        "9007199254740993 9007199254740994",
    );
    check(
        "{{ toJson .Input.big }} {{ quote .Input.huge }}",
        r#"9007199254740993 "12345678901234567890123""#,
    );
    check(
        r#"{{ printf "%.0f" .Input.big }} {{ typeOf .Input.big }}"#,
        "9007199254740993 float64",
    );
    // One that fits prints as every other number.
    check("{{ .Input.even }}", "9.007199254740994e+15");
}

#[test]
fn fields_of_nil_are_an_error_and_those_of_a_missing_value_are_not() {
    check("{{ .Input.nope.deeper }}", "<no value>");
    check(
        "{{ .Input.none.deeper }}",
        "run: line 1, column 4: nil pointer evaluating interface {}.deeper",
    );
}

#[test]
fn arguments_are_not_converted() {
    check(
        "{{ .Input.age | upper }}",
        "run: line 1, column 17: wrong type for value; expected string; got float64",
    );
    check(
        "{{ until (add 1 2) }}",
        "run: line 1, column 10: wrong type for value; expected int; got int64",
    );
}

#[test]
fn faults_are_found_when_compiling() {
    check(
        "a\n {{ nosuch 1 }}",
        "compile: line 2, column 5: function \"nosuch\" not defined",
    );
    check(
        "{{ $x }}",
        "compile: line 1, column 4: undefined variable \"$x\"",
    );
    check(
        "{{ if .Input }}x",
        "compile: line 1, column 17: unexpected EOF",
    );
    check(
        r#"{{ env "HOME" }}"#,
        "compile: line 1, column 4: function \"env\" is not available: \
         templates must not read the environment",
    );
    check(
        "{{ genPrivateKey \"rsa\" }}",
        "compile: line 1, column 4: function \"genPrivateKey\" is not available: \
         keys and password hashes are not made by templates",
    );
}

#[test]
fn maps_are_changed_in_place() {
    check(
        r#"{{ $_ := set .Input.m "a" 2 }}{{ $_ := unset .Input.m "z" }}{{ .Input.m }}"#,
        "map[a:2]",
    );
    check(
        r#"{{ merge (dict "a" (dict "b" 1)) (dict "a" (dict "b" 2 "c" 3)) }}"#,
        "map[a:map[b:1 c:3]]",
    );
}

#[test]
fn the_first_of_duplicate_keys_counts() {
    let template = Template::compile("{{ .Input.a }}").expect("compiles");
    assert_eq!(
        template.render_json(br#"{"a":1,"a":2}"#).expect("runs"),
        "1"
    );
}

#[test]
fn texts_are_bound_as_they_are() {
    let template = Template::compile("{{ .Input | upper }}").expect("compiles");
    assert_eq!(
        template.render_text("{\"a\":1}").expect("runs"),
        "{\"A\":1}"
    );
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_in_the_output() {
    check(r#"{{ trunc 2 "aé" }}"#, "a\u{fffd}");
    check(r#"{{ trunc 2 "aé" | b64enc }}"#, "YcM=");
}

#[test]
fn random_functions_give_what_their_names_say() {
    check(r#"{{ regexMatch "^[a-zA-Z]{9}$" (randAlpha 9) }}"#, "true");
    check(r#"{{ regexMatch "^[0-9]{9}$" (randNumeric 9) }}"#, "true");
    check(
        r#"{{ regexMatch "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$" uuidv4 }}"#,
        "true",
    );
    check(
        r#"{{ randBytes 5 | b64dec | len }} {{ randInt 3 4 }} {{ len (shuffle "abc") }}"#,
        "5 3 3",
    );
    check(r"{{ gt now.Unix 1700000000 }}", "true");
}

#[test]
fn dates_follow_their_zone() {
    check(
        r#"{{ dateInZone "2006-01-02 15:04 MST" (toDate "2006-01-02T15:04:05Z07:00" "2026-07-01T10:20:30Z") "UTC" }}"#,
        "2026-07-01 10:20 UTC",
    );
    check(
        r#"{{ (toDate "2006-01-02" "2026-03-04").Weekday }}"#,
        "Wednesday",
    );
}

#[test]
fn sprig_functions_can_be_called_on_json() {
    let call = |name: &str, args: &[Value]| {
        sprig::call(name, args, 1 << 20)
            .map(|returned| (returned.value.to_go_json(), returned.elements))
    };
    let text = |text: &str| Value::String(text.into());
    let int = |int| Value::Number(Number::Int(int));
    let any = |json: &str| Ok((json.to_owned(), sprig::Elements::Any));
    assert_eq!(call("upper", &[text("a")]), any(r#""A""#));
    assert_eq!(call("trunc", &[int(2), text("abc")]), any(r#""ab""#));
    assert_eq!(call("add", &[int(1), int(2)]), any("3"));
    assert_eq!(
        call(
            "keys",
            &[Value::Object(Map::from_iter([("k".into(), int(1))]))]
        ),
        Ok((r#"["k"]"#.into(), sprig::Elements::Texts))
    );
    assert!(call("upper", &[int(1)]).is_err());
    assert!(call("upper", &[]).is_err());
    assert!(call("env", &[text("HOME")]).is_err());
    assert!(call("printf", &[text("%d"), int(1)]).is_err());
}

#[test]
fn templates_can_be_shared_between_threads() {
    fn is_shareable<T: Send + Sync>() {}
    is_shareable::<Template>();
}

/// Each of these would take all of the memory, the stack or the time of the process.
#[test]
fn hostile_templates_end_with_an_error() {
    let double = r#"{{ $x := "aaaaaaaa" }}{{ range until 100 }}{{ $x = print $x $x }}{{ end }}"#;
    let deep_parentheses = format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000));
    let deep_ifs = "{{ if true }}".repeat(100_000);
    let else_ifs = format!(
        "{{{{ if false }}}}{}{{{{ end }}}}",
        "{{ else if false }}".repeat(100_000)
    );
    let hostile = [
        r#"{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}"#,
        r#"{{ define "t" }}{{ if true }}{{ range list 1 }}{{ with (list (list (list .))) }}{{ template "t" . }}{{ end }}{{ end }}{{ end }}{{ end }}{{ template "t" }}"#,
        "{{ range until 1000000000 }}{{ end }}",
        "{{ range 9223372036854775807 }}{{ end }}",
        "{{ range 1000000 }}{{ range 1000000 }}{{ end }}{{ end }}",
        "{{ range 10000000 }}aaaaaaaaaaaaaaaaaaaaaaaaa{{ end }}",
        r#"{{ repeat 1000000000 "x" }}"#,
        r#"{{ indent 1000000000 "x" }}"#,
        r#"{{ indent 1000000 (repeat 1000000 "\n") }}"#,
        r#"{{ replace "" (repeat 1000000 "x") (repeat 1000000 "y") }}"#,
        r#"{{ regexReplaceAll "" (repeat 1000000 "x") (repeat 1000 "y") }}"#,
        r#"{{ splitList "" (repeat 4000000 "x") | join (repeat 4000 "y") }}"#,
        "{{ untilStep 0 9223372036854775807 1 }}",
        "{{ seq 1000000000 }}",
        "{{ randAlpha 1000000000 }}",
        r#"{{ range until 100 }}{{ printf "%1000000d" 1 }}{{ end }}"#,
        r#"{{ printf "%1000000d%1000000d%1000000d%1000000d%1000000d" 1 2 3 4 5 }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ $d }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ toJson $d }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ $e := dict }}{{ $_ := set $e "self" $e }}{{ deepEqual $d $e }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ deepCopy $d }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ $e := dict }}{{ $_ := set $e "self" $e }}{{ merge $d $e }}"#,
        "{{ $x := list }}{{ range 100000 }}{{ $x = list $x }}{{ end }}{{ $x }}",
        r#"{{ $x := dict }}{{ range 100000 }}{{ $x = dict "a" $x }}{{ end }}{{ $x }}"#,
        "{{ $x := list 1 2 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}",
        "{{ $x := list 1 2 }}{{ $y := list 1 2 }}{{ range 60 }}{{ $x = list $x $x }}{{ $y = list $y $y }}{{ end }}{{ deepEqual $x $y }}",
        "{{ uniq (until 100000) }}",
        r#"{{ regexMatch "((a{1000}){1000}){1000}" "a" | not | ternary (fail "refused") 1 }}"#,
        r#"{{ $l := list (repeat 4000000 "a") }}{{ range until 14 }}{{ $l = concat $l $l }}{{ end }}{{ sortAlpha $l }}"#,
        r#"{{ snakecase (repeat 2000000 "a1") }}"#,
        r#"{{ semverCompare (repeat 100000 "1 ") "1.0.0" }}"#,
        r#"{{ range $i := until 1000 }}{{ regexMatch (printf "\\pL{100}%d" $i) "a" }}{{ end }}"#,
        r#"{{ regexFindAll "(a|b)*a(a|b){900}c" (shuffle (repeat 150000 "ab")) -1 }}"#,
        double,
        &deep_parentheses,
        &deep_ifs,
        &else_ifs,
    ];
    for source in hostile {
        let result = render(source);
        let shown = &source[..source.len().min(100)];
        assert!(result.is_err(), "{shown}");
    }
}

/// It looked for each character in all of what is cut.
#[test]
fn many_characters_are_cut_off_at_once() {
    check(
        r#"{{ trimAll (print (repeat 1000000 "a") "b") (repeat 1000000 "b") }}"#,
        "",
    );
}

#[test]
fn long_chains_of_changed_maps_are_dropped_without_recursion() {
    check(
        r#"{{ $root := dict }}{{ $last := $root }}{{ range 30000 }}{{ $next := dict }}{{ $_ := set $last "n" $next }}{{ $last = $next }}{{ end }}done"#,
        "done",
    );
}

#[test]
fn deep_events_can_be_printed() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for source in [
        "{{ .Input }}",
        "{{ toJson .Input }}",
        "{{ deepCopy .Input }}",
        "{{ deepEqual .Input (list) }}",
    ] {
        let template = Template::compile(source).expect("compiles");
        assert!(template.render_json(deep.as_bytes()).is_ok(), "{source}");
    }
}
