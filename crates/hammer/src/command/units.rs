//! Figures as people write and read them.

use std::time::Duration;

use hammer::{LONGEST, Stage};

/// Reads `1.5s`, `200ms`, `2m`, `1h`, and a bare number of seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(not_a_duration()),
    };
    let number: f64 = number.parse().map_err(|_| not_a_duration())?;
    let seconds = number * seconds;
    if seconds > LONGEST.as_secs_f64() {
        return Err("a year is the longest".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| not_a_duration())
}

fn not_a_duration() -> String {
    "a duration is a number and us, ms, s, m or h, as in 30s".to_owned()
}

/// Reads `500`, `500/s`, `30/m`, `10/h`, as requests a second.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "" | "/s" => 1.0,
        "/m" | "/min" => 60.0,
        "/h" => 3600.0,
        _ => return Err(not_a_rate()),
    };
    let number: f64 = number.parse().map_err(|_| not_a_rate())?;
    Ok(number / seconds)
}

fn not_a_rate() -> String {
    "a rate is a number of requests a second, as in 500 or 500/s".to_owned()
}

/// Reads `10s:100,30s:500`.
pub(crate) fn parse_stages(text: &str) -> Result<Vec<Stage>, String> {
    let stage = |text: &str| {
        let (length, rate) = text.split_once(':').ok_or_else(|| {
            "stages are durations and rates, as in 10s:100,30s:500".to_owned()
        })?;
        let length = parse_duration(length)?;
        if length.is_zero() {
            return Err("a stage takes time".to_owned());
        }
        let rate = parse_rate(rate)?;
        Ok(Stage { length, rate })
    };
    text.split(',').map(stage).collect()
}

/// Reads `Name: value`.
pub(crate) fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| "a header is a name, a colon and a value".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Three significant digits, in the unit that keeps them short.
pub(crate) fn duration(duration: Duration) -> String {
    seconds(duration.as_secs_f64())
}

pub(crate) fn seconds(seconds: f64) -> String {
    if seconds >= 1.0 {
        scaled(seconds, "s")
    } else if seconds >= 1e-3 {
        scaled(seconds * 1e3, "ms")
    } else {
        scaled(seconds * 1e6, "µs")
    }
}

pub(crate) fn bytes(count: u64) -> String {
    let count = count as f64;
    if count < 1e3 {
        format!("{count} B")
    } else if count < 1e6 {
        scaled(count / 1e3, "kB")
    } else if count < 1e9 {
        scaled(count / 1e6, "MB")
    } else {
        scaled(count / 1e9, "GB")
    }
}

pub(crate) fn rate(per_second: f64) -> String {
    scaled(per_second, "requests/s")
}

/// A number of three digits where that is no less exact.
pub(crate) fn scaled(number: f64, unit: &str) -> String {
    let digits = match number {
        _ if number >= 100.0 => 0,
        _ if number >= 10.0 => 1,
        _ => 2,
    };
    format!("{number:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("30s", 30_000),
            ("1.5", 1_500),
            ("200ms", 200),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            let read = parse_duration(text).unwrap();
            assert_eq!(read, Duration::from_millis(millis), "{text}");
        }
        for text in ["", "s", "-1s", "1x", "9999999h", "1.2.3s", "∞"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_figure_has_three_digits() {
        let text = |micros| duration(Duration::from_micros(micros));
        assert_eq!(text(0), "0.00 µs");
        assert_eq!(text(12), "12.0 µs");
        assert_eq!(text(1_234), "1.23 ms");
        assert_eq!(text(123_456), "123 ms");
        assert_eq!(text(61_700_000), "61.7 s");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.50 MB");
    }
}
