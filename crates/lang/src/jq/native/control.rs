//! Natives that steer the program: counted calls, generators, errors, folds.

use jaq_core::box_iter::box_once;
use jaq_core::native::{bome, v};
use jaq_core::{Bind, Error, Exn, Native};

use super::{Fun, native};
use crate::jq::number;
use crate::jq::value::{Answer, Val};
use crate::jq::{fault, meter};

pub(super) fn natives() -> Vec<Fun> {
    let mut natives: Vec<Fun> = ticks().into();
    natives.extend(constants());
    natives.extend(borrowed());
    natives.extend([
        (
            "error",
            v(0),
            Native::new(|cv| bome(Err(Error::new(cv.1))))
                .with_paths(|cv| box_once(Err(Error::new(cv.1.0).into()))),
        ),
        (
            "error",
            v(1),
            Native::new(|mut cv| bome(Err(Error::new(cv.0.pop_var()))))
                .with_paths(|mut cv| box_once(Err(Error::new(cv.0.pop_var()).into()))),
        ),
        ("halt", v(0), Native::new(|_| box_once(Err(Exn::halt(0))))),
        (
            "halt_error",
            v(0),
            Native::new(|_| box_once(Err(Exn::halt(5)))),
        ),
        (
            "halt_error",
            v(1),
            Native::new(|_| box_once(Err(Exn::halt(5)))),
        ),
        (
            "range",
            v(3),
            Native::new(|mut cv| {
                let step = cv.0.pop_var();
                let end = cv.0.pop_var();
                let start = cv.0.pop_var();
                Box::new(range(start, end, step).map(|value| value.map_err(Exn::from)))
            }),
        ),
        native!("!plus", 0, plus),
    ]);
    natives.extend(folds());
    natives
}

/// Each passes its input on, unless the run is spent.
fn ticks() -> [Fun; 5] {
    /// A tick that in a path also looks at how long the path has become: jaq does not say what its
    /// list of keys is called, hence a macro.
    macro_rules! tick {
        ($name:literal, $check:expr, $path_check:expr) => {
            (
                $name,
                v(0),
                Native::new(|cv| pass(cv.1, $check())).with_paths(|cv| {
                    let checked = $path_check().and_then(|()| meter::path(cv.1.1.iter().count()));
                    box_once(
                        checked
                            .map(|()| cv.1)
                            .map_err(|spent| Error::from(spent).into()),
                    )
                }),
            )
        };
    }
    [
        tick!("!tick", meter::step, meter::step),
        tick!("!enter", meter::descend, meter::descend),
        tick!("!call", meter::call, meter::call),
        tick!("!link", meter::link, meter::link),
        tick!("!grow", meter::step, meter::descend),
    ]
}

fn pass<'a>(value: Val, checked: Result<(), meter::Spent>) -> jaq_core::ValXs<'a, Val> {
    bome(checked.map(|()| value).map_err(Error::from))
}

fn constants() -> [Fun; 8] {
    [
        ("!null", v(0), Native::new(|_| bome(Ok(Val::Null)))),
        ("!true", v(0), Native::new(|_| bome(Ok(Val::Bool(true))))),
        ("!false", v(0), Native::new(|_| bome(Ok(Val::Bool(false))))),
        (
            "!array",
            v(0),
            Native::new(|_| bome(Ok(Val::array(Vec::new())))),
        ),
        ("!env", v(0), Native::new(|_| bome(Ok(Val::record([]))))),
        ("env", v(0), Native::new(|_| bome(Ok(Val::record([]))))),
        ("!none", v(0), none()),
        ("empty", v(0), none()),
    ]
}

fn none() -> Native<super::Data> {
    Native::new(|_| Box::new(std::iter::empty())).with_paths(|_| Box::new(std::iter::empty()))
}

/// What jaq's core has that does as gojq's, under names of ours.
fn borrowed() -> impl Iterator<Item = Fun> {
    jaq_core::funs::<super::Data>().filter_map(|(name, args, native)| {
        let name = match name {
            "path" => "path",
            "first" => "!first",
            "last" => "!last_of",
            "limit" => "!limit",
            "skip" => "!skip",
            _ => return None,
        };
        Some((name, args, native))
    })
}

fn plus(value: &Val) -> Answer {
    if value.is_number() {
        return Ok(value.clone());
    }
    Err(fault::message(format!(
        "cannot plus: {}",
        fault::typed(value)
    )))
}

/// The last value is an error if the range has no numbers or the run is spent.
fn range(start: Val, end: Val, step: Val) -> impl Iterator<Item = Answer> {
    let wrong = [&start, &end, &step]
        .into_iter()
        .find(|value| !value.is_number());
    let mut next = match wrong {
        Some(value) => Some(Err(fault::not_applicable("range", value))),
        None => Some(Ok(start)),
    };
    let direction = number::compare(&step, &Val::Int(0));
    std::iter::from_fn(move || {
        let value = match next.take()? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        let order = number::compare(&value, &end);
        if direction.is_eq() || order.is_eq() || order == direction {
            return None;
        }
        if let Err(spent) = meter::step() {
            return Some(Err(spent.into()));
        }
        next = number::add(&value, &step);
        Some(Ok(value))
    })
}

fn folds() -> [Fun; 3] {
    let filter = || [Bind::Fun(())].into();
    [
        // The last output of a filter, or the input if it has none.
        (
            "!last",
            filter(),
            Native::<super::Data>::new(|mut cv| {
                let (f, ctx) = cv.0.pop_fun();
                let init = cv.1.clone();
                box_once(f.run((ctx, cv.1)).try_fold(init, |_, output| output))
            })
            .with_paths(|mut cv| {
                let (f, ctx) = cv.0.pop_fun();
                let init = cv.1.clone();
                box_once(f.paths((ctx, cv.1)).try_fold(init, |_, output| output))
            }),
        ),
        (
            "!state",
            v(1),
            Native::new(|mut cv| {
                bome(Ok(Val::array(vec![cv.0.pop_var(), Val::array(Vec::new())])))
            }),
        ),
        // Out of a state and the outputs before, the next state and the outputs that led to it.
        (
            "!advance",
            filter(),
            Native::new(|mut cv| {
                let (f, ctx) = cv.0.pop_fun();
                let state =
                    cv.1.as_items()
                        .and_then(<[Val]>::first)
                        .cloned()
                        .unwrap_or_default();
                let outputs: Result<Val, _> = f.run((ctx, state.clone())).collect();
                box_once(outputs.map(|outputs| {
                    let last = outputs.as_items().and_then(<[Val]>::last).cloned();
                    Val::array(vec![last.unwrap_or(state), outputs])
                }))
            }),
        ),
    ]
}
