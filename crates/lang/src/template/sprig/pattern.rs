//! Regular expressions. The plain functions fail on a bad pattern as the `must` variants do,
//! except `regexMatch`, which then does not match.

use std::collections::HashMap;

use super::super::format::Printer;
use super::super::function::Param::{Int, Text as TextParam};
use super::super::function::{Args, Function, fixed};
use super::super::limit::Outcome;
use super::super::value::{Text, Value};
use super::list::text_list;
use super::text::no_texts;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("regexMatch", &[TextParam, TextParam], |args| {
        let Ok(regex) = args.pattern(0) else {
            return Ok(Value::Bool(false));
        };
        Ok(Value::Bool(regex.is_match(&args.text(1))?))
    }),
    fixed("mustRegexMatch", &[TextParam, TextParam], |args| {
        Ok(Value::Bool(args.pattern(0)?.is_match(&args.text(1))?))
    }),
    fixed("regexFind", &[TextParam, TextParam], find),
    fixed("mustRegexFind", &[TextParam, TextParam], find),
    fixed("regexFindAll", &[TextParam, TextParam, Int], find_all),
    fixed("mustRegexFindAll", &[TextParam, TextParam, Int], find_all),
    fixed(
        "regexReplaceAll",
        &[TextParam, TextParam, TextParam],
        replace_all,
    ),
    fixed(
        "mustRegexReplaceAll",
        &[TextParam, TextParam, TextParam],
        replace_all,
    ),
    fixed(
        "regexReplaceAllLiteral",
        &[TextParam, TextParam, TextParam],
        replace_literally,
    ),
    fixed(
        "mustRegexReplaceAllLiteral",
        &[TextParam, TextParam, TextParam],
        replace_literally,
    ),
    fixed("regexSplit", &[TextParam, TextParam, Int], split),
    fixed("mustRegexSplit", &[TextParam, TextParam, Int], split),
    fixed("regexQuoteMeta", &[TextParam], |args| {
        let mut out = String::new();
        for char in args.text(0).chars() {
            if r"\.+*?()|[]{}^$".contains(char) {
                out.push('\\');
            }
            out.push(char);
        }
        args.give(out)
    }),
];

fn find(args: &Args<'_>) -> Outcome<Value> {
    let text = args.text(1);
    let regex = args.pattern(0)?;
    let found = regex.find_iter(&text).next().transpose()?;
    args.give(found.map_or("", |found| &text[found]))
}

/// The largest number of matches that a count asks for: all, if it is negative.
fn limit(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn find_all(args: &Args<'_>) -> Outcome<Value> {
    let text = args.text(1);
    let mut found: Vec<Text> = Vec::new();
    for place in args.pattern(0)?.find_iter(&text).take(limit(args.int(2))) {
        let place = place?;
        args.budget().look()?;
        args.budget().take(place.len() + 48)?;
        found.push(text[place].as_bytes().into());
    }
    if found.is_empty() {
        Ok(no_texts())
    } else {
        text_list(args, found)
    }
}

fn replace_literally(args: &Args<'_>) -> Outcome<Value> {
    let text = args.text(1);
    let mut out = Printer::new(args.budget());
    let mut done = 0;
    for found in args.pattern(0)?.find_iter(&text) {
        let found = found?;
        args.budget().look()?;
        out.push(&text[done..found.start])?;
        out.push(args.bytes(2))?;
        done = found.end;
    }
    out.push(&text[done..])?;
    Ok(Value::text(out.into_bytes()))
}

fn replace_all(args: &Args<'_>) -> Outcome<Value> {
    let text = args.text(1);
    let replacement = args.text(2);
    let regex = args.pattern(0)?;
    let parts = replacement_parts(&replacement);
    let names: HashMap<&str, usize> = (1..)
        .zip(regex.group_names())
        .filter_map(|(index, name)| Some((name?, index)))
        .collect();
    let mut out = Printer::new(args.budget());
    let mut done = 0;
    for found in regex.captures_iter(&text) {
        let found = found?;
        args.budget().look()?;
        let group = |index: usize| found.get(index).cloned().flatten();
        let Some(whole) = group(0) else { continue };
        out.push(&text[done..whole.start])?;
        for part in &parts {
            match part {
                Part::Literal(literal) => out.push(literal)?,
                Part::Group(name) => {
                    let index = name.parse().ok().or_else(|| names.get(name).copied());
                    let place = index.and_then(group);
                    out.push(place.map_or("", |place| &text[place]))?;
                }
            }
        }
        done = whole.end;
    }
    out.push(&text[done..])?;
    Ok(Value::text(out.into_bytes()))
}

/// A piece of a replacement.
enum Part<'a> {
    Literal(&'a str),
    /// `$1` or `${name}`
    Group(&'a str),
}

/// Cuts a replacement into literal text and groups. A name without braces is as long as possible:
/// `$1W` is the group `1W`, which does not exist.
fn replacement_parts(replacement: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = replacement;
    while let Some(dollar) = rest.find('$') {
        parts.push(Part::Literal(&rest[..dollar]));
        let after = &rest[dollar + 1..];
        let is_name = |char: char| char == '_' || char.is_alphanumeric();
        let (name, tail) = match after.strip_prefix('{') {
            Some(inside) => match inside.split_once('}') {
                Some((name, tail)) if name.chars().all(is_name) => (name, tail),
                _ => ("", after),
            },
            None => after.split_at(after.find(|char| !is_name(char)).unwrap_or(after.len())),
        };
        rest = if name.is_empty() {
            parts.push(Part::Literal("$"));
            after.strip_prefix('$').unwrap_or(after)
        } else {
            parts.push(Part::Group(name));
            tail
        };
    }
    parts.push(Part::Literal(rest));
    parts
}

fn split(args: &Args<'_>) -> Outcome<Value> {
    let text = args.text(1);
    let regex = args.pattern(0)?;
    let limit = limit(args.int(2));
    if limit == 0 {
        return Ok(no_texts());
    }
    if text.is_empty() && !args.bytes(0).is_empty() {
        return text_list(args, vec![Text::from(&b""[..])]);
    }
    let mut parts: Vec<Text> = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in regex.find_iter(&text).take(limit) {
        let found = found?;
        args.budget().look()?;
        if parts.len() + 1 == limit {
            break;
        }
        args.budget().take(found.start - begin + 48)?;
        end = found.start;
        // An empty match at the start separates nothing.
        if found.end != 0 {
            parts.push(text[begin..end].as_bytes().into());
        }
        begin = found.end;
    }
    if end != text.len() {
        parts.push(text[begin..].as_bytes().into());
    }
    text_list(args, parts)
}
