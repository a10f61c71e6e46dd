//! `strptime`: reads a time by a format. What the format does not name is that of 1900-01-01.

use crate::gotime::{Date, MONTHS, Time, WEEKDAYS};

/// What has been read.
struct Fields {
    year: i64,
    century: Option<i64>,
    month: i64,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: u32,
    afternoon: bool,
    /// Seconds east of UTC.
    offset: i64,
    weekday: Option<i64>,
    /// A week's number and the weekday weeks start with; Thursday stands for ISO weeks.
    week: Option<(i64, i64)>,
    iso_year: bool,
}

struct Reader<'t> {
    rest: &'t str,
    fields: Fields,
}

type Read<T> = Result<T, String>;

pub(super) fn parse(text: &str, format: &str) -> Read<Time> {
    let fields = Fields {
        year: 1900,
        century: None,
        month: 1,
        day: None,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        micros: 0,
        afternoon: false,
        offset: 0,
        weekday: None,
        week: None,
        iso_year: false,
    };
    let mut reader = Reader { rest: text, fields };
    reader.follow(format)?;
    if !reader.rest.is_empty() {
        return Err(format!("unparsed string {:?}", reader.rest));
    }
    reader.fields.time()
}

impl Reader<'_> {
    fn follow(&mut self, format: &str) -> Read<()> {
        let mut chars = format.chars();
        while let Some(char) = chars.next() {
            if char != '%' {
                self.expect(char)?;
                continue;
            }
            match chars.next() {
                Some(':') if chars.as_str().starts_with('z') => {
                    chars.next();
                    self.zone()?;
                }
                Some(letter) => self.directive(letter)?,
                None => return Err("stray \"%\"".to_owned()),
            }
        }
        Ok(())
    }

    fn expect(&mut self, char: char) -> Read<()> {
        self.rest = self
            .rest
            .strip_prefix(char)
            .ok_or_else(|| format!("expected {char:?}"))?;
        Ok(())
    }

    fn directive(&mut self, letter: char) -> Read<()> {
        match letter {
            'Y' | 'G' => {
                let negative = self.rest.starts_with('-');
                self.rest = self.rest.strip_prefix('-').unwrap_or(self.rest);
                let year = self.number(4, 0..=9999, letter)?;
                self.fields.year = if negative { -year } else { year };
                self.fields.iso_year |= letter == 'G';
            }
            'y' | 'g' => {
                let year = self.number(2, 0..=99, letter)?;
                self.fields.year = year + if year < 69 { 2000 } else { 1900 };
                self.fields.iso_year |= letter == 'g';
            }
            'C' => self.fields.century = Some(self.number(2, 0..=99, letter)?),
            'm' => self.fields.month = self.number(2, 1..=12, letter)?,
            'B' => self.fields.month = self.name(&MONTHS, 9, letter)? + 1,
            'b' | 'h' => self.fields.month = self.name(&MONTHS, 3, letter)? + 1,
            'A' => self.fields.weekday = Some(self.name(&WEEKDAYS, 9, letter)?),
            'a' => self.fields.weekday = Some(self.name(&WEEKDAYS, 3, letter)?),
            'w' => self.fields.weekday = Some(self.number(1, 0..=6, letter)?),
            'u' => self.fields.weekday = Some(self.number(1, 1..=7, letter)? % 7),
            'V' => self.fields.week = Some((self.number(2, 1..=53, letter)?, 4)),
            'U' => self.fields.week = Some((self.number(2, 0..=53, letter)?, 0)),
            'W' => self.fields.week = Some((self.number(2, 0..=53, letter)?, 1)),
            'd' => self.fields.day = Some(self.number(2, 1..=31, letter)?),
            'e' => self.fields.day = Some(self.spaced(2, 1..=31, letter)?),
            'j' => self.fields.year_day = Some(self.number(3, 1..=366, letter)?),
            _ => return self.clock(letter),
        }
        Ok(())
    }

    fn clock(&mut self, letter: char) -> Read<()> {
        match letter {
            'H' => self.fields.hour = self.number(2, 0..=23, letter)?,
            'k' => self.fields.hour = self.spaced(2, 0..=23, letter)?,
            'I' => self.fields.hour = self.number(2, 1..=12, letter)? % 12,
            'l' => self.fields.hour = self.spaced(2, 1..=12, letter)? % 12,
            'p' | 'P' => self.fields.afternoon = self.name(&["AM", "PM"], 2, letter)? == 1,
            'M' => self.fields.minute = self.number(2, 0..=59, letter)?,
            'S' => self.fields.second = self.number(2, 0..=60, letter)?,
            'f' => {
                let before = self.rest.len();
                let digits = self.number(6, 0..=999_999, letter)?;
                let missing = 6 - (before - self.rest.len()).min(6);
                let micros = (0..missing).fold(digits, |micros, _| micros * 10);
                self.fields.micros = u32::try_from(micros).unwrap_or_default();
            }
            's' => self.unix_seconds()?,
            'z' => self.zone()?,
            'Z' => {
                let letters = self.rest.bytes().take_while(u8::is_ascii_uppercase).count();
                if !(3..=4).contains(&letters) {
                    return Err(format!(
                        "cannot parse {:?} with \"%Z\"",
                        &self.rest[..letters]
                    ));
                }
                self.rest = &self.rest[letters..];
            }
            't' | 'n' => {
                let blank = |char: char| char.is_ascii_whitespace() || char == '\u{b}';
                if !self.rest.starts_with(blank) {
                    return Err(format!("expected a space for \"%{letter}\""));
                }
                self.rest = self.rest.trim_start_matches(blank);
            }
            '%' => self.expect('%')?,
            'c' => self.follow("%a %b %e %H:%M:%S %Y")?,
            '+' => self.follow("%a %b %e %H:%M:%S %Z %Y")?,
            'v' => self.follow("%e-%b-%Y")?,
            'r' => self.follow("%I:%M:%S %p")?,
            'F' => self.follow("%Y-%m-%d")?,
            'D' | 'x' => self.follow("%m/%d/%y")?,
            'T' | 'X' => self.follow("%H:%M:%S")?,
            'R' => self.follow("%H:%M")?,
            _ => return Err(format!("unexpected format \"%{letter}\"")),
        }
        Ok(())
    }

    fn number(
        &mut self,
        width: usize,
        range: std::ops::RangeInclusive<i64>,
        letter: char,
    ) -> Read<i64> {
        let digits = self
            .rest
            .bytes()
            .take(width)
            .take_while(u8::is_ascii_digit)
            .count();
        let number = self.rest[..digits]
            .parse()
            .ok()
            .filter(|number| range.contains(number));
        self.rest = &self.rest[digits..];
        number.ok_or_else(|| format!("cannot parse \"%{letter}\""))
    }

    fn spaced(
        &mut self,
        width: usize,
        range: std::ops::RangeInclusive<i64>,
        letter: char,
    ) -> Read<i64> {
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
        self.number(width, range, letter)
    }

    /// The index of the name the text starts with, in any case; only `length` bytes of each count.
    fn name(&mut self, names: &[&str], length: usize, letter: char) -> Read<i64> {
        for (index, name) in names.iter().enumerate() {
            let name = &name[..length.min(name.len())];
            let start = self.rest.get(..name.len());
            if start.is_some_and(|start| start.eq_ignore_ascii_case(name)) {
                self.rest = &self.rest[name.len()..];
                return Ok(i64::try_from(index).unwrap_or_default());
            }
        }
        Err(format!("cannot parse \"%{letter}\""))
    }

    fn unix_seconds(&mut self) -> Read<()> {
        let negative = self.rest.starts_with('-');
        self.rest = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let seconds = self.number(15, 0..=99_999_999_999_999, 's')?;
        let time = Time::from_unix(if negative { -seconds } else { seconds }, 0);
        let date = time.date();
        (self.fields.year, self.fields.month) = (date.year, date.month);
        self.fields.day = Some(date.day);
        (self.fields.hour, self.fields.minute, self.fields.second) = time.clock();
        Ok(())
    }

    /// `Z`, `+01`, `+0130`, `+01:30`
    fn zone(&mut self) -> Read<()> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            (self.rest, self.fields.offset) = (rest, 0);
            return Ok(());
        }
        let sign = match self.rest.bytes().next() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err("cannot parse \"%z\"".to_owned()),
        };
        self.rest = &self.rest[1..];
        let two = |text: &str| {
            let digits = text
                .get(..2)
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<i64>().ok())
        };
        let hours = two(self.rest).filter(|hours| *hours < 24);
        let hours = hours.ok_or_else(|| "cannot parse \"%z\"".to_owned())?;
        self.rest = &self.rest[2..];
        let after_colon = self.rest.strip_prefix(':').unwrap_or(self.rest);
        let mut minutes = 0;
        if let Some(found) = two(after_colon).filter(|minutes| *minutes < 60) {
            minutes = found;
            self.rest = &after_colon[2..];
        }
        self.fields.offset = sign * (hours * 3600 + minutes * 60);
        Ok(())
    }
}

impl Fields {
    fn time(&self) -> Read<Time> {
        let year = self
            .century
            .map_or(self.year, |century| century * 100 + self.year % 100);
        let hour = self.hour + if self.afternoon { 12 } else { 0 };
        let seconds = hour * 3600 + self.minute * 60 + self.second - self.offset;
        let (month, day) = match (self.day, self.year_day, self.week) {
            (Some(day), ..) => (self.month, day),
            (None, Some(_), _) if self.iso_year => {
                return Err("use \"%Y\" to parse non-ISO year for \"%j\"".to_owned());
            }
            (None, Some(day), _) => (1, day),
            (None, None, Some((week, start))) => (1, self.day_of_week(year, week, start)?),
            (None, None, None) => (self.month, 1),
        };
        let date = Date { year, month, day };
        super::from_date(date, seconds, self.micros * 1000)
            .ok_or_else(|| "year out of range".to_owned())
    }

    /// The day, counted from the first of January, of a weekday in a week.
    fn day_of_week(&self, year: i64, week: i64, start: i64) -> Read<i64> {
        if (start == 4) != self.iso_year {
            let letter = if start == 4 {
                "use \"%G\" for \"%V\""
            } else {
                "use \"%Y\" for weeks"
            };
            return Err(letter.to_owned());
        }
        let weekday = self.weekday.unwrap_or(i64::from(start != 0));
        let week = if start > 0 && weekday == 0 {
            week + 1
        } else {
            week
        };
        let base = Date {
            year,
            month: 1,
            day: -start,
        };
        Ok(week * 7 - start - base.weekday() + weekday)
    }
}
