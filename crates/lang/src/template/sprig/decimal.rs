//! Decimal numbers of any size, for the functions that count in decimals (`addf 0.1 0.2` is 0.3).

use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use super::super::limit::Outcome;

/// Digits after the point of a quotient that does not end.
const QUOTIENT_DIGITS: i64 = 16;

/// `digits * 10^power`
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    digits: BigInt,
    power: i64,
}

impl Decimal {
    /// The shortest decimal that is read as the same double.
    pub(super) fn from_float(float: f64) -> Outcome<Self> {
        if !float.is_finite() {
            return Err(format!("cannot create a decimal from {float}").into());
        }
        let text = format!("{float:e}");
        let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}").parse().unwrap_or_default();
        let power: i64 = power.parse().unwrap_or(0);
        Ok(Self {
            digits,
            power: power - i64::try_from(fraction.len()).unwrap_or(0),
        })
    }

    /// The nearest double; infinite if it is too large.
    pub(super) fn to_float(&self) -> f64 {
        format!("{}e{}", self.digits, self.power)
            .parse()
            .unwrap_or(0.0)
    }

    /// Both with the same power.
    fn aligned(self, other: Self) -> (BigInt, BigInt, i64) {
        let power = self.power.min(other.power);
        let digits = |decimal: Self| decimal.digits * ten_to(decimal.power - power);
        (digits(self), digits(other), power)
    }

    pub(super) fn add(self, other: Self) -> Self {
        let (one, other, power) = self.aligned(other);
        Self {
            digits: one + other,
            power,
        }
    }

    pub(super) fn subtract(self, other: Self) -> Self {
        let (one, other, power) = self.aligned(other);
        Self {
            digits: one - other,
            power,
        }
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        Self {
            digits: self.digits * other.digits,
            power: self.power + other.power,
        }
    }

    /// The quotient, rounded half away from zero.
    pub(super) fn divide(self, other: Self) -> Outcome<Self> {
        if other.digits.is_zero() {
            return Err("decimal division by 0".into());
        }
        let scale = self.power - other.power + QUOTIENT_DIGITS;
        let numerator = self.digits * ten_to(scale);
        let denominator = other.digits * ten_to(-scale);
        let mut quotient = &numerator / &denominator;
        let rest = (&numerator % &denominator).abs();
        if rest * 2 >= denominator.abs() {
            let is_negative = numerator.is_negative() != denominator.is_negative();
            quotient += if is_negative { -1 } else { 1 };
        }
        Ok(Self {
            digits: quotient,
            power: -QUOTIENT_DIGITS,
        })
    }
}

/// A power of ten; 1 for a negative one.
fn ten_to(power: i64) -> BigInt {
    u32::try_from(power).map_or_else(|_| BigInt::from(1), |power| BigInt::from(10).pow(power))
}
