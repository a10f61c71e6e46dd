//! Check sums and hashes, in hexadecimal (Adler-32 in decimal).

use data_encoding::HEXLOWER;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::super::function::Param::Text;
use super::super::function::{Function, fixed};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("sha1sum", &[Text], |args| {
        args.give(hex(&Sha1::digest(args.bytes(0))))
    }),
    fixed("sha256sum", &[Text], |args| {
        args.give(hex(&Sha256::digest(args.bytes(0))))
    }),
    fixed("sha512sum", &[Text], |args| {
        args.give(hex(&Sha512::digest(args.bytes(0))))
    }),
    fixed("adler32sum", &[Text], |args| {
        args.give(adler32(args.bytes(0)).to_string())
    }),
];

pub(super) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// RFC 1950.
fn adler32(text: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (low, high) = text.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    high << 16 | low
}
