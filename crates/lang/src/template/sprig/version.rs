//! Semantic versions and constraints on them, as Masterminds/semver 3.4 reads them.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;
use std::sync::LazyLock;

use ::regex::{Captures, Regex};

use super::super::function::Param::Text;
use super::super::function::{Function, fixed};
use super::super::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("semver", &[Text], |args| {
        match Version::parse(&args.text(0)) {
            Some(version) => Ok(Value::Version(Rc::new(version))),
            None => Err("invalid semantic version".into()),
        }
    }),
    fixed("semverCompare", &[Text, Text], |args| {
        let groups = constraints(&args.text(0))
            .ok_or_else(|| format!("improper constraint: {}", args.text(0)))?;
        let version = Version::parse(&args.text(1)).ok_or("invalid semantic version")?;
        Ok(Value::Bool(
            groups.iter().any(|group| allows(group, &version)),
        ))
    }),
];

/// A version: minor and patch may be left out, a `v` may stand in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Version {
    pub(in super::super) major: u64,
    pub(in super::super) minor: u64,
    pub(in super::super) patch: u64,
    /// After `-`; may be empty.
    pub(in super::super) prerelease: String,
    /// After `+`; may be empty.
    pub(in super::super) metadata: String,
    /// As it was written.
    pub(in super::super) original: String,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(out, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(out, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

type Pattern = LazyLock<Option<Regex>>;

/// What follows the numbers of a version.
const TAIL: &str =
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?";

const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

static VERSION: Pattern = LazyLock::new(|| {
    Regex::new(&format!(
        r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{TAIL}$"
    ))
    .ok()
});

/// A version in a constraint, where `x` or `*` stand for any number; without groups.
static LOOSE: LazyLock<String> = LazyLock::new(|| {
    let number = r"[0-9|xX*]+";
    let tail = TAIL.replace("?:", "").replace('(', "(?:");
    format!(r"v?{number}(?:\.{number})?(?:\.{number})?{tail}")
});

static CONSTRAINT: Pattern = LazyLock::new(|| {
    let number = r"([0-9|xX*]+)";
    Regex::new(&format!(
        r"^\s*({OPERATORS})\s*v?{number}(?:\.{number})?(?:\.{number})?{TAIL}\s*$"
    ))
    .ok()
});

static SINGLE: Pattern =
    LazyLock::new(|| Regex::new(&format!(r"(?:{OPERATORS})\s*(?:{})", *LOOSE)).ok());

static WHOLE: Pattern = LazyLock::new(|| {
    let single = format!(r"(?:{OPERATORS})\s*(?:{})\s*", *LOOSE);
    Regex::new(&format!(r"^\s*{single}(?:(?:\s+|,\s*){single})*$")).ok()
});

static RANGE: Pattern =
    LazyLock::new(|| Regex::new(&format!(r"\s*({})\s+-\s+({})\s*", *LOOSE, *LOOSE)).ok());

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let found = VERSION.as_ref()?.captures(text)?;
        let number = |index: usize| match found.get(index) {
            Some(digits) => digits.as_str().parse::<u64>().ok(),
            None => Some(0),
        };
        let prerelease = group(&found, 4);
        let has_leading_zero = |part: &str| {
            part.len() > 1
                && part.starts_with('0')
                && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if prerelease.split('.').any(has_leading_zero) {
            return None;
        }
        Some(Self {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            prerelease: prerelease.into(),
            metadata: group(&found, 5).into(),
            original: text.into(),
        })
    }
}

fn group<'a>(found: &Captures<'a>, index: usize) -> &'a str {
    found.get(index).map_or("", |group| group.as_str())
}

/// The order of two versions; metadata does not count.
pub(in super::super) fn compare(one: &Version, other: &Version) -> Ordering {
    (one.major, one.minor, one.patch)
        .cmp(&(other.major, other.minor, other.patch))
        .then_with(|| match (&*one.prerelease, &*other.prerelease) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (one, other) => compare_prereleases(one, other),
        })
}

fn compare_prereleases(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) if one == other => Ordering::Equal,
            (Some(one), Some(other)) => match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                // Numbers are below names.
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// One condition on a version.
#[derive(Debug)]
struct Constraint {
    operator: String,
    version: Version,
    /// Some number is left out or `x`.
    is_dirty: bool,
    is_minor_dirty: bool,
    is_patch_dirty: bool,
}

/// How long a constraint may be. A condition takes a hundred times what its text does.
const MAX_CONSTRAINT: usize = 16 << 10;

/// Reads a constraint: groups joined by `||`, each a list of conditions that all have to hold.
fn constraints(text: &str) -> Option<Vec<Vec<Constraint>>> {
    if text.len() > MAX_CONSTRAINT {
        return None;
    }
    let text = rewrite_ranges(text)?;
    text.split("||")
        .map(|part| {
            if !WHOLE.as_ref()?.is_match(part) {
                return None;
            }
            SINGLE
                .as_ref()?
                .find_iter(part)
                .map(|found| constraint(found.as_str()))
                .collect()
        })
        .collect()
}

/// `1.2 - 2.0` means `>= 1.2, <= 2.0`.
fn rewrite_ranges(text: &str) -> Option<String> {
    let rewrite = |found: &Captures<'_>| format!(">= {}, <= {} ", &found[1], &found[2]);
    Some(RANGE.as_ref()?.replace_all(text, rewrite).into_owned())
}

fn constraint(text: &str) -> Option<Constraint> {
    let found = CONSTRAINT.as_ref()?.captures(text)?;
    let is_any = |index: usize| matches!(group(&found, index), "" | "x" | "X" | "*");
    let tail = match group(&found, 5) {
        "" => String::new(),
        prerelease => format!("-{prerelease}"),
    };
    let (numbers, is_minor_dirty, is_patch_dirty) = if is_any(2) {
        ("0.0.0".into(), false, false)
    } else if is_any(3) {
        (format!("{}.0.0", group(&found, 2)), true, false)
    } else if is_any(4) {
        (
            format!("{}.{}.0", group(&found, 2), group(&found, 3)),
            false,
            true,
        )
    } else {
        let metadata = match group(&found, 6) {
            "" => String::new(),
            metadata => format!("+{metadata}"),
        };
        let version = format!(
            "{}.{}.{}{tail}{metadata}",
            group(&found, 2),
            group(&found, 3),
            group(&found, 4)
        );
        return Some(Constraint {
            operator: group(&found, 1).into(),
            version: Version::parse(&version)?,
            is_dirty: false,
            is_minor_dirty: false,
            is_patch_dirty: false,
        });
    };
    Some(Constraint {
        operator: group(&found, 1).into(),
        version: Version::parse(&format!("{numbers}{tail}"))?,
        is_dirty: true,
        is_minor_dirty,
        is_patch_dirty,
    })
}

/// Prereleases fit only where a condition of the group names one.
fn allows(group: &[Constraint], version: &Version) -> bool {
    let names_prerelease = group
        .iter()
        .any(|condition| !condition.version.prerelease.is_empty());
    if !version.prerelease.is_empty() && !names_prerelease {
        return false;
    }
    group.iter().all(|condition| condition.allows(version))
}

impl Constraint {
    fn allows(&self, version: &Version) -> bool {
        let order = compare(version, &self.version);
        match &*self.operator {
            "!=" => self.differs(version),
            ">" => self.is_below(version),
            "<" => order.is_lt(),
            ">=" | "=>" => order.is_ge(),
            "<=" | "=<" => self.is_not_below(version),
            "~" | "~>" => self.is_close(version),
            "^" => self.is_compatible(version),
            _ if self.is_dirty => self.is_close(version),
            _ => order.is_eq(),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        let own = &self.version;
        if !self.is_dirty {
            return compare(version, own).is_ne();
        }
        if version.major != own.major {
            return true;
        }
        if self.is_minor_dirty {
            return false;
        }
        if version.minor != own.minor {
            return true;
        }
        if self.is_patch_dirty {
            return version.prerelease != own.prerelease
                && compare_prereleases(&version.prerelease, &own.prerelease).is_ne();
        }
        version.patch != own.patch || compare(version, own).is_ne()
    }

    fn is_below(&self, version: &Version) -> bool {
        let own = &self.version;
        if !self.is_dirty || version.major != own.major {
            return compare(version, own).is_gt();
        }
        if self.is_minor_dirty {
            return false;
        }
        if self.is_patch_dirty {
            return version.minor > own.minor;
        }
        compare(version, own).is_gt()
    }

    fn is_not_below(&self, version: &Version) -> bool {
        let own = &self.version;
        if !self.is_dirty {
            return compare(version, own).is_le();
        }
        version.major < own.major
            || version.major == own.major && (self.is_minor_dirty || version.minor <= own.minor)
    }

    /// `~1.2.3`: from it on, with the same minor version.
    fn is_close(&self, version: &Version) -> bool {
        let own = &self.version;
        if compare(version, own).is_lt() {
            return false;
        }
        let is_zero = (own.major, own.minor, own.patch) == (0, 0, 0);
        if is_zero && !self.is_minor_dirty && !self.is_patch_dirty {
            return true;
        }
        version.major == own.major && (self.is_minor_dirty || version.minor == own.minor)
    }

    /// `^1.2.3`: from it on, with the same first number that is not zero.
    fn is_compatible(&self, version: &Version) -> bool {
        let own = &self.version;
        if compare(version, own).is_lt() || version.major != own.major {
            return false;
        }
        if own.major > 0 || self.is_minor_dirty {
            return true;
        }
        if version.minor != own.minor {
            return false;
        }
        own.minor > 0 || self.is_patch_dirty || version.patch == own.patch
    }
}
