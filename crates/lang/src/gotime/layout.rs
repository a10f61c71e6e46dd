//! Layouts of dates: texts in which the parts of the reference time `Mon Jan 2 15:04:05 MST 2006`
//! stand for the parts of any other.

/// A part of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    LongYear,
    ShortYear,
    LongMonth,
    ShortMonth,
    Month(Fill),
    LongWeekday,
    ShortWeekday,
    Day(Fill),
    YearDay(Fill),
    Hour,
    Hour12(Fill),
    Minute(Fill),
    Second(Fill),
    /// `PM` or `pm`
    Half {
        is_upper: bool,
    },
    ZoneName,
    Offset(Offset),
    Fraction(Fraction),
}

/// What stands before a number that is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    Nothing,
    Spaces,
    Zeros,
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` for UTC.
    pub(super) has_z: bool,
    pub(super) has_colons: bool,
    /// Hours; with minutes; with seconds too.
    pub(super) fields: u8,
}

/// `.000`, or `.999` if it is trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fraction {
    /// A point or a comma.
    pub(super) mark: char,
    pub(super) digits: usize,
    /// Without zeros at the end.
    pub(super) is_trimmed: bool,
}

/// Longest first where one starts another.
const SPELLINGS: [(&str, Part); 34] = [
    ("January", Part::LongMonth),
    ("Jan", Part::ShortMonth),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::ShortWeekday),
    ("MST", Part::ZoneName),
    ("01", Part::Month(Fill::Zeros)),
    ("02", Part::Day(Fill::Zeros)),
    ("03", Part::Hour12(Fill::Zeros)),
    ("04", Part::Minute(Fill::Zeros)),
    ("05", Part::Second(Fill::Zeros)),
    ("06", Part::ShortYear),
    ("002", Part::YearDay(Fill::Zeros)),
    ("15", Part::Hour),
    ("1", Part::Month(Fill::Nothing)),
    ("2006", Part::LongYear),
    ("2", Part::Day(Fill::Nothing)),
    (UNDERSCORE_YEAR, Part::LongYear),
    ("_2", Part::Day(Fill::Spaces)),
    ("__2", Part::YearDay(Fill::Spaces)),
    ("3", Part::Hour12(Fill::Nothing)),
    ("4", Part::Minute(Fill::Nothing)),
    ("5", Part::Second(Fill::Nothing)),
    ("PM", Part::Half { is_upper: true }),
    ("pm", Part::Half { is_upper: false }),
    ("-070000", numeric_offset(false, 3)),
    ("-07:00:00", colon_offset(false, 3)),
    ("-0700", numeric_offset(false, 2)),
    ("-07:00", colon_offset(false, 2)),
    ("-07", numeric_offset(false, 1)),
    ("Z070000", numeric_offset(true, 3)),
    ("Z07:00:00", colon_offset(true, 3)),
    ("Z0700", numeric_offset(true, 2)),
    ("Z07:00", colon_offset(true, 2)),
    ("Z07", numeric_offset(true, 1)),
];

/// An underscore and a year, no padded day.
const UNDERSCORE_YEAR: &str = "_2006";

const fn numeric_offset(has_z: bool, fields: u8) -> Part {
    Part::Offset(Offset {
        has_z,
        has_colons: false,
        fields,
    })
}

const fn colon_offset(has_z: bool, fields: u8) -> Part {
    Part::Offset(Offset {
        has_z,
        has_colons: true,
        fields,
    })
}

/// The text before the first part of `layout`, the part, and what follows it.
pub(super) fn next_part(layout: &str) -> (&str, Option<Part>, &str) {
    for (index, _) in layout.char_indices() {
        let rest = &layout[index..];
        if let Some((part, after)) = part_at(rest) {
            let underscore = usize::from(rest.starts_with(UNDERSCORE_YEAR));
            return (&layout[..index + underscore], Some(part), after);
        }
    }
    (layout, None, "")
}

/// The part that `layout` starts with, and what follows it.
fn part_at(layout: &str) -> Option<(Part, &str)> {
    if layout.starts_with(['.', ',']) {
        return fraction(layout);
    }
    SPELLINGS.iter().find_map(|(spelling, part)| {
        let after = layout.strip_prefix(spelling)?;
        let is_word = matches!(part, Part::ShortMonth | Part::ShortWeekday)
            && after.starts_with(|char: char| char.is_ascii_lowercase());
        (!is_word).then_some((*part, after))
    })
}

/// A mark and zeros or nines, with no other digits behind.
fn fraction(layout: &str) -> Option<(Part, &str)> {
    let mut chars = layout.chars();
    let (mark, digits) = (chars.next()?, chars.as_str());
    let digit = chars.next().filter(|digit| matches!(digit, '0' | '9'))?;
    let after = digits.trim_start_matches(digit);
    if after.starts_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    let fraction = Fraction {
        mark,
        // Go has twelve bits for their number.
        digits: (digits.len() - after.len()) & 0xfff,
        is_trimmed: digit == '9',
    };
    Some((Part::Fraction(fraction), after))
}
