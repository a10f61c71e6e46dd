//! Values out of JSON texts. Objects of an event stay text until they are looked into.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use super::{Member, Object, Text, Val};
use crate::jq::meter;
use crate::json;

/// A part of the text of an event that would be written again as it is.
#[derive(Debug, Clone)]
pub(super) struct InEvent {
    event: Rc<str>,
    place: Range<usize>,
    /// How many readings it was left unread by.
    readings: usize,
}

impl InEvent {
    /// Its text in the event.
    pub(super) fn text(&self) -> Option<&str> {
        self.event.get(self.place.clone())
    }

    /// The members that the text has.
    pub(super) fn read(&self) -> Vec<Member> {
        let source = Source {
            text: Rc::clone(&self.event),
            start: self.place.start,
            readings: self.readings,
            is_canonical: Cell::new(true),
        };
        let reader = Reader {
            event: Some(source),
            ..Reader::default()
        };
        let text = self.text().unwrap_or_default();
        match json::parse_with(text.as_bytes(), &reader) {
            Ok(Val::Object(object)) => Rc::unwrap_or_clone(object).change(std::mem::take),
            // It has been read over already.
            _ => Vec::new(),
        }
    }
}

/// Builds values out of a JSON text. Whole numbers stay exact.
#[derive(Default)]
pub(in crate::jq) struct Reader {
    /// Whether numbers keep their text, as after `fromjson`.
    literal: bool,
    /// Whether a number was too large for a double, which Go refuses.
    pub(in crate::jq) overflow: Cell<bool>,
    /// The event that is read, of which objects may be left unread.
    event: Option<Source>,
}

/// An event that is read.
struct Source {
    text: Rc<str>,
    /// Where in it the text begins that is read.
    start: usize,
    /// How often that text was read over already.
    readings: usize,
    /// Objects that were met would be written again as they are.
    is_canonical: Cell<bool>,
}

/// How often a part of an event is read over at most before all of it is read: an event that nests deep
/// would be read once for each level otherwise.
const READINGS: usize = 4;

impl Reader {
    /// Reads a text whose numbers stay as they are written, as `fromjson` does.
    pub(in crate::jq) fn literal() -> Self {
        Self {
            literal: true,
            ..Self::default()
        }
    }

    /// Reads an event, of which objects may be left unread.
    pub(in crate::jq) fn of(event: &str) -> Self {
        let source = Source {
            text: event.into(),
            start: 0,
            readings: 0,
            is_canonical: Cell::new(true),
        };
        Self {
            event: Some(source),
            ..Self::default()
        }
    }
}

impl json::Build for Reader {
    type Value = Val;
    type Key = Rc<Text>;

    fn key(&self, text: Cow<'_, str>) -> Rc<Text> {
        Text::new(text)
    }

    fn null(&self) -> Val {
        Val::Null
    }

    fn bool(&self, value: bool) -> Val {
        Val::Bool(value)
    }

    fn number(&self, text: &str) -> Val {
        if self.literal {
            return super::super::number::literal(text);
        }
        let number = super::super::number::of_event(text);
        if matches!(number, Val::Float(float) if float.is_infinite()) {
            self.overflow.set(true);
        }
        number
    }

    fn string(&self, text: Cow<'_, str>) -> Val {
        if meter::is_spent() {
            return Val::Null;
        }
        Val::str(text)
    }

    // A run that has used up its memory ends at its next step: what is read until then is left out.
    fn array(&self, items: Vec<Val>) -> Val {
        if meter::is_spent() {
            return Val::Null;
        }
        Val::array(items)
    }

    fn whole(&self, at: usize, depth: usize) -> Option<(Val, usize)> {
        let source = self.event.as_ref()?;
        if depth == 0 || source.readings >= READINGS || !source.is_canonical.get() {
            return None;
        }
        let start = source.start + at;
        let Some((end, nested)) = json::object_end(&source.text, start) else {
            // It is not looked for again: each of the objects inside of this one would be.
            source.is_canonical.set(false);
            return None;
        };
        if depth + nested > json::MAX_DEPTH {
            return None;
        }
        let in_event = InEvent {
            event: Rc::clone(&source.text),
            place: start..end,
            readings: source.readings + 1,
        };
        let object = Object::in_event(in_event, nested);
        Some((Val::Object(object.into()), end - source.start))
    }

    fn object(&self, members: Vec<Member>) -> Val {
        if meter::is_spent() {
            return Val::Null;
        }
        Val::object(members)
    }
}
