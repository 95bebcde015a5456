//! Trials: while a service's new version is on trial, what it changes can be taken back.
//!
//! The first time the service changes a record or a blob, what was there before is noted in the
//! same commit. Taking back puts the noted values in place; what others wrote stays, since a write
//! of another caller to the same place removes the note. So nothing is copied when a trial begins,
//! and it costs what the service changes, not what it has.
//!
//! Not taken back: indexes, which hold nothing of their own. Not admitted: deleting a database.

use super::{Expected, Tx};
use crate::error::AdbError;
use crate::limits::{Limits, Quota};
use crate::path::RecordPath;
use crate::storage::blobs::{self, BlobRow};
use crate::storage::read::Read as _;
use crate::storage::tables::{self, DbNo};
use crate::storage::{OperationContext as _, StorageError};
use redb::{ReadableTable as _, ReadableTableMetadata as _};

/// Kinds of notes.
pub(super) const RECORD: u8 = 0;
const BLOB: u8 = 1;

/// Who makes the changes of an operation, as far as trials go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Author {
    /// The host, or anyone while there is no trial.
    #[default]
    Untried,
    /// A service on trial.
    OnTrial(String),
    /// Another caller, while there is a trial.
    Other,
}

/// A note: whose change it takes back, and what was there before.
struct Note {
    service: String,
    old: Option<Vec<u8>>,
}

impl Note {
    fn to_bytes(service: &str, old: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = service.as_bytes().to_vec();
        bytes.push(0);
        if let Some(old) = old {
            bytes.push(1);
            bytes.extend_from_slice(old);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, StorageError> {
        let damaged = || StorageError::Damaged("note of a trial");
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(damaged)?;
        let service = std::str::from_utf8(&bytes[..end]).map_err(|_| damaged())?;
        Ok(Self {
            service: service.to_owned(),
            old: bytes[end + 1..].split_first().map(|(_, old)| old.to_vec()),
        })
    }
}

impl Tx<'_> {
    /// Says which service makes the changes that follow in this operation.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn set_author(&mut self, service: &str) -> Result<(), StorageError> {
        const READ: &str = "read the trials";
        self.author = if self.trials.is_empty().doing(READ)? {
            Author::Untried
        } else if self.trials.get(service).doing(READ)?.is_some() {
            Author::OnTrial(service.to_owned())
        } else {
            Author::Other
        };
        Ok(())
    }

    /// Whether the changes of this operation are those of a service on trial.
    #[must_use]
    pub fn is_on_trial(&self) -> bool {
        matches!(self.author, Author::OnTrial(_))
    }

    /// Begins a trial; what an earlier one noted is forgotten.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn begin_trial(&mut self, service: &str) -> Result<(), AdbError> {
        for (key, note) in self.notes(service)? {
            self.forget_note(&key, note)?;
        }
        self.touched = true;
        self.trials.insert(service, ()).doing("begin a trial")?;
        Ok(())
    }

    /// Ends a trial. With `take_back`, every place that the service changed, and no other caller
    /// since, is as it was. Returns the ids of the databases that the service made and that are
    /// dropped with that.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn end_trial(
        &mut self,
        service: &str,
        take_back: bool,
        limits: &Limits,
    ) -> Result<Vec<atek_api::ids::DbId>, AdbError> {
        self.author = Author::Untried;
        let mut dropped = Vec::new();
        for (key, note) in self.notes(service)? {
            if take_back {
                dropped.extend(self.take_back(&key, note, limits)?);
                self.undo.remove(key.as_slice()).doing("end a trial")?;
            } else {
                self.forget_note(&key, note)?;
            }
        }
        if self.trials.remove(service).doing("end a trial")?.is_some() {
            self.touched = true;
        }
        Ok(dropped)
    }

    /// Puts back what a note says. Returns the database that is dropped with that.
    fn take_back(
        &mut self,
        key: &[u8],
        note: Note,
        limits: &Limits,
    ) -> Result<Option<atek_api::ids::DbId>, AdbError> {
        let damaged = || StorageError::Damaged("note of a trial");
        let (kind, rest) = key.split_first().ok_or_else(damaged)?;
        let no = rest.first_chunk::<4>().ok_or_else(damaged)?;
        let db = DbNo(u32::from_be_bytes(*no));
        let path = tables::path_of(rest)?;
        let path = RecordPath::from_segments(path.split('\0'), limits)?;
        let unlimited = Quota {
            max_bytes: u64::MAX,
            max_records: u64::MAX,
        };
        match (*kind, note.old) {
            (RECORD, Some(json)) => {
                self.put(db, &path, &json, Expected::Any, &unlimited)?;
            }
            (RECORD, None) => {
                self.delete(db, &path, Expected::Any)?;
                return self.drop_made(db, &path);
            }
            (_, Some(row)) => {
                let row: BlobRow = serde_json::from_slice(&row).map_err(|_| damaged())?;
                self.put_blob(db, &path, &row, &unlimited, u64::MAX)?;
            }
            (_, None) => {
                self.delete_blob(db, &path)?;
            }
        }
        Ok(None)
    }

    /// Drops the database whose metadata was at `path` of the server database.
    fn drop_made(
        &mut self,
        db: DbNo,
        path: &RecordPath,
    ) -> Result<Option<atek_api::ids::DbId>, AdbError> {
        let server = match self.server_db()? {
            Some(id) => self.database(&id)?.map(|row| row.no),
            None => None,
        };
        let prefix = format!("{}\0", crate::meta::DATABASES.join("\0"));
        let Some(id) = path
            .key()
            .strip_prefix(&prefix)
            .filter(|_| server == Some(db))
        else {
            return Ok(None);
        };
        let Ok(id) = id.parse() else { return Ok(None) };
        match self.drop_database(&id) {
            Ok(_) => Ok(Some(id)),
            Err(AdbError::DbNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The notes of one service.
    fn notes(&self, service: &str) -> Result<Vec<(Vec<u8>, Note)>, StorageError> {
        const READ: &str = "read the notes of a trial";
        let mut notes = Vec::new();
        for entry in self.undo.iter().doing(READ)? {
            let (key, value) = entry.doing(READ)?;
            let note = Note::from_bytes(value.value())?;
            if note.service == service {
                notes.push((key.value().to_vec(), note));
            }
        }
        Ok(notes)
    }

    /// Removes a note; the blob file that it kept is freed.
    fn forget_note(&mut self, key: &[u8], note: Note) -> Result<(), StorageError> {
        if key.first() == Some(&BLOB)
            && let Some(row) = note.old
        {
            self.freed_blobs.push(blobs::parse(&row)?.no);
        }
        self.touched = true;
        self.undo.remove(key).doing("forget a note of a trial")?;
        Ok(())
    }

    /// Notes what was at a place before this operation changes it. Returns whether it was noted.
    pub(super) fn note_old(
        &mut self,
        kind: u8,
        db: DbNo,
        path: &RecordPath,
        old: Option<&[u8]>,
    ) -> Result<bool, AdbError> {
        if self.author == Author::Untried {
            return Ok(false);
        }
        const NOTE: &str = "note what a trial changes";
        let mut key = vec![kind];
        key.extend(tables::key(db, path.key()));
        let found = self.undo.get(key.as_slice()).doing(NOTE)?;
        let found = found
            .map(|note| Note::from_bytes(note.value()))
            .transpose()?;
        match (self.author.clone(), found) {
            (Author::OnTrial(service), None) => {
                let note = Note::to_bytes(&service, old);
                self.grows(key.len() + note.len())?;
                self.undo
                    .insert(key.as_slice(), note.as_slice())
                    .doing(NOTE)?;
                Ok(true)
            }
            // What others write stays.
            (Author::Other, Some(note)) => {
                self.forget_note(&key, note)?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// As [`Tx::note_old`], of a blob; what was noted keeps its file.
    pub(super) fn note_old_blob(
        &mut self,
        db: DbNo,
        path: &RecordPath,
        old: Option<&BlobRow>,
    ) -> Result<bool, AdbError> {
        let row = old.map(serde_json::to_vec).transpose();
        let row = row.map_err(|_| StorageError::Damaged("blob row"))?;
        let noted = self.note_old(BLOB, db, path, row.as_deref())?;
        Ok(noted && old.is_some())
    }
}
