//! Tables that are printed row by row: a row never waits for the ones behind it.

use std::io::{self, Write};

use owo_colors::Style;

const GAP: usize = 3;
/// One very long value must not push all later rows off the screen.
const WIDEST: usize = 64;

/// Columns whose widths grow with what they have shown.
///
/// A value that is too long for its column pushes the rest of its row to the right; the rows
/// after it are aligned again, unless the value was extremely long.
#[derive(Debug)]
pub(crate) struct Table {
    headers: Vec<&'static str>,
    widths: Vec<usize>,
    show_headers: bool,
}

impl Table {
    /// A table with a first guess of its widths: name and least width of each column.
    pub(crate) fn new(columns: &[(&'static str, usize)], show_headers: bool) -> Self {
        let width = |&(header, least): &(&str, usize)| header.len().max(least);
        Self {
            headers: columns.iter().map(|(header, _)| *header).collect(),
            widths: columns.iter().map(width).collect(),
            show_headers,
        }
    }

    /// Writes rows that are all at hand: each column is as wide as its widest cell.
    pub(crate) fn rows(&mut self, out: &mut dyn Write, rows: &[Vec<String>]) -> io::Result<()> {
        rows.iter().for_each(|row| self.fit(row));
        let mut rows = rows.iter();
        rows.try_for_each(|row| self.row(out, row, Style::new()))
    }

    /// Makes room for a row that will be written later.
    fn fit(&mut self, cells: &[String]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }

    /// Writes a row, and the headers before the first one. `first` colours the first cell.
    pub(crate) fn row(
        &mut self,
        out: &mut dyn Write,
        cells: &[String],
        first: Style,
    ) -> io::Result<()> {
        if std::mem::take(&mut self.show_headers) {
            let headers: Vec<String> = self.headers.iter().map(|h| (*h).to_owned()).collect();
            self.line(out, &headers, Style::new())?;
        }
        let cells: Vec<String> = cells.iter().map(|cell| printable(cell)).collect();
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
        self.line(out, &cells, first)
    }

    fn line(&self, out: &mut dyn Write, cells: &[String], first: Style) -> io::Result<()> {
        for (i, cell) in cells.iter().enumerate() {
            if i == 0 {
                write!(out, "{}", first.style(cell))?;
            } else {
                out.write_all(cell.as_bytes())?;
            }
            if i + 1 < cells.len() {
                let room = self.widths[i] + GAP;
                let pad = room.saturating_sub(cell.chars().count()).max(1);
                write!(out, "{:pad$}", "")?;
            }
        }
        out.write_all(b"\n")
    }
}

/// A text that can't steer the terminal: objects hold what strangers wrote.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &mut Table, rows: &[&[&str]]) -> String {
        let mut out = Vec::new();
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| (*cell).to_owned()).collect();
            table
                .row(&mut out, &cells, Style::new())
                .expect("memory takes all");
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn grows_with_its_rows() {
        let mut table = Table::new(&[("NAME", 6), ("READY", 0), ("AGE", 0)], true);
        let rows: [&[&str]; 3] = [
            &["web", "1/1", "5s"],
            &["a-long-name", "0/1", "7s"],
            &["web", "1/1", "9s"],
        ];
        assert_eq!(
            written(&mut table, &rows),
            "\
NAME     READY   AGE
web      1/1     5s
a-long-name   0/1     7s
web           1/1     9s
"
        );
    }

    #[test]
    fn one_very_long_value_leaves_the_others_readable() {
        let mut table = Table::new(&[("NAME", 0), ("AGE", 0)], false);
        let long = "x".repeat(200);
        let text = written(&mut table, &[&[&long, "1s"], &["web", "2s"]]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("{long} 1s"));
        assert_eq!(lines[1].len(), WIDEST + GAP + 2);
    }

    #[test]
    fn leaves_the_headers_out_when_asked_to() {
        let mut table = Table::new(&[("NAME", 0)], false);
        assert_eq!(written(&mut table, &[&["web"]]), "web\n");
    }

    #[test]
    fn pads_by_what_is_seen_not_by_colour_codes() {
        let mut table = Table::new(&[("EVENT", 8), ("NAME", 0)], false);
        let mut out = Vec::new();
        let cells = ["ADDED".to_owned(), "web".to_owned()];
        table
            .row(&mut out, &cells, Style::new().green())
            .expect("memory takes all");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "\u{1b}[32mADDED\u{1b}[0m      web\n");
    }

    #[test]
    fn no_cell_steers_the_terminal() {
        let mut table = Table::new(&[("STATUS", 0)], false);
        let text = written(&mut table, &[&["\u{1b}]0;owned\u{7}\nADDED\u{9b}2J"]]);
        assert_eq!(text, "?]0;owned??ADDED?2J\n");
    }
}
