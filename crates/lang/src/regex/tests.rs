use super::*;

#[track_caller]
fn finds(pattern: &str, text: &str, expected: Option<&str>) {
    let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    assert_eq!(
        regex
            .find_iter(text)
            .next()
            .map(|found| &text[found.unwrap()]),
        expected,
        "{pattern} on {text:?}"
    );
}

#[track_caller]
fn refuses(pattern: &str) {
    assert!(compile(pattern).is_err(), "{pattern} is accepted");
}

#[test]
fn patterns_match_anywhere() {
    finds("v", "never", Some("v"));
    finds("^al.*e$", "alice", Some("alice"));
    finds("e$", "alice\n", None);
    finds("(?m)e$", "alice\n", Some("e"));
    finds("a|ab", "ab", Some("a"));
}

#[test]
fn quoted_text_is_literal() {
    finds(r"\Qa.b\E+", "xa.bbb", Some("a.bbb"));
    finds(r"\Q[(", "[(", Some("[("));
    finds(r"a\Q\E*", "aaa", Some("aaa"));
    refuses(r"a\E");
}

#[test]
fn stray_braces_are_literal() {
    finds("{", "a{", Some("{"));
    finds("a{,2}", "a{,2}", Some("a{,2}"));
    finds("a{2", "a{2", Some("a{2"));
    finds("a{02}", "a{02}", Some("a{02}"));
    finds("a{2}", "aaa", Some("aa"));
    finds("x}", "x}", Some("x}"));
}

#[test]
fn brackets_hold_what_go_lets_them() {
    finds("[[]", "[", Some("["));
    finds("[]a]+", "]a", Some("]a"));
    finds("[a&&b]+", "a&b", Some("a&b"));
    finds("[+--]+", "a-,+", Some("-,+"));
    refuses("[a--b]");
    finds("[a~~b]+", "~", Some("~"));
    finds("[[:word:]-]+", "a-b", Some("a-b"));
    finds("[^[:^digit:]]+", "a12", Some("12"));
    finds(r"[\d.-]+", "x1.5-", Some("1.5-"));
    finds("[^a]", "\n", Some("\n"));
    finds("[[:x]", ":", Some(":"));
    refuses("[a--]");
    refuses("[[:nope:]]");
    refuses("[b-a]");
    refuses(r"[a-\d]");
    refuses("[a");
}

#[test]
fn perl_classes_are_ascii() {
    finds(r"^\d$", "\u{663}", None);
    finds(r"^\s$", "\u{a0}", None);
    finds(r"\s", "\u{b}", None);
    finds(r"\bx", "éx", Some("x"));
    finds(r"\w+", "éab", Some("ab"));
    finds(r"a\B.", "ab é", Some("ab"));
    finds(r"\D", "\u{663}", Some("\u{663}"));
}

#[test]
fn unicode_classes_are_categories_and_scripts() {
    finds(r"\pL+", "1éa", Some("éa"));
    finds(r"\p{Greek}", "aΩ", Some("Ω"));
    finds(r"\p{^Greek}", "Ωa", Some("a"));
    finds(r"\P{L}", "a1", Some("1"));
    finds(r"[\p{Lu}\d]+", "aB2", Some("B2"));
    finds(r"\p{Letter}", "1a", Some("a"));
    refuses(r"\p{Nope}");
    refuses(r"\p{Alphabetic}");
    refuses(r"\p{sc=Greek}");
    refuses(r"\pX");
}

#[test]
fn flags_reach_to_the_end_of_their_group() {
    finds("(?i)straße|É", "é", Some("é"));
    finds("(?i:a)b", "Ab", Some("Ab"));
    finds("(?i:a)b", "AB", None);
    finds("(a(?i)b|c)D", "aCD", Some("CD"));
    finds("(?s)a.b", "a\nb", Some("a\nb"));
    finds("(?U)a+", "aaa", Some("a"));
    finds("(?U)a+?", "aaa", Some("aaa"));
    finds("(?i-i)a", "A", None);
    finds("a(?i)*", "aaa", Some("aaa"));
    finds("(?i)k", "\u{212a}", Some("\u{212a}"));
    refuses("(?x)a");
    refuses("(?-)a");
    refuses("(?i");
    refuses("(?ß");
}

#[test]
fn escapes_are_those_of_re2() {
    finds(r"\x41\x{42}\103", "ABC", Some("ABC"));
    finds(
        r"\a\f\t\v\_\-",
        "\u{7}\u{c}\t\u{b}_-",
        Some("\u{7}\u{c}\t\u{b}_-"),
    );
    finds(r"\x{D800}", "a", None);
    for pattern in [
        r"\1",
        r"\8",
        r"\C",
        r"\Z",
        r"\h",
        r"\xZ",
        r"\x{110000}",
        r"\é",
        "\\",
    ] {
        refuses(pattern);
    }
}

#[test]
fn groups_are_named_in_two_ways() {
    let regex = compile("(?P<a>x)(?<b_1>y)").unwrap();
    let names: Vec<_> = regex.group_names().flatten().collect();
    assert_eq!(names, ["a", "b_1"]);
    for pattern in [
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<a b>c)",
        "(?P=a)",
        "(?>a)",
        "(?<a>b)(?<a>c)",
    ] {
        refuses(pattern);
    }
    refuses("(");
    refuses("a)");
    finds("()", "a", Some(""));
}

#[test]
fn repetitions_do_not_stack_and_have_an_end() {
    finds("a+?", "aa", Some("a"));
    finds("(?:a*)*", "aa", Some("aa"));
    finds("^*", "a", Some(""));
    for pattern in [
        "a**",
        "a*+",
        "a+?*",
        "*a",
        "(*)",
        "a|*",
        "a{1001}",
        "a{2,1}",
        "(a{100}){11}",
    ] {
        refuses(pattern);
    }
    compile("a{1000}").unwrap();
    compile("(a{100}){10}").unwrap();
    compile("((a{1000})*)*").unwrap();
}

#[test]
fn size_and_nesting_are_bounded() {
    refuses(&"(".repeat(100_000));
    refuses(&format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000)));
    refuses(&"a".repeat(100_000));
    refuses(r"((\pL{10}){10}\pL{1000}){1,1000}");
    let nested = format!("{}a{}", "(?:".repeat(100), ")*".repeat(100));
    finds(&nested, "aa", Some("aa"));
}

/// The engine alone takes minutes for these, and nothing stops it.
#[test]
fn searches_that_take_long_are_given_up() {
    let mut seed = 1_u32;
    let mut letter = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if seed >> 31 == 0 { 'a' } else { 'b' }
    };
    let text: String = (0..800_000).map(|_| letter()).collect();
    for pattern in ["(a|b)*a(a|b){900}c", "(a|b)+b(a|b){900,950}c"] {
        let regex = compile(pattern).unwrap();
        assert_eq!(regex.is_match(&text), Err(TooLong), "{pattern}");
        let found = regex.captures_iter(&text).next();
        assert_eq!(found, Some(Err(TooLong)), "{pattern}");
        assert_eq!(regex.is_match("aab"), Ok(false), "{pattern}");
    }
}

/// Those with many states are found by another automaton, in the same places.
#[test]
fn usual_patterns_are_found_in_long_texts() {
    let mut text = "x1 ".repeat(300_000);
    text.push_str("key=value end");
    for (pattern, groups) in [
        (r"(?P<k>[a-z]{3,500})=(\w{1,500})", [900_000, 900_009]),
        (r"(?:[a-c]|[d-f]|k|e|y){3}=\w{5}\b", [900_000, 900_009]),
        (r"\bend\b$", [900_010, 900_013]),
    ] {
        let regex = compile(pattern).unwrap();
        assert_eq!(regex.is_match(&text), Ok(true), "{pattern}");
        let found = regex.find_iter(&text).next();
        assert_eq!(found, Some(Ok(groups[0]..groups[1])), "{pattern}");
        let places = regex.captures_iter(&text).next().unwrap().unwrap();
        assert_eq!(places[0], Some(groups[0]..groups[1]), "{pattern}");
    }
    let regex = compile(r"(?P<k>[a-z]{3,500})=(\w{1,500})").unwrap();
    let places = regex.captures_iter(&text).next().unwrap().unwrap();
    assert_eq!(
        places,
        [
            Some(900_000..900_009),
            Some(900_000..900_003),
            Some(900_004..900_009)
        ]
    );
}
