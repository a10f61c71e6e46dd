//! Objects in little space: what was published is kept compressed, in memory and on the bus.

use std::fmt;

use bytes::Bytes;

/// Fast, and with JSON still a fifth of the size.
const LEVEL: i32 = 1;

/// The most that is unpacked: several times what etcd stores of one object.
const MAX_LENGTH: usize = 32 * 1024 * 1024;

/// Compressed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The compressed bytes.
    pub bytes: Bytes,
    /// How many bytes they were.
    pub length: usize,
}

/// Packs and unpacks. It keeps its working memory, which is larger than most objects.
pub struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
}

impl Packer {
    /// A packer.
    pub fn new() -> Self {
        Self {
            compressor: zstd::bulk::Compressor::new(LEVEL).ok(),
            decompressor: zstd::bulk::Decompressor::new().ok(),
        }
    }

    /// The bytes compressed; `None` only if there is no memory left to do it.
    pub fn pack(&mut self, bytes: &[u8]) -> Option<Packed> {
        let packed = self.compressor.as_mut()?.compress(bytes).ok()?;
        Some(Packed {
            bytes: packed.into(),
            length: bytes.len(),
        })
    }

    /// The bytes as they were; `None` if they are damaged.
    pub fn unpack(&mut self, packed: &Packed) -> Option<Bytes> {
        if packed.length > MAX_LENGTH {
            return None;
        }
        let bytes = self
            .decompressor
            .as_mut()?
            .decompress(&packed.bytes, packed.length)
            .ok()?;
        Some(bytes.into())
    }
}

impl Default for Packer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

#[cfg(test)]
mod tests {
    use super::{Packed, Packer};

    #[test]
    fn what_is_packed_is_unpacked() {
        let mut tool = Packer::new();
        let text = r#"{"metadata":{"name":"a"}}"#.repeat(100);
        let packed = tool.pack(text.as_bytes()).unwrap();
        assert!(packed.bytes.len() < 200);
        assert_eq!(tool.unpack(&packed).unwrap(), text);
    }

    #[test]
    fn damaged_bytes_are_nothing() {
        let mut tool = Packer::new();
        let packed = tool.pack(b"text").unwrap();
        assert!(
            tool.unpack(&Packed {
                length: 3,
                ..packed.clone()
            })
            .is_none()
        );
        assert!(
            tool.unpack(&Packed {
                length: usize::MAX,
                ..packed.clone()
            })
            .is_none()
        );
        assert!(
            tool.unpack(&Packed {
                bytes: "x".into(),
                ..packed
            })
            .is_none()
        );
    }
}
