//! Aligned tables without borders.
//!
//! In a pipe every column is there and nothing is cut; one long cell makes its own
//! row longer and no other. On a terminal no row is wider than the terminal: long
//! cells are cut, and what can be done without is left out.
//!
//! By hand, since neither `comfy-table` nor `tabled` leaves a column out for want of room,
//! cuts a cell at its beginning, or keeps the columns of a table from page to page; how
//! wide a text is tells `unicode-width`.

use crate::text::{escape, shorten, shorten_beginning};
use colored::{Color, Colorize as _};
use queuectl_core::State;
use std::fmt;
use unicode_width::UnicodeWidthStr as _;

/// The widest cell in a pipe, where nothing else limits it.
const WIDEST_CELL: usize = 1000;

/// In a pipe no cell is made wider than this because another is: an id of ours fits.
const WIDEST_PADDING: usize = 40;

/// Blanks between two columns.
const GAP: usize = 2;

/// What a column does when the terminal is too narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// Nothing: it is shown whole.
    Stays,
    /// It shows its cells' ends, as of ids, which often begin alike.
    CutsBeginnings,
    /// It shows its cells' beginnings.
    CutsEnds,
    /// The same, and it keeps the larger part of the room.
    CutsEndsLast,
    /// It is left out; the last of them first.
    Goes,
}

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
    narrow: Vec<Narrow>,
    rows: Vec<Row>,
    columns: Option<usize>,
    /// The least that the next page has.
    widths: Vec<usize>,
    /// Columns that the first page has left out.
    gone: Vec<bool>,
    headed: bool,
}

impl Table {
    /// Begins a table with these columns.
    pub fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|&title| title.to_owned()).collect(),
            narrow: vec![Narrow::Stays; header.len()],
            rows: Vec::new(),
            columns: None,
            widths: vec![0; header.len()],
            gone: vec![false; header.len()],
            headed: true,
        }
    }

    /// Makes the rows fit into so many columns of a terminal; none means a pipe.
    #[must_use]
    pub fn fit(mut self, columns: Option<usize>, narrow: &[Narrow]) -> Self {
        self.columns = columns;
        self.narrow = narrow.to_vec();
        self
    }

    /// Adds a row; what is hidden is escaped.
    pub fn row(&mut self, cells: &[&str]) {
        self.add(cells, None);
    }

    /// Adds a row one of whose cells is this state.
    pub fn row_of(&mut self, state: State, cells: &[&str]) {
        self.add(cells, Some(state));
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
        let (page, layout) = self.render();
        self.widths = layout.natural;
        self.gone = layout.shown.iter().map(|&width| width == 0).collect();
        self.headed = false;
        self.rows.clear();
        page
    }

    fn render(&self) -> (String, Layout) {
        let layout = self.layout();
        let mut page = String::new();
        if self.headed {
            self.line(&mut page, &self.header, None, &layout.shown);
        }
        for row in &self.rows {
            self.line(&mut page, &row.cells, row.state, &layout.shown);
        }
        (page, layout)
    }

    fn layout(&self) -> Layout {
        let natural: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row.cells[column].width());
                cells.chain([self.header[column].width(), self.widths[column]]).max().unwrap_or(0)
            })
            .collect();
        let shown = match self.columns {
            None => natural.iter().map(|&width| width.min(WIDEST_PADDING)).collect(),
            Some(columns) => self.squeezed(&natural, columns),
        };
        Layout { natural, shown }
    }

    /// How wide each column may be on a terminal; 0 is left out.
    fn squeezed(&self, natural: &[usize], columns: usize) -> Vec<usize> {
        let mut widths: Vec<usize> =
            natural.iter().zip(&self.gone).map(|(&width, &gone)| if gone { 0 } else { width }).collect();
        let least = |kind| match kind {
            // What is cut from an id must leave enough to tell jobs apart.
            Narrow::CutsBeginnings if columns >= 72 => 12,
            Narrow::CutsBeginnings => 8,
            Narrow::CutsEndsLast => 40,
            _ => 16,
        };
        // Of two that are cut, one has so many times the room of the other.
        let share = |column: usize| if self.narrow[column] == Narrow::CutsEndsLast { 3 } else { 1 };
        let at_least = |widths: &[usize]| -> usize {
            let widths = widths.iter().zip(&self.narrow).map(|(&width, &kind)| match kind {
                Narrow::CutsBeginnings | Narrow::CutsEnds | Narrow::CutsEndsLast => width.min(least(kind)),
                Narrow::Stays | Narrow::Goes => width,
            });
            with_gaps(widths)
        };
        while at_least(&widths) > columns {
            let can_go = |&column: &usize| self.narrow[column] == Narrow::Goes && widths[column] > 0;
            let Some(last) = (0..widths.len()).rev().find(can_go) else { break };
            widths[last] = 0;
        }
        // Ids give way first, as far as they can; then whatever is widest, until it fits.
        for (kind, floor) in [
            (Narrow::CutsBeginnings, least(Narrow::CutsBeginnings)),
            (Narrow::CutsEnds, 4),
            (Narrow::CutsBeginnings, 4),
        ] {
            while with_gaps(widths.iter().copied()) > columns {
                let is_kind = |column: usize| match self.narrow[column] {
                    Narrow::CutsEndsLast => kind == Narrow::CutsEnds,
                    other => other == kind,
                };
                let cuts = |&column: &usize| is_kind(column) && widths[column] > floor;
                let room = |&column: &usize| widths[column] / share(column);
                let Some(widest) = (0..widths.len()).filter(cuts).max_by_key(room) else { break };
                widths[widest] -= 1;
            }
        }
        widths
    }

    /// Adds a line with its cells in columns of these widths.
    fn line(&self, page: &mut String, cells: &[String], state: Option<State>, widths: &[usize]) {
        let colored = state.and_then(|state| cells.iter().rposition(|cell| *cell == state.as_str()));
        let (mut line, mut plain, mut blanks) = (String::new(), String::new(), 0);
        for (column, (cell, &width)) in cells.iter().zip(widths).enumerate().filter(|(_, cell)| *cell.1 > 0) {
            let cell = match (self.columns, self.narrow[column]) {
                (None, _) => cell.into(),
                (Some(_), Narrow::CutsBeginnings) => shorten_beginning(cell, width),
                (Some(_), _) => shorten(cell, width),
            };
            if !cell.is_empty() {
                let gap = " ".repeat(blanks);
                plain.extend([gap.as_str(), &cell]);
                match state.filter(|_| colored == Some(column)) {
                    Some(state) => line.extend([gap.as_str(), &self::state(state)]),
                    None => line.extend([gap.as_str(), &cell]),
                }
                blanks = 0;
            }
            blanks += width.saturating_sub(cell.width()) + GAP;
        }
        match self.columns {
            // Narrower than even the shortest row.
            Some(columns) if plain.width() > columns => page.push_str(&shorten(&plain, columns)),
            _ => page.push_str(&line),
        }
        page.push('\n');
    }
}

/// How wide the columns would be, and how wide they are shown; 0 is left out.
struct Layout {
    natural: Vec<usize>,
    shown: Vec<usize>,
}

/// What a row needs whose columns are so wide.
fn with_gaps(widths: impl Iterator<Item = usize>) -> usize {
    let (count, sum) = widths.filter(|&width| width > 0).fold((0, 0), |(n, sum), width| (n + 1, sum + width));
    sum + GAP * usize::saturating_sub(count, 1)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render().0)
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

    const JOBS: [Narrow; 4] = [Narrow::CutsBeginnings, Narrow::CutsEnds, Narrow::Stays, Narrow::Goes];

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut table = Table::new(&["ID", "Command", "State"]);
        table.row(&["a", "echo 漢字\n\u{202e}", "pending"]);
        table.row(&["long-id", "true", "dead"]);
        let wanted = [
            "ID       Command              State",
            "a        echo 漢字\\n\\u{202e}  pending",
            "long-id  true                 dead",
        ];
        assert_eq!(table.to_string(), wanted.join("\n") + "\n");
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        for columns in 1..120 {
            let mut table = Table::new(&["ID", "Command", "State", "Created At"]).fit(Some(columns), &JOBS);
            table.row(&["0190b0c2-long-one", "a command that is far 漢字 too long", "pending", "14:05:09"]);
            table.row(&["b", "true", "dead", "3 d ago"]);
            for line in table.to_string().lines() {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn an_id_shows_its_end_and_a_command_its_beginning() {
        let mut table = Table::new(&["ID", "Command", "State", "Created At"]).fit(Some(40), &JOBS);
        table.row(&["0190b0c2-long-one", "a command that is far too long", "pending", "14:05:09"]);
        assert_eq!(
            table.to_string(),
            "ID        Command               State\n…ong-one  a command that is fa…  pending\n"
                .replace("Command               ", "Command                ")
        );
        let mut piped = Table::new(&["ID", "Command"]).fit(None, &JOBS[..2]);
        piped.row(&["x", &"long ".repeat(50)]);
        assert!(!piped.to_string().contains('…'));
    }

    #[test]
    fn what_is_cut_last_has_the_larger_part() {
        for (columns, cut, cut_last) in [(80, 19, 59), (60, 14, 44)] {
            let narrow = [Narrow::CutsEnds, Narrow::CutsEndsLast];
            let mut table = Table::new(&["Command", "Error"]).fit(Some(columns), &narrow);
            table.row(&[&"c".repeat(90), &"e".repeat(90)]);
            let shown = table.to_string();
            let line = shown.lines().last().unwrap();
            let count = |letter| line.matches(letter).count() + 1;
            assert_eq!((count('c'), count('e')), (cut, cut_last), "{line}");
        }
    }

    #[test]
    fn in_a_pipe_one_long_cell_makes_no_other_row_longer() {
        let mut table = Table::new(&["ID", "Command", "State"]);
        table.row(&["a", &"x".repeat(900), "dead"]);
        table.row(&["b", "true", "dead"]);
        let lines: Vec<usize> = table.to_string().lines().map(str::len).collect();
        assert_eq!(lines, [2 + 2 + 40 + 2 + 5, 2 + 2 + 900 + 2 + 4, 2 + 2 + 40 + 2 + 4]);
    }

    #[test]
    fn later_pages_keep_the_columns_and_have_no_header() {
        let mut table = Table::new(&["ID", "State"]);
        table.row(&["a-long-one", "dead"]);
        assert_eq!(table.page(), "ID          State\na-long-one  dead\n");
        assert!(table.is_empty());
        table.row(&["b", "dead"]);
        assert_eq!(table.page(), "b           dead\n");
    }

    #[test]
    fn an_empty_table_is_its_header() {
        assert_eq!(Table::new(&["ID", "State"]).to_string(), "ID  State\n");
    }

    #[test]
    fn only_the_last_state_of_a_line_is_coloured() {
        colored::control::set_override(true);
        let mut table = Table::new(&["ID", "Command", "State", "Retries"]);
        table.row_of(State::Dead, &["dead", "dead", "dead", "0/3"]);
        let shown = table.to_string();
        colored::control::unset_override();
        assert!(shown.ends_with("dead  dead     \u{1b}[31mdead\u{1b}[0m   0/3\n"), "{shown:?}");
    }
}
