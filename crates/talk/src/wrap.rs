//! Text in lines that a terminal does not have to break.

/// Pieces in as few lines as hold them, with a gap between two in a line. One
/// that is longer than a line has one of its own.
pub(crate) fn wrap<'a>(
    pieces: impl IntoIterator<Item = &'a str>,
    gap: &str,
    width: usize,
) -> Vec<String> {
    let length = |text: &str| text.chars().count();
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line)
                if length(line) + length(gap) + length(piece) <= width =>
            {
                line.push_str(gap);
                line.push_str(piece);
            }
            _ => lines.push(piece.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_what_fits_and_no_more() {
        let lines = wrap(["q quit", "s sort", "↑ up"], "  ", 14);
        assert_eq!(lines, ["q quit  s sort", "↑ up"]);
        assert_eq!(wrap(["q quit", "s"], "  ", 3), ["q quit", "s"]);
    }
}
