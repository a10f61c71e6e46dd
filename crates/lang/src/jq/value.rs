//! The values jq programs work on, ordered and written as gojq does.

mod items;
mod read;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use compact_str::CompactString;
use num_bigint::BigInt;

use super::meter::{self, Charge, MAX_DEPTH, Spent};
use super::write;
use read::InEvent;

pub(super) use items::Items;
use items::array_bytes;
pub(super) use read::Reader;

pub(super) type Fault = jaq_core::Error<Val>;
pub(super) type Answer<T = Val> = Result<T, Fault>;

/// What an element of an array takes beside its own content.
const ITEM_BYTES: usize = size_of::<Val>();

/// What the allocator takes for each allocation, by its headers and by rounding up.
const ALLOCATION: usize = 16;

/// What a shared value takes beside its content: the counts of its owners go with it.
const fn shared<T>() -> usize {
    size_of::<T>() + 2 * size_of::<usize>() + ALLOCATION
}

/// What the members of an object take with room for so many.
fn member_bytes(room: usize) -> usize {
    room * size_of::<Member>() + ALLOCATION
}

/// A jq value. Cheap to clone: what is large is shared.
#[derive(Clone, Debug, Default)]
pub(super) enum Val {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number beyond 64 bits.
    Big(Rc<BigInt>),
    Float(f64),
    /// A number that keeps its text until it is calculated with (`1.50` from `fromjson`).
    Literal(Rc<str>),
    Str(Rc<Text>),
    Array(Rc<Array>),
    Object(Rc<Object>),
    /// The mark of a place that is being deleted; programs never see it.
    Gone,
}

/// A text, counted while it lives.
#[derive(Debug)]
pub(super) struct Text {
    content: CompactString,
    /// Whether U+FFFD stands for bytes that were not UTF-8: Go's JSON shows the difference.
    is_lossy: bool,
    /// Only to be dropped.
    _held: Charge,
}

impl Text {
    pub(super) fn new(text: impl Into<CompactString>) -> Rc<Self> {
        Self::counted(text.into(), false)
    }

    /// Out of bytes, each of which becomes U+FFFD if it is not UTF-8.
    pub(super) fn from_bytes(bytes: &[u8]) -> Rc<Self> {
        let mut text = CompactString::with_capacity(bytes.len());
        let mut is_lossy = false;
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            is_lossy |= !chunk.invalid().is_empty();
        }
        Self::counted(text, is_lossy)
    }

    fn counted(content: CompactString, is_lossy: bool) -> Rc<Self> {
        let heap = if content.is_heap_allocated() {
            content.capacity() + ALLOCATION
        } else {
            0
        };
        let charge = Charge::new(shared::<Self>() + heap);
        Rc::new(Self {
            content,
            is_lossy,
            _held: charge,
        })
    }

    pub(super) fn is_lossy(&self) -> bool {
        self.is_lossy
    }

    pub(super) fn as_str(&self) -> &str {
        &self.content
    }
}

/// An array, counted while it lives.
#[derive(Debug, Default)]
pub(super) struct Array {
    items: Vec<Val>,
    depth: usize,
    charge: Charge,
}

/// A member of an object.
type Member = (Rc<Text>, Val);

/// An object: members sorted by key, counted while it lives.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// Read when they are looked at, if they are in the event.
    members: OnceCell<Vec<Member>>,
    /// Where it stands in the event, if it is still as it was there.
    in_event: Option<InEvent>,
    depth: usize,
    /// The payload `null`: an empty object that is written as what it was.
    is_nil: bool,
    charge: Charge,
    /// What its members cost that were read later.
    read: OnceCell<Charge>,
}

impl Clone for Array {
    fn clone(&self) -> Self {
        let charge = Charge::new(array_bytes(self.items.len()));
        Self {
            items: self.items.clone(),
            depth: self.depth,
            charge,
        }
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        let count = self.members.get().map_or(0, Vec::len);
        let (depth, is_nil) = (self.depth, self.is_nil);
        Self {
            members: self.members.clone(),
            in_event: self.in_event.clone(),
            depth,
            is_nil,
            charge: Charge::new(shared::<Self>() + member_bytes(count)),
            read: OnceCell::new(),
        }
    }
}

fn checked_depth(depth: usize) -> usize {
    if depth > MAX_DEPTH {
        meter::exhaust(Spent::Depth);
    }
    depth
}

impl Array {
    pub(super) fn new(items: Vec<Val>) -> Self {
        let depth = checked_depth(1 + items.iter().map(Val::depth).max().unwrap_or(0));
        let charge = Charge::new(array_bytes(items.capacity()));
        Self {
            items,
            depth,
            charge,
        }
    }

    pub(super) fn items(&self) -> &[Val] {
        &self.items
    }

    /// Changes the items; `added` are the new ones among them.
    pub(super) fn change<T>(
        &mut self,
        added_depth: usize,
        f: impl FnOnce(&mut Vec<Val>) -> T,
    ) -> T {
        let result = f(&mut self.items);
        self.depth = checked_depth(self.depth.max(1 + added_depth));
        self.charge.set(array_bytes(self.items.capacity()));
        result
    }
}

impl Object {
    /// Of equal keys the last member stays.
    pub(super) fn new(mut members: Vec<(Rc<Text>, Val)>) -> Self {
        if !members.is_sorted_by(|left, right| left.0.content < right.0.content) {
            members.sort_by(|left, right| left.0.content.cmp(&right.0.content));
            members.dedup_by(|later, earlier| {
                let same = later.0.content == earlier.0.content;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        let depth = 1 + members
            .iter()
            .map(|(_, value)| value.depth())
            .max()
            .unwrap_or(0);
        let charge = Charge::new(shared::<Self>() + member_bytes(members.capacity()));
        Self {
            members: members.into(),
            depth: checked_depth(depth),
            charge,
            ..Self::default()
        }
    }

    /// An object of an event, `depth` deep, that is read when it is looked into.
    fn in_event(in_event: InEvent, depth: usize) -> Self {
        Self {
            charge: Charge::new(shared::<Self>()),
            in_event: Some(in_event),
            depth,
            ..Self::default()
        }
    }

    /// Its text as the payload of an event has it, if that is known.
    pub(super) fn payload(&self) -> Option<&str> {
        self.in_event.as_ref()?.text()
    }

    pub(super) fn nil() -> Self {
        Self {
            is_nil: true,
            ..Self::new(Vec::new())
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        self.is_nil && self.members().is_empty()
    }

    pub(super) fn members(&self) -> &[Member] {
        self.members.get_or_init(|| {
            let members = self.in_event.as_ref().map(InEvent::read);
            let members = members.unwrap_or_default();
            self.read
                .get_or_init(|| Charge::new(member_bytes(members.capacity())));
            members
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Val> {
        let members = self.members();
        find(members, key).ok().map(|at| &members[at].1)
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Val> {
        self.change(|members| {
            let at = find(members, key).ok()?;
            Some(std::mem::take(&mut members[at].1))
        })
    }

    pub(super) fn insert(&mut self, key: &Rc<Text>, value: Val) {
        self.depth = checked_depth(self.depth.max(1 + value.depth()));
        self.is_nil = false;
        let room = self.change(|members| {
            match find(members, key.as_str()) {
                Ok(at) => members[at].1 = value,
                Err(at) => members.insert(at, (key.clone(), value)),
            }
            members.capacity()
        });
        self.charge.set(shared::<Self>() + member_bytes(room));
    }

    /// Changes members without adding any.
    pub(super) fn change<T>(&mut self, f: impl FnOnce(&mut Vec<Member>) -> T) -> T {
        self.members();
        let mut members = self.members.take().unwrap_or_default();
        let result = f(&mut members);
        self.members = members.into();
        self.in_event = None;
        result
    }

    /// The members of `other` over those of this object.
    pub(super) fn extend(&mut self, other: &Self) {
        let members = self.change(std::mem::take);
        let added = other.members().iter().cloned();
        let depth = self.depth.max(other.depth);
        *self = Self {
            depth,
            ..Self::new(members.into_iter().chain(added).collect())
        };
    }
}

fn find(members: &[Member], key: &str) -> Result<usize, usize> {
    members.binary_search_by(|(name, _)| name.as_str().cmp(key))
}

impl Val {
    pub(super) fn str<T: Into<CompactString>>(text: T) -> Self {
        Self::Str(Text::new(text))
    }

    pub(super) fn array(items: Vec<Self>) -> Self {
        Self::Array(Rc::new(Array::new(items)))
    }

    pub(super) fn object(members: Vec<(Rc<Text>, Self)>) -> Self {
        Self::Object(Rc::new(Object::new(members)))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// An object of a fixed shape.
    pub(super) fn record<const N: usize>(members: [(&str, Self); N]) -> Self {
        let members = members
            .into_iter()
            .map(|(key, value)| (Text::new(key), value));
        Self::object(members.collect())
    }

    /// How deep arrays and objects nest in this value.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Array(array) => array.depth,
            Self::Object(object) => object.depth,
            _ => 0,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(
            self,
            Self::Int(_) | Self::Big(_) | Self::Float(_) | Self::Literal(_)
        )
    }

    /// Neither `null` nor `false`.
    pub(super) fn is_truthy(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null | Self::Gone => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Big(_) | Self::Float(_) | Self::Literal(_) => "number",
            Self::Str(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }

    pub(super) fn as_items(&self) -> Option<&[Self]> {
        match self {
            Self::Array(array) => Some(array.items()),
            _ => None,
        }
    }

    /// The elements of an array or the members' values of an object.
    pub(super) fn elements(&self) -> Option<Cow<'_, [Self]>> {
        match self {
            Self::Array(array) => Some(Cow::Borrowed(array.items())),
            Self::Object(object) => Some(Cow::Owned(
                object
                    .members()
                    .iter()
                    .map(|(_, value)| value.clone())
                    .collect(),
            )),
            _ => None,
        }
    }

    /// The value as `tostring` makes it, without its text being copied.
    pub(super) fn to_text(&self) -> Answer<Rc<Text>> {
        match self {
            Self::Str(text) => Ok(text.clone()),
            other => Ok(Text::new(write::to_json(other)?)),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null | Self::Gone => 0,
            Self::Bool(false) => 1,
            Self::Bool(true) => 2,
            Self::Int(_) | Self::Big(_) | Self::Float(_) | Self::Literal(_) => 3,
            Self::Str(_) => 4,
            Self::Array(_) => 5,
            Self::Object(_) => 6,
        }
    }

    /// gojq's order. NaN is less than every number, itself included.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            (Self::Str(left), Self::Str(right)) => {
                let (left, right) = (left.as_str(), right.as_str());
                if meter::work(left.len().min(right.len())).is_err() {
                    return Ordering::Equal;
                }
                left.cmp(right)
            }
            (Self::Array(left), Self::Array(right)) => {
                let pairs = left.items.iter().zip(&right.items);
                first_difference(pairs).unwrap_or_else(|| left.items.len().cmp(&right.items.len()))
            }
            (Self::Object(left), Self::Object(right)) => compare_objects(left, right),
            (left, right) if left.is_number() && right.is_number() => {
                super::number::compare(left, right)
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Shared parts can make small values endless to walk: a run that is spent calls everything equal.
fn first_difference<'v>(mut pairs: impl Iterator<Item = (&'v Val, &'v Val)>) -> Option<Ordering> {
    pairs.find_map(|(left, right)| {
        if meter::step().is_err() {
            return Some(Ordering::Equal);
        }
        Some(left.compare(right)).filter(|order| order.is_ne())
    })
}

fn compare_objects(left: &Object, right: &Object) -> Ordering {
    let keys = |object: &Object| -> Vec<Rc<Text>> {
        object
            .members()
            .iter()
            .map(|(key, _)| key.clone())
            .collect()
    };
    let (left_keys, right_keys) = (keys(left), keys(right));
    let by_keys = left_keys
        .iter()
        .map(|key| key.as_str())
        .cmp(right_keys.iter().map(|key| key.as_str()));
    by_keys.then_with(|| {
        let values = left
            .members()
            .iter()
            .zip(right.members())
            .map(|(left, right)| (&left.1, &right.1));
        first_difference(values).unwrap_or(Ordering::Equal)
    })
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}

impl Eq for Val {}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Val {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other)
    }
}

/// As `tojson` writes it, at most a page of it: only jaq's own messages come here.
impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write::preview(self))
    }
}
