//! Promises the recorded vectors cannot show: bounds, paths behind `$`, writes through queries, explanations.

use super::{Error, Kind, Path, There, Write};

#[track_caller]
fn path(text: &str) -> Path {
    Path::compile(text).unwrap()
}

#[track_caller]
fn get(json: &str, text: &str) -> Option<String> {
    let found = path(text).get(json.as_bytes()).into_owned();
    found.exists().then(|| found.text().into_owned())
}

#[track_caller]
fn set(json: &str, text: &str, value: &str) -> String {
    let set = path(text).set(json.as_bytes(), Write::Text(value)).unwrap();
    String::from_utf8(set.json).unwrap()
}

#[test]
fn a_name_that_leads_nowhere_is_tried_again_further_on() {
    let json = r#"{"a":{"x":[1,{"y":0}]},"a":[5,{"b":2}],"a":{"b":[7]}}"#;
    assert_eq!(get(json, "a.b.0").as_deref(), Some("7"));
    assert_eq!(get(json, "a.1.b").as_deref(), Some("2"));
    assert_eq!(get(json, "a.x.1.z"), None);
}

#[test]
fn a_value_is_borrowed_from_the_document() {
    let json = br#"{"a":{"b":"text"}}"#;
    let found = path("a.b").get(json);
    assert_eq!(found.kind(), Kind::String);
    assert_eq!(found.raw().as_ptr(), json[10..].as_ptr());
}

#[test]
fn values_read_as_numbers_and_truths() {
    let json = br#"{"s":"1e3","t":true,"yes":"T","no":"x","n":0.5,"z":null}"#;
    assert_eq!(path("s").get(json).as_f64().to_bits(), 1000_f64.to_bits());
    assert_eq!(path("t").get(json).as_f64().to_bits(), 1_f64.to_bits());
    assert_eq!(path("z").get(json).as_f64().to_bits(), 0_f64.to_bits());
    for (name, truth) in [
        ("t", true),
        ("yes", true),
        ("no", false),
        ("n", true),
        ("z", false),
    ] {
        assert_eq!(path(name).get(json).as_bool(), truth, "{name}");
    }
}

#[test]
fn an_index_too_large_does_not_wrap_around() {
    assert_eq!(get("[1,2]", "18446744073709551616"), None);
    assert_eq!(
        get("[1,2]", "#.18446744073709551616").as_deref(),
        Some("[]")
    );
}

#[test]
fn nesting_does_not_exhaust_the_stack() {
    let deep = "[".repeat(100_000);
    let closed = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let objects = r#"{"a":"#.repeat(20_000);
    for json in [&deep, &closed, &objects, "[[1]]", ""] {
        for text in [
            "0.0.0",
            "a.a.a",
            "@valid",
            "@pretty",
            "@ugly",
            "@flatten:{\"deep\":true}",
            "@dig:0",
            "@dig:@dig:a",
            "@reverse",
            "#.#.#.#",
            "#(#(#(#)#)#)#",
            "*.*.*",
            "$..*",
            "$[0][0]",
        ] {
            let path = path(text);
            let _found = path.get(json.as_bytes()).exists();
            path.set(json.as_bytes(), Write::Text("x"))
                .map(drop)
                .unwrap_or_default();
        }
    }
}

#[test]
fn nested_paths_do_not_exhaust_the_stack() {
    let many = 100_000;
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(many), close.repeat(many));
    for text in [
        "[".repeat(many),
        nested("[", "]"),
        nested("{\"a\":", "}"),
        nested("#(", ")"),
        nested("#(a.#(", "))"),
        "a.".repeat(many),
        "0.".repeat(many),
        "#.".repeat(many),
        "*.".repeat(many),
        "a|".repeat(many),
        "@this|".repeat(many),
        "@tostr|".repeat(many),
        "[@this,@this]|".repeat(many),
        "@flatten:".repeat(many),
        "\\".repeat(many),
        ":".repeat(many),
        "..".repeat(many),
        nested("!{", "}"),
    ] {
        let path = path(&text);
        for json in [r#"{"a":[[[]]],"b":[1,[2]]}"#, "[[[[1]]]]"] {
            let _found = path.get(json.as_bytes()).exists();
            path.set(json.as_bytes(), Write::Text("x"))
                .map(drop)
                .unwrap_or_default();
        }
    }
    assert!(Path::compile(&format!("$.a[?{}@.b]", "(".repeat(many))).is_err());
}

/// The pattern is compiled anew for every value.
#[test]
fn patterns_in_paths_are_bounded() {
    let values = vec![r#"{"v":"x","w":"y"}"#; 5_000].join(",");
    let long = format!(r#"{{"l":[{values},{{"v":"z"}}]}}"#);
    let short = r#"{"l":[{"v":"x"},{"v":"z"}]}"#;
    for (text, json, expected) in [
        (r"$.l[?search(@.v, '^z')].v", short, Some("z")),
        (r"$.l[?search(@.v, '\\pL{300}')].v", long.as_str(), None),
        (r"$.l[?search(@.v, '^z|\\pL{30}')].v", short, Some("z")),
    ] {
        let path = Path::compile(text).unwrap();
        assert_eq!(
            path.get(json.as_bytes()).text().as_ref(),
            expected.unwrap_or(""),
            "{text}"
        );
    }
    assert!(Path::compile("$.l[?search(@.v, @.w)]").is_err());
}

#[test]
fn stars_cost_no_more_than_the_square_of_the_text() {
    let key = "a".repeat(20_000);
    let json = format!(r#"{{"{key}":1,"{key}b":2}}"#);
    assert_eq!(
        get(&json, &format!("{}b", "*a".repeat(200))).as_deref(),
        Some("2")
    );
    assert_eq!(get(&json, &format!("{}c", "*a".repeat(200))), None);
}

#[test]
fn arrays_are_not_filled_up_without_limit() {
    assert_eq!(
        set(r#"{"a":[1]}"#, "a.3", "x"),
        r#"{"a":[1,null,null,"x"]}"#
    );
    for text in [
        "a.100002",
        "a.999999999999999999999",
        "b.99999.99999",
        "b.100001",
    ] {
        let error = path(text)
            .set(br#"{"a":[1]}"#, Write::Text("x"))
            .unwrap_err();
        assert!(
            matches!(error, Error::IndexTooFar { .. }),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_write_needs_a_place() {
    assert_eq!(path("").set(b"{}", Write::Text("x")), Err(Error::Empty));
    let key = "k".to_owned();
    assert_eq!(
        path("k").set(b"[1]", Write::Text("x")),
        Err(Error::NonNumericKey { key })
    );
    let deep = path(&"a.".repeat(600)).set(b"{}", Write::Text("x"));
    assert_eq!(deep, Err(Error::TooDeep { limit: 512 }));
}

#[test]
fn a_query_tells_whether_it_matched() {
    let json = br#"{"p":[{"n":"a","v":1},{"n":"b"}]}"#;
    let miss = path(r#"p.#(n=="z").v"#)
        .set(json, Write::Text("x"))
        .unwrap();
    assert_eq!(
        (miss.matched, miss.json.as_slice()),
        (false, json.as_slice())
    );
    assert!(
        path(r#"p.#(n=="a").v"#)
            .set(json, Write::Text("x"))
            .unwrap()
            .matched
    );
    assert!(path("a@b").is_query());
    assert!(!path(r"a\@b.{c}!d").is_query());
    assert!(path("p.0.w").set(json, Write::Raw(b"1")).unwrap().matched);
}

#[test]
fn a_query_in_a_query_writes_to_each_match() {
    let json = r#"{"a":[{"b":[{"c":1},{"c":"long"}]},{"b":[{"d":1}]},{"b":[{"c":[2]}]}]}"#;
    let want = r#"{"a":[{"b":[{"c":"x"},{"c":"x"}]},{"b":[{"d":1}]},{"b":[{"c":"x"}]}]}"#;
    assert_eq!(set(json, "a.#.b.#.c", "x"), want);
}

#[test]
fn a_text_that_looks_like_json_is_not_written_into() {
    assert_eq!(set(r#"{"a":"[1,2]"}"#, "a.0", "x"), r#"{"a":["x"]}"#);
    assert_eq!(
        set(r#"{"a":["[1,2]"]}"#, "a.#.0", "x"),
        r#"{"a":["[1,2]"]}"#
    );
}

#[test]
fn a_dollar_starts_a_jsonpath_unless_it_is_a_key() {
    let json = r#"{"a":[{"n":1,"v":12345678901234567890},{"n":2,"v":" x"}],"b":null}"#;
    assert_eq!(
        get(json, "$.a[0].v").as_deref(),
        Some("12345678901234567890")
    );
    assert_eq!(get(json, "$.a[?@.n > 1].v").as_deref(), Some(" x"));
    assert_eq!(get(json, "$.a[*].n").as_deref(), Some("[1,2]"));
    assert_eq!(
        get(json, "$..v").as_deref(),
        Some(r#"[12345678901234567890," x"]"#)
    );
    assert_eq!(get(json, "$.zip"), None);
    assert_eq!(get(json, "$").as_deref(), Some(json));
    assert!(path("$.b").get(json.as_bytes()).exists());
    assert_eq!(get(r#"{"$":{"a":1},"a":2}"#, "$.a").as_deref(), Some("1"));
    assert_eq!(get(r#"{"$schema":"s"}"#, "$schema").as_deref(), Some("s"));
    assert!(matches!(Path::compile("$.a["), Err(Error::JsonPath { .. })));
    let write = path("$.a").set(json.as_bytes(), Write::Text("x"));
    assert!(matches!(write, Err(Error::JsonPathWrite { .. })));
}

#[test]
fn a_jsonpath_that_multiplies_its_matches_gives_up() {
    let json = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(get(&json, "$..*..*..*..*..*"), None);
    assert_eq!(get(&json, &format!("${}", "[*,*]".repeat(50))), None);
}

#[test]
fn what_is_missing_is_explained() {
    let json = br#"{"spec":{"rules":[{"host":"a"}],"n":1}}"#;
    let explain = |text: &str| path(text).explain(json);
    assert_eq!(explain("spec.rules.0.host"), None);
    let missing = explain("spec.ruels.0.host").unwrap();
    assert_eq!(
        (missing.existing.as_str(), missing.missing.as_str()),
        ("spec", "ruels")
    );
    assert_eq!(
        missing.there,
        There::Keys(vec!["rules".into(), "n".into()], 0)
    );
    assert_eq!(missing.to_string(), "`spec` has only rules, n: no `ruels`");
    let text = |text: &str| explain(text).unwrap().to_string();
    assert_eq!(
        text("spec.rules.1.host"),
        "`spec.rules` is an array of 1: no `1`"
    );
    assert_eq!(text("spec.n.x"), "`spec.n` is a number: no `x`");
    assert_eq!(text("meta"), "the document has only spec: no `meta`");
    assert_eq!(
        text(r#"spec.rules.#(host=="b.c").host"#),
        r#"`spec.rules` is an array of 1: no `#(host=="b.c")`"#
    );
    assert_eq!(
        path("a").explain(b"").unwrap().to_string(),
        "the document is empty: no `a`"
    );
}

#[test]
fn a_long_path_is_explained() {
    let path = Path::compile(&format!("@this{}", "|@tostr".repeat(3000))).unwrap();
    assert_eq!(path.explain(b"[0.000001]"), None);
}

#[test]
fn large_values_are_stepped_over() {
    let large = "x".repeat(200);
    let json = format!(
        r#"{{"a":{{"p":{{"q":"{large}"}},"r":[["{large}"],7]}},"b":{{"q":"{large}","c":1}},"d":[{{"e":"{large}"}},{{"e":2}}]}}"#
    );
    let document = super::Document::read(json.as_bytes()).unwrap();
    for (path, expected) in [
        ("b.c", "1"),
        ("d.1.e", "2"),
        ("a.r.1", "7"),
        ("a.p.q", large.as_str()),
        ("d.#", "2"),
        ("a.x", ""),
        ("$.b.c", "1"),
        ("d.5", ""),
    ] {
        let found = Path::compile(path).unwrap().find(&document);
        assert_eq!(found.text(), expected, "{path}");
    }
}
