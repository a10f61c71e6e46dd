//! Go's `math`, as far as its last digit is another than that of the libraries at hand: the
//! programs whose languages these are computed with it, and people compare what they print.
//!
//! Powers are made by squaring, and logarithms of other bases from the natural one.

use std::f64::consts::{LOG2_E, LOG10_E};

/// Exponents of two beyond this leave the range of a double whatever they are multiplied with.
const FAR: i32 = 1 << 12;

/// The first whole number beyond 64 bits.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// `math.Log2`.
pub(crate) fn log2(value: f64) -> f64 {
    let (fraction, exponent) = libm::frexp(value);
    // Powers of two stay exact.
    if fraction.to_bits() == 0.5_f64.to_bits() {
        return f64::from(exponent - 1);
    }
    libm::log(fraction) * LOG2_E + f64::from(exponent)
}

/// `math.Log10`.
pub(crate) fn log10(value: f64) -> f64 {
    libm::log(value) * LOG10_E
}

/// `math.Hypot`.
pub(crate) fn hypot(left: f64, right: f64) -> f64 {
    let (left, right) = (left.abs(), right.abs());
    let (large, small) = (left.max(right), left.min(right));
    if !large.is_finite() || !small.is_finite() || large == 0.0 {
        return left.hypot(right);
    }
    let ratio = small / large;
    large * (1.0 + ratio * ratio).sqrt()
}

/// `math.Pow`.
pub(crate) fn pow(base: f64, power: f64) -> f64 {
    let plain = base.is_finite() && base != 0.0 && power.is_finite() && power.abs() < TWO_63;
    let (whole, fraction) = (power.abs().trunc(), power.abs().fract());
    if !plain || power == 0.0 || (fraction != 0.0 && base < 0.0) {
        // The special cases are those of IEEE 754 everywhere.
        return base.powf(power);
    }
    // Half powers are roots, which are exact.
    let half = 0.5_f64.to_bits();
    if power.to_bits() == half {
        return base.sqrt();
    }
    if (-power).to_bits() == half {
        return 1.0 / base.sqrt();
    }
    let (mut size, mut exponent) = by_squaring(base, whole, fraction);
    if power < 0.0 {
        size = 1.0 / size;
        exponent = -exponent;
    }
    libm::ldexp(size, exponent)
}

/// The power of a whole number and a fraction, as a factor and an exponent of two.
fn by_squaring(base: f64, whole: f64, fraction: f64) -> (f64, i32) {
    let (mut whole, mut fraction) = (to_int(whole), fraction);
    let mut size = 1.0;
    if fraction != 0.0 {
        if fraction > 0.5 {
            fraction -= 1.0;
            whole += 1;
        }
        size = (fraction * libm::log(base)).exp();
    }
    let mut exponent = 0;
    let (mut square, mut doubled) = libm::frexp(base);
    while whole != 0 {
        if doubled.abs() > FAR {
            exponent += doubled;
            break;
        }
        if whole & 1 == 1 {
            size *= square;
            exponent += doubled;
        }
        square *= square;
        doubled *= 2;
        if square < 0.5 {
            square += square;
            doubled -= 1;
        }
        whole >>= 1;
    }
    (size, exponent)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, and from 0 to 2^63"
)]
fn to_int(whole: f64) -> u64 {
    whole as u64
}

#[cfg(test)]
mod tests {
    use std::f64::consts::SQRT_2;

    use super::*;

    #[track_caller]
    fn same(ours: f64, gos: f64) {
        assert_eq!(ours.to_bits(), gos.to_bits(), "{ours} {gos}");
    }

    /// Go 1.26 on amd64 gave these.
    #[test]
    fn the_last_digit_is_that_of_go() {
        same(pow(0.1, 37.0), 1.000_000_000_000_004e-37);
        same(pow(1e15, 15.0), 1.000_000_000_000_000_4e225);
        same(pow(3.5, 3.25), 58.643_670_394_313_94);
        same(pow(1e-7, -7.0), 1.000_000_000_000_000_6e49);
        same(pow(10.0, -2.0), 0.01);
        same(pow(-2.0, 3.0), -8.0);
        same(pow(2.0, 0.5), SQRT_2);
        same(log10(3.0), 0.477_121_254_719_662_4);
        same(log10(1000.0), 3.0);
        same(log2(3.0), 1.584_962_500_721_156_3);
        same(log2(8.0), 3.0);
        same(hypot(3.0, 3.0), 4.242_640_687_119_286);
    }

    #[test]
    fn special_values_are_those_of_ieee_754() {
        same(pow(0.0, -1.0), f64::INFINITY);
        same(pow(2.0, f64::NEG_INFINITY), 0.0);
        assert!(pow(-8.0, 1.0 / 3.0).is_nan());
        same(pow(2.0, 5000.0), f64::INFINITY);
        same(pow(2.0, -5000.0), 0.0);
        same(pow(2.0, -1074.0), 5e-324);
        same(pow(f64::NAN, 0.0), 1.0);
        same(log2(0.0), f64::NEG_INFINITY);
        assert!(log10(-1.0).is_nan());
        same(hypot(f64::INFINITY, f64::NAN), f64::INFINITY);
        same(hypot(0.0, 0.0), 0.0);
    }
}
