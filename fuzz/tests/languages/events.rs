//! Events that cost whoever looks at them, each below the megabyte that a message has.

use std::sync::LazyLock;

use super::choices::Choices;

static EVENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let objects = numbers(15_000).map(|number| format!(r#"{{"k":{number},"v":"x"}}"#));
    let members = numbers(20_000).enumerate();
    let members = members.map(|(at, number)| format!(r#""key-{at}":{number}"#));
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(400), close.repeat(400));
    vec![
        event("", ""),
        event("s", &format!("\"{}\"", "a".repeat(400_000))),
        event("s", &format!("\"{}\"", r"ab \n<é&".repeat(30_000))),
        event("s", &format!("\"{}\"", "\u{1f600}e\u{301}".repeat(20_000))),
        event("n", &"9".repeat(50_000)),
        event(
            "l",
            &list(numbers(100_000).map(|number| number.to_string())),
        ),
        event("l", &list(objects)),
        event("l", &deep("[", "]")),
        event(
            "o",
            &format!("{{{}}}", members.collect::<Vec<_>>().join(",")),
        ),
        event("o", &deep(r#"{"k":"#, "}")),
    ]
});

/// One of the events.
pub(crate) fn pick(choices: &mut Choices) -> Vec<u8> {
    EVENTS[choices.below(EVENTS.len())].clone().into_bytes()
}

/// All of them have the members `s`, a text, `l`, a list, `o`, an object, and `n`, a number. One is large.
fn event(large: &str, value: &str) -> String {
    let members = [
        ("s", r#""abc""#),
        ("l", "[3,1,2]"),
        ("o", r#"{"k":1}"#),
        ("n", "7"),
    ];
    let members = members.map(|(name, small)| {
        let value = if name == large { value } else { small };
        format!(r#""{name}":{value}"#)
    });
    format!("{{{}}}", members.join(","))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// Numbers in no order.
fn numbers(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|index| (index * 7919) % 99_991)
}
