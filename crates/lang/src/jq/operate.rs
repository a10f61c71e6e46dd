//! The operators of gojq on its values, and what jaq asks of a value type.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

use jaq_core::box_iter::BoxIter;
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValX};

use super::number::Division;
use super::value::{Answer, Array, Items, Object, Text, Val};
use super::{access, fault, meter, number};

/// The longest text that multiplication makes, as in gojq.
const MAX_REPEATED: f64 = 2_147_483_647.0;

impl Add for Val {
    type Output = Answer;

    fn add(self, right: Self) -> Answer {
        match (self, right) {
            (Self::Null, other) | (other, Self::Null) => Ok(other),
            (Self::Str(left), Self::Str(right)) => join(&left, &right),
            (Self::Array(left), Self::Array(right)) => append(left, right),
            (Self::Object(left), Self::Object(right)) => Ok(Self::Object(merge(left, right)?)),
            (left, right) => number::add(&left, &right)
                .unwrap_or_else(|| Err(fault::not_operable("add", &left, &right))),
        }
    }
}

fn join(left: &Rc<Text>, right: &Rc<Text>) -> Answer {
    if left.as_str().is_empty() {
        return Ok(Val::Str(right.clone()));
    }
    let (left, right) = (left.as_str(), right.as_str());
    meter::reserve(left.len() + right.len())?;
    Ok(Val::str([left, right].concat()))
}

fn append(mut left: Rc<Array>, right: Rc<Array>) -> Answer {
    if left.items().is_empty() {
        return Ok(Val::Array(right));
    }
    if right.items().is_empty() {
        return Ok(Val::Array(left));
    }
    meter::step()?;
    meter::reserve((left.items().len() + right.items().len()) * size_of::<Val>())?;
    let depth = Val::Array(right.clone()).depth() - 1;
    Rc::make_mut(&mut left).change(depth, |items| items.extend_from_slice(right.items()));
    Ok(Val::Array(left))
}

fn merge(mut left: Rc<Object>, right: Rc<Object>) -> Answer<Rc<Object>> {
    if left.members().is_empty() {
        return Ok(right);
    }
    meter::step()?;
    meter::reserve(2 * (left.members().len() + right.members().len()) * size_of::<Val>())?;
    let object = Rc::make_mut(&mut left);
    match right.members() {
        [] => {}
        [(key, value)] => object.insert(key, value.clone()),
        _ => object.extend(&right),
    }
    Ok(left)
}

impl Sub for Val {
    type Output = Answer;

    fn sub(self, right: Self) -> Answer {
        if let (Self::Array(left), Self::Array(right)) = (&self, &right) {
            let mut kept = Items::default();
            for item in left.items() {
                // Each may be compared to all.
                meter::work(size_of_val(right.items()))?;
                if !right.items().contains(item) {
                    kept.push(item.clone())?;
                }
            }
            return Ok(kept.finish());
        }
        number::subtract(&self, &right)
            .unwrap_or_else(|| Err(fault::not_operable("subtract", &self, &right)))
    }
}

impl Mul for Val {
    type Output = Answer;

    fn mul(self, right: Self) -> Answer {
        match (self, right) {
            (Self::Object(left), Self::Object(right)) => {
                Ok(Self::Object(merge_deep(left, &right)?))
            }
            (Self::Str(text), count) | (count, Self::Str(text)) if count.is_number() => {
                repeat(&text, &count)
            }
            (left, right) => number::multiply(&left, &right)
                .unwrap_or_else(|| Err(fault::not_operable("multiply", &left, &right))),
        }
    }
}

fn merge_deep(mut left: Rc<Object>, right: &Rc<Object>) -> Answer<Rc<Object>> {
    let object = Rc::make_mut(&mut left);
    for (key, value) in right.members() {
        meter::step()?;
        let merged = match (value, object.get(key.as_str())) {
            (Val::Object(new), Some(Val::Object(_))) => match object.take(key.as_str()) {
                Some(Val::Object(old)) => Val::Object(merge_deep(old, new)?),
                _ => value.clone(),
            },
            _ => value.clone(),
        };
        object.insert(key, merged);
    }
    Ok(left)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the count is cut to a whole number between zero and the longest text"
)]
fn repeat(text: &Rc<Text>, count: &Val) -> Answer {
    let number = number::to_float(count).unwrap_or_default();
    if number.is_nan() || number < 0.0 {
        return Ok(Val::Null);
    }
    let length = text.as_str().len();
    let times = number.min(MAX_REPEATED).trunc();
    if times * length as f64 >= MAX_REPEATED {
        let (text, count) = (Val::Str(text.clone()), Val::Float(number));
        let (text, count) = (super::write::preview(&text), super::write::preview(&count));
        return Err(fault::message(format!(
            "repeat string result too large: {text} * {count}"
        )));
    }
    meter::reserve(length * times as usize)?;
    Ok(Val::str(text.as_str().repeat(times as usize)))
}

impl Div for Val {
    type Output = Answer;

    fn div(self, right: Self) -> Answer {
        if let (Self::Str(left), Self::Str(right)) = (&self, &right) {
            return match left.as_str() {
                "" => Ok(Self::array(Vec::new())),
                text => split(text, right.as_str()),
            };
        }
        match number::divide(&self, &right) {
            Division::Done(quotient) => quotient,
            Division::ByZero => Err(fault::zero_divisor("divide", &self, &right)),
            Division::OfOthers => Err(fault::not_operable("divide", &self, &right)),
        }
    }
}

/// Go's `strings.Split`: an empty separator separates every character.
pub(super) fn split(text: &str, separator: &str) -> Answer {
    let mut parts = Items::default();
    let mut push = |part: &str| -> Answer<()> {
        meter::work(part.len())?;
        Ok(parts.push(Val::str(part))?)
    };
    if separator.is_empty() {
        let mut buffer = [0; 4];
        text.chars()
            .try_for_each(|char| push(char.encode_utf8(&mut buffer)))?;
    } else {
        text.split(separator).try_for_each(push)?;
    }
    Ok(parts.finish())
}

impl Rem for Val {
    type Output = Answer;

    fn rem(self, right: Self) -> Answer {
        match number::modulo(&self, &right) {
            Division::Done(rest) => rest,
            Division::ByZero => Err(fault::zero_divisor("modulo", &self, &right)),
            Division::OfOthers => Err(fault::not_operable("modulo", &self, &right)),
        }
    }
}

impl Neg for Val {
    type Output = Answer;

    fn neg(self) -> Answer {
        number::negate(&self).unwrap_or_else(|| {
            Err(fault::message(format!(
                "cannot negate: {}",
                fault::typed(&self)
            )))
        })
    }
}

impl From<bool> for Val {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<isize> for Val {
    fn from(value: isize) -> Self {
        i64::try_from(value).map_or(Self::Null, Self::Int)
    }
}

impl From<usize> for Val {
    fn from(value: usize) -> Self {
        Self::count(value)
    }
}

impl From<f64> for Val {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<String> for Val {
    fn from(value: String) -> Self {
        Self::str(value)
    }
}

/// A slice, as a path names it.
impl From<Range<Self>> for Val {
    fn from(range: Range<Self>) -> Self {
        let (start, end) = (
            range.start.unwrap_or_default(),
            range.end.unwrap_or_default(),
        );
        Self::record([("end", end), ("start", start)])
    }
}

impl FromIterator<Self> for Val {
    fn from_iter<T: IntoIterator<Item = Self>>(values: T) -> Self {
        let mut items = Items::default();
        for value in values {
            // The rest of what is endless is not wanted any more: the run fails at its next step.
            if items.push(value).is_err() {
                return Self::Null;
            }
        }
        items.finish()
    }
}

impl jaq_core::ValT for Val {
    fn from_num(text: &str) -> ValR<Self> {
        Ok(number::parse(text))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR<Self> {
        let members = members.into_iter().map(|(key, value)| match key {
            Self::Str(key) => Ok((key, value)),
            other => Err(fault::key_not_string(&other)),
        });
        Ok(Self::object(members.collect::<Answer<_>>()?))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        if let Err(spent) = meter::step() {
            return Box::new(std::iter::once(Err(spent.into())));
        }
        match self {
            Self::Array(array) => Box::new((0..array.items().len()).map(move |at| {
                meter::step()?;
                Ok((Self::count(at), array.items()[at].clone()))
            })),
            Self::Object(object) => Box::new((0..object.members().len()).map(move |at| {
                meter::step()?;
                let (key, value) = &object.members()[at];
                Ok((Self::Str(key.clone()), value.clone()))
            })),
            other => Box::new(std::iter::once(Err(fault::not_iterable(&other)))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        match self {
            Self::Array(_) | Self::Object(_) => {
                Box::new(self.key_values().map(|entry| entry.map(|(_, value)| value)))
            }
            other => Box::new(std::iter::once(Err(fault::not_iterable(&other)))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        meter::step()?;
        access::index(&self, index)
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        meter::step()?;
        let bound = |value: Option<&Self>| value.cloned().unwrap_or_default();
        access::slice(&self, &bound(range.start), &bound(range.end))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(unused())
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: &Self,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(unused())
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: Range<&Self>,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(unused())
    }

    fn as_bool(&self) -> bool {
        self.is_truthy()
    }

    fn into_string(self) -> Self {
        // The error is not lost: writing a text fails only in a run that is spent.
        self.to_text().map_or(Self::Null, Self::Str)
    }
}

/// jaq's own updates are never compiled: gojq's work on paths, and so do ours.
fn unused<'a>() -> Exn<'a, Val> {
    Error::new(Val::str("updates are made through paths")).into()
}

/// What the mathematical functions of jaq's library ask of a value.
impl jaq_std::ValT for Val {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Self::Array(array) => Ok(array.items().iter().cloned().collect()),
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Big(_))
    }

    fn as_isize(&self) -> Option<isize> {
        number::to_int(self).and_then(|int| isize::try_from(int).ok())
    }

    fn as_f64(&self) -> Option<f64> {
        number::to_float(self)
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::Str(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        self.as_text().map(str::as_bytes)
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::str(String::from_utf8_lossy(part))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::str(String::from_utf8_lossy(bytes.as_ref()))
    }
}
