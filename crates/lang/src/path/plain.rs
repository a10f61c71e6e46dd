//! Paths of names and indexes only, which nearly all are: compiled, looked up without allocation.

use super::scan::{self, Item, Member};
use super::syntax::{index, strip_escapes};
use super::{Found, Kind, found};
use crate::json::Listen;

/// How many components a plain path may have; longer ones are interpreted.
const MAX_STEPS: usize = u128::BITS as usize;

/// A compiled path of names and indexes.
#[derive(Debug, Clone)]
pub(super) struct Plain {
    steps: Box<[Step]>,
}

#[derive(Debug, Clone)]
struct Step {
    name: Box<[u8]>,
    /// What it means to an array.
    index: Option<usize>,
}

impl Plain {
    /// None if the path is more than names and indexes.
    pub(super) fn compile(path: &[u8]) -> Option<Self> {
        if path.starts_with(b"..") || path.contains(&b'|') {
            return None;
        }
        let mut steps = Vec::new();
        let mut at = 0;
        loop {
            let start = at;
            if matches!(path.get(start), Some(b'@' | b'!' | b'[' | b'{')) {
                return None;
            }
            let mut escaped = false;
            while let Some(byte) = path.get(at).filter(|byte| **byte != b'.') {
                match byte {
                    b'*' | b'?' | b'#' => return None,
                    b'\\' => {
                        escaped = true;
                        at += 1;
                    }
                    _ => {}
                }
                at += 1;
            }
            let text = &path[start..at.min(path.len())];
            // To an array an escaped dot is a dot, and what follows it may be a modifier.
            if escaped
                && text
                    .windows(2)
                    .any(|pair| matches!(pair, [b'.', b'@' | b'[' | b'{']))
            {
                return None;
            }
            let name = if escaped {
                strip_escapes(text)
            } else {
                text.to_vec()
            };
            steps.push(Step {
                index: index(text),
                name: name.into(),
            });
            if at >= path.len() {
                break;
            }
            at += 1;
        }
        (steps.len() <= MAX_STEPS).then(|| Self {
            steps: steps.into(),
        })
    }

    pub(super) fn get<'a>(&self, json: &'a [u8], skips: &Skips) -> Found<'a> {
        match self.find(json, skips) {
            Some((kind, start, end)) => Found::slice(kind, &json[start..end]),
            None => Found::none(),
        }
    }

    /// Kind, start and end of what the path leads to.
    ///
    /// Where a name leads nowhere, later members of the same name are tried, at every level.
    pub(super) fn find(&self, json: &[u8], skips: &Skips) -> Option<(Kind, usize, usize)> {
        let mut at = memchr::memchr2(b'{', b'[', json)?;
        let mut level = 0;
        // Which of the levels above are objects: bit n is level n.
        let mut objects = 0_u128;
        loop {
            let is_object = json.get(at) == Some(&b'{');
            objects = objects & !(1 << level) | u128::from(is_object) << level;
            let mut found = self.search(json, skips, at + 1, level, is_object);
            loop {
                match found {
                    Search::Found(kind, start, end) => return Some((kind, start, end)),
                    Search::Inside(open) => break at = open,
                    Search::Ended(end) => {
                        level = level.checked_sub(1)?;
                        found = if objects >> level & 1 == 1 {
                            self.search(json, skips, end, level, true)
                        } else {
                            // An index occurs once: the rest of the array cannot match.
                            Search::Ended(scan::container_end(json, end))
                        };
                    }
                }
            }
            level += 1;
        }
    }

    /// Looks for a step in the container whose next member or element is at `at` or later.
    fn search(
        &self,
        json: &[u8],
        skips: &Skips,
        mut at: usize,
        level: usize,
        is_object: bool,
    ) -> Search {
        let step = &self.steps[level];
        let is_last = level + 1 == self.steps.len();
        let mut position = 0;
        if !is_object && step.index.is_none() {
            return Search::Ended(scan::container_end(json, at));
        }
        loop {
            let (start, wanted) = if is_object {
                let key = match scan::member(json, at) {
                    Member::Key(key) => key,
                    Member::End(end) => return Search::Ended(end),
                };
                let Some(start) = scan::value_start(json, key.end + 1) else {
                    return Search::Ended(json.len());
                };
                (start, step.names(json, &key))
            } else {
                let start = match scan::item(json, at) {
                    Item::Value(start) => start,
                    Item::End(end) => return Search::Ended(end),
                };
                position += 1;
                (start, step.index == Some(position - 1))
            };
            if wanted && !is_last && matches!(json[start], b'{' | b'[') {
                return Search::Inside(start);
            }
            match skips.value_end(json, start) {
                Some((kind, end)) if wanted && is_last => return Search::Found(kind, start, end),
                Some((_, end)) => at = end,
                None => return Search::Ended(json.len()),
            }
        }
    }
}

/// How large a value has to be for its end to be known.
const WORTH_IT: u32 = 128;

/// How many ends are known: an object of Kubernetes has fewer large parts.
const KNOWN: usize = 16;

/// Where the largest values of one document end, so that nobody has to look for it.
#[derive(Debug, Default)]
pub(super) struct Skips {
    /// Start and end. Unused places have an end of 0.
    known: [(u32, u32); KNOWN],
    used: usize,
}

impl Listen for Skips {
    fn closed(&mut self, start: u32, end: u32) {
        if end - start < WORTH_IT {
            return;
        }
        if self.used < KNOWN {
            self.known[self.used] = (start, end);
            self.used += 1;
        } else if let Some(smallest) = self
            .known
            .iter_mut()
            .min_by_key(|(start, end)| end - *start)
            && smallest.1 - smallest.0 < end - start
        {
            *smallest = (start, end);
        }
    }
}

impl Skips {
    fn value_end(&self, json: &[u8], start: usize) -> Option<(Kind, usize)> {
        let known = &self.known[..self.used];
        match known.iter().find(|(known, _)| *known as usize == start) {
            Some((_, end)) => Some((Kind::Json, *end as usize)),
            None => scan::value_end(json, start),
        }
    }
}

enum Search {
    /// The value of the last step.
    Found(Kind, usize, usize),
    /// The container for the next step; where its bracket stands.
    Inside(usize),
    /// Nothing; where the container ended.
    Ended(usize),
}

impl Step {
    fn names(&self, json: &[u8], key: &scan::Key) -> bool {
        let text = &json[key.start..key.end];
        if key.escaped {
            *found::unescape(text) == *self.name
        } else {
            *text == *self.name
        }
    }
}
