//! Random texts and numbers, from the system's source of randomness.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::function::Param::{Int, Text};
use super::super::function::{Args, Function, fixed};
use super::super::limit::Outcome;
use super::super::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("randAlpha", &[Int], |args| {
        chars(args, u8::is_ascii_alphabetic)
    }),
    fixed("randAlphaNum", &[Int], |args| {
        chars(args, u8::is_ascii_alphanumeric)
    }),
    fixed("randNumeric", &[Int], |args| {
        chars(args, u8::is_ascii_digit)
    }),
    fixed("randAscii", &[Int], |args| {
        chars(args, |byte| matches!(byte, b' '..=b'~'))
    }),
    fixed("randBytes", &[Int], |args| {
        let count = usize::try_from(args.int(0)).map_err(|_| "negative count of bytes")?;
        args.give(STANDARD.encode(bytes(args, count)?))
    }),
    fixed("randInt", &[Int, Int], |args| {
        let (least, end) = (args.int(0), args.int(1));
        let span = end
            .checked_sub(least)
            .and_then(|span| u64::try_from(span).ok());
        let span = span
            .filter(|span| *span > 0)
            .ok_or("invalid argument to Intn")?;
        let offset = i64::try_from(below(args, span)?).unwrap_or(0);
        Ok(Value::Int(least.wrapping_add(offset)))
    }),
    fixed("shuffle", &[Text], |args| {
        let mut chars: Vec<char> = args.text(0).chars().collect();
        args.budget().take_text(chars.len().saturating_mul(12))?;
        for last in (1..chars.len()).rev() {
            let other = below(args, u64::try_from(last + 1).unwrap_or(1))?;
            chars.swap(last, usize::try_from(other).unwrap_or(0));
        }
        args.give(chars.into_iter().collect::<String>())
    }),
    fixed("uuidv4", &[], |args| {
        let mut id = [0; 16];
        id.copy_from_slice(&bytes(args, 16)?);
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        let hex = super::hash::hex(&id);
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        args.give(parts.join("-"))
    }),
];

fn bytes(args: &Args<'_>, count: usize) -> Outcome<Vec<u8>> {
    args.budget().take_text(count)?;
    let mut bytes = vec![0; count];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(format!("read random bytes: {error}").into()),
    }
}

/// A number below `end`, each as likely as the others.
fn below(args: &Args<'_>, end: u64) -> Outcome<u64> {
    let end = end.max(1);
    // Above this multiple the remainder would prefer small numbers.
    let fair = u64::MAX - u64::MAX % end;
    loop {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes(args, 8)?);
        let number = u64::from_ne_bytes(word);
        if number < fair {
            return Ok(number % end);
        }
    }
}

/// As many random characters of a class as asked for; none for a negative count.
fn chars(args: &Args<'_>, fits: fn(&u8) -> bool) -> Outcome<Value> {
    let count = usize::try_from(args.int(0)).unwrap_or(0);
    args.budget().take_text(count)?;
    let mut text = Vec::with_capacity(count);
    while text.len() < count {
        let random = bytes(args, (count - text.len()).max(16) * 2)?;
        // Seven bits of each byte: every ASCII character as likely as the others.
        let chars = random.into_iter().map(|byte| byte & 0x7f).filter(fits);
        text.extend(chars.take(count - text.len()));
    }
    args.give(text)
}
