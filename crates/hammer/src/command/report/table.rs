//! Columns that line up: names to the left, figures to the right.

/// Lays rows out below a heading, which may be empty.
pub(crate) fn table(rows: &[Vec<String>], heading: &[&str]) -> String {
    let heading: Vec<_> = heading.iter().map(|&cell| cell.into()).collect();
    let all = || {
        let heading = Some(&heading).filter(|cells| !cells.is_empty());
        heading.into_iter().chain(rows)
    };
    let columns = all().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns)
        .map(|column| all().map(|row| width(row, column)).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line.push_str("  ");
            line.push_str(&match at {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn width(row: &[String], column: usize) -> usize {
    row.get(column).map_or(0, |cell| cell.chars().count())
}
