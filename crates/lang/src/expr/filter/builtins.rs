//! The functions of the language: their names, the types they take and what they do.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::arithmetic::{MAX_TEXT, float, int, order, text_fits};
use super::budget::Budget;
use super::eval::{Stop, fetch};
use super::text::Text;
use super::value::{Elements, Value};
use super::{format, list, moment};
use crate::gotime::{Time, duration};

macro_rules! builtins {
    ($($variant:ident = $name:literal,)*) => {
        /// A function of the language. A key of the payload with such a name has the type of a
        /// function before it runs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Builtin { $($variant,)* }

        impl Builtin {
            /// The function called `name`.
            pub(super) fn of(name: &str) -> Option<Self> {
                Some(match name {
                    $($name => Self::$variant,)*
                    _ => return None,
                })
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

builtins! {
    All = "all", None = "none", Any = "any", One = "one", Filter = "filter", Map = "map",
    Find = "find", FindIndex = "findIndex", FindLast = "findLast",
    FindLastIndex = "findLastIndex", Count = "count", GroupBy = "groupBy", Reduce = "reduce",
    Len = "len", Type = "type", Abs = "abs", Ceil = "ceil", Floor = "floor", Round = "round",
    Int = "int", Float = "float", String = "string", Trim = "trim", TrimPrefix = "trimPrefix",
    TrimSuffix = "trimSuffix", Upper = "upper", Lower = "lower", Split = "split",
    SplitAfter = "splitAfter", Replace = "replace", Repeat = "repeat", Join = "join",
    IndexOf = "indexOf", LastIndexOf = "lastIndexOf", HasPrefix = "hasPrefix",
    HasSuffix = "hasSuffix", Max = "max", Min = "min", Sum = "sum", Mean = "mean",
    Median = "median", ToJson = "toJSON", FromJson = "fromJSON", ToBase64 = "toBase64",
    FromBase64 = "fromBase64", Now = "now", Duration = "duration", Date = "date",
    First = "first", Last = "last", Get = "get", Keys = "keys", Values = "values",
    ToPairs = "toPairs", FromPairs = "fromPairs", Sort = "sort", SortBy = "sortBy",
    Take = "take",
}

impl Builtin {
    pub(super) fn takes_predicate(self) -> bool {
        matches!(
            self,
            Self::All
                | Self::None
                | Self::Any
                | Self::One
                | Self::Filter
                | Self::Map
                | Self::Find
                | Self::FindIndex
                | Self::FindLast
                | Self::FindLastIndex
                | Self::Count
                | Self::GroupBy
                | Self::Reduce
        )
    }
}

fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, Stop> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(Stop::new(format!("{} is not a string", other.type_name()))),
    }
}

/// A text that all of is read, and perhaps written.
fn subject<'v>(value: &'v Value<'_>, budget: &mut Budget) -> Result<&'v str, Stop> {
    let text = text(value)?;
    text_fits(text.len(), budget)?;
    Ok(text)
}

fn count(value: &Value<'_>) -> Result<i64, Stop> {
    int(value).ok_or_else(|| Stop::new(format!("{} is not a number", value.type_name())))
}

fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Calls a function that takes no predicate.
pub(super) fn call<'a>(
    builtin: Builtin,
    arguments: &[Value<'a>],
    budget: &mut Budget,
) -> Result<Value<'a>, Stop> {
    budget.charge(1)?;
    match (builtin, arguments) {
        (Builtin::Now, _) => Ok(Value::Time(Time::now())),
        (Builtin::Max | Builtin::Min, [first, rest @ ..]) => {
            let mut best = first;
            for value in rest {
                let replaces = best.is_nil()
                    || order(best, value)?.is_some_and(|order| {
                        if builtin == Builtin::Max {
                            order.is_lt()
                        } else {
                            order.is_gt()
                        }
                    });
                if replaces {
                    best = value;
                }
            }
            Ok(best.clone())
        }
        (Builtin::Sort, [list, rest @ ..]) => list::sort(list, None, rest.first(), budget),
        (Builtin::SortBy, [list, field, rest @ ..]) => {
            list::sort(list, Some(text(field)?), rest.first(), budget)
        }
        (Builtin::Date, [date, rest @ ..]) => {
            let layout = rest.first().map(text).transpose()?;
            let zone = rest.get(1).map(text).transpose()?;
            moment::date(text(date)?, layout, zone)
        }
        (Builtin::Take, [list, Value::Int(count)]) => list::take(list, *count, budget),
        (_, [only]) => unary(builtin, only, budget),
        (_, [first, ..]) => texts(builtin, first, &arguments[1..], budget),
        (_, []) => Err(Stop::new(format!("'{}' needs an argument", builtin.name()))),
    }
}

fn unary<'a>(builtin: Builtin, value: &Value<'a>, budget: &mut Budget) -> Result<Value<'a>, Stop> {
    let refuse = || {
        Stop::new(format!(
            "'{}' does not take {}",
            builtin.name(),
            value.type_name()
        ))
    };
    Ok(match builtin {
        Builtin::Len => Value::Int(size(value).ok_or_else(refuse)?),
        Builtin::Type => Value::text(kind_name(value)),
        Builtin::Abs => match value {
            Value::Int(int) => Value::Int(int.wrapping_abs()),
            Value::Float(float) => Value::Float(float.abs()),
            _ => return Err(refuse()),
        },
        Builtin::Ceil => Value::Float(float(value).ok_or_else(refuse)?.ceil()),
        Builtin::Floor => Value::Float(float(value).ok_or_else(refuse)?.floor()),
        Builtin::Round => Value::Float(float(value).ok_or_else(refuse)?.round()),
        Builtin::Int => to_int(value).ok_or_else(refuse)?,
        Builtin::Float => to_float(value).ok_or_else(refuse)?,
        Builtin::String => {
            let text = format::text(value);
            text_fits(text.len(), budget)?;
            Value::text(text)
        }
        Builtin::Upper => Value::text(upper(subject(value, budget)?)),
        Builtin::Lower => Value::text(subject(value, budget)?.to_lowercase()),
        Builtin::Trim => Value::text(subject(value, budget)?.trim().to_owned()),
        Builtin::TrimPrefix => Value::text(strip_prefix(subject(value, budget)?, " ")),
        Builtin::TrimSuffix => Value::text(strip_suffix(subject(value, budget)?, " ")),
        Builtin::Join => join(value, "", budget)?,
        Builtin::Sum | Builtin::Mean | Builtin::Median => list::statistic(builtin, value, budget)?,
        Builtin::ToJson => {
            let document = budget.json(value)?.ok_or_else(refuse)?;
            let text = format::indented(&document);
            text_fits(text.len(), budget)?;
            Value::text(text)
        }
        Builtin::FromJson => Value::from_json(budget.read(text(value)?)?),
        Builtin::ToBase64 => {
            let subject = text(value)?;
            text_fits(subject.len() / 3 * 4, budget)?;
            Value::text(STANDARD.encode(subject))
        }
        Builtin::FromBase64 => {
            let lines = subject(value, budget)?.replace(['\r', '\n'], "");
            let bytes = STANDARD
                .decode(lines)
                .map_err(|error| Stop::new(error.to_string()))?;
            Value::text(String::from_utf8_lossy(&bytes).into_owned())
        }
        Builtin::Duration => {
            let text = text(value)?;
            let parsed = duration::parse(text);
            Value::Duration(parsed.ok_or_else(|| Stop::new(format!("'{text}' is no duration")))?)
        }
        Builtin::First => fetch(value, &Value::Int(0)).unwrap_or(Value::Nil),
        Builtin::Last => fetch(value, &Value::Int(-1)).unwrap_or(Value::Nil),
        _ => return maps(builtin, value, budget),
    })
}

/// Functions over maps.
fn maps<'a>(builtin: Builtin, value: &Value<'a>, budget: &mut Budget) -> Result<Value<'a>, Stop> {
    let refuse = || {
        Stop::new(format!(
            "'{}' does not take {}",
            builtin.name(),
            value.type_name()
        ))
    };
    if builtin == Builtin::FromPairs {
        let mut members = std::collections::BTreeMap::new();
        for pair in &value.elements().ok_or_else(refuse)?.items {
            let pair = pair.elements().filter(|pair| pair.items.len() == 2);
            let pair = pair.ok_or_else(|| Stop::new("a pair is a list of two"))?;
            let key = match &pair.items[0] {
                Value::Text(key) => key.clone(),
                other => format::text(other).into(),
            };
            members.insert(key, pair.items[1].clone());
            budget.grow(1)?;
        }
        return budget.built(Value::map(members));
    }
    let pairs: Vec<(Value<'a>, Value<'a>)> = match value {
        Value::Groups(groups) => groups.to_vec(),
        other => {
            let map = other.members().ok_or_else(refuse)?;
            let pair =
                |(key, value): (&Text<'a>, &Value<'a>)| (Value::Text(key.clone()), value.clone());
            map.members.iter().map(pair).collect()
        }
    };
    budget.grow(pairs.len())?;
    let mut items = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        items.push(match builtin {
            Builtin::Keys => key,
            Builtin::Values => value,
            Builtin::ToPairs => budget.built(Value::list(Elements::Any, vec![key, value]))?,
            _ => return Err(refuse()),
        });
    }
    let of = if builtin == Builtin::ToPairs {
        Elements::Pairs
    } else {
        Elements::Any
    };
    budget.built(Value::list(of, items))
}

/// Functions over texts with more than one argument.
fn texts<'a>(
    builtin: Builtin,
    first: &Value<'a>,
    rest: &[Value<'a>],
    budget: &mut Budget,
) -> Result<Value<'a>, Stop> {
    if builtin == Builtin::Join {
        return join(first, text(&rest[0])?, budget);
    }
    let subject = subject(first, budget)?;
    if builtin == Builtin::Repeat {
        return repeat(subject, count(&rest[0])?, budget);
    }
    let second = text(&rest[0])?;
    Ok(match builtin {
        Builtin::Trim => {
            budget.work(second.len())?;
            let cut: HashSet<char> = second.chars().collect();
            Value::text(subject.trim_matches(|c| cut.contains(&c)).to_owned())
        }
        Builtin::TrimPrefix => Value::text(strip_prefix(subject, second)),
        Builtin::TrimSuffix => Value::text(strip_suffix(subject, second)),
        Builtin::Split | Builtin::SplitAfter => {
            let limit = rest.get(1).map(count).transpose()?.unwrap_or(-1);
            let after = builtin == Builtin::SplitAfter;
            let items = split(subject, second, limit, after, budget)?;
            budget.built(Value::list(Elements::Texts, items))?
        }
        Builtin::Replace => {
            let third = text(rest.get(1).unwrap_or(&Value::Nil))?;
            let limit = rest.get(2).map(count).transpose()?.unwrap_or(-1);
            // What it could become at most: each character replaced.
            text_fits(
                subject.len() + (subject.len() + 1).saturating_mul(third.len()),
                budget,
            )?;
            Value::text(match usize::try_from(limit) {
                Ok(limit) => subject.replacen(second, third, limit),
                Err(_) => subject.replace(second, third),
            })
        }
        Builtin::IndexOf => Value::Int(subject.find(second).map_or(-1, length)),
        Builtin::LastIndexOf => Value::Int(subject.rfind(second).map_or(-1, length)),
        Builtin::HasPrefix => Value::Bool(subject.starts_with(second)),
        Builtin::HasSuffix => Value::Bool(subject.ends_with(second)),
        _ => {
            return Err(Stop::new(format!(
                "too many arguments for '{}'",
                builtin.name()
            )));
        }
    })
}

fn repeat<'a>(text: &str, times: i64, budget: &mut Budget) -> Result<Value<'a>, Stop> {
    let Ok(times) = usize::try_from(times) else {
        return Err(Stop::new("cannot repeat less than never"));
    };
    if times > 1_000_000 {
        return Err(Stop::new("memory budget exceeded"));
    }
    text_fits(text.len().saturating_mul(times), budget)?;
    Ok(Value::text(text.repeat(times)))
}

fn join<'a>(list: &Value<'a>, glue: &str, budget: &mut Budget) -> Result<Value<'a>, Stop> {
    let Some(list) = list.elements().filter(|list| list.of != Elements::Ints) else {
        return Err(Stop::new(format!(
            "'join' does not take {}",
            list.type_name()
        )));
    };
    let mut out = String::new();
    for (index, item) in list.items.iter().enumerate() {
        if index > 0 {
            out.push_str(glue);
        }
        out.push_str(text(item)?);
        if out.len() > MAX_TEXT {
            break;
        }
    }
    text_fits(out.len(), budget)?;
    Ok(Value::text(out))
}

/// Go's `strings.SplitN` and `SplitAfterN`; without a separator it splits into characters.
fn split<'a>(
    text: &str,
    separator: &str,
    limit: i64,
    after: bool,
    budget: &mut Budget,
) -> Result<Vec<Value<'a>>, Stop> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() + 1 < limit {
        let cut = if separator.is_empty() {
            rest.chars()
                .next()
                .map(char::len_utf8)
                .filter(|length| *length < rest.len())
        } else {
            rest.find(separator)
        };
        let Some(cut) = cut else {
            break;
        };
        let end = cut + separator.len();
        budget.grow(1)?;
        parts.push(Value::text(
            rest[..if after { end } else { cut }].to_owned(),
        ));
        rest = &rest[end..];
    }
    if !(rest.is_empty() && separator.is_empty()) {
        budget.grow(1)?;
        parts.push(Value::text(rest.to_owned()));
    }
    Ok(parts)
}

fn strip_prefix(text: &str, prefix: &str) -> String {
    text.strip_prefix(prefix).unwrap_or(text).to_owned()
}

fn strip_suffix(text: &str, suffix: &str) -> String {
    text.strip_suffix(suffix).unwrap_or(text).to_owned()
}

/// Go maps each character to one: `ß` stays.
fn upper(text: &str) -> String {
    let one = |char: char| {
        let mut upper = char.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(upper), None) => upper,
            _ => char,
        }
    };
    text.chars().map(one).collect()
}

/// The length of a text (in bytes), list or map.
fn size(value: &Value<'_>) -> Option<i64> {
    let size = match value {
        Value::Text(text) => text.len(),
        Value::Groups(groups) => groups.len(),
        _ => match value.elements() {
            Some(list) => list.items.len(),
            None => value.members()?.members.len(),
        },
    };
    Some(length(size))
}

fn kind_name(value: &Value<'_>) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Text(_) => "string",
        Value::Time(_) => "time.Time",
        Value::Duration(_) => "time.Duration",
        Value::Function(_) | Value::Method(..) => "func",
        other if other.elements().is_some() => "array",
        _ => "map",
    }
}

/// `int(x)`, also of a text.
pub(super) fn to_int<'a>(value: &Value<'a>) -> Option<Value<'a>> {
    match value {
        Value::Text(text) => text.parse().ok().map(Value::Int),
        other => int(other).map(Value::Int),
    }
}

/// `float(x)`, also of a text.
pub(super) fn to_float<'a>(value: &Value<'a>) -> Option<Value<'a>> {
    match value {
        Value::Text(text) => text.parse().ok().map(Value::Float),
        other => float(other).map(Value::Float),
    }
}
