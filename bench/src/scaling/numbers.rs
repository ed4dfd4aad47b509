//! Numbers as the page has them: thousands apart, times and bytes in the unit that fits, laws with their units.

use super::fit::{Fit, Law};

/// Whole, with a comma between thousands.
pub(super) fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("−{text}") } else { text }
}

/// Three digits, and no more than that is known.
pub(super) fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let behind = 2 - value.abs().log10().floor() as i32;
    match usize::try_from(behind) {
        Ok(behind) => format!("{value:.behind$}").replace('-', "−"),
        Err(_) => whole((value / 10.0_f64.powi(-behind)).round() * 10.0_f64.powi(-behind)),
    }
}

/// In µs, ms, s, min or h.
pub(super) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        s if s < 1e-3 => (seconds * 1e6, "µs"),
        s if s < 1.0 => (seconds * 1e3, "ms"),
        s if s < 120.0 => (seconds, "s"),
        s if s < 7200.0 => (seconds / 60.0, "min"),
        _ => (seconds / 3600.0, "h"),
    };
    format!("{} {unit}", digits(value))
}

/// In B, kB, MB, GB or TB.
pub(super) fn bytes(bytes: f64) -> String {
    let (value, unit) = match bytes {
        b if b < 1e3 => (b, "B"),
        b if b < 1e6 => (b / 1e3, "kB"),
        b if b < 1e9 => (b / 1e6, "MB"),
        b if b < 1e12 => (b / 1e9, "GB"),
        b => (b / 1e12, "TB"),
    };
    format!("{} {unit}", digits(value))
}

/// `t = 41 ms + 2.9 ms · n (R² 0.999)`, the numbers by `unit`.
pub(super) fn law(symbol: &str, fit: Fit, unit: fn(f64) -> String) -> String {
    let formula = match fit.law {
        Law::Power { a, b } => format!("{} · n^{b:.2}", unit(a)),
        Law::Affine { a, b } if b < 0.0 => format!("{} − {} · n", unit(a), unit(-b)),
        Law::Affine { a, b } => format!("{} + {} · n", unit(a), unit(b)),
    };
    format!("{symbol} = {formula} (R² {:.3})", fit.r2)
}

pub(super) fn mebibytes(value: f64) -> String {
    if value.abs() < 1.0 { format!("{} KiB", digits(value * 1024.0)) } else { format!("{} MiB", digits(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_their_unit() {
        assert_eq!(
            [0.000_012_34, 0.0123, 1.5, 130.0, 90_000.0].map(time),
            ["12.3 µs", "12.3 ms", "1.50 s", "2.17 min", "25.0 h"]
        );
        assert_eq!([1_234_567.0, 999.6, 0.0].map(whole), ["1,234,567", "1,000", "0"]);
        assert_eq!([123_456.0, 98.76, 0.001_234].map(digits), ["123,000", "98.8", "0.00123"]);
        assert_eq!([196.0, 200_704.0, 2.5e12].map(bytes), ["196 B", "201 kB", "2.50 TB"]);
        assert_eq!([0.5, 600.0].map(mebibytes), ["512 KiB", "600 MiB"]);
    }

    #[test]
    fn a_law_names_its_units_and_how_well_it_fits() {
        let fit = |law| Fit { law, r2: 0.9994 };
        assert_eq!(law("t", fit(Law::Affine { a: 0.04, b: 0.003 }), time), "t = 40.0 ms + 3.00 ms · n (R² 0.999)");
        assert_eq!(law("t", fit(Law::Power { a: 0.04, b: 1.5 }), time), "t = 40.0 ms · n^1.50 (R² 0.999)");
        assert_eq!(law("t", fit(Law::Affine { a: 1.0, b: -0.25 }), time), "t = 1.00 s − 250 ms · n (R² 0.999)");
    }
}
