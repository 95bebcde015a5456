//! The reader: one open journal with its filter, in one thread.

use super::clean::clean;
use super::options::{Query, level_name};
use super::{LogError, Subject};
use atek_api::services::LogEntry;
use std::time::Duration;
use systemd::journal::{Journal, OpenOptions};
use tokio::sync::mpsc;

/// How often a follower's thread checks whether its reader is gone.
const LOOK: Duration = Duration::from_millis(500);
/// Bytes of one field that are read.
const MAX_FIELD: usize = 64 * 1024;

pub(super) struct Reader {
    journal: Journal,
}

fn failed(step: &'static str) -> impl Fn(systemd::Error) -> LogError {
    move |source| LogError::Journal { step, source }
}

impl Reader {
    pub(super) fn open(subject: &Subject, query: &Query) -> Result<Self, LogError> {
        let mut journal = OpenOptions::default()
            .system(true)
            .local_only(true)
            .open()
            .map_err(failed("open"))?;
        journal
            .set_data_threshold(MAX_FIELD)
            .map_err(failed("open"))?;
        let mut filter = || -> systemd::Result<()> {
            journal.match_add("_TRANSPORT", "stdout")?;
            journal.match_add("ATEK_SERVICE_KEY", subject.key.as_str())?;
            add_level(&mut journal, query.level)?;
            journal.match_or()?;
            journal.match_add("_PID", "1")?;
            journal.match_add("UNIT", subject.id.unit())?;
            add_level(&mut journal, query.level)
        };
        filter().map_err(failed("search"))?;
        Ok(Self { journal })
    }

    /// The lines that are there, oldest first. Afterwards the reader stands behind them.
    pub(super) fn page(&mut self, query: &Query) -> Result<Vec<LogEntry>, LogError> {
        self.read_page(query).map_err(failed("read"))
    }

    fn read_page(&mut self, query: &Query) -> systemd::Result<Vec<LogEntry>> {
        self.begin(query)?;
        let mut entries = Vec::new();
        while entries.len() < query.lines && self.journal.next()? > 0 {
            entries.push(self.entry()?);
        }
        Ok(entries)
    }

    /// Goes to where the next step leads to the first line.
    fn begin(&mut self, query: &Query) -> systemd::Result<()> {
        if let Some(cursor) = &query.cursor {
            self.journal.seek_cursor(cursor.as_str())?;
            // Lands on the line itself, or on the next one if it is gone.
            if self.journal.next()? > 0 && !self.journal.test_cursor(cursor.as_str())? {
                self.journal.previous()?;
            }
            return Ok(());
        }
        // The newest ones: back from the end, as far as they are wanted.
        self.journal.seek_tail()?;
        let mut back = 0;
        while back < query.lines && self.journal.previous()? > 0 {
            if query
                .since
                .is_some_and(|since| self.journal.timestamp_usec().is_ok_and(|t| t < since))
            {
                // This one is too old: the next one is the first.
                return Ok(());
            }
            back += 1;
        }
        if back == query.lines && self.journal.previous()? > 0 {
            return Ok(());
        }
        // Nothing before the first line.
        self.journal.seek_head()
    }

    /// The page, and then new lines, until the reader is gone.
    pub(super) fn follow(
        &mut self,
        query: &Query,
        lines: &mpsc::Sender<LogEntry>,
    ) -> Result<(), LogError> {
        for entry in self.page(query)? {
            if lines.blocking_send(entry).is_err() {
                return Ok(());
            }
        }
        loop {
            while self.journal.next().map_err(failed("read"))? > 0 {
                let entry = self.entry().map_err(failed("read"))?;
                if lines.blocking_send(entry).is_err() {
                    return Ok(());
                }
            }
            if lines.is_closed() {
                return Ok(());
            }
            self.journal.wait(Some(LOOK)).map_err(failed("follow"))?;
        }
    }

    fn entry(&mut self) -> systemd::Result<LogEntry> {
        let usec = self.journal.timestamp_usec()?;
        let level = self.field("PRIORITY")?;
        let level = std::str::from_utf8(&level)
            .ok()
            .and_then(|text| text.parse().ok());
        let message = clean(&self.field("MESSAGE")?);
        Ok(LogEntry {
            time: rfc3339(usec),
            level: level_name(level.unwrap_or(6)).to_owned(),
            message,
            cursor: self.journal.cursor()?,
        })
    }

    fn field(&mut self, name: &str) -> systemd::Result<Vec<u8>> {
        let field = self.journal.get_data(name)?;
        Ok(field
            .and_then(|field| field.value().map(<[u8]>::to_vec))
            .unwrap_or_default())
    }
}

fn add_level(journal: &mut Journal, level: Option<usize>) -> systemd::Result<()> {
    for number in 0..=level.unwrap_or(7) {
        if level.is_some() {
            journal.match_add("PRIORITY", number.to_string())?;
        }
    }
    Ok(())
}

fn rfc3339(usec: u64) -> String {
    let timestamp = i64::try_from(usec)
        .ok()
        .and_then(|usec| jiff::Timestamp::from_microsecond(usec).ok())
        .unwrap_or_default();
    let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(6));
    printer.timestamp_to_string(&timestamp)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_microseconds() {
        assert_eq!(super::rfc3339(1_500_000), "1970-01-01T00:00:01.500000Z");
    }
}
