//! Paths: reading, writing and deleting at them, and the updates made of that.

use jaq_core::box_iter::box_once;
use jaq_core::native::{bome, v};
use jaq_core::{Bind, Exn, Native, ValX};

use super::{Data, Fun, native};
use crate::jq::access;
use crate::jq::meter;
use crate::jq::value::Val;

/// The paths of a filter as values. A macro, for jaq does not name its list of keys to the outside.
macro_rules! paths {
    ($filter:expr, $ctx:expr, $value:expr) => {
        $filter
            .paths(($ctx, ($value, Default::default())))
            .map(|found| {
                let (_, links) = found?;
                let mut keys: Vec<Val> = links.iter().cloned().collect();
                keys.reverse();
                Ok(Val::array(keys))
            })
    };
}

pub(super) fn natives() -> Vec<Fun> {
    vec![
        ("getpath", v(1), get_path()),
        (
            "setpath",
            v(2),
            Native::new(|mut cv| {
                let new = cv.0.pop_var();
                let path = cv.0.pop_var();
                bome(access::set_path(cv.1, &path, new))
            }),
        ),
        native!("delpaths", 1, |value: &Val, paths: &Val| {
            access::delete_paths(value.clone(), paths)
        }),
        (
            "!assign",
            [Bind::Fun(()), Bind::Var(())].into(),
            Native::new(|mut cv| {
                let new = cv.0.pop_var();
                let (path, ctx) = cv.0.pop_fun();
                let mut paths = paths!(path, ctx, cv.1.clone());
                box_once(paths.try_fold(cv.1, |value, path: ValX<Val>| {
                    meter::step().map_err(jaq_core::Error::from)?;
                    Ok(access::set_path(value, &path?, new.clone())?)
                }))
            }),
        ),
        (
            "!modify",
            [Bind::Fun(()), Bind::Fun(())].into(),
            Native::new(|mut cv| {
                let (f, f_ctx) = cv.0.pop_fun();
                let (path, ctx) = cv.0.pop_fun();
                let paths = paths!(path, ctx, cv.1.clone());
                let first = |old| f.run((f_ctx.clone(), old)).next();
                box_once(modify(cv.1, paths, first))
            }),
        ),
    ]
}

fn get_path() -> Native<Data> {
    Native::new(|mut cv| {
        let path = cv.0.pop_var();
        bome(access::get_path(&cv.1, &path))
    })
    .with_paths(|mut cv| {
        let path = cv.0.pop_var();
        let (value, at) = cv.1;
        let added = path.as_items().map_or(0, <[Val]>::len);
        if let Err(spent) = meter::path(at.iter().count() + added) {
            return box_once(Err(jaq_core::Error::from(spent).into()));
        }
        let found = access::get_path(&value, &path).map(|found| {
            let keys = path.as_items().unwrap_or_default().iter();
            (found, keys.fold(at, |at, key| at.cons(key.clone())))
        });
        box_once(found.map_err(Exn::from))
    })
}

/// Each path's value becomes the first output of `f`; where there is none it is deleted.
fn modify<'a>(
    value: Val,
    paths: impl Iterator<Item = ValX<'a, Val>>,
    first: impl Fn(Val) -> Option<ValX<'a, Val>>,
) -> ValX<'a, Val> {
    let mut deleted = Vec::new();
    let mut value = value;
    for path in paths {
        meter::step().map_err(jaq_core::Error::from)?;
        let path = path?;
        match first(access::get_path(&value, &path)?) {
            Some(new) => value = access::set_path(value, &path, new?)?,
            None => deleted.push(path),
        }
    }
    Ok(access::delete_paths(value, &Val::array(deleted))?)
}
