//! What a Redis server answers about streams. Names and values are bytes, and whatever is not as it
//! should be is left out: one odd entry holds up no other.

use redis::Value;

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    /// Names and values; `None` if it was deleted from the stream.
    pub(super) fields: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

/// The entries of `XREADGROUP`, by the names of their streams.
pub(super) fn read(reply: Value) -> Vec<(Vec<u8>, Vec<Entry>)> {
    let streams = list(reply).into_iter().filter_map(|stream| {
        let [name, found] = <[Value; 2]>::try_from(list(stream)).ok()?;
        Some((bytes(name)?, entries(found)))
    });
    streams.collect()
}

/// The entries of `XAUTOCLAIM`, and where the next one goes on.
pub(super) fn taken_over(reply: Value) -> Option<(String, Vec<Entry>)> {
    let mut parts = list(reply).into_iter();
    let next = text(parts.next()?)?;
    Some((next, entries(parts.next()?)))
}

/// The id of the last entry that was delivered to the group, by `XINFO GROUPS`.
pub(super) fn last_delivered(reply: Value, group: &str) -> Option<String> {
    list(reply).into_iter().find_map(|info| {
        let mut found = None;
        let mut is_wanted = false;
        let mut parts = list(info).into_iter();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            match text(name)?.as_str() {
                "name" => is_wanted = bytes(value)? == group.as_bytes(),
                "last-delivered-id" => found = text(value),
                _ => {}
            }
        }
        found.filter(|_| is_wanted)
    })
}

fn entries(value: Value) -> Vec<Entry> {
    list(value).into_iter().filter_map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let mut parts = list(value).into_iter();
    let id = text(parts.next()?)?;
    let fields = match parts.next()? {
        Value::Nil => None,
        fields => {
            let mut pairs = Vec::new();
            let mut parts = list(fields).into_iter();
            while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                pairs.push((bytes(name)?, bytes(value)?));
            }
            Some(pairs)
        }
    };
    Some(Entry { id, fields })
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        _ => Vec::new(),
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn an_entry(id: &str) -> Value {
        Value::Array(vec![
            bulk(id),
            Value::Array(vec![bulk("a"), Value::BulkString(vec![0xff])]),
        ])
    }

    fn expected(id: &str) -> Entry {
        Entry {
            id: id.to_owned(),
            fields: Some(vec![(b"a".to_vec(), vec![0xff])]),
        }
    }

    #[test]
    fn entries_are_read_with_their_bytes() {
        let deleted = Value::Array(vec![bulk("2-0"), Value::Nil]);
        let stream = Value::Array(vec![
            bulk("s"),
            Value::Array(vec![an_entry("1-0"), deleted, Value::Int(3)]),
        ]);
        let gone = Entry {
            id: "2-0".to_owned(),
            fields: None,
        };
        assert_eq!(
            read(Value::Array(vec![stream])),
            [(b"s".to_vec(), vec![expected("1-0"), gone])]
        );
        assert_eq!(read(Value::Nil), []);
    }

    #[test]
    fn what_others_have_left_comes_with_the_place_to_go_on() {
        let reply = Value::Array(vec![
            bulk("0-0"),
            Value::Array(vec![an_entry("1-0")]),
            Value::Array(Vec::new()),
        ]);
        let (next, entries) = taken_over(reply).unwrap();
        assert_eq!((next.as_str(), entries), ("0-0", vec![expected("1-0")]));
    }

    #[test]
    fn a_group_has_its_own_place() {
        let info = |name: &str, id: &str| {
            Value::Array(vec![
                bulk("name"),
                bulk(name),
                bulk("consumers"),
                Value::Int(1),
                bulk("last-delivered-id"),
                bulk(id),
            ])
        };
        let reply = Value::Array(vec![info("other", "1-0"), info("ours", "2-0")]);
        assert_eq!(last_delivered(reply, "ours").unwrap(), "2-0");
    }
}
