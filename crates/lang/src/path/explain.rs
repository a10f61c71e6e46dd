//! Says why a path finds nothing: how far it leads, and what is there instead.

use std::borrow::Cow;
use std::fmt;

use super::found::content;
use super::work::Work;
use super::{Found, Kind, Path, modifier};

/// How many beginnings of a path are tried, and of one behind `$`, whose lookups cost more.
const MAX_TRIED: usize = 64;
const MAX_JSONPATHS_TRIED: usize = 4;

/// How many keys are named.
const MAX_KEYS: usize = 20;

/// Where a path that finds nothing leaves the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The longest beginning of the path that finds something; empty for the whole document.
    pub existing: String,
    /// The component behind it.
    pub missing: String,
    /// What stands where `existing` leads.
    pub there: There,
    /// How the path was probably meant: a key with dots needs its dots escaped, and keys know cases.
    pub meant: Option<String>,
}

/// What a path found where it expected to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum There {
    /// An object; its first keys, and how many more there are.
    Keys(Vec<String>, usize),
    /// An array of so many elements.
    Items(usize),
    /// A value that nothing is inside of.
    Value(Kind),
    /// Nothing: the document is empty.
    Nothing,
}

impl Missing {
    /// None if `work` is spent before it is clear.
    pub(super) fn explain(path: &Path, json: &[u8], work: &mut Work) -> Option<Self> {
        let text = path.as_str();
        let most = if path.jsonpath.is_some() {
            MAX_JSONPATHS_TRIED
        } else {
            MAX_TRIED
        };
        let ends: Vec<usize> = boundaries(text).take(most).collect();
        for end in ends.iter().rev() {
            let Ok(prefix) = Path::compile(&text[..*end]) else {
                continue;
            };
            let found = prefix.get_within(json, work);
            if work.is_spent() {
                return None;
            }
            if found.exists() {
                let next = ends
                    .iter()
                    .find(|other| *other > end)
                    .copied()
                    .unwrap_or(text.len());
                let rest = &text[(end + 1).min(text.len())..];
                let meant = meant(&found, rest, &text[(end + 1).min(next)..next]);
                return Some(Self {
                    existing: text[..*end].to_owned(),
                    missing: text[(end + 1).min(next)..next].to_owned(),
                    there: There::of(&found),
                    meant: meant.map(|meant| format!("{}.{meant}", &text[..*end])),
                });
            }
        }
        let first = ends.first().copied().unwrap_or(text.len());
        let document = Found::parse(Cow::Borrowed(json));
        Some(Self {
            existing: String::new(),
            missing: text[..first].to_owned(),
            there: There::of(&document),
            meant: meant(&document, text, &text[..first]),
        })
    }
}

/// The rest of a path as it was probably meant: `rest` finds nothing in `object`, and `first` is its first
/// component. A key of the object is what `rest` begins with, with dots in it or in another case.
fn meant(object: &Found<'_>, rest: &str, first: &str) -> Option<String> {
    if !object.is_object() {
        return None;
    }
    modifier::members(object).find_map(|member| {
        let key = String::from_utf8_lossy(&content(member.key)).into_owned();
        let behind = if key.contains('.') && rest.starts_with(&*key) {
            &rest[key.len()..]
        } else if key.eq_ignore_ascii_case(first) {
            &rest[first.len()..]
        } else {
            return None;
        };
        let is_whole = behind.is_empty() || behind.starts_with(['.', '|']);
        is_whole.then(|| key.replace('.', "\\.") + behind)
    })
}

/// Where components end: at dots and pipes outside of brackets and texts. Those of a path of
/// hundreds of components are not told.
fn boundaries(path: &str) -> impl Iterator<Item = usize> {
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    let boundary = move |(at, byte): (usize, u8)| {
        if std::mem::take(&mut escaped) {
            return None;
        }
        match byte {
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'.' | b'|' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    };
    path.bytes().enumerate().filter_map(boundary)
}

impl There {
    fn of(found: &Found<'_>) -> Self {
        if !found.exists() {
            return Self::Nothing;
        }
        if found.kind() != Kind::Json {
            return Self::Value(found.kind());
        }
        let count = modifier::members(found).count();
        if found.is_array() {
            return Self::Items(count);
        }
        let keys: Vec<_> = modifier::members(found)
            .take(MAX_KEYS)
            .map(|member| String::from_utf8_lossy(&content(member.key)).into_owned())
            .collect();
        let more = count - keys.len();
        Self::Keys(keys, more)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.existing.as_str() {
            "" => write!(f, "the document")?,
            existing => write!(f, "`{existing}`")?,
        }
        match &self.there {
            There::Keys(keys, _) if keys.is_empty() => write!(f, " is an empty object")?,
            There::Keys(keys, 0) => write!(f, " has only {}", keys.join(", "))?,
            There::Keys(keys, more) => write!(f, " has only {} and {more} more", keys.join(", "))?,
            There::Items(count) => write!(f, " is an array of {count}")?,
            There::Value(kind) => write!(f, " is a {}", kind.name().to_ascii_lowercase())?,
            There::Nothing => write!(f, " is empty")?,
        }
        write!(f, ": no `{}`", self.missing)?;
        match &self.meant {
            Some(meant) if meant.contains('\\') => {
                write!(f, " (escape the dots of a key: `{meant}`)")
            }
            Some(meant) => write!(f, " (keys know cases: `{meant}`)"),
            None => Ok(()),
        }
    }
}
