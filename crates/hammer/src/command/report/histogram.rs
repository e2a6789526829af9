//! A picture of a distribution that is seen at a glance.
//!
//! The classes grow by a constant factor, so that one request of ten seconds
//! does not press all those of a millisecond into one class.

use std::time::Duration;

use hammer::Latency;

use crate::command::units;

const CLASSES: usize = 12;
/// The longest bar, which leaves room for the figures beside it.
const WIDTH: f64 = 40.0;

/// A row for each class: where it ends, how many, and a bar.
pub(crate) fn histogram(latency: &Latency) -> Vec<Vec<String>> {
    let mut classes: Vec<(String, u64)> = Vec::new();
    for (end, count) in counts(latency) {
        let end = format!("≤ {}", units::duration(end));
        match classes.last_mut() {
            // What prints alike is one class.
            Some(last) if last.0 == end => last.1 += count,
            _ => classes.push((end, count)),
        }
    }
    let most = classes.iter().map(|&(_, count)| count).max().unwrap_or(0);
    classes
        .into_iter()
        .map(|(end, count)| {
            vec![
                end,
                count.to_string(),
                // Bars begin at the left, whatever the table does.
                format!("{:<40}", bar(count as f64 / most.max(1) as f64)),
            ]
        })
        .collect()
}

fn counts(latency: &Latency) -> Vec<(Duration, u64)> {
    let (min, max) = (latency.min(), latency.max());
    if latency.count() == 0 {
        return Vec::new();
    }
    let least = (min.as_nanos() as f64).max(1.0);
    let factor = (max.as_nanos() as f64 / least).max(1.0);
    let mut counts = Vec::new();
    let mut below = 0;
    for class in 1..=CLASSES {
        let share = class as f64 / CLASSES as f64;
        let end = match class == CLASSES {
            true => max.as_nanos() as u64,
            false => (least * factor.powf(share)) as u64,
        };
        let histogram = latency.histogram();
        let upto = histogram.count_between(0, end);
        counts.push((Duration::from_nanos(end), upto - below));
        below = upto;
    }
    counts
}

fn bar(share: f64) -> String {
    const EIGHTHS: [char; 8] = ['█', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share * WIDTH * 8.0).round() as usize;
    // However few, they are not none.
    let eighths = match share > 0.0 {
        true => eighths.max(1),
        false => 0,
    };
    let mut bar = "█".repeat(eighths / 8);
    if eighths % 8 > 0 {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(values: &[u64]) -> Latency {
        let mut histogram = Latency::default().histogram().clone();
        for &millis in values {
            histogram.record(millis * 1_000_000).unwrap();
        }
        histogram.into()
    }

    #[test]
    fn every_request_is_in_one_class() {
        for values in [
            &[][..],
            &[5],
            &[5, 5],
            &[1, 2, 3, 4, 5_000],
            &[5000, 5001, 5600, 6000],
            &[0, 1],
        ] {
            let latency = latency(values);
            let counts = counts(&latency);
            let sum: u64 = counts.iter().map(|&(_, count)| count).sum();
            assert_eq!(sum, values.len() as u64, "{values:?}");
            assert!(counts.is_sorted_by_key(|&(end, _)| end), "{values:?}");
        }
    }

    #[test]
    fn no_two_classes_print_alike() {
        for values in [&[5][..], &[500, 502], &[1000, 1001, 1002], &[1, 9]] {
            let rows = histogram(&latency(values));
            assert!(rows.windows(2).all(|two| two[0][0] != two[1][0]));
            let sum: usize = rows
                .iter()
                .map(|row| row[1].parse::<usize>().unwrap())
                .sum();
            assert_eq!(sum, values.len(), "{rows:?}");
        }
    }

    #[test]
    fn a_bar_shows_even_the_least() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(0.000_1), "▏");
        assert_eq!(bar(1.0).chars().count(), 40);
    }
}
