//! Aligned tables without borders.

use colored::{Color, Colorize as _};
use comfy_table::{ColumnConstraint, ContentArrangement, TableStyle, Width};
use queuectl_core::State;
use std::fmt;
use unicode_width::UnicodeWidthStr as _;

use crate::text::{escape, shorten};

/// The widest cell in a pipe, where nothing else limits it.
const WIDEST_CELL: usize = 1000;

/// Blanks between two columns.
const GAP: usize = 2;

#[derive(Clone, Debug)]
struct Row {
    cells: Vec<String>,
    /// What one of the cells shows, in colour.
    state: Option<State>,
}

/// A table: a header, and rows of text of which nothing is hidden.
#[derive(Clone, Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Row>,
    /// The column that gives way when the terminal is too narrow.
    flexible: Option<usize>,
    columns: Option<usize>,
    widths: Vec<u16>,
    headed: bool,
}

impl Table {
    /// Begins a table with these columns.
    pub fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|&title| title.to_owned()).collect(),
            rows: Vec::new(),
            flexible: None,
            columns: None,
            widths: vec![0; header.len()],
            headed: true,
        }
    }

    /// Shortens this column if the rows do not fit into so many columns of the
    /// terminal; none means a pipe.
    #[must_use]
    pub fn fit(mut self, flexible: usize, columns: Option<usize>) -> Self {
        self.flexible = Some(flexible);
        self.columns = columns;
        self
    }

    /// Adds a row; what is hidden is escaped.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.add(&cells, None);
    }

    /// Adds a row one of whose cells is this state, and no later cell names one.
    pub fn row_of<const N: usize>(&mut self, state: State, cells: [&str; N]) {
        self.add(&cells, Some(state));
    }

    fn add(&mut self, cells: &[&str], state: Option<State>) {
        // No more of a cell is ever shown, in a pipe or on a terminal.
        let cells = cells.iter().map(|cell| shorten(&escape(cell), WIDEST_CELL).into_owned()).collect();
        self.rows.push(Row { cells, state });
    }

    /// Tells whether no row was added since the last page.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Gives what there is and forgets it, for tables too long to be kept; the
    /// next page has no header, and columns at least as wide.
    pub fn page(&mut self) -> String {
        let (page, widths) = self.render();
        self.widths = widths;
        self.headed = false;
        self.rows.clear();
        page
    }

    fn render(&self) -> (String, Vec<u16>) {
        let widest = self.widest_flexible();
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled);
        if self.headed {
            table.set_header(&self.header);
        }
        for row in &self.rows {
            table.add_row(row.cells.iter().enumerate().map(|(column, cell)| match self.flexible {
                Some(flexible) if flexible == column => shorten(cell, widest).into_owned(),
                _ => cell.clone(),
            }));
        }
        for (column, width) in table.column_iter_mut().zip(&self.widths) {
            column.set_padding((0, GAP as u16));
            // A lower bound of comfy-table's counts the padding.
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + GAP as u16)));
        }
        let widths = table.column_max_content_widths();
        let widths = widths.iter().zip(&self.widths).map(|(now, before)| *now.max(before)).collect();
        let page = table.trim_fmt();
        let header = self.headed.then_some(None);
        let states = header.into_iter().chain(self.rows.iter().map(|row| row.state));
        let lines = page.lines().zip(states).map(|(line, state)| colored_line(line, state) + "\n");
        (lines.collect(), widths)
    }

    /// What the flexible column may have, so that the longest row fits.
    fn widest_flexible(&self) -> usize {
        let (Some(flexible), Some(columns)) = (self.flexible, self.columns) else { return WIDEST_CELL };
        let title = self.header[flexible].width();
        let others: usize = (0..self.header.len())
            .filter(|&column| column != flexible)
            .map(|column| {
                let cells = self.rows.iter().map(|row| row.cells[column].width());
                cells
                    .chain([self.header[column].width(), usize::from(self.widths[column])])
                    .max()
                    .unwrap_or(0)
            })
            .sum();
        let gaps = GAP * (self.header.len() - 1);
        columns.saturating_sub(others + gaps).clamp(title.max(8), WIDEST_CELL)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render().0)
    }
}

/// A line with the last state it names in its colour.
///
/// Colour comes last: to comfy-table it would count as width.
fn colored_line(line: &str, named: Option<State>) -> String {
    let place = named.and_then(|named| Some((named, line.rfind(named.as_str())?)));
    match place {
        Some((named, at)) => {
            let after = &line[at + named.as_str().len()..];
            format!("{}{}{after}", &line[..at], state(named))
        }
        None => line.to_owned(),
    }
}

/// A state in its colour, where there are colours.
pub fn state(state: State) -> String {
    state.as_str().color(color(state)).to_string()
}

fn color(state: State) -> Color {
    match state {
        State::Pending => Color::Cyan,
        State::Processing => Color::Blue,
        State::Completed => Color::Green,
        State::Failed => Color::Yellow,
        State::Dead => Color::Red,
        State::Cancelled => Color::BrightBlack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut table = Table::new(&["ID", "Command", "State"]);
        table.row(["a", "echo 漢字\n\u{202e}", "pending"]);
        table.row(["long-id", "true", "dead"]);
        let wanted = [
            "ID       Command              State",
            "a        echo 漢字\\n\\u{202e}  pending",
            "long-id  true                 dead",
        ];
        assert_eq!(table.to_string(), wanted.join("\n") + "\n");
    }

    #[test]
    fn the_flexible_column_alone_gives_way_to_a_narrow_terminal() {
        let mut table = Table::new(&["ID", "Command", "State"]).fit(1, Some(30));
        let id = "0190b0c2-long";
        table.row([id, "a command that is far too long", "pending"]);
        for line in table.to_string().lines() {
            assert!(line.width() <= 34, "{line}");
        }
        assert!(table.to_string().contains(&format!("{id}  a comma…  pending")), "{table}");
        let mut piped = Table::new(&["ID", "Command"]).fit(1, None);
        piped.row(["x", &"long ".repeat(50)]);
        assert!(!piped.to_string().contains('…'));
    }

    #[test]
    fn later_pages_keep_the_columns_and_have_no_header() {
        let mut table = Table::new(&["ID", "State"]);
        table.row(["a-long-one", "dead"]);
        assert_eq!(table.page(), "ID          State\na-long-one  dead\n");
        assert!(table.is_empty());
        table.row(["b", "dead"]);
        assert_eq!(table.page(), "b           dead\n");
    }

    #[test]
    fn an_empty_table_is_its_header() {
        assert_eq!(Table::new(&["ID", "State"]).to_string(), "ID  State\n");
    }

    #[test]
    fn only_the_last_state_of_a_line_is_coloured() {
        colored::control::set_override(true);
        let line = colored_line("dead  echo dead  dead  0/3", Some(State::Dead));
        colored::control::unset_override();
        assert!(line.starts_with("dead  echo dead  \u{1b}["), "{line:?}");
        assert_eq!(colored_line("dead", None), "dead");
    }
}
