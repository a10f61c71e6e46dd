//! Evaluates any gjson path, taking it apart along the way.

use std::borrow::Cow;

use super::found::{Origin, quote};
use super::query::Query;
use super::scan::{Item, Member};
use super::syntax::{ArrayPart, ObjectPart, Rest, Select, default_name, selectors, split_pipe};
use super::work::Work;
use super::{Found, Kind, modifier, scan};

/// What `path` finds in `json`.
pub(super) fn get<'a>(json: &'a [u8], path: &[u8], work: &mut Work) -> Found<'a> {
    if !work.enter(json.len() + path.len()) {
        return Found::none();
    }
    let found = match leading(json, path, work) {
        Leading::Found(found) => found,
        Leading::Plain(path) => descend(json, path, work),
    };
    work.leave();
    if work.is_spent() {
        Found::none()
    } else {
        found
    }
}

/// What the start of a path is taken for.
enum Leading<'a, 'p> {
    /// A modifier, literal or multipath; all of the path is done.
    Found(Found<'a>),
    /// Components. An unfinished multipath before them is dropped.
    Plain(&'p [u8]),
}

fn leading<'a, 'p>(json: &'a [u8], path: &'p [u8], work: &mut Work) -> Leading<'a, 'p> {
    if path.len() < 2 {
        return Leading::Plain(path);
    }
    let computed = match path[0] {
        b'@' => modifier::apply(json, path, work),
        b'!' => literal(path).map(|(text, rest)| (Cow::Owned(text.to_vec()), rest)),
        kind @ (b'[' | b'{') => return multipath(json, kind, path, work),
        _ => None,
    };
    let Some((text, rest)) = computed else {
        return Leading::Plain(path);
    };
    Leading::Found(match rest {
        [b'|' | b'.', rest @ ..] => through(text, rest, work),
        _ => Found::parse(text),
    })
}

/// What `path` finds in a text that is not (known to be) part of the document.
fn through<'a>(text: Cow<'a, [u8]>, path: &[u8], work: &mut Work) -> Found<'a> {
    match text {
        Cow::Borrowed(text) => get(text, path, work).lost(),
        Cow::Owned(text) => get(&text, path, work).into_owned(),
    }
}

/// The JSON behind a `!`, and what follows it.
fn literal(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = &path[1..];
    if matches!(
        text.first()?,
        b'{' | b'[' | b'"' | b'+' | b'-' | b'0'..=b'9'
    ) {
        return Some(text.split_at(scan::container_end(text, 1)));
    }
    let end = text
        .iter()
        .position(|byte| matches!(byte, b'|' | b'.'))
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let known: [&[u8]; 5] = [b"true", b"false", b"null", b"nan", b"inf"];
    known
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
        .then_some((word, rest))
}

fn multipath<'a, 'p>(json: &'a [u8], kind: u8, path: &'p [u8], work: &mut Work) -> Leading<'a, 'p> {
    let Some((members, rest)) = selectors(path) else {
        return Leading::Plain(b"");
    };
    if !matches!(rest.first(), None | Some(b'|' | b'.')) {
        return Leading::Plain(rest);
    }
    let mut out = vec![kind];
    for member in members {
        let found = get(json, member.path, work);
        if !found.exists() {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        if kind == b'{' {
            match member.name {
                [b'"', ..] if crate::json::is_valid(member.name) => out.extend(member.name),
                b"" => quote(default_name(member.path), &mut out),
                name => quote(name, &mut out),
            }
            out.push(b':');
        }
        work.spend(found.raw.len());
        out.extend_from_slice(&found.raw);
    }
    // `]` and `}` both stand two behind their counterparts in ASCII.
    out.push(kind + 2);
    Leading::Found(match rest {
        [_, rest @ ..] => through(Cow::Owned(out), rest, work),
        [] => Found::computed(Kind::Json, out),
    })
}

fn descend<'a>(json: &'a [u8], path: &[u8], work: &mut Work) -> Found<'a> {
    let mut walk = Walk {
        json,
        found: Found::none(),
        pipe: None,
    };
    if let Some(lines) = path.strip_prefix(b"..") {
        walk.array(0, lines, work);
    } else if let Some(open) = memchr::memchr2(b'{', b'[', json) {
        walk.container(open, path, work);
    }
    match walk.pipe {
        None => walk.found.settled(),
        Some(pipe) => through(walk.found.raw, pipe, work).lost(),
    }
}

/// One way through a document along the components of a path.
struct Walk<'a, 'p> {
    json: &'a [u8],
    found: Found<'a>,
    /// What to apply to `found` at the end.
    pipe: Option<&'p [u8]>,
}

/// Where a container ended, or the search in it, and whether that was because of a find.
type Outcome = (usize, bool);

impl<'a, 'p> Walk<'a, 'p> {
    /// Looks into the array or object whose bracket stands at `open`.
    fn container(&mut self, open: usize, path: &'p [u8], work: &mut Work) -> Outcome {
        if !work.down() {
            return (self.json.len(), false);
        }
        let outcome = if self.json[open] == b'{' {
            self.object(open + 1, path, work)
        } else {
            self.array(open + 1, path, work)
        };
        work.up();
        outcome
    }

    fn object(&mut self, mut at: usize, path: &'p [u8], work: &mut Work) -> Outcome {
        let part = ObjectPart::parse(path);
        if let Rest::Pipe(pipe) = part.rest {
            self.pipe = Some(pipe);
        }
        loop {
            let key = match scan::member(self.json, at) {
                Member::Key(key) => key,
                Member::End(end) => return (end, false),
            };
            let wanted = part.matches(self.json, &key, work);
            let Some(start) = scan::value_start(self.json, key.end + 1) else {
                return (self.json.len(), false);
            };
            match self.value(start, wanted, part.rest, work) {
                Some((end, false)) => at = end,
                Some(outcome) => return outcome,
                None => return (self.json.len(), false),
            }
        }
    }

    /// Passes the value at `start`, or takes it, or what `rest` finds in it. None if it is broken.
    fn value(
        &mut self,
        start: usize,
        wanted: bool,
        rest: Rest<'p>,
        work: &mut Work,
    ) -> Option<Outcome> {
        if let (true, Rest::Path(rest), b'{' | b'[') = (wanted, rest, self.json[start]) {
            return Some(self.container(start, rest, work));
        }
        let (kind, end) = scan::value_end(self.json, start)?;
        let taken = wanted && !matches!(rest, Rest::Path(_));
        if taken {
            self.found = Found::slice(kind, &self.json[start..end]);
        }
        Some((end, taken))
    }

    fn array(&mut self, at: usize, path: &'p [u8], work: &mut Work) -> Outcome {
        let ArrayPart { select, rest } = ArrayPart::parse(path);
        if let Rest::Pipe(pipe) = rest {
            self.pipe = Some(pipe);
        }
        match select {
            Select::Index(index) => self.item(at, index, rest, work),
            Select::Count => self.count(at),
            Select::Each(path) => self.each(at, path, work),
            Select::Query(query) => self.query(at, &query, rest, work),
            Select::Nothing => (scan::container_end(self.json, at), false),
        }
    }

    fn item(&mut self, mut at: usize, index: usize, rest: Rest<'p>, work: &mut Work) -> Outcome {
        let mut position = 0;
        loop {
            let start = match scan::item(self.json, at) {
                Item::Value(start) => start,
                Item::End(end) => return (end, false),
            };
            match self.value(start, position == index, rest, work) {
                Some((end, false)) => at = end,
                Some(outcome) => return outcome,
                None => return (self.json.len(), false),
            }
            position += 1;
        }
    }

    fn count(&mut self, mut at: usize) -> Outcome {
        let mut count = 0_usize;
        loop {
            match scan::item(self.json, at) {
                Item::Value(start) => match scan::value_end(self.json, start) {
                    Some((_, end)) => at = end,
                    None => return (self.json.len(), false),
                },
                Item::End(end) => {
                    let digits = count.to_string().into_bytes();
                    self.found = Found::computed(Kind::Number, digits);
                    return (end, true);
                }
            }
            count += 1;
        }
    }

    /// `#.path`
    fn each(&mut self, mut at: usize, path: &'p [u8], work: &mut Work) -> Outcome {
        let (path, pipe) = match split_pipe(path) {
            Some((path, pipe)) => (path, Some(pipe)),
            None => (path, None),
        };
        let mut collected = Collected::new();
        loop {
            match scan::item(self.json, at) {
                Item::Value(start) => {
                    let Some((_, end)) = scan::value_end(self.json, start) else {
                        return (self.json.len(), false);
                    };
                    let element = &self.json[start..end];
                    collected.push(get(element, path, work), element);
                    at = end;
                }
                Item::End(end) => {
                    self.pipe = pipe.or(self.pipe);
                    self.found = collected.finish();
                    return (end, true);
                }
            }
        }
    }

    /// `#(…)` and `#(…)#`
    fn query(
        &mut self,
        mut at: usize,
        query: &Query<'p>,
        rest: Rest<'p>,
        work: &mut Work,
    ) -> Outcome {
        let mut collected = Collected::new();
        loop {
            let start = match scan::item(self.json, at) {
                Item::Value(start) => start,
                Item::End(end) => {
                    if query.all && !self.found.exists() {
                        self.found = collected.finish();
                    }
                    return (end, false);
                }
            };
            let Some((kind, end)) = scan::value_end(self.json, start) else {
                return (self.json.len(), false);
            };
            at = end;
            let element = &self.json[start..end];
            if let Some(found) = self.queried(kind, element, query, rest, work) {
                if !query.all {
                    self.found = found;
                    return (end, true);
                }
                collected.push(found, element);
            }
        }
    }

    /// What a query takes from an element: nothing unless it accepts it.
    fn queried(
        &mut self,
        kind: Kind,
        element: &'a [u8],
        query: &Query<'p>,
        rest: Rest<'p>,
        work: &mut Work,
    ) -> Option<Found<'a>> {
        let tested = if kind == Kind::Json {
            get(element, query.path, work)
        } else if query.path.is_empty() {
            Found::slice(kind, element)
        } else {
            return None;
        };
        if !query.accepts(&tested, work) {
            return None;
        }
        let Rest::Path(mut rest) = rest else {
            return Some(Found::slice(kind, element));
        };
        work.spend(rest.len());
        if let Some((path, pipe)) = split_pipe(rest) {
            rest = path;
            self.pipe = Some(pipe);
        }
        Some(get(element, rest, work))
    }
}

impl<'a> Found<'a> {
    /// Places a lost value that is the start of `element`, such as what `@this` gives of it.
    fn settled_at(self, element: &'a [u8]) -> Self {
        match (&self.origin, &self.raw) {
            (Origin::Lost, Cow::Borrowed(raw)) if std::ptr::eq(raw.as_ptr(), element.as_ptr()) => {
                self.settled()
            }
            _ => self,
        }
    }
}

/// Values gathered into an array.
struct Collected<'a> {
    json: Vec<u8>,
    /// Where each of them stands; None once that is not known of one.
    leaves: Option<Vec<&'a [u8]>>,
}

impl<'a> Collected<'a> {
    fn new() -> Self {
        Self {
            json: vec![b'['],
            leaves: Some(Vec::new()),
        }
    }

    fn push(&mut self, found: Found<'a>, element: &'a [u8]) {
        let found = found.settled_at(element);
        if found.raw.is_empty() {
            return;
        }
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(&found.raw);
        match (&mut self.leaves, found.origin, found.raw) {
            (Some(leaves), Origin::Slice, Cow::Borrowed(raw)) => leaves.push(raw),
            (Some(leaves), Origin::Leaves(more), _) => leaves.extend(more),
            _ => self.leaves = None,
        }
    }

    fn finish(mut self) -> Found<'a> {
        self.json.push(b']');
        let origin = self.leaves.map_or(Origin::Lost, Origin::Leaves);
        Found {
            kind: Kind::Json,
            raw: Cow::Owned(self.json),
            origin,
        }
    }
}
