//! Regular expressions: Go's RE2, with positions counted in characters.

use std::cell::RefCell;

use jaq_core::native::{bome, v};
use jaq_core::{Bind, Exn, Native};
use regex_syntax::hir::{Hir, HirKind};

use super::{Fun, native};
use crate::jq::fault;
use crate::jq::meter::{self, Charge};
use crate::jq::value::{Answer, Fault, Text, Val};
use crate::regex::{self, Regex};

/// Compiled patterns are kept per thread, for most programs use few.
const CACHE_SIZE: usize = 16;

/// How many bytes they take together, as far as that can be estimated.
const CACHE_BYTES: usize = 2 << 20;

/// Longer patterns are not kept.
const CACHED_PATTERN: usize = 512;

/// How many steps a search may take at worst: some states of the pattern for each byte of the text.
/// The engine cannot be stopped, so what could take longer is not begun.
const MAX_STEPS: usize = 200_000_000;

thread_local! {
    /// With the size of each.
    static CACHE: RefCell<Vec<(String, Compiled, usize)>> = const { RefCell::new(Vec::new()) };
}

/// A pattern, and about how many states the engine needs for it.
#[derive(Clone)]
struct Compiled {
    regex: Regex,
    states: usize,
}

pub(super) fn natives() -> Vec<Fun> {
    vec![
        native!("!test", 2, |value: &Val, pattern: &Val, flags: &Val| {
            let search = Search::new("test", value, pattern, flags)?;
            Ok(Val::Bool(search.regex.is_match(search.text)))
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
                    text.run((ctx.clone(), captures))
                        .collect::<Result<Vec<_>, _>>()
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
struct Found<'v> {
    whole: ::regex::Match<'v>,
    groups: Vec<Option<::regex::Match<'v>>>,
    /// Only to be dropped.
    _held: Charge,
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
        let Compiled { regex, states } = compile(&full)?;
        if states.saturating_mul(text.len()) > MAX_STEPS {
            return Err(meter::exhaust(meter::Spent::Time).into());
        }
        Ok(Self {
            text,
            regex,
            global: flags.contains('g'),
        })
    }

    /// The matches: all of them, or the first.
    fn run(&self, global: bool) -> Answer<Vec<Found<'v>>> {
        let mut all = Vec::new();
        let wanted = if global { usize::MAX } else { 1 };
        for captures in self.regex.captures_iter(self.text).take(wanted) {
            meter::step()?;
            let Some(whole) = captures.get(0) else {
                continue;
            };
            let groups = captures.iter().skip(1).collect();
            let each = size_of::<Option<::regex::Match<'_>>>();
            let held = Charge::new(2 * size_of::<Found<'_>>() + self.regex.captures_len() * each);
            all.push(Found {
                whole,
                groups,
                _held: held,
            });
        }
        Ok(all)
    }
}

fn compile(pattern: &str) -> Answer<Compiled> {
    let cached = CACHE.with_borrow(|cache| {
        let known = cache.iter().find(|(known, ..)| known == pattern);
        known.map(|(_, compiled, _)| compiled.clone())
    });
    if let Some(compiled) = cached {
        return Ok(compiled);
    }
    let regex = regex::compile(pattern)
        .map_err(|why| fault::message(format!("invalid regular expression {pattern:?}: {why}")))?;
    let tree = regex_syntax::parse(regex.as_str());
    let states = tree.as_ref().map_or(pattern.len(), self::states);
    let size = tree.as_ref().map_or(CACHE_BYTES, regex::size);
    let compiled = Compiled { regex, states };
    if pattern.len() <= CACHED_PATTERN && size < CACHE_BYTES {
        CACHE.with_borrow_mut(|cache| {
            let taken = |cache: &[(String, Compiled, usize)]| {
                cache.iter().map(|(.., size)| size).sum::<usize>()
            };
            while cache.len() >= CACHE_SIZE || taken(cache) + size > CACHE_BYTES {
                cache.remove(0);
            }
            cache.push((pattern.to_owned(), compiled.clone(), size));
        });
    }
    Ok(compiled)
}

/// About how many states the engine needs for a pattern.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => 4,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            states(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(0, usize::saturating_add)
        }
    }
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
    let names: Vec<Option<&str>> = search.regex.capture_names().skip(1).collect();
    let found = search.run(search.global)?;
    let describe = |found: Found<'_>| {
        meter::step()?;
        let offset = counter.at(found.whole.start());
        let groups = names.iter().zip(&found.groups).map(|(name, group)| {
            let name = name.map_or(Val::Null, Val::str);
            match group {
                Some(group) => {
                    let base = found.whole.start();
                    let before = search.text[base..group.start().max(base)].chars().count();
                    describe_match(offset + before, group.as_str(), [("name", name)])
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
            found.whole.as_str(),
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
    let text = |found: ::regex::Match<'_>| Val::str(found.as_str());
    let item = |found: Found<'_>| {
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
        parts.push(Val::str(&search.text[done..found.whole.start()]));
        done = found.whole.end();
    }
    parts.push(Val::str(&search.text[done..]));
    Ok(parts)
}

/// Replaces matches by texts made of their groups. Several texts make several results.
fn substitute<'a>(
    value: &Val,
    pattern: &Val,
    flags: &Val,
    texts: impl Fn(Val) -> Result<Vec<Val>, Exn<'a, Val>>,
) -> Result<Vec<Val>, Exn<'a, Val>> {
    let search = Search::new("match", value, pattern, flags)?;
    let fits = |size: usize| {
        meter::step()
            .and_then(|()| meter::reserve(size))
            .map_err(Fault::from)
    };
    let names: Vec<Option<&str>> = search.regex.capture_names().skip(1).collect();
    let mut results: Vec<String> = Vec::new();
    let (mut done, mut size) = (0, 0);
    for found in search.run(search.global)? {
        fits(size)?;
        let captures = names.iter().zip(&found.groups).filter_map(|(name, group)| {
            let value = group.map_or(Val::Null, |group| Val::str(group.as_str()));
            name.map(|name| (Text::new(name.to_owned()), value))
        });
        let before = Val::str(&search.text[done..found.whole.start()]);
        for (index, text) in texts(Val::object(captures.collect()))?
            .into_iter()
            .enumerate()
        {
            let piece = (before.clone() + text)?;
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
        done = found.whole.end();
    }
    if results.is_empty() {
        return Ok(vec![value.clone()]);
    }
    let rest = &search.text[done..];
    fits(size + results.len() * rest.len())?;
    let finish = |result: String| Val::str(result + rest);
    Ok(results.into_iter().map(finish).collect())
}
