//! Time filters: a daily window in a time zone.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use tiphys_api::TimeFilter;

use super::{Faults, Verdict};

/// From `start`, inclusive, to `stop`, exclusive; over midnight if `stop` is not after `start`.
#[derive(Debug)]
pub(super) struct Window {
    bounds: Result<(TimeZone, Time, Time), String>,
}

impl Window {
    pub(super) fn compile(spec: &TimeFilter, faults: &mut Faults<'_>) -> Self {
        let zone = faults.note("time.timezone", zone(&spec.timezone));
        let start = faults.note("time.start", time_of_day(&spec.start));
        let stop = faults.note("time.stop", time_of_day(&spec.stop));
        Self {
            bounds: zone.and_then(|zone| Ok((zone, start?, stop?))),
        }
    }

    /// An event without a time counts as one at midnight, as in Argo Events.
    pub(super) fn check(&self, time: Option<Timestamp>) -> Verdict {
        let (zone, start, stop) = match &self.bounds {
            Ok(bounds) => bounds,
            Err(fault) => return Verdict::fail(format_args!("time filter error ({fault})")),
        };
        let time = time.map_or(Time::midnight(), |time| zone.to_datetime(time).time());
        let inside = if start < stop {
            *start <= time && time < *stop
        } else {
            *start <= time || time < *stop
        };
        if inside {
            Verdict::Pass
        } else {
            Verdict::reject(format_args!("{time} is not between {start} and {stop}"))
        }
    }
}

fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        // The machine's own zone would make a Sensor mean something else on each.
        "Local" => Err("invalid timezone 'Local': name one of the IANA database".to_owned()),
        _ if !is_zone_name(name) => Err(format!("invalid timezone '{name}'")),
        _ => TimeZone::get(name).map_err(|_| format!("invalid timezone '{name}'")),
    }
}

fn is_zone_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte))
}

/// `HH:MM:SS`: the hour may have one digit, the seconds may have a fraction, as in Go's `15:04:05`.
fn time_of_day(text: &str) -> Result<Time, String> {
    parse_time(text).ok_or_else(|| format!("{text:?} is not a time of day such as 09:30:00"))
}

fn parse_time(text: &str) -> Option<Time> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, rest) = rest.split_once(':')?;
    let (second, fraction) = rest.split_at_checked(2)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let nanos = match fraction.strip_prefix(['.', ',']) {
        None if fraction.is_empty() => 0,
        Some(fraction) if (1..=9).contains(&fraction.len()) && digits(fraction) => {
            format!("{fraction:0<9}").parse().ok()?
        }
        _ => return None,
    };
    let sized = (1..=2).contains(&hour.len()) && minute.len() == 2;
    if !sized || !digits(hour) || !digits(minute) || !digits(second) {
        return None;
    }
    Time::new(
        hour.parse().ok()?,
        minute.parse().ok()?,
        second.parse().ok()?,
        nanos,
    )
    .ok()
}
