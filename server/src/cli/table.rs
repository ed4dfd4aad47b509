//! Columns of text for people: each as wide as its widest cell, two spaces between them.

/// Rows of cells; rows may be of different lengths.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(str::to_owned).to_vec());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Prints a document as indented JSON on standard output.
pub(crate) fn print_json(document: &(impl serde::Serialize + ?Sized)) -> Result<(), super::failure::Failure> {
    let text = serde_json::to_string_pretty(document).map_err(super::failure::Failure::failed)?;
    outln!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let mut table = Table::default();
        table.row(["grad-cam", "Grad-CAM", ""]);
        table.row(["é", "x", "y"]);
        assert_eq!(table.to_string(), "grad-cam  Grad-CAM\né         x         y\n");
    }
}
