//! Opens the database, or makes it, and says what to do when neither works.
//!
//! A new file is made under another name and renamed when it is whole and on disk, so a file of this name is never
//! half made, and an empty one is damage, not a new store. Schema version and last store time are at `z/`.
//! Not here: the threads (`mod`), and what is done after an error while running (`writer`).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ::redb::backends::FileBackend;
use ::redb::{Database, DatabaseError, ReadableDatabase, StorageBackend, StorageError, TableError};

use super::apply::Tables;
use super::index;
use crate::base::size::ByteSize;
use crate::store::{StoreError, StoreTime, Version};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{path} is in use by another process; stop that server, or talk to it by its control socket"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is not what we wrote.
    #[error(
        "{path} is damaged: {text}; keep a copy of it, restore the last backup, and never start with an empty one in its place"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        text: String,
    },
    /// It was written by a newer program.
    #[error(
        "{path} was written by a newer version (schema {found}, this program knows {SCHEMA}); install that version again"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
    },
    /// The file system said no.
    #[error(
        "{path} cannot be opened: {source}; check that the directory exists, belongs to this user and has space"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The schema that this program writes.
pub const SCHEMA: u32 = 1;

const SCHEMA_KEY: &[u8] = b"z/schema";
/// Last store time, last version, octets in use.
pub(super) const LAST: &[u8] = b"z/last";

/// What a store remembers of its last commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) time: u64,
    pub(super) version: u64,
    pub(super) used: u64,
}

pub(super) fn last_record(now: StoreTime, version: Version, used: u64) -> [u8; 24] {
    let mut out = [0; 24];
    let parts = [now.0, version.0, used];
    for (to, part) in out.chunks_exact_mut(8).zip(parts) {
        to.copy_from_slice(&part.to_be_bytes());
    }
    out
}

/// Opens or makes the file.
pub(super) fn file(path: &Path, cache: ByteSize) -> Result<(Database, Last), OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    if !path.try_exists().map_err(io)? {
        make(path, cache)?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(io)?;
    if file.metadata().map_err(io)?.len() == 0 {
        return Err(damaged(path, "it is empty"));
    }
    let file = FileBackend::new(file).map_err(|error| refused(path, error))?;
    backend(path, cache, file)
}

fn make(path: &Path, cache: ByteSize) -> Result<(), OpenError> {
    draft(path, cache).and_then(|(db, draft)| publish(path, db, &draft))
}

/// Makes a file by `fill`: it has its name when it is whole, and not before.
pub(super) fn whole(
    path: &Path,
    cache: ByteSize,
    fill: impl FnOnce(&Database) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let unavailable = |error: OpenError| StoreError::Unavailable(error.to_string().into());
    let (db, draft) = draft(path, cache).map_err(unavailable)?;
    fill(&db)?;
    publish(path, db, &draft).map_err(unavailable)
}

fn draft(path: &Path, cache: ByteSize) -> Result<(Database, PathBuf), OpenError> {
    let draft = path.with_extension("new");
    // Passwords and mail are in it: nobody else may read it.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
    let file = FileBackend::new(file).map_err(|error| refused(path, error))?;
    let (db, _) = backend(path, cache, file)?;
    Ok((db, draft))
}

fn publish(path: &Path, db: Database, draft: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    db.close().map_err(|error| refused(path, error))?;
    fs::rename(draft, path).map_err(io)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    // The name must outlive a power cut as well.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io)
}

/// Opens what a backend holds; `path` is for the texts.
pub(super) fn backend(
    path: &Path,
    cache: ByteSize,
    backend: impl StorageBackend,
) -> Result<(Database, Last), OpenError> {
    let cache = usize::try_from(cache.0).unwrap_or(usize::MAX);
    // redb panics on some damaged files.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let db = Database::builder()
            .set_cache_size(cache)
            .create_with_backend(backend)
            .map_err(|error| refused(path, error))?;
        let last = prepare(path, &db)?;
        Ok((db, last))
    }));
    opened.unwrap_or_else(|_| Err(damaged(path, "its pages contradict each other")))
}

fn prepare(path: &Path, db: &Database) -> Result<Last, OpenError> {
    match recall(db) {
        Ok(Some((SCHEMA, last))) => Ok(last),
        Ok(Some((found, _))) => Err(OpenError::Newer {
            path: path.to_owned(),
            found,
        }),
        Ok(None) => found(db)
            .map(|()| Last::default())
            .map_err(|error| refused(path, DatabaseError::Storage(storage(error)))),
        Err(error) => Err(refused(path, DatabaseError::Storage(storage(error)))),
    }
}

fn recall(db: &Database) -> Result<Option<(u32, Last)>, ::redb::Error> {
    let txn = db.begin_read()?;
    let meta = match txn.open_table(index::META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = |key: &[u8]| {
        let value = meta.get(key)?;
        Ok::<_, StorageError>(value.map_or_else(Vec::new, |value| value.value().to_vec()))
    };
    let bad = || ::redb::Error::Corrupted("the records at z/ are damaged".into());
    let schema = <[u8; 4]>::try_from(text(SCHEMA_KEY)?).map_err(|_| bad())?;
    let last = text(LAST)?;
    let mut parts = last.chunks_exact(8).map(|part| {
        part.iter()
            .fold(0u64, |sum, octet| sum << 8 | u64::from(*octet))
    });
    let (Some(time), Some(version), Some(used)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad());
    };
    let last = Last {
        time,
        version,
        used,
    };
    Ok(Some((u32::from_be_bytes(schema), last)))
}

/// A new store: its tables and its schema.
fn found(db: &Database) -> Result<(), ::redb::Error> {
    let mut txn = db.begin_write()?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    {
        let mut tables = Tables::open(&txn)?;
        tables.remember(SCHEMA_KEY, &SCHEMA.to_be_bytes())?;
        tables.remember(LAST, &last_record(StoreTime(0), Version(0), 0))?;
    }
    txn.commit()?;
    Ok(())
}

fn storage(error: ::redb::Error) -> StorageError {
    if let ::redb::Error::Io(error) = error {
        StorageError::Io(error)
    } else {
        StorageError::Corrupted(error.to_string())
    }
}

fn damaged(path: &Path, text: &str) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn refused(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    // What is no database at all is reported by these two kinds.
    let content = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
    if let DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch = error {
        return OpenError::Locked { path };
    }
    let text = error.to_string();
    if let DatabaseError::Storage(StorageError::Io(source)) = error
        && !content.contains(&source.kind())
    {
        return OpenError::Io { path, source };
    }
    damaged(&path, &text)
}
