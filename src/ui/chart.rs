//! A table with a bar beside each row, fitted to a width: the least important columns go first, long names are cut.

use super::escape;

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    right: bool,
    /// Larger ones are left out first; 0 stays.
    drop: u8,
    /// May be cut.
    name: bool,
}

impl Column {
    /// The column of names, which is cut where there is no room.
    pub fn name(heading: &'static str) -> Column {
        Column { heading, right: false, drop: 0, name: true }
    }

    /// Text that is left out in this order where there is no room.
    pub fn text(heading: &'static str, drop: u8) -> Column {
        Column { heading, right: false, drop, name: false }
    }

    /// A figure that is left out in this order where there is no room.
    pub fn number(heading: &'static str, drop: u8) -> Column {
        Column { heading, right: true, drop, name: false }
    }
}

/// Rows with a share each, 0 to 1.
#[derive(Debug, Clone)]
pub struct Chart {
    columns: Vec<Column>,
    rows: Vec<(Vec<String>, f64)>,
}

/// A name is not cut below this.
const LEAST_NAME: usize = 16;
/// Bars between these lengths.
const BAR: (usize, usize) = (8, 30);
/// Eighths of a block.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

impl Chart {
    /// An empty one.
    pub fn new(columns: &[Column]) -> Chart {
        Chart { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with one cell per column.
    pub fn row(&mut self, cells: Vec<String>, share: f64) {
        debug_assert_eq!(cells.len(), self.columns.len());
        let cells = cells.iter().map(|cell| escape::terminal(cell).into_owned()).collect();
        self.rows.push((cells, share));
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Text no wider than `width`, as far as the columns that stay allow; bars of blocks or of `#`.
    pub fn text(&self, width: usize, blocks: bool) -> String {
        let longest = |at: usize| {
            let cells = self.rows.iter().map(|(cells, _)| cells[at].chars().count());
            cells.chain([self.columns[at].heading.len()]).max().unwrap_or_default()
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(longest).collect();
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let needed = |shown: &[usize], widths: &[usize], least: bool| -> usize {
            let one = |at: &usize| {
                let width = widths[*at];
                2 + if self.columns[*at].name && least { width.min(LEAST_NAME) } else { width }
            };
            shown.iter().map(one).sum()
        };
        while needed(&shown, &widths, true) + BAR.0 > width {
            let Some(last) =
                shown.iter().copied().filter(|at| self.columns[*at].drop > 0).max_by_key(|at| self.columns[*at].drop)
            else {
                break;
            };
            shown.retain(|at| *at != last);
        }
        // First the name gets what it wants, then the bar what is left.
        let over = (needed(&shown, &widths, false) + BAR.0).saturating_sub(width);
        if let Some(name) = shown.iter().find(|at| self.columns[**at].name) {
            widths[*name] = widths[*name].saturating_sub(over).max(LEAST_NAME.min(widths[*name]));
        }
        let bar = width.saturating_sub(needed(&shown, &widths, false)).min(BAR.1);
        let headings: Vec<String> = self.columns.iter().map(|column| column.heading.to_owned()).collect();
        let mut text = String::new();
        for (cells, share) in
            std::iter::once((&headings, 0.0)).chain(self.rows.iter().map(|(cells, share)| (cells, *share)))
        {
            let mut line = String::new();
            for at in &shown {
                let (width, cell) = (widths[*at], cut(&cells[*at], widths[*at], blocks));
                let room = " ".repeat(width.saturating_sub(cell.chars().count()));
                match self.columns[*at].right {
                    true => line.extend([room.as_str(), &cell, "  "]),
                    false => line.extend([cell.as_str(), &room, "  "]),
                }
            }
            line.push_str(&draw(share, bar, blocks));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn cut(text: &str, width: usize, blocks: bool) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let end = if blocks { "…" } else { "..." };
    let kept = width.saturating_sub(end.chars().count());
    text.chars().take(kept).chain(end.chars()).collect()
}

fn draw(share: f64, width: usize, blocks: bool) -> String {
    let share = share.clamp(0.0, 1.0);
    if !blocks {
        return "#".repeat((share * width as f64).round() as usize);
    }
    let eighths = (share * width as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|part| EIGHTHS[part]));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let mut chart = Chart::new(&[
            Column::name("APP"),
            Column::text("CATEGORY", 2),
            Column::number("USERS", 1),
            Column::number("BYTES", 0),
        ]);
        let row =
            |name: &str, users: &str, bytes: &str| [name, "Cloud storage", users, bytes].map(str::to_owned).to_vec();
        chart.row(row("A name that is rather long for a table", "12", "1.0 GiB"), 1.0);
        chart.row(row("B\u{1b}", "3", "512.0 MiB"), 0.5);
        chart
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_the_name_and_the_figure_stay() {
        for width in [40, 50, 60, 80, 120, 200] {
            let text = chart().text(width, true);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(text.contains("1.0 GiB") && text.contains("A name"), "{text}");
            assert_eq!(text.contains("Cloud storage"), width >= 60, "{width}\n{text}");
        }
    }

    #[test]
    fn bars_are_in_proportion_and_names_are_escaped() {
        let text = chart().text(100, false);
        let bars: Vec<usize> = text.lines().map(|line| line.matches('#').count()).collect();
        assert_eq!((bars[0], bars[1], bars[2]), (0, bars[1], bars[1].div_ceil(2)));
        assert!(bars[1] >= BAR.0 && text.contains("B\\u{1b}"), "{text}");
        assert_eq!(draw(0.5, 1, true), "▌");
    }
}
