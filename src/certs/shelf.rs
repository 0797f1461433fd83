//! What we ordered or will order, as files in `[tls] dir`.
//!
//! `NAME.pem` holds key and chain in one file, because one rename is whole or not at all and two are not; `NAME.next.key`
//! is the key that the next order will use. Folder 0700, files 0600; a full disk leaves what was there.
//! Not here: the self-signed certificate (`own`), and whether what is read may be used (`check`).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::sign::CertifiedKey;

use super::facts;
use crate::config::pem::{self, PemError};
use crate::net::plain;

/// Why something cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The disk, or a right.
    #[error(
        "{path} cannot be written: {}; free the disk, and let the server's user write there", plain::io(.source)
    )]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key cannot be made or read.
    #[error("the key in {path} is of no use: {why}; remove the file, and a new one is made")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// The files of one certificate.
pub(super) struct Shelf {
    folder: PathBuf,
    name: String,
}

impl Shelf {
    /// `title` is the first name.
    pub(super) fn new(folder: &Path, title: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            // `*` is a character that shells take for more than it is.
            name: title.replacen('*', "_", 1),
        }
    }

    pub(super) fn cert(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    fn next(&self) -> PathBuf {
        self.folder.join(format!("{}.next.key", self.name))
    }

    /// What was ordered last; none: nothing yet.
    pub(super) fn read(&self) -> Option<Result<CertifiedKey, PemError>> {
        let path = self.cert();
        path.exists().then(|| pem::read_pair(&path, &path))
    }

    /// The key of the next order; made when there is none.
    ///
    /// By default it is the one in use: then a TLSA record 3 1 1 stays true over renewals. With `fresh` it is another
    /// one, made ahead, so that its record can be published before it is used (RFC 7671 section 8.1).
    pub(super) fn next_key(&self, fresh: bool) -> Result<KeyPair, ShelfError> {
        let used = self.cert();
        // A file that cannot be read keeps nobody from another key: the order mends it.
        if !fresh
            && used.exists()
            && let Ok(key) = read_key(&used)
        {
            return Ok(key);
        }
        let path = self.next();
        if path.exists() {
            return read_key(&path);
        }
        let bad = |why: rcgen::Error| ShelfError::Key {
            path: path.clone(),
            why: why.to_string(),
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(bad)?;
        write(&self.folder, &path, &key.serialize_pem())?;
        Ok(key)
    }

    /// Keeps a certificate with its key; a key that was made ahead is used up by it.
    pub(super) fn keep(&self, chain: &str, key: &KeyPair) -> Result<(), ShelfError> {
        let whole = format!("{}{chain}", key.serialize_pem());
        write(&self.folder, &self.cert(), &whole)?;
        let next = self.next();
        let used = read_key(&next).is_ok_and(|next| spki(&next) == spki(key));
        if used && let Err(error) = fs::remove_file(&next) {
            // It would be used once more: no harm but to the wish for another one.
            tracing::warn!(path = %next.display(), %error, "a used key cannot be removed");
        }
        Ok(())
    }
}

/// The digest of its public half.
pub(super) fn spki(key: &KeyPair) -> String {
    facts::spki(&key.subject_public_key_info())
}

fn read_key(path: &Path) -> Result<KeyPair, ShelfError> {
    let bad = |why: String| ShelfError::Key {
        path: path.to_owned(),
        why,
    };
    let text = fs::read_to_string(path).map_err(|why| bad(why.to_string()))?;
    KeyPair::from_pem(&text).map_err(|why| bad(why.to_string()))
}

/// Whole or not at all, on disk when it returns, and readable by its owner only.
pub(super) fn write(folder: &Path, path: &Path, text: &str) -> Result<(), ShelfError> {
    let failed = |source| ShelfError::Write {
        path: path.to_owned(),
        source,
    };
    make_folder(folder).map_err(failed)?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let written = put(&fresh, text).and_then(|()| fs::rename(&fresh, path));
    if let Err(why) = written {
        // What is half written takes room on a disk that may have none.
        drop(fs::remove_file(&fresh));
        return Err(failed(why));
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

/// 0700, whatever the umask says.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn put(fresh: &Path, text: &str) -> io::Result<()> {
    if let Err(why) = fs::remove_file(fresh)
        && why.kind() != io::ErrorKind::NotFound
    {
        return Err(why);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
