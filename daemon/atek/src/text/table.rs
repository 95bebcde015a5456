//! Aligned columns without boxes, and the colours of states.

use atek_api::services::State;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
    presets,
};

/// Columns of the narrowest terminal that lines are fitted to.
const MIN_WIDTH: u16 = 20;

/// How something stands out, where colours are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As everything else.
    Plain,
    /// All is well.
    Good,
    /// Worth a look.
    Warn,
    /// Something is broken.
    Bad,
    /// Of less interest.
    Dim,
    /// A heading or a name.
    Strong,
}

impl Tone {
    /// The tone of a service's state.
    pub(crate) fn of(state: State) -> Self {
        match state {
            State::Running => Tone::Good,
            State::Starting | State::Restarting | State::Unavailable => Tone::Warn,
            State::Failed => Tone::Bad,
            State::Stopped | State::Sleeping => Tone::Dim,
        }
    }

    /// `text` in this tone, for a terminal.
    pub(crate) fn paint(self, text: &str, colour: bool) -> String {
        let code = match self {
            _ if !colour => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The word for a state, as the API spells it.
pub(crate) fn state_word(state: State) -> &'static str {
    match state {
        State::Stopped => "stopped",
        State::Starting => "starting",
        State::Running => "running",
        State::Restarting => "restarting",
        State::Failed => "failed",
        State::Sleeping => "sleeping",
        State::Unavailable => "unavailable",
    }
}

/// How a table fits the place where it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableStyle {
    /// Whether to use colours.
    pub(crate) colour: bool,
    /// Whether to wrap long cells at the terminal's edge.
    pub(crate) wrap: bool,
}

/// Rows of cells under a heading; on a narrow terminal, each row as a block of lines.
pub(crate) struct Columns {
    table: Table,
    colour: bool,
    /// Columns of the terminal, where lines are to fit it.
    width: Option<usize>,
    headings: Vec<String>,
    /// Which columns are of numbers.
    numbers: Vec<bool>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Columns {
    /// A table with these headings; those that start with `>` are of numbers.
    pub(crate) fn new(look: TableStyle, headings: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).force_no_tty();
        if look.colour {
            table.enforce_styling();
            table.style_text_only();
        }
        let width = if look.wrap { terminal_width() } else { None };
        if let Some(width) = width {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        let plain = |heading: &&str| heading.trim_start_matches('>').to_owned();
        let mut columns = Self {
            table,
            colour: look.colour,
            width: width.map(usize::from),
            headings: headings.iter().map(plain).collect(),
            numbers: headings
                .iter()
                .map(|heading| heading.starts_with('>'))
                .collect(),
            rows: Vec::new(),
        };
        columns.table.set_header(headings.iter().map(|heading| {
            columns_cell(heading.trim_start_matches('>'), Tone::Strong, look.colour)
        }));
        for (index, heading) in headings.iter().enumerate() {
            if let Some(column) = columns.table.column_mut(index) {
                column.set_padding((0, 2));
                if heading.starts_with('>') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        columns
    }

    /// Adds a row.
    pub(crate) fn row<'a>(&mut self, cells: impl IntoIterator<Item = (&'a str, Tone)>) {
        let colour = self.colour;
        let cells = cells
            .into_iter()
            .map(|(text, tone)| (text.to_owned(), tone));
        let cells: Vec<_> = cells.collect();
        let styled = cells
            .iter()
            .map(|(text, tone)| columns_cell(text, *tone, colour));
        self.table.add_row(styled);
        self.rows.push(cells);
    }

    /// Whether the columns fit the terminal without a break inside of a word, or between a number
    /// and its unit.
    fn fits(&self) -> bool {
        let needed = self.needed();
        self.width
            .is_none_or(|width| needed.iter().sum::<usize>() <= width)
    }

    /// What each column needs for that, with the space beside it.
    fn needed(&self) -> Vec<usize> {
        let longest = |text: &str, is_number: bool| {
            if is_number {
                return text.chars().count();
            }
            let words = text.split_whitespace().map(|word| word.chars().count());
            words.max().unwrap_or(0)
        };
        let columns = self.headings.iter().zip(&self.numbers).enumerate();
        let needed = columns.map(|(column, (heading, is_number))| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let cells = cells.map(|(text, _)| longest(text, *is_number));
            cells.max().unwrap_or(0).max(longest(heading, *is_number)) + 2
        });
        needed.collect()
    }

    /// The table, whose columns are as wide as their longest words at least.
    fn arranged(&self) -> Table {
        let mut table = self.table.clone();
        for (index, needed) in self.needed().into_iter().enumerate() {
            if let Some(column) = table.column_mut(index)
                && let Ok(width) = u16::try_from(needed)
            {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
            }
        }
        table
    }

    /// Each row as lines of a heading and a value, for a terminal that is too narrow.
    fn blocks(&self) -> String {
        let block = |row: &Vec<(String, Tone)>| {
            let named = self.headings.iter().zip(&self.numbers).zip(row);
            let shown: Vec<_> = named.filter(|(_, (text, _))| !text.is_empty()).collect();
            let names = shown.iter().map(|((heading, _), _)| heading.len());
            let indent = names.max().unwrap_or(0) + 2;
            let room = self.width.map(|width| width.saturating_sub(indent));
            let rows: Vec<_> = shown
                .into_iter()
                .map(|((heading, is_number), (text, tone))| {
                    let room = room.filter(|_| !is_number).unwrap_or(usize::MAX);
                    let lines = broken(text, room);
                    let lines = lines.iter().map(|line| tone.paint(line, self.colour));
                    let next = format!("\n{:indent$}", "");
                    (heading.as_str(), lines.collect::<Vec<_>>().join(&next))
                })
                .collect();
            fields(&rows)
        };
        self.rows.iter().map(block).collect::<Vec<_>>().join("\n")
    }

    /// The lines, without spaces at their ends.
    pub(crate) fn render(&self) -> String {
        if !self.fits() {
            return self.blocks();
        }
        let table = match self.width {
            Some(_) => self.arranged(),
            None => self.table.clone(),
        };
        let mut text: String = table
            .lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect();
        if text.ends_with("\n\n") {
            text.pop();
        }
        text
    }
}

/// A text in lines of at most `room` characters, broken between words; a longer word has a line of
/// its own.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn columns_cell(text: &str, tone: Tone, colour: bool) -> Cell {
    // An empty cell keeps its place only if it has something in it.
    let cell = Cell::new(if text.is_empty() { "-" } else { text });
    if !colour {
        return cell;
    }
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Warn => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed).add_attribute(Attribute::Bold),
        Tone::Dim => cell.add_attribute(Attribute::Dim),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
    }
}

/// Columns of the terminal; none when it does not say, or says something that no table fits in.
fn terminal_width() -> Option<u16> {
    // The table type asks the terminal of standard output itself.
    Table::new().width().filter(|width| *width >= MIN_WIDTH)
}

/// `name: value` lines with the names aligned to the right, as `systemctl status` has them.
pub(crate) fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:>width$}: {value}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: TableStyle = TableStyle {
        colour: false,
        wrap: false,
    };

    #[test]
    fn columns_are_aligned_without_boxes_or_trailing_spaces() {
        let mut columns = Columns::new(PLAIN, &["ID", "STATE", ">MEMORY", "REASON"]);
        columns.row([
            ("rss", Tone::Strong),
            ("running", Tone::Good),
            ("12.3M", Tone::Plain),
            ("", Tone::Dim),
        ]);
        columns.row([
            ("lonestar", Tone::Strong),
            ("failed", Tone::Bad),
            ("8M", Tone::Plain),
            ("oom-kill", Tone::Dim),
        ]);
        assert_eq!(
            columns.render(),
            "ID        STATE    MEMORY  REASON\n\
             rss       running   12.3M  -\n\
             lonestar  failed       8M  oom-kill\n"
        );
    }

    #[test]
    fn a_terminal_that_is_too_narrow_gets_blocks_and_no_broken_words() {
        let mut columns = Columns::new(PLAIN, &["ID", "STATE", "REASON"]);
        for (id, reason) in [("rss", ""), ("lonestar", "its memory limit is reached")] {
            columns.row([
                (id, Tone::Strong),
                ("restarting", Tone::Warn),
                (reason, Tone::Dim),
            ]);
        }
        columns.width = Some(32);
        assert!(columns.fits(), "the reason may be broken between words");
        columns.width = Some(28);
        assert_eq!(
            columns.render(),
            "   ID: rss\nSTATE: restarting\n\n    ID: lonestar\n STATE: restarting\n\
             REASON: its memory limit is\n        reached\n"
        );
    }

    #[test]
    fn a_number_stays_beside_its_unit() {
        let mut columns = Columns::new(PLAIN, &["ID", ">MEMORY"]);
        columns.row([("rss", Tone::Plain), ("102.5 MB", Tone::Plain)]);
        columns.width = Some(15);
        assert!(columns.fits());
        columns.width = Some(14);
        assert_eq!(columns.render(), "    ID: rss\nMEMORY: 102.5 MB\n");
    }

    #[test]
    fn wide_characters_keep_the_columns_aligned() {
        let mut columns = Columns::new(PLAIN, &["NAME", "X"]);
        columns.row([("日本", Tone::Plain), ("1", Tone::Plain)]);
        columns.row([("abcd", Tone::Plain), ("2", Tone::Plain)]);
        assert_eq!(columns.render(), "NAME  X\n日本  1\nabcd  2\n");
    }

    #[test]
    fn colours_appear_only_where_they_are_wanted() {
        assert_eq!(Tone::Bad.paint("x", false), "x");
        assert_eq!(Tone::Bad.paint("x", true), "\x1b[1;31mx\x1b[0m");
        let mut columns = Columns::new(
            TableStyle {
                colour: true,
                wrap: false,
            },
            &["A"],
        );
        columns.row([("x", Tone::Good)]);
        assert!(columns.render().contains("\x1b["), "{:?}", columns.render());
    }

    #[test]
    fn fields_are_aligned_at_the_colon() {
        assert_eq!(
            fields(&[("State", "running".to_owned()), ("PID", "7".to_owned())]),
            "State: running\n  PID: 7\n"
        );
    }
}
