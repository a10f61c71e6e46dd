//! Regular expressions: Go's RE2, with positions counted in characters.

use std::cell::RefCell;
use std::ops::Range;

use jaq_core::native::{bome, v};
use jaq_core::{Bind, Exn, Native};

use super::{Fun, native};
use crate::jq::fault;
use crate::jq::meter::{self, Charge};
use crate::jq::value::{Answer, Fault, Text, Val};
use crate::regex::{self, Regex, TooLong};

/// Compiled patterns are kept per thread, for most programs use few.
const CACHE_SIZE: usize = 8;

/// How many bytes they take together, as far as that can be estimated.
const CACHE_BYTES: usize = 2 << 20;

/// Longer patterns are not kept.
const CACHED_PATTERN: usize = 512;

thread_local! {
    /// With the size of each.
    static CACHE: RefCell<Vec<(String, Regex, usize)>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn natives() -> Vec<Fun> {
    vec![
        native!("!test", 2, |value: &Val, pattern: &Val, flags: &Val| {
            let search = Search::new("test", value, pattern, flags)?;
            let is_match = search.regex.is_match(search.text);
            Ok(Val::Bool(is_match.map_err(too_long)?))
        }),
        (
            "!matches",
            v(2),
            Native::new(|mut cv| {
                let flags = cv.0.pop_var();
                let pattern = cv.0.pop_var();
                stream(matches(&cv.1, &pattern, &flags))
            }),
        ),
        native!("!captures", 0, |found: &Val| Ok(named_captures(found))),
        (
            "!scan",
            v(2),
            Native::new(|mut cv| {
                let flags = cv.0.pop_var();
                let pattern = cv.0.pop_var();
                stream(scan(&cv.1, &pattern, &flags))
            }),
        ),
        (
            "!split",
            v(2),
            Native::new(|mut cv| {
                let flags = cv.0.pop_var();
                let pattern = cv.0.pop_var();
                stream(split(&cv.1, &pattern, &flags))
            }),
        ),
        (
            "!sub",
            [Bind::Var(()), Bind::Fun(()), Bind::Var(())].into(),
            Native::new(|mut cv| {
                let flags = cv.0.pop_var();
                let (text, ctx) = cv.0.pop_fun();
                let pattern = cv.0.pop_var();
                let replaced = substitute(&cv.1, &pattern, &flags, |captures| {
                    text.run((ctx.clone(), captures)).collect()
                });
                match replaced {
                    Ok(texts) => Box::new(texts.into_iter().map(Ok)),
                    Err(error) => Box::new(std::iter::once(Err(error))),
                }
            }),
        ),
    ]
}

fn stream<'a>(values: Answer<Vec<Val>>) -> jaq_core::ValXs<'a, Val> {
    match values {
        Ok(values) => Box::new(values.into_iter().map(Ok)),
        Err(error) => bome(Err(error)),
    }
}

struct Search<'v> {
    text: &'v str,
    regex: Regex,
    global: bool,
}

/// A match, in bytes: the whole and its groups.
struct Found {
    whole: Range<usize>,
    groups: Vec<Option<Range<usize>>>,
    /// Only to be dropped.
    _held: Charge,
}

fn too_long(_: TooLong) -> Fault {
    meter::exhaust(meter::Spent::Time).into()
}

impl<'v> Search<'v> {
    fn new(name: &str, value: &'v Val, pattern: &Val, flags: &Val) -> Answer<Self> {
        let refused = || fault::not_applicable2(name, value, pattern, flags);
        let flags = match flags {
            Val::Null => "",
            flags => flags.as_text().ok_or_else(refused)?,
        };
        let text = value.as_text().ok_or_else(refused)?;
        let pattern = pattern.as_text().ok_or_else(refused)?;
        if flags.contains(|flag| !matches!(flag, 'g' | 'i' | 'm')) {
            let text = format!("unsupported regular expression flag: {flags:?}");
            return Err(fault::message(text));
        }
        let mut full = String::new();
        if flags.contains('m') {
            full.push_str("(?s)");
        }
        if flags.contains('i') {
            full.push_str("(?i)");
        }
        full.push_str(pattern);
        Ok(Self {
            text,
            regex: compile(&full)?,
            global: flags.contains('g'),
        })
    }

    /// The matches: all of them, or the first.
    fn run(&self, global: bool) -> Answer<Vec<Found>> {
        let mut all = Vec::new();
        let wanted = if global { usize::MAX } else { 1 };
        for places in self.regex.captures_iter(self.text).take(wanted) {
            // Each may have been a search through all of the text.
            meter::look()?;
            let places = places.map_err(too_long)?;
            let size = size_of::<Found>() + places.len() * size_of::<Option<Range<usize>>>();
            let mut places = places.into_iter();
            let Some(whole) = places.next().flatten() else {
                continue;
            };
            all.push(Found {
                whole,
                groups: places.collect(),
                _held: Charge::new(2 * size),
            });
        }
        Ok(all)
    }
}

fn compile(pattern: &str) -> Answer<Regex> {
    let cached = CACHE.with_borrow(|cache| {
        let known = cache.iter().find(|(known, ..)| known == pattern);
        known.map(|(_, regex, _)| regex.clone())
    });
    if let Some(regex) = cached {
        return Ok(regex);
    }
    let regex = regex::compile(pattern)
        .map_err(|why| fault::message(format!("invalid regular expression {pattern:?}: {why}")))?;
    let size = regex.bytes();
    if pattern.len() <= CACHED_PATTERN && size < CACHE_BYTES {
        CACHE.with_borrow_mut(|cache| {
            let taken = |cache: &[(String, Regex, usize)]| {
                cache.iter().map(|(.., size)| size).sum::<usize>()
            };
            while cache.len() >= CACHE_SIZE || taken(cache) + size > CACHE_BYTES {
                cache.remove(0);
            }
            cache.push((pattern.to_owned(), regex.clone(), size));
        });
    }
    Ok(regex)
}

/// Counts characters up to places that only move forward.
struct Counter<'v> {
    text: &'v str,
    byte: usize,
    chars: usize,
}

impl Counter<'_> {
    fn at(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            (self.byte, self.chars) = (0, 0);
        }
        self.chars += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        self.chars
    }
}

fn matches(value: &Val, pattern: &Val, flags: &Val) -> Answer<Vec<Val>> {
    let search = Search::new("match", value, pattern, flags)?;
    let mut counter = Counter {
        text: search.text,
        byte: 0,
        chars: 0,
    };
    let names: Vec<Option<&str>> = search.regex.group_names().collect();
    let found = search.run(search.global)?;
    let describe = |found: Found| {
        meter::step()?;
        let offset = counter.at(found.whole.start);
        let groups = names.iter().zip(&found.groups).map(|(name, group)| {
            let name = name.map_or(Val::Null, Val::str);
            match group {
                Some(group) => {
                    let base = found.whole.start;
                    let before = search.text[base..group.start.max(base)].chars().count();
                    let text = &search.text[group.clone()];
                    describe_match(offset + before, text, [("name", name)])
                }
                None => Val::record([
                    ("length", Val::Int(0)),
                    ("name", name),
                    ("offset", Val::Int(-1)),
                    ("string", Val::Null),
                ]),
            }
        });
        let groups = Val::array(groups.collect());
        Ok(describe_match(
            offset,
            &search.text[found.whole],
            [("captures", groups)],
        ))
    };
    found.into_iter().map(describe).collect()
}

fn describe_match(offset: usize, text: &str, [extra]: [(&str, Val); 1]) -> Val {
    Val::record([
        extra,
        ("length", Val::count(text.chars().count())),
        ("offset", Val::count(offset)),
        ("string", Val::str(text)),
    ])
}

/// The named groups of a match as `matches` describes it.
fn named_captures(found: &Val) -> Val {
    let Val::Object(found) = found else {
        return Val::Null;
    };
    let groups = found
        .get("captures")
        .and_then(Val::as_items)
        .unwrap_or_default();
    let named = groups.iter().filter_map(|group| {
        let Val::Object(group) = group else {
            return None;
        };
        let Some(Val::Str(name)) = group.get("name") else {
            return None;
        };
        Some((
            name.clone(),
            group.get("string").cloned().unwrap_or_default(),
        ))
    });
    Val::object(named.collect())
}

fn scan(value: &Val, pattern: &Val, flags: &Val) -> Answer<Vec<Val>> {
    let flags = (flags.clone() + Val::str("g"))?;
    let search = Search::new("match", value, pattern, &flags)?;
    let text = |place: Range<usize>| Val::str(&search.text[place]);
    let item = |found: Found| {
        if found.groups.is_empty() {
            return text(found.whole);
        }
        Val::array(
            found
                .groups
                .into_iter()
                .map(|group| group.map_or(Val::Null, text))
                .collect(),
        )
    };
    Ok(search.run(true)?.into_iter().map(item).collect())
}

fn split(value: &Val, pattern: &Val, flags: &Val) -> Answer<Vec<Val>> {
    let flags = (flags.clone() + Val::str("g"))?;
    let search = Search::new("match", value, pattern, &flags)?;
    let mut parts = Vec::new();
    let mut done = 0;
    for found in search.run(true)? {
        parts.push(Val::str(&search.text[done..found.whole.start]));
        done = found.whole.end;
    }
    parts.push(Val::str(&search.text[done..]));
    Ok(parts)
}

/// Replaces matches by texts made of their groups. Several texts make several results.
fn substitute<'a>(
    value: &Val,
    pattern: &Val,
    flags: &Val,
    texts: impl Fn(Val) -> Result<Val, Exn<'a, Val>>,
) -> Result<Vec<Val>, Exn<'a, Val>> {
    let search = Search::new("match", value, pattern, flags)?;
    let fits = |size: usize| {
        meter::step()
            .and_then(|()| meter::reserve(size))
            .map_err(Fault::from)
    };
    let names: Vec<Option<&str>> = search.regex.group_names().collect();
    let mut results: Vec<String> = Vec::new();
    let (mut done, mut size) = (0, 0);
    for found in search.run(search.global)? {
        fits(size)?;
        let captures = names.iter().zip(&found.groups).filter_map(|(name, group)| {
            let group = group.clone();
            let value = group.map_or(Val::Null, |group| Val::str(&search.text[group]));
            name.map(|name| (Text::new(name.to_owned()), value))
        });
        let before = Val::str(&search.text[done..found.whole.start]);
        // Null in a run that is spent.
        let texts = texts(Val::object(captures.collect()))?;
        for (index, text) in texts.as_items().unwrap_or_default().iter().enumerate() {
            let piece = (before.clone() + text.clone())?;
            let Some(piece) = piece.as_text() else {
                continue;
            };
            size += piece.len();
            fits(size)?;
            if index == results.len() {
                results.push(String::new());
            }
            results[index].push_str(piece);
        }
        done = found.whole.end;
    }
    if results.is_empty() {
        return Ok(vec![value.clone()]);
    }
    let rest = &search.text[done..];
    fits(size + results.len() * rest.len())?;
    let finish = |result: String| Val::str(result + rest);
    Ok(results.into_iter().map(finish).collect())
}
