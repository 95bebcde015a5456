//! The counts of the present hour, and which of them are due to be written. Pure.
//!
//! A row is written twice in an hour at most: soon after it came up, and at the hour's end with
//! what came after. So a power cut costs counts of an hour, and no row older than a flush.

use super::line::{CountLine, line};
use atek_api::audit::AuditCaller;
use atek_host_model::audit::{Counts, RowKey, Rows};
use std::collections::BTreeMap;

/// Seconds of a period whose counts become one line.
const HOUR: i64 = 60 * 60;
/// Rows of one hour.
const MOST_ROWS: usize = 1024;
/// Bytes that are written in one hour: 3 MB a day.
const MOST_BYTES: usize = 128 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Book {
    hour: i64,
    rows: Rows,
    /// What was written of each row.
    written: BTreeMap<RowKey, Counts>,
    /// Bytes that were written.
    spent: usize,
    /// Rows that did not fit.
    left_out: usize,
}

impl Book {
    pub(super) fn new(now: i64) -> Self {
        Self {
            hour: now.div_euclid(HOUR),
            rows: Rows::new(MOST_ROWS),
            written: BTreeMap::new(),
            spent: 0,
            left_out: 0,
        }
    }

    /// Adds what was counted since the last time.
    pub(super) fn add(&mut self, rows: Vec<(RowKey, Counts)>) {
        for (key, counts) in rows {
            self.rows.add(&key, &counts);
        }
    }

    /// Whether the hour is over, so that [`Book::close`] is due.
    pub(super) fn is_over(&self, now: i64) -> bool {
        now.div_euclid(HOUR) != self.hour
    }

    /// What no file has yet.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = (&RowKey, Counts)> {
        self.rows.iter().filter_map(|(key, counts)| {
            let rest = match self.written.get(key) {
                Some(written) => rest(counts, written)?,
                None => *counts,
            };
            Some((key, rest))
        })
    }

    /// The lines of rows that came up since the last time.
    pub(super) fn flush(&mut self, title: impl Fn(&str) -> String) -> Vec<u8> {
        let unwritten = self.unwritten();
        let due = unwritten.filter(|(key, _)| !self.written.contains_key(key));
        let due = due.map(|(key, counts)| (key.clone(), counts)).collect();
        self.write(due, title)
    }

    /// The lines of all that is left of the hour, and how many rows did not fit in it; a new hour
    /// begins.
    pub(super) fn close(&mut self, now: i64, title: impl Fn(&str) -> String) -> (Vec<u8>, usize) {
        let unwritten = self.unwritten();
        let due = unwritten.map(|(key, counts)| (key.clone(), counts));
        let due = due.collect();
        let text = self.write(due, title);
        let left_out = self.left_out;
        *self = Self::new(now);
        (text, left_out)
    }

    fn write(&mut self, mut due: Vec<(RowKey, Counts)>, title: impl Fn(&str) -> String) -> Vec<u8> {
        due.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        let mut text = Vec::new();
        for (key, counts) in due {
            let title = match key.caller {
                AuditCaller::App => title(&key.who),
                AuditCaller::User | AuditCaller::System => String::new(),
            };
            let new = line(&CountLine {
                key: key.clone(),
                counts,
                title,
            });
            if self.spent + new.len() > MOST_BYTES {
                self.left_out += 1;
                continue;
            }
            self.spent += new.len();
            text.extend(new);
            let known = self.written.entry(key).or_insert(Counts {
                first: counts.first,
                ..Counts::default()
            });
            known.add(&counts);
        }
        text
    }
}

/// What of a row came after it was written.
fn rest(counts: &Counts, written: &Counts) -> Option<Counts> {
    let rest = Counts {
        count: counts.count - written.count,
        sent: counts.sent - written.sent,
        received: counts.received - written.received,
        first: written.last,
        last: counts.last,
    };
    (rest.count + rest.sent + rest.received > 0).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::line::lines;
    use atek_api::audit::{AuditKind, AuditOutcome};

    fn row(who: &str, what: &str, count: u64, at: i64) -> (RowKey, Counts) {
        let key = RowKey {
            caller: AuditCaller::App,
            who: who.to_owned(),
            owner: "bob".to_owned(),
            kind: AuditKind::Host,
            what: what.to_owned(),
            method: String::new(),
            port: 443,
            about: String::new(),
            outcome: AuditOutcome::Done,
        };
        let counts = Counts {
            count,
            sent: 1,
            received: 2,
            first: at,
            last: at,
        };
        (key, counts)
    }

    fn read(text: &[u8]) -> Vec<(String, u64)> {
        let all = lines::<CountLine>(text);
        all.map(|line| (line.key.what, line.counts.count)).collect()
    }

    #[test]
    fn a_row_is_written_when_it_comes_up_and_its_rest_when_the_hour_ends() {
        let title = |key: &str| format!("<{key}>");
        let mut book = Book::new(0);
        book.add(vec![row("rss", "a.org", 1, 5)]);
        let first = book.flush(title);
        assert_eq!(read(&first), [("a.org".to_owned(), 1)]);
        assert!(String::from_utf8(first).unwrap().contains("<rss>"));
        book.add(vec![row("rss", "a.org", 3, 10), row("rss", "b.org", 1, 10)]);
        assert_eq!(book.unwritten().count(), 2);
        assert_eq!(read(&book.flush(title)), [("b.org".to_owned(), 1)]);
        assert!(!book.is_over(3_599) && book.is_over(3_600));
        let (last, left_out) = book.close(3_600, title);
        assert_eq!((read(&last), left_out), (vec![("a.org".to_owned(), 3)], 0));
        assert_eq!(book.unwritten().count(), 0);
        assert!(book.close(7_200, title).0.is_empty());
    }

    /// Forty apps make up names all day long, as fast as a box lets them.
    #[test]
    fn a_day_of_the_worst_apps_is_less_than_five_megabytes() {
        let mut book = Book::new(0);
        let (mut bytes, mut most_rows) = (0, 0);
        let title = |_: &str| "An app with a title of the usual length".to_owned();
        for minute in 0..24 * 60 {
            let now = minute * 60;
            if book.is_over(now) {
                bytes += book.close(now, title).0.len();
            }
            // More often changes nothing: what does not fit is one row.
            for app in 0..if minute % 10 == 0 { 40 } else { 0 } {
                let names = (0..60).map(|nth| {
                    let host = format!("{minute}-{nth}.{}.example.org", "x".repeat(60));
                    row(&format!("app{app}"), &host, 1_000, now)
                });
                book.add(names.collect());
            }
            most_rows = most_rows.max(book.rows.len());
            if minute % 10 == 0 {
                bytes += book.flush(title).len();
            }
        }
        println!("{bytes} bytes in a day, at most {most_rows} rows in memory");
        assert!(bytes < 5_000_000 - 24 * 6 * 4_096, "{bytes} bytes");
        assert!(most_rows <= 2 * MOST_ROWS);
    }
}
