//! Streams of paths and leaves: `tostream` and `fromstream`.

use jaq_core::Exn;
use jaq_core::Native;
use jaq_core::native::v;

use super::{Fun, native};
use crate::jq::value::{Answer, Val};
use crate::jq::{access, fault, meter};

pub(super) fn natives() -> Vec<Fun> {
    vec![
        (
            "!tostream",
            v(0),
            Native::new(|cv| {
                let mut events = Vec::new();
                let failed = collect(&cv.1, &mut Vec::new(), &mut events).err();
                let last = failed.map(|error| Err(Exn::from(error)));
                Box::new(events.into_iter().map(Ok).chain(last))
            }),
        ),
        native!("!stream_step", 1, step),
    ]
}

fn collect(value: &Val, path: &mut Vec<Val>, events: &mut Vec<Val>) -> Answer<()> {
    meter::step()?;
    meter::reserve(4 * (path.len() + 2) * size_of::<Val>())?;
    let entries: Vec<(Val, &Val)> = match value {
        Val::Array(array) => array
            .items()
            .iter()
            .enumerate()
            .map(|(at, item)| (Val::count(at), item))
            .collect(),
        Val::Object(object) => {
            let members = object.members().iter();
            members
                .map(|(key, member)| (Val::Str(key.clone()), member))
                .collect()
        }
        _ => Vec::new(),
    };
    for (key, item) in &entries {
        path.push(key.clone());
        collect(item, path, events)?;
        path.pop();
    }
    let event = match entries.last() {
        None => vec![Val::array(path.clone()), value.clone()],
        Some((key, _)) => {
            let mut path = path.clone();
            path.push(key.clone());
            vec![Val::array(path)]
        }
    };
    events.push(Val::array(event));
    Ok(())
}

/// The state of `fromstream` after one more event: `value`, and `done` once it is complete.
fn step(state: &Val, event: &Val) -> Answer {
    let Some([path, leaf @ ..]) = event.as_items() else {
        return Err(fault::expected_array(event));
    };
    let Some(keys) = path.as_items() else {
        return Err(fault::expected_array(path));
    };
    let member = |name| access::index(state, &Val::str(name));
    let started = if member("done")? == Val::Bool(true) {
        Val::Null
    } else {
        member("value")?
    };
    let (value, is_done) = match leaf.first() {
        Some(leaf) => (
            access::set_path(started, path, leaf.clone())?,
            keys.is_empty(),
        ),
        None => (started, keys.len() == 1),
    };
    Ok(Val::record([
        ("done", Val::Bool(is_done)),
        ("value", value),
    ]))
}
