//! Compression of entries.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::ZlibDecoder;

use super::proto::Metadata;

/// How large an entry may be that was compressed: some of the largest that a broker takes in one batch.
const LARGEST: usize = 32 << 20;

/// Why an entry cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecompressError {
    #[error("it is compressed in a way that is not known here ({0})")]
    Unknown(i32),
    #[error("it would have {0} bytes: {LARGEST} are taken at most")]
    Large(usize),
    #[error("it cannot be decompressed with {0}")]
    Broken(&'static str),
}

/// The payload of an entry as it was before it was compressed.
pub(super) fn decompress(metadata: &Metadata, payload: Bytes) -> Result<Bytes, DecompressError> {
    let size = metadata.uncompressed_size.unwrap_or_default() as usize;
    let (name, plain) = match metadata.compression.unwrap_or_default() {
        0 => return Ok(payload),
        _ if size > LARGEST => return Err(DecompressError::Large(size)),
        1 => ("LZ4", lz4_flex::block::decompress(&payload, size).ok()),
        2 => ("zlib", unzip(&payload, size)),
        3 => ("zstd", zstd::bulk::decompress(&payload, size).ok()),
        4 => ("snappy", unsnap(&payload, size)),
        other => return Err(DecompressError::Unknown(other)),
    };
    let plain = plain.filter(|plain| plain.len() == size);
    plain.map(Bytes::from).ok_or(DecompressError::Broken(name))
}

fn unzip(payload: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(size);
    // One byte more than expected is enough to see that there is more.
    let mut reader = ZlibDecoder::new(payload).take(size as u64 + 1);
    reader.read_to_end(&mut plain).ok()?;
    Some(plain)
}

fn unsnap(payload: &[u8], size: usize) -> Option<Vec<u8>> {
    let length = snap::raw::decompress_len(payload).ok()?;
    if length != size {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"hello hello hello hello hello";

    fn decompressed(kind: i32, size: u32, payload: &[u8]) -> Result<Bytes, DecompressError> {
        let metadata = Metadata {
            compression: Some(kind),
            uncompressed_size: Some(size),
            ..Metadata::default()
        };
        decompress(&metadata, Bytes::copy_from_slice(payload))
    }

    /// What other programs have compressed (`lz4`, Python's `zlib`, `zstd`); snappy by its description.
    const COMPRESSED: [(i32, &str, &[u8]); 4] = [
        (1, "LZ4", b"\x6ehello \x06\x00\x50hello"),
        (
            2,
            "zlib",
            b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\xc0\x4e\x02\x00\xa3\x10\x0a\xe5",
        ),
        (
            3,
            "zstd",
            b"\x28\xb5\x2f\xfd\x24\x1d\x65\x00\x00\x30hello \x01\x00\xa9\x4b\x11\x87\x4e\x20\x0a",
        ),
        (4, "snappy", b"\x1d\x14hello \x5a\x06\x00"),
    ];

    #[test]
    fn what_was_compressed_is_as_it_was() {
        assert_eq!(decompressed(0, 0, b"as it is").unwrap(), "as it is");
        for (kind, name, compressed) in COMPRESSED {
            assert_eq!(
                decompressed(kind, 29, compressed).as_deref(),
                Ok(PLAIN),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_larger_or_smaller_than_it_says_is_refused() {
        for (kind, name, compressed) in COMPRESSED {
            for (size, compressed) in [
                (28, compressed),
                (30, compressed),
                (29, &compressed[..compressed.len() - 2]),
                (29, b"\xff\xff"),
                (29, b""),
            ] {
                let expected = Err(DecompressError::Broken(name));
                assert_eq!(
                    decompressed(kind, size, compressed),
                    expected,
                    "{name} {size}"
                );
            }
        }
        let large = decompressed(1, 4_000_000_000, b"").unwrap_err();
        assert_eq!(
            large.to_string(),
            "it would have 4000000000 bytes: 33554432 are taken at most"
        );
        assert_eq!(
            decompressed(9, 1, b"a").unwrap_err().to_string(),
            "it is compressed in a way that is not known here (9)"
        );
    }
}
