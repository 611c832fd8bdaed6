//! A table that is written as aligned text, as CSV or as JSON rows.

use super::escape;
use serde_json::{Map, Value};

/// One cell: text or a number; numbers align right and stay numbers in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Text, escaped when shown.
    Text(String),
    /// A count.
    Count(u64),
    /// Nothing to say.
    Empty,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Cell {
        Cell::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Cell {
        Cell::Count(count as u64)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Cell {
        cell.map_or(Cell::Empty, Into::into)
    }
}

/// Rows under named columns; the names are the JSON keys.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    pub fn new(columns: &[&'static str]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with one cell per column.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.into());
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Aligned text with a heading; `_` in names is shown as a space.
    pub fn text(&self) -> String {
        let shown = |cell: &Cell| match cell {
            Cell::Text(text) => escape::terminal(text).into_owned(),
            Cell::Count(count) => count.to_string(),
            Cell::Empty => "-".to_owned(),
        };
        let heading: Vec<String> = self.columns.iter().map(|name| name.replace('_', " ").to_uppercase()).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let width = |i: usize| {
            rows.iter().map(|row| row[i].chars().count()).chain([heading[i].len()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let right: Vec<bool> =
            (0..self.columns.len()).map(|i| self.rows.iter().any(|row| matches!(row[i], Cell::Count(_)))).collect();
        let mut text = String::new();
        for row in std::iter::once(&heading).chain(&rows) {
            let cells = row.iter().enumerate().map(|(i, cell)| {
                let width = widths[i];
                if right[i] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// CSV with a header line; cells that a spreadsheet would run are defused.
    pub fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let written = writer.write_record(&self.columns).and_then(|()| {
            self.rows.iter().try_for_each(|row| {
                writer.write_record(row.iter().map(|cell| match cell {
                    Cell::Text(text) => escape::cell(text).into_owned(),
                    Cell::Count(count) => count.to_string(),
                    Cell::Empty => String::new(),
                }))
            })
        });
        debug_assert!(written.is_ok(), "a Vec takes every write");
        writer.into_inner().unwrap_or_default()
    }

    /// One object per row.
    pub fn json(&self) -> Value {
        let value = |cell: &Cell| match cell {
            Cell::Text(text) => Value::from(text.clone()),
            Cell::Count(count) => Value::from(*count),
            Cell::Empty => Value::Null,
        };
        let object = |row: &Vec<Cell>| {
            let pairs = self.columns.iter().zip(row);
            Value::Object(pairs.map(|(name, cell)| ((*name).to_owned(), value(cell))).collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["name", "log_files"]);
        table.row(["a\x1b".into(), 7_u64.into()]);
        table.row(["=x".into(), Cell::Empty]);
        table
    }

    #[test]
    fn text_is_aligned_and_escaped() {
        assert_eq!(table().text(), "NAME     LOG FILES\na\\u{1b}          7\n=x               -\n");
    }

    #[test]
    fn csv_is_defused_and_json_keeps_numbers() {
        assert_eq!(table().csv(), b"name,log_files\na\x1b,7\n'=x,\n");
        assert_eq!(table().json()[0]["log_files"], 7);
        assert_eq!(table().json()[1]["log_files"], Value::Null);
    }
}
