//! Times as Go prints them: Argo Events has some of them in its payloads.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time that nobody has set.
#[cfg(any(
    feature = "amqp",
    feature = "gcp",
    feature = "kafka",
    feature = "pulsar"
))]
pub(super) const NO_TIME: &str = "0001-01-01 00:00:00 +0000 UTC";

/// Milliseconds since 1970, in UTC.
#[cfg(any(feature = "kafka", feature = "pulsar"))]
pub(super) fn go_milliseconds(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(milliseconds).ok();
    let time = time.filter(|_| milliseconds >= 0);
    time.map_or_else(|| NO_TIME.to_owned(), |time| go_time(time, &TimeZone::UTC))
}

/// A time: `2026-01-02 15:04:05.000312 +0100 CET`.
pub(super) fn go_time(time: Timestamp, zone: &TimeZone) -> String {
    let local = time.to_zoned(zone.clone());
    let nanos = local.subsec_nanosecond();
    let fraction = if nanos == 0 {
        String::new()
    } else {
        format!(".{nanos:09}").trim_end_matches('0').to_owned()
    };
    format!(
        "{}{fraction} {}",
        local.strftime("%Y-%m-%d %H:%M:%S"),
        local.strftime("%z %Z")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_go_prints_them() {
        for (time, zone, expected) in [
            (
                "2026-01-02T15:04:05.000312Z",
                "UTC",
                "2026-01-02 15:04:05.000312 +0000 UTC",
            ),
            (
                "2026-07-02T15:04:05Z",
                "Europe/Paris",
                "2026-07-02 17:04:05 +0200 CEST",
            ),
            (
                "2026-01-02T15:04:05.5Z",
                "America/Sao_Paulo",
                "2026-01-02 12:04:05.5 -0300 -03",
            ),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(go_time(time.parse().unwrap(), &zone), expected);
        }
    }
}
