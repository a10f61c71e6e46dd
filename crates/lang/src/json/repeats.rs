//! Objects that have a key twice.

use super::check::{Listen, is_valid_for};
use super::{from_slice, from_slice_unique};

/// Up to so many keys are compared each with each; more are sorted.
const FEW: usize = 16;

/// A document with the last value alone of each key that an object in it has twice, as Go writes it; `None`
/// if there is no such key, or this is no document.
pub fn without_repeats(text: &[u8]) -> Option<String> {
    let mut keys = Keys::default();
    if !is_valid_for(text, &mut keys) || !keys.may_repeat || from_slice_unique(text).is_some() {
        return None;
    }
    Some(from_slice(text).ok()?.to_go_json())
}

/// Notes the keys of the objects of a text, by a fingerprint each: nearly all texts have none twice, and
/// finding that out is to cost next to nothing.
#[derive(Debug, Default)]
struct Keys {
    /// Of the open objects, outer ones first.
    fingerprints: Vec<u64>,
    /// Where those of each open array or object begin.
    starts: Vec<usize>,
    /// Some object may have a key twice; if not, none has.
    may_repeat: bool,
}

impl Listen for Keys {
    fn opened(&mut self) {
        self.starts.push(self.fingerprints.len());
    }

    fn key(&mut self, written: &[u8]) {
        // The same key may be written in several ways with escapes.
        self.may_repeat |= written.contains(&b'\\');
        self.fingerprints.push(fingerprint(written));
    }

    fn closed(&mut self, _start: u32, _end: u32) {
        let start = self.starts.pop().unwrap_or_default();
        let own = &mut self.fingerprints[start..];
        if own.len() <= FEW {
            for (index, one) in own.iter().enumerate() {
                self.may_repeat |= own[..index].contains(one);
            }
        } else {
            own.sort_unstable();
            self.may_repeat |= own.windows(2).any(|pair| pair[0] == pair[1]);
        }
        self.fingerprints.truncate(start);
    }
}

/// A number that is the same for the same text, and hardly ever for two.
fn fingerprint(text: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = text.as_chunks();
    let mut sum = text.len() as u64;
    for word in words {
        sum = (sum.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    (sum.rotate_left(29) ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_seen() {
        let many = |last: &str| {
            let members = (0..40).map(|number| format!("\"key-number-{number}\":0"));
            format!("{{{},\"{last}\":1}}", members.collect::<Vec<_>>().join(","))
        };
        let (many_of_one, many_of_two) = (many("key-number-40"), many("key-number-7"));
        for (text, expected) in [
            (r#"{"a":1,"b":2}"#, false),
            (r#"{"a":1,"a":2}"#, true),
            (r#"{"a":{"a":[{"a":1},{"a":1}]},"b":{"a":1}}"#, false),
            (r#"[{"x":{"b":1,"c":{},"b":2}}]"#, true),
            (r#"{"a":{"b":1},"a":{"c":1}}"#, true),
            (r#"{"abcdefgh":1,"abcdefghi":1,"":1,"abcdefg":1}"#, false),
            (r#"{"abcdefghi":1,"abcdefghi":1}"#, true),
            (r#"{"":1,"":1}"#, true),
            // Found out by reading it.
            (r#"{"a":1,"\u0061":2}"#, true),
            (r#"{"\u0062":2}"#, true),
            (r#"{"a\u0000":1,"a":1}"#, true),
            (&many_of_one, false),
            (&many_of_two, true),
            ("[1,2]", false),
        ] {
            let mut keys = Keys::default();
            assert!(is_valid_for(text.as_bytes(), &mut keys), "{text}");
            assert_eq!(keys.may_repeat, expected, "{text}");
        }
    }

    #[test]
    fn the_last_value_of_a_key_stays() {
        let without = |text: &str| without_repeats(text.as_bytes());
        let twice =
            r#"{"b":1.50,"a":"x","o":{"k":1,"l":[{"m":1,"m":{"n":2}}],"k":3},"\u0061":"y"}"#;
        let once = r#"{"a":"y","b":1.5,"o":{"k":3,"l":[{"m":{"n":2}}]}}"#;
        assert_eq!(without(twice).as_deref(), Some(once));
        assert_eq!(without(r#"{"b":1.50, "\u0061":"y", "c":{"b":1}}"#), None);
        assert_eq!(without(r#"{"a":1,"a":2"#), None);
    }
}
