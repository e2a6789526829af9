//! Figures as text, with as many digits as they are worth.

use super::interval::Figure;
use super::knee::Knee;
use crate::sweep::record::Target;

/// `p99 ≤ 800 ms`
pub(crate) fn target(target: &Target) -> String {
    format!(
        "{} ≤ {}",
        quantile(target.quantile),
        duration(target.seconds)
    )
}

/// `p99`
pub(crate) fn quantile(quantile: f64) -> String {
    // Or 0.999 would be 99.90000000000001 percent.
    let percent = (quantile * 1e8).round() / 1e6;
    format!("p{percent}")
}

/// `1520/s`
pub(crate) fn rate(rate: f64) -> String {
    format!("{}/s", short(rate))
}

/// `1450–1590/s`
pub(crate) fn between(knee: &Knee) -> String {
    match knee.high {
        Some(high) => format!("{}–{}", short(knee.low), rate(high)),
        None => format!("at least {}", rate(knee.low)),
    }
}

/// `up to 1520/s (1450–1590/s)`
pub(crate) fn knee(knee: &Knee) -> String {
    match knee.high {
        Some(_) => format!("up to {} ({})", rate(knee.rate), between(knee)),
        None => format!("{} at the least", rate(knee.low)),
    }
}

/// `800 ms`
pub(crate) fn duration(seconds: f64) -> String {
    let (size, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s > 0.0 => (s * 1e6, "µs"),
        _ => (0.0, "s"),
    };
    format!("{} {unit}", short(size))
}

/// `34.1 MB`
pub(crate) fn bytes(bytes: f64) -> String {
    let (size, unit) = match bytes {
        b if b >= 1e9 => (b / 1e9, "GB"),
        b if b >= 1e6 => (b / 1e6, "MB"),
        b => (b / 1e3, "kB"),
    };
    format!("{} {unit}", short(size))
}

/// A figure's median, and its interval where it has one.
pub(crate) fn figure(figure: &Figure, show: fn(f64) -> String) -> String {
    let Figure { median, low, high } = *figure;
    let (median, low, high) = (show(median), show(low), show(high));
    if low == high {
        median
    } else {
        format!("{median} ({low}–{high})")
    }
}

/// Three digits, and no zeros after a point.
pub(crate) fn short(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let digits = 2 - number.abs().log10().floor() as i32;
    if digits > 7 {
        return format!("{number:.2e}");
    }
    let unit = 10_f64.powi(-digits);
    let rounded = (number / unit).round() * unit;
    let places = digits.max(0) as usize;
    let text = format!("{rounded:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// `a, b and c`
pub(crate) fn list(names: &[impl AsRef<str>]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        for (number, text) in [
            (0.0, "0"),
            (1523.4, "1520"),
            (99.96, "100"),
            (0.76234, "0.762"),
            (50.0, "50"),
            (0.000_512, "0.000512"),
            (0.000_000_229, "2.29e-7"),
            (4.5, "4.5"),
            (1.05_f64.powi(-40), "0.142"),
        ] {
            assert_eq!(short(number), text);
        }
        assert_eq!(duration(0.8), "800 ms");
        assert_eq!(duration(1.25), "1.25 s");
        assert_eq!(duration(0.0002), "200 µs");
        assert_eq!(bytes(34_100_000.0), "34.1 MB");
        assert_eq!(quantile(0.999), "p99.9");
        assert_eq!(quantile(0.99), "p99");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
