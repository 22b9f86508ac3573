//! A table without frames.

use std::fmt;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment};

/// Rows under a header. Columns are as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Table {
    inner: comfy_table::Table,
    is_number: Vec<bool>,
}

impl Table {
    /// A table with these columns. Those that begin with `>` are aligned to the right.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let is_number: Vec<bool> = columns.iter().map(|c| c.starts_with('>')).collect();
        let mut inner = comfy_table::Table::new();
        inner.load_style(NOTHING);
        let mut table = Self { inner, is_number };
        let header = columns.iter().map(|c| c.trim_start_matches('>').to_owned());
        let header = table.cells(header);
        table.inner.set_header(header);
        table
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = self.cells(cells);
        self.inner.add_row(cells);
    }

    fn cells(&self, cells: impl IntoIterator<Item = String>) -> Vec<Cell> {
        let cell = |(text, is_number): (String, &bool)| {
            let alignment = match is_number {
                true => CellAlignment::Right,
                false => CellAlignment::Left,
            };
            Cell::new(text).set_alignment(alignment)
        };
        cells.into_iter().zip(&self.is_number).map(cell).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.inner.lines() {
            // The padding of the last column is of no use to anybody.
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let mut table = Table::new(&["name", ">bytes"]);
        table.row(["audio".to_owned(), "7".to_owned()]);
        table.row(["x".to_owned(), "123456".to_owned()]);
        let lines: Vec<String> = table.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines[0], " name    bytes");
        assert_eq!(lines[1], " audio       7");
        assert_eq!(lines[2], " x      123456");
    }
}
