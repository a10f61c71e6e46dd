use super::*;

#[track_caller]
fn fires(text: &str, dependencies: &[&str], satisfied: &[&str], expected: bool) {
    let conditions = Conditions::compile(text, dependencies)
        .unwrap_or_else(|error| panic!("{text} over {dependencies:?}: {error}"));
    let got = conditions.is_satisfied(|name| satisfied.contains(&name));
    assert_eq!(
        got, expected,
        "{text} over {dependencies:?} with {satisfied:?}"
    );
}

#[track_caller]
fn refuses(text: &str, dependencies: &[&str]) {
    assert!(
        Conditions::compile(text, dependencies).is_err(),
        "{text} is accepted"
    );
}

#[test]
fn and_binds_tighter_than_or() {
    let names = ["a", "b", "c"];
    fires("a || b && c", &names, &["a"], true);
    fires("a || b && c", &names, &["b"], false);
    fires("(a || b) && c", &names, &["a"], false);
    fires("(a || b) && c", &names, &["a", "c"], true);
    fires("", &names, &["a", "b"], false);
    fires("", &names, &["a", "b", "c"], true);
}

#[test]
fn names_are_names() {
    for name in [
        "a.b",
        "1x",
        "true",
        "false",
        "nil",
        "in",
        "not",
        "1",
        "max",
        "let",
        "2026-03-01",
        "-a",
        "_a",
    ] {
        fires(name, &[name, "z"], &[name], true);
        fires(name, &[name, "z"], &["z"], false);
        fires(&format!("{name} && z"), &[name, "z"], &["z"], false);
        fires("", &[name, "z"], &["z", name], true);
        fires("", &[name, "z"], &["z"], false);
    }
    for name in ["a b", "a/b", "a&b", "(a)"] {
        fires("", &[name], &[name], true);
        fires("", &[name], &[], false);
    }
}

#[test]
fn dashes_and_underscores_stand_for_each_other_unless_both_are_declared() {
    fires("dep_1", &["dep-1"], &["dep-1"], true);
    fires("dep-1 && dep_1", &["dep_1", "dep-1"], &["dep-1"], false);
    fires(
        "dep-1 && dep_1",
        &["dep_1", "dep-1"],
        &["dep-1", "dep_1"],
        true,
    );
    fires("dep_1", &["dep-1", "dep_1"], &["dep-1"], false);
    let conditions = Conditions::compile("(dep_1||a)", &["dep-1", "a"]).unwrap();
    assert_eq!(conditions.expression(), "(dep-1||a)");
    assert_eq!(conditions.dependencies(), ["dep-1", "a"]);
    assert!(!conditions.needs_and());
}

#[test]
fn what_works_by_accident_still_works() {
    let names = ["a", "b"];
    fires("[a]", &names, &["a"], true);
    fires("\"a\" && b", &names, &["a"], false);
    fires("a // b", &names, &["a"], true);
    fires("a ?? b", &names, &["b"], false);
    fires("a == b", &names, &["a", "b"], false);
    fires("a && b /* both */", &names, &["a", "b"], true);
}

#[test]
fn other_texts_are_refused_with_their_place() {
    let names = ["a", "b"];
    for text in [
        " ", "!a", "a and b", "a & b", "nope", "a ||", "&& a", "a b", "(a", "a)", "()", "a - b",
    ] {
        refuses(text, &names);
    }
    refuses("", &[]);
    let error = Conditions::compile("a && nope", &names).unwrap_err();
    assert_eq!(
        (error.offset, error.to_string().as_str()),
        (5, "'nope' is not a dependency")
    );
}

#[test]
fn size_and_nesting_are_bounded() {
    refuses(&"(".repeat(50_000), &["a"]);
    refuses(&"a&&".repeat(50_000), &["a"]);
    fires(&format!("{}a", "a&&".repeat(20_000)), &["a"], &["a"], true);
    fires(
        &format!("{}a{}", "(".repeat(100), ")".repeat(100)),
        &["a"],
        &["a"],
        true,
    );
}
