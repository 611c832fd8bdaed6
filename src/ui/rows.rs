//! Rows of a list that is longer than memory: written page by page, the heading once.
//!
//! As text, the first page decides how wide the columns are; a longer cell of a later page pushes its row, so that
//! nothing is cut and nothing waits for the end.

use super::escape;

/// Text of one cell longer than this many characters is cut in tables, never in data.
const WIDEST: usize = 100;

/// The rows so far, as far as they must be remembered.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<String>,
    widths: Option<Vec<usize>>,
    headed: bool,
}

impl Rows {
    /// No row yet, under these names.
    pub fn new(columns: Vec<String>) -> Rows {
        Rows { columns, widths: None, headed: false }
    }

    /// The next rows as aligned text; an empty cell is shown as `-`.
    pub fn text(&mut self, rows: &[Vec<String>]) -> String {
        let shown = |cell: &String| match cell.as_str() {
            "" => "-".to_owned(),
            text if text.chars().count() > WIDEST => {
                escape::terminal(&text.chars().take(WIDEST - 1).chain(['…']).collect::<String>()).into_owned()
            }
            text => escape::terminal(text).into_owned(),
        };
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let heading: Vec<String> = self.columns.iter().map(|name| name.replace('_', " ").to_uppercase()).collect();
        let widths = self.widths.get_or_insert_with(|| {
            let width = |at: usize| {
                rows.iter()
                    .map(|row| row[at].chars().count())
                    .chain([heading[at].chars().count()])
                    .max()
                    .unwrap_or_default()
            };
            (0..heading.len()).map(width).collect()
        });
        let mut text = String::new();
        let first = (!std::mem::replace(&mut self.headed, true)).then_some(&heading);
        for row in first.into_iter().chain(&rows) {
            let cells = row.iter().zip(widths.iter()).map(|(cell, width)| format!("{cell:<width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// The next rows as CSV; cells that a spreadsheet would run are defused.
    pub fn csv(&mut self, rows: &[Vec<String>]) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let first = (!std::mem::replace(&mut self.headed, true)).then_some(&self.columns);
        let defused = |row: &Vec<String>| row.iter().map(|cell| escape::cell(cell).into_owned()).collect::<Vec<_>>();
        let written =
            first.into_iter().cloned().chain(rows.iter().map(defused)).try_for_each(|row| writer.write_record(row));
        debug_assert!(written.is_ok(), "a Vec takes every write");
        writer.into_inner().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 2]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn the_heading_comes_once_and_the_first_page_decides_the_widths() {
        let mut rows = Rows::new(vec!["id".to_owned(), "log_type".to_owned()]);
        assert_eq!(rows.text(&[row(["abc", ""])]), "ID   LOG TYPE\nabc  -\n");
        assert_eq!(rows.text(&[row(["a\x1b", "x"])]), "a\\u{1b}  x\n");
        assert!(rows.text(&[row([&"x".repeat(300), ""])]).chars().count() < 130);
    }

    #[test]
    fn csv_is_defused_and_an_empty_list_still_has_its_heading() {
        let mut rows = Rows::new(vec!["id".to_owned(), "title".to_owned()]);
        assert_eq!(rows.csv(&[]), b"id,title\n");
        assert_eq!(rows.csv(&[row(["1", "=x,\"y\""])]), b"1,\"'=x,\"\"y\"\"\"\n");
    }
}
