//! Layouts of dates: which parts of the reference moment they spell, in which order.

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Year,
    ShortYear,
    MonthName { long: bool },
    Month { fixed: bool },
    DayName { long: bool },
    Day { fixed: bool, padded: bool },
    YearDay { padded: bool },
    Hour,
    Hour12 { fixed: bool },
    Minute { fixed: bool },
    Second { fixed: bool },
    Fraction { digits: usize, exact: bool },
    Noon { upper: bool },
    ZoneName,
    Offset { utc_is_z: bool, form: &'static str },
}

/// Longest spelling first where one begins another.
const ELEMENTS: [(&str, Element); 35] = [
    ("January", Element::MonthName { long: true }),
    ("Jan", Element::MonthName { long: false }),
    ("Monday", Element::DayName { long: true }),
    ("Mon", Element::DayName { long: false }),
    ("MST", Element::ZoneName),
    ("002", Element::YearDay { padded: false }),
    ("01", Element::Month { fixed: true }),
    (
        "02",
        Element::Day {
            fixed: true,
            padded: false,
        },
    ),
    ("03", Element::Hour12 { fixed: true }),
    ("04", Element::Minute { fixed: true }),
    ("05", Element::Second { fixed: true }),
    ("06", Element::ShortYear),
    ("15", Element::Hour),
    ("1", Element::Month { fixed: false }),
    ("2006", Element::Year),
    (
        "2",
        Element::Day {
            fixed: false,
            padded: false,
        },
    ),
    ("__2", Element::YearDay { padded: true }),
    // `_2006` is an underscore and a year.
    ("_2006", Element::Year),
    (
        "_2",
        Element::Day {
            fixed: false,
            padded: true,
        },
    ),
    ("3", Element::Hour12 { fixed: false }),
    ("4", Element::Minute { fixed: false }),
    ("5", Element::Second { fixed: false }),
    ("PM", Element::Noon { upper: true }),
    ("pm", Element::Noon { upper: false }),
    (
        "-070000",
        Element::Offset {
            utc_is_z: false,
            form: "hhmmss",
        },
    ),
    (
        "-07:00:00",
        Element::Offset {
            utc_is_z: false,
            form: "hh:mm:ss",
        },
    ),
    (
        "-0700",
        Element::Offset {
            utc_is_z: false,
            form: "hhmm",
        },
    ),
    (
        "-07:00",
        Element::Offset {
            utc_is_z: false,
            form: "hh:mm",
        },
    ),
    (
        "-07",
        Element::Offset {
            utc_is_z: false,
            form: "hh",
        },
    ),
    (
        "Z070000",
        Element::Offset {
            utc_is_z: true,
            form: "hhmmss",
        },
    ),
    (
        "Z07:00:00",
        Element::Offset {
            utc_is_z: true,
            form: "hh:mm:ss",
        },
    ),
    (
        "Z0700",
        Element::Offset {
            utc_is_z: true,
            form: "hhmm",
        },
    ),
    (
        "Z07:00",
        Element::Offset {
            utc_is_z: true,
            form: "hh:mm",
        },
    ),
    (
        "Z07",
        Element::Offset {
            utc_is_z: true,
            form: "hh",
        },
    ),
    ("2006", Element::Year),
];

/// The text before the first element, the element, and the layout after it.
pub(super) fn next_element(layout: &str) -> (&str, Option<Element>, &str) {
    for (index, _) in layout.char_indices() {
        let rest = &layout[index..];
        if let Some((digits, exact)) = fraction(rest) {
            let element = Element::Fraction { digits, exact };
            return (&layout[..index], Some(element), &rest[digits + 1..]);
        }
        let found = ELEMENTS
            .iter()
            .find(|(spelling, _)| rest.starts_with(spelling));
        if let Some((spelling, element)) = found {
            let underscore = usize::from(*spelling == "_2006");
            let after = &rest[spelling.len()..];
            let word = matches!(*spelling, "Jan" | "Mon");
            if word && after.starts_with(|c: char| c.is_ascii_lowercase()) {
                continue;
            }
            return (&layout[..index + underscore], Some(*element), after);
        }
    }
    (layout, None, "")
}

/// `.000` or `,999`: how many digits, and whether they must be there.
fn fraction(layout: &str) -> Option<(usize, bool)> {
    let digits = layout.strip_prefix(['.', ','])?;
    let digit = digits
        .bytes()
        .next()
        .filter(|byte| matches!(byte, b'0' | b'9'))?;
    let count = digits.bytes().take_while(|byte| *byte == digit).count();
    let ends = !digits[count..].starts_with(|c: char| c.is_ascii_digit());
    ends.then_some((count, digit == b'0'))
}
