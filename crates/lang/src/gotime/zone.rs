//! Zones, as Go's `time.Location`.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the clock of a place shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Zone {
    Utc,
    /// Always the same; the name may be empty.
    Fixed {
        name: Arc<str>,
        /// Seconds east of UTC.
        offset: i64,
    },
    /// A zone of the time zone database.
    Named(TimeZone),
}

impl Zone {
    /// The zone of that name in the database.
    pub(crate) fn load(name: &str) -> Option<Self> {
        match name {
            "" | "UTC" | "Local" => Some(Self::Utc),
            name => TimeZone::get(name).ok().map(Self::Named),
        }
    }

    /// Seconds east of UTC, so many seconds after 1970.
    pub(super) fn offset_at(&self, unix: i64) -> i64 {
        match self {
            Self::Utc => 0,
            Self::Fixed { offset, .. } => *offset,
            Self::Named(zone) => zone.to_offset(timestamp(unix)).seconds().into(),
        }
    }

    /// Its abbreviation, so many seconds after 1970.
    pub(super) fn name_at(&self, unix: i64) -> String {
        match self {
            Self::Utc => "UTC".into(),
            Self::Fixed { name, .. } => name.to_string(),
            Self::Named(zone) => {
                let info = zone.to_offset_info(timestamp(unix));
                info.abbreviation().to_owned()
            }
        }
    }

    /// When its clock shows `local`, the seconds since 1970 of a clock in UTC.
    ///
    /// Where it does so twice or never, the answer is Go's: it depends on the side of Greenwich.
    pub(super) fn unix_of(&self, local: i64) -> i64 {
        match self.offset_at(local) {
            0 => local,
            offset => local - self.offset_at(local - offset),
        }
    }

    /// The offset that the abbreviation `name` stands for, best one that holds at `local`.
    pub(super) fn offset_of(&self, name: &str, local: i64) -> Option<i64> {
        let Self::Named(zone) = self else {
            return None;
        };
        let first = zone.to_offset_info(Timestamp::MIN);
        let first = (first.abbreviation() == name).then(|| first.offset());
        let offsets = first.into_iter().chain(
            zone.following(Timestamp::MIN)
                .take_while(|change| change.timestamp() < LAST_CHANGE)
                .filter(|change| change.abbreviation() == name)
                .map(|change| change.offset()),
        );
        let mut any = None;
        for offset in offsets.map(|offset| i64::from(offset.seconds())) {
            if self.name_at(local - offset) == name {
                return Some(self.offset_at(local - offset));
            }
            any = any.or(Some(offset));
        }
        any
    }
}

/// From 2038 on, zones only repeat themselves.
const LAST_CHANGE: Timestamp = Timestamp::constant(1 << 31, 0);

/// For looking up offsets: zones do not change at the ends of time.
fn timestamp(unix: i64) -> Timestamp {
    let (least, most) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(unix.clamp(least, most)).unwrap_or_default()
}
