//! The expected values are what Go 1.26 prints.

use super::{Date, Time, Zone, duration, parse};

/// What the text means, and how the layout writes it again.
#[track_caller]
fn check(layout: &str, text: &str, zone: &str, expected: &str) {
    let found = match parse(layout, text, &Zone::load(zone).unwrap()) {
        Some(time) => format!("{} {time} = {}", time.unix(), time.format(layout)),
        None => "refused".into(),
    };
    assert_eq!(found, expected, "{text:?} as {layout:?} in {zone:?}");
}

#[track_caller]
fn check_all<const N: usize>(cases: [(&str, &str, &str); N]) {
    for (layout, text, expected) in cases {
        check(layout, text, "UTC", expected);
    }
}

#[test]
fn texts_follow_their_layout() {
    check_all([
        (
            "Monday, January 2 2006",
            "SUNDAY, march   4 2026",
            "1772582400 2026-03-04 00:00:00 +0000 UTC = Wednesday, March 4 2026",
        ),
        (
            "_2006_2",
            "_2026 4",
            "1767484800 2026-01-04 00:00:00 +0000 UTC = _2026 4",
        ),
        ("Monday Janu", "monday JANU", "refused"),
        ("2006-01-02", "2026-02-29", "refused"),
        ("2006", "+026", "refused"),
        ("06", "+5", "1104537600 2005-01-01 00:00:00 +0000 UTC = 05"),
        ("06", "-5", "788918400 1995-01-01 00:00:00 +0000 UTC = 95"),
    ]);
}

#[test]
fn days_of_the_year_name_a_date() {
    check_all([
        (
            "2006-002",
            "2024-366",
            "1735603200 2024-12-31 00:00:00 +0000 UTC = 2024-366",
        ),
        ("2006-002", "2023-366", "refused"),
        (
            "2006-__2 Jan",
            "2024- 60 Feb",
            "1709164800 2024-02-29 00:00:00 +0000 UTC = 2024- 60 Feb",
        ),
        ("2006-__2 Jan", "2024- 60 Mar", "refused"),
    ]);
}

#[test]
fn both_halves_of_a_day_may_be_named() {
    check_all([
        (
            "3PM pm",
            "3PM am",
            "-62167165200 0000-01-01 15:00:00 +0000 UTC = 3PM pm",
        ),
        (
            "3PM pm",
            "12PM am",
            "-62167219200 0000-01-01 00:00:00 +0000 UTC = 12AM am",
        ),
        ("3PM", "13PM", "refused"),
    ]);
}

#[test]
fn fractions_may_come_unasked_and_with_a_sign() {
    check_all([
        (
            "5 2006",
            "7.25 2026",
            "1767225607 2026-01-01 00:00:07.25 +0000 UTC = 7 2026",
        ),
        ("5 .999", "7.25 .5", "refused"),
        (
            "05.00",
            "07.+5",
            "-62167219193 0000-01-01 00:00:07.05 +0000 UTC = 07.05",
        ),
        ("05.00", "07.-5", "refused"),
        (
            "05.0000000000",
            "07.123456789x",
            "-62167219193 0000-01-01 00:00:07.123456789 +0000 UTC = 07.123456789",
        ),
    ]);
}

#[test]
fn offsets_have_odd_corners() {
    check_all([
        (
            "15 -07:00",
            "12 +24:60",
            "-62167266000 0000-01-01 12:00:00 +2500 +2500 = 12 +25:00",
        ),
        (
            "15 -07:00:00",
            "12 -00:00:30",
            "-62167175970 0000-01-01 12:00:00 +0000 +0000 = 12 +00:00:-30",
        ),
        // One second west of UTC counts as none.
        (
            "15 -070000",
            "12 -000001",
            "-62167176000 0000-01-01 12:00:00 +0000 UTC = 12 +000000",
        ),
    ]);
}

#[test]
fn offsets_of_a_zone_stay_in_it() {
    let (layout, text) = ("2006-01-02T15:04:05Z07:00", "2026-07-01T12:20:30.5+02:00");
    check(
        layout,
        text,
        "UTC",
        "1782901230 2026-07-01 12:20:30.5 +0200 +0200 = 2026-07-01T12:20:30+02:00",
    );
    check(
        layout,
        text,
        "Europe/Berlin",
        "1782901230 2026-07-01 12:20:30.5 +0200 CEST = 2026-07-01T12:20:30+02:00",
    );
}

#[test]
fn abbreviations_mean_something_in_their_zone_only() {
    let layout = "2006-01-02 15:04 MST";
    check(
        layout,
        "2026-07-01 12:20 CET",
        "UTC",
        "1782908400 2026-07-01 12:20:00 +0000 CET = 2026-07-01 12:20 CET",
    );
    check(
        layout,
        "2026-07-01 12:20 CET",
        "Europe/Berlin",
        "1782904800 2026-07-01 13:20:00 +0200 CEST = 2026-07-01 13:20 CEST",
    );
    check(
        layout,
        "2026-07-01 12:20 GMT+3",
        "UTC",
        "1782908400 2026-07-01 15:20:00 +0300 GMT+3 = 2026-07-01 15:20 GMT+3",
    );
    check(
        layout,
        "2026-07-01 12:20 +03",
        "UTC",
        "1782908400 2026-07-01 12:20:00 +0000 +03 = 2026-07-01 12:20 +03",
    );
    check("15:04 MST", "12:20 +3", "UTC", "refused");
}

#[test]
fn clocks_that_show_a_time_twice_or_never_are_read_as_in_go() {
    let cases = [
        (
            "2026-03-08 02:30",
            "America/New_York",
            "1772951400 2026-03-08 01:30:00 -0500 EST = 2026-03-08 01:30",
        ),
        (
            "2026-03-29 02:30",
            "Europe/Berlin",
            "1774747800 2026-03-29 03:30:00 +0200 CEST = 2026-03-29 03:30",
        ),
        (
            "2026-11-01 01:30",
            "America/New_York",
            "1793511000 2026-11-01 01:30:00 -0400 EDT = 2026-11-01 01:30",
        ),
        (
            "2026-10-25 02:30",
            "Europe/Berlin",
            "1792891800 2026-10-25 02:30:00 +0100 CET = 2026-10-25 02:30",
        ),
    ];
    for (text, zone, expected) in cases {
        check("2006-01-02 15:04", text, zone, expected);
    }
}

#[test]
fn days_are_counted_by_the_clock() {
    let zone = Zone::load("America/New_York").unwrap();
    let noon = parse("2006-01-02 15", "2026-03-07 12", &zone).unwrap();
    let next = noon.plus_date(0, 0, 1);
    assert_eq!(next.to_string(), "2026-03-08 12:00:00 -0400 EDT");
    assert_eq!(duration::text(next.since(&noon)), "23h0m0s");
    assert_eq!(
        noon.plus(24 * duration::HOUR).to_string(),
        "2026-03-08 13:00:00 -0400 EDT"
    );
}

#[test]
fn years_before_the_first_have_a_sign() {
    let time = Time::from_unix(-62_319_715_200, 0);
    assert_eq!(
        time.format("2006 06 Monday Jan _2 __2"),
        "-0005 05 Friday Mar  3  62"
    );
}

#[test]
fn weeks_belong_to_the_year_of_their_thursday() {
    let cases = [
        (2020, (2020, 1)),
        (2021, (2020, 53)),
        (2024, (2024, 1)),
        (2026, (2026, 1)),
        (2027, (2026, 53)),
    ];
    for (year, week) in cases {
        let (month, day) = (1, 1);
        assert_eq!(Date { year, month, day }.iso_week(), week, "{year}");
    }
}

#[test]
fn durations_are_read_and_written_as_go_does() {
    let cases = [
        ("1h2m3.5s", Some("1h2m3.5s")),
        ("90m", Some("1h30m0s")),
        ("-1.5h", Some("-1h30m0s")),
        ("1500us", Some("1.5ms")),
        ("0", Some("0s")),
        ("2ns", Some("2ns")),
        (".5s", Some("500ms")),
        ("-.1ns", Some("0s")),
        ("0.830103483285477580700h", Some("49m48.372539827s")),
        ("9223372036854775807ns", Some("2562047h47m16.854775807s")),
        ("9223372036854775808ns", None),
        ("-9223372036854775808ns", Some("-2562047h47m16.854775808s")),
        ("5", None),
        ("1d", None),
        ("", None),
        (".s", None),
        ("1.2.3s", None),
        ("+-1s", None),
        ("1s 1s", None),
    ];
    for (text, expected) in cases {
        let written = duration::parse(text).map(duration::text);
        assert_eq!(written.as_deref(), expected, "{text}");
    }
}

#[test]
fn durations_are_cut_and_rounded_to_a_unit() {
    const MINUTE: i64 = 60_000_000_000;
    let cases = [
        (90_000_000_000, MINUTE, MINUTE, 2 * MINUTE),
        (-90_000_000_000, MINUTE, -MINUTE, -2 * MINUTE),
        (89_000_000_000, MINUTE, MINUTE, MINUTE),
        (7, 0, 7, 7),
        (7, -3, 7, 7),
        (5, 3, 3, 6),
        (4, 3, 3, 3),
        (i64::MAX, 60 * MINUTE, 9_223_369_200_000_000_000, i64::MAX),
        (i64::MIN, 60 * MINUTE, -9_223_369_200_000_000_000, i64::MIN),
    ];
    for (duration, unit, cut, rounded) in cases {
        assert_eq!(duration::truncate(duration, unit), cut, "{duration}");
        assert_eq!(duration::round(duration, unit), rounded, "{duration}");
    }
}
