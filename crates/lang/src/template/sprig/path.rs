//! Slash-separated paths, as Go's `path` has them; `path/filepath` is the same on Unix.

use super::super::function::Param::Text;
use super::super::function::{Args, Function, fixed};
use super::super::limit::Outcome;
use super::super::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("base", &[Text], base),
    fixed("osBase", &[Text], base),
    fixed("dir", &[Text], dir),
    fixed("osDir", &[Text], dir),
    fixed("clean", &[Text], |args| args.give(clean(args.bytes(0)))),
    fixed("osClean", &[Text], |args| args.give(clean(args.bytes(0)))),
    fixed("ext", &[Text], |args| args.give(extension(args.bytes(0)))),
    fixed("osExt", &[Text], |args| args.give(extension(args.bytes(0)))),
    fixed("isAbs", &[Text], |args| {
        Ok(Value::Bool(args.bytes(0).starts_with(b"/")))
    }),
    fixed("osIsAbs", &[Text], |args| {
        Ok(Value::Bool(args.bytes(0).starts_with(b"/")))
    }),
];

fn base(args: &Args<'_>) -> Outcome<Value> {
    let path = args.bytes(0);
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    args.give(match (path, &path[..end]) {
        ([], _) => b".",
        (_, []) => b"/",
        (_, path) => path.rsplit(|byte| *byte == b'/').next().unwrap_or(path),
    })
}

fn dir(args: &Args<'_>) -> Outcome<Value> {
    let path = args.bytes(0);
    let end = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    args.give(clean(&path[..end]))
}

fn extension(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => &name[dot..],
        None => b"",
    }
}

/// The shortest path that names the same: without empty, `.` and inner `..` parts.
fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if is_rooted => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (is_rooted, joined.is_empty()) {
        (true, _) => [b"/", &*joined].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
