//! Binary to JSON.

use std::io::Write as _;

use super::schema::{Field, Place, Schema, Type};
use super::{DEPTH, LARGEST};

/// Bytes were not written with the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// They end too early.
    #[error("the message ends before its schema does")]
    End,
    /// There are more of them.
    #[error("the message goes on after its schema has ended")]
    Rest,
    /// A number has no meaning.
    #[error("the message was not written with its schema: {0}")]
    Number(&'static str),
    /// Deeper than values may be.
    #[error("the message is nested more than {DEPTH} deep")]
    Depth,
    /// Larger than values may be.
    #[error("the message as JSON is larger than {} MiB", LARGEST >> 20)]
    Size,
}

impl Schema {
    /// The JSON of a value in binary.
    ///
    /// # Errors
    /// If it was not written with this schema, or is larger or deeper than values may be here.
    pub fn read(&self, binary: &[u8]) -> Result<Vec<u8>, ReadError> {
        let mut reader = Reader {
            schema: self,
            rest: binary,
            json: Vec::with_capacity(binary.len() * 2),
        };
        reader.value(self.root(), 0)?;
        if !reader.rest.is_empty() {
            return Err(ReadError::Rest);
        }
        Ok(reader.json)
    }
}

struct Reader<'a> {
    schema: &'a Schema,
    rest: &'a [u8],
    json: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, of: Place, depth: usize) -> Result<(), ReadError> {
        if depth > DEPTH {
            return Err(ReadError::Depth);
        }
        if self.json.len() > LARGEST {
            return Err(ReadError::Size);
        }
        match self.schema.at(of) {
            Type::Null => self.json.extend_from_slice(b"null"),
            Type::Boolean => match self.take(1)? {
                [0] => self.json.extend_from_slice(b"false"),
                [1] => self.json.extend_from_slice(b"true"),
                _ => return Err(ReadError::Number("a boolean is neither 0 nor 1")),
            },
            Type::Int => {
                let number = i32::try_from(self.long()?);
                let number = number.map_err(|_| ReadError::Number("an int has over 32 bits"))?;
                self.print(number);
            }
            Type::Long => {
                let number = self.long()?;
                self.print(number);
            }
            Type::Float => {
                let number = f32::from_le_bytes(self.array()?);
                self.float(f64::from(number), &format!("{number:e}"));
            }
            Type::Double => {
                let number = f64::from_le_bytes(self.array()?);
                self.float(number, &format!("{number:e}"));
            }
            Type::Bytes => {
                let bytes = self.sized()?;
                self.latin(bytes);
            }
            Type::String => self.text()?,
            Type::Fixed(size) => {
                let bytes = self.take(*size)?;
                self.latin(bytes);
            }
            Type::Enum(symbols) => {
                let symbol = self.choice(symbols)?;
                self.quoted(symbol);
            }
            Type::Array(items) => self.blocks(*b"[]", *items, depth)?,
            Type::Map(values) => self.blocks(*b"{}", *values, depth)?,
            Type::Record(fields) => self.record(fields, depth)?,
            Type::Union(branches) => {
                let branch = self.choice(branches)?;
                if let Type::Null = self.schema.at(branch.of) {
                    return self.value(branch.of, depth + 1);
                }
                self.json.push(b'{');
                self.quoted(&branch.name);
                self.json.push(b':');
                self.value(branch.of, depth + 1)?;
                self.json.push(b'}');
            }
        }
        Ok(())
    }

    fn record(&mut self, fields: &[Field], depth: usize) -> Result<(), ReadError> {
        self.json.push(b'{');
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.json.push(b',');
            }
            self.quoted(&field.name);
            self.json.push(b':');
            self.value(field.of, depth + 1)?;
        }
        self.json.push(b'}');
        Ok(())
    }

    /// An array, or with braces a map: blocks with the number of their items in front, the last of none.
    fn blocks(&mut self, around: [u8; 2], of: Place, depth: usize) -> Result<(), ReadError> {
        let [open, close] = around;
        self.json.push(open);
        let mut is_first = true;
        loop {
            let count = self.long()?;
            if count == 0 {
                break;
            }
            if count < 0 {
                // How many bytes the block has, for whoever skips it.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                if !is_first {
                    self.json.push(b',');
                }
                is_first = false;
                if open == b'{' {
                    self.text()?;
                    self.json.push(b':');
                }
                self.value(of, depth + 1)?;
            }
        }
        self.json.push(close);
        Ok(())
    }

    fn choice<'t, T>(&mut self, choices: &'t [T]) -> Result<&'t T, ReadError> {
        let index = usize::try_from(self.long()?).ok();
        let choice = index.and_then(|index| choices.get(index));
        choice.ok_or(ReadError::Number("there is no such branch or symbol"))
    }

    fn text(&mut self) -> Result<(), ReadError> {
        let text = String::from_utf8_lossy(self.sized()?);
        self.quoted(&text);
        Ok(())
    }

    fn sized(&mut self) -> Result<&'a [u8], ReadError> {
        let size = usize::try_from(self.long()?);
        let size = size.map_err(|_| ReadError::Number("a size is below 0"))?;
        self.take(size)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(ReadError::End)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(ReadError::End)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number in groups of seven bits, the lowest first, with its sign in the lowest bit of all.
    fn long(&mut self) -> Result<i64, ReadError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(ReadError::Number("a long has over 64 bits"))
    }

    /// A number as JSON of Go has it. What JSON has no number for is null, or one that is too large for any.
    fn float(&mut self, number: f64, scientific: &str) {
        if number.is_nan() {
            return self.print("null");
        }
        if number.is_infinite() {
            return self.print(if number > 0.0 { "1e999" } else { "-1e999" });
        }
        let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        if (-4..21).contains(&exponent) {
            self.print(plain(digits, exponent));
        } else {
            let sign = if exponent < 0 { '-' } else { '+' };
            self.print(format_args!("{digits}e{sign}{:02}", exponent.abs()));
        }
    }

    fn latin(&mut self, bytes: &[u8]) {
        let text: String = bytes.iter().copied().map(char::from).collect();
        self.quoted(&text);
    }

    fn quoted(&mut self, text: &str) {
        // Texts can be written, and so can memory.
        drop(serde_json::to_writer(&mut self.json, text));
    }

    fn print(&mut self, what: impl std::fmt::Display) {
        drop(write!(self.json, "{what}"));
    }
}

/// `1.25` and 3 as `1250`.
fn plain(digits: &str, exponent: i32) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let digits = digits.replace('.', "");
    let point = exponent + 1;
    let Ok(point) = usize::try_from(point) else {
        let zeros = "0".repeat(point.unsigned_abs() as usize);
        return format!("{sign}0.{zeros}{digits}");
    };
    if point == 0 {
        format!("{sign}0.{digits}")
    } else if point >= digits.len() {
        format!("{sign}{digits}{}", "0".repeat(point - digits.len()))
    } else {
        let (whole, part) = digits.split_at(point);
        format!("{sign}{whole}.{part}")
    }
}
