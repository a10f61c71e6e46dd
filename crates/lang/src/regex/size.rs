//! How large a compiled pattern is, estimated from its syntax tree.

use regex_syntax::hir::{Class, Hir, HirKind};

/// What a range of characters takes, and a byte of plain text.
const RANGE: usize = 128;
const BYTE: usize = 32;

/// About how many bytes a pattern takes when it is compiled.
pub(crate) fn estimate(pattern: &str) -> usize {
    regex_syntax::parse(pattern).map_or(0, |hir| size(&hir))
}

/// About how many bytes it takes when it is compiled.
fn size(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => BYTE,
        HirKind::Literal(literal) => literal.0.len().saturating_mul(BYTE),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_mul(RANGE),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len().saturating_mul(RANGE),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            size(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => size(&capture.sub).saturating_add(BYTE),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(size).fold(0, usize::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{compile, translate};
    use super::*;

    /// Against the smallest `size_limit` that the engine takes.
    #[test]
    fn a_pattern_takes_about_what_is_estimated() {
        for (pattern, real) in [
            (r"[^\pN]{1000}", 20_454_400),
            (r"\pL{900}", 38_566_912),
            (r"\pL{300}", 12_856_320),
            (r"\pL{30}", 1_286_144),
            (r".{1000}", 1_000_448),
            (r"[a-z]{1000}", 72_704),
            (r"(?i)[a-z]{1000}", 305_152),
        ] {
            let estimate = estimate(&translate::translate(pattern).unwrap());
            assert!(
                (real / 4..real * 4).contains(&estimate),
                "{pattern}: {estimate}"
            );
        }
    }

    /// Each took a third of a second to be refused: a Sensor of 7 kB stopped a controller for minutes.
    #[test]
    fn what_is_far_too_large_is_not_built() {
        let patterns = std::iter::repeat_n(r"\pL{900}", 100);
        let refused = patterns.filter(|pattern| compile(pattern).is_err());
        assert_eq!(refused.count(), 100);
    }
}
