//! Secrets at rest.
//!
//! Owns the sealing keys, their file and the envelope of a sealed secret. Does not know which
//! secrets there are beyond the [`Context`] that binds each to its record.
//!
//! An envelope is the text `v1.<key id>.<base64 of nonce and ciphertext>`, sealed with
//! XChaCha20-Poly1305. Version, key id and context are authenticated with it, so a sealed value
//! cannot be moved to another record or be passed off as another kind of secret. The 24-byte nonce
//! is random, which is safe for any number of secrets under one key.
//!
//! A key file has one key per line, `<id>:<base64 of 32 bytes>`. The first seals; all of them
//! open, so a key is changed by putting a new line in front and sealing everything again.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::clock::Entropy;
use crate::domain::secret::{Context, Sealed};

const VERSION: &str = "v1";
const NONCE_BYTES: usize = 24;
/// Longest key file in bytes.
const MAX_FILE_BYTES: usize = 64 * 1024;
/// Longest key id in characters: lower-case letters, digits and hyphens.
const MAX_KEY_ID_CHARACTERS: usize = 32;
/// Longest envelope that is opened, in bytes: far above every secret there is.
const MAX_ENVELOPE_BYTES: usize = 1024 * 1024;

/// Why a secret was not sealed or opened, or there are no keys. Never holds a secret.
#[derive(Debug)]
pub enum SealError {
    /// Not an envelope of this version.
    Envelope,
    /// No key with this id is in the key file.
    UnknownKey(String),
    /// Altered, of another context, or under another key of the same id.
    Altered,
    /// The key file cannot be read or made.
    File(PathBuf, io::Error),
    /// Others than its owner may read the key file; its mode.
    Permissions(PathBuf, u32),
    /// This line of the key file is not `<id>:<base64 of 32 bytes>`, or repeats an id.
    Line(PathBuf, usize),
    /// The key file has no key.
    NoKey(PathBuf),
}

impl fmt::Display for SealError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envelope => out.write_str("not a sealed secret of a known version"),
            Self::UnknownKey(id) => write!(
                out,
                "sealed with key {id:?}, which is not in the key file; add its line again"
            ),
            Self::Altered => {
                out.write_str("the sealed secret does not open: altered, moved, or of another key")
            }
            Self::File(path, error) => write!(out, "key file {}: {error}", path.display()),
            Self::Permissions(path, mode) => write!(
                out,
                "key file {} has mode {mode:04o}, so others can read it; chmod 600 it, and change \
                 the key if anyone may have",
                path.display()
            ),
            Self::Line(path, line) => write!(
                out,
                "key file {}: line {line} is not <id>:<base64 of 32 bytes>, or repeats an id",
                path.display()
            ),
            Self::NoKey(path) => write!(out, "key file {}: no key in it", path.display()),
        }
    }
}

impl std::error::Error for SealError {}

struct SealingKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// Seals and opens secrets.
pub struct Sealer {
    current: SealingKey,
    older: Vec<SealingKey>,
    entropy: Entropy,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sealer({}, …)", self.current.id)
    }
}

impl Sealer {
    /// Reads the key file at `path`, or makes one with a fresh key, for its owner only. Its
    /// directory must exist.
    ///
    /// # Errors
    /// When it cannot be read or made, is malformed, or may be read by others.
    pub fn from_file(path: &Path, entropy: Entropy) -> Result<Self, SealError> {
        let failed = |error| SealError::File(path.to_owned(), error);
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path, &entropy).map_err(failed)?;
                File::open(path)
            }
            other => other,
        };
        let file = file.map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SealError::Permissions(path.to_owned(), mode));
        }
        Self::read(path, file, entropy)
    }

    /// Reads the key file that systemd put at `path` (`LoadCredential=`, under
    /// `$CREDENTIALS_DIRECTORY`). Never makes one; the mode is systemd's affair, which grants
    /// access by an access control list that shows up as group permissions.
    ///
    /// # Errors
    /// When it cannot be read or is malformed.
    pub fn from_credential(path: &Path, entropy: Entropy) -> Result<Self, SealError> {
        let file = File::open(path).map_err(|error| SealError::File(path.to_owned(), error))?;
        Self::read(path, file, entropy)
    }

    fn read(path: &Path, file: File, entropy: Entropy) -> Result<Self, SealError> {
        let failed = |error| SealError::File(path.to_owned(), error);
        // Room for all of it at once, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES + 1));
        file.take(MAX_FILE_BYTES as u64 + 1)
            .read_to_string(&mut text)
            .map_err(failed)?;
        if text.len() > MAX_FILE_BYTES {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        let mut keys: Vec<SealingKey> = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let key = sealing_key(line)
                .filter(|key| keys.iter().all(|other| other.id != key.id))
                .ok_or_else(|| SealError::Line(path.to_owned(), n + 1))?;
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let current = keys
            .next()
            .ok_or_else(|| SealError::NoKey(path.to_owned()))?;
        Ok(Self {
            current,
            older: keys.collect(),
            entropy,
        })
    }

    /// Seals a secret for its record.
    ///
    /// # Errors
    /// [`SealError::Altered`] when the secret is longer than the cipher takes (256 GiB).
    pub fn seal(&self, context: Context<'_>, secret: &str) -> Result<Sealed, SealError> {
        let SealingKey { id, cipher } = &self.current;
        let nonce: [u8; NONCE_BYTES] = self.entropy.bytes();
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: &bound(id, context),
        };
        let ciphertext = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::Altered)?;
        let body = STANDARD.encode([&nonce[..], &ciphertext].concat());
        Ok(Sealed(format!("{VERSION}.{id}.{body}")))
    }

    /// Opens a sealed secret of this record.
    ///
    /// # Errors
    /// When it is not an envelope, its key is not known, or it was altered or moved.
    pub fn open(
        &self,
        context: Context<'_>,
        sealed: &Sealed,
    ) -> Result<Zeroizing<String>, SealError> {
        let (id, body) = parts(sealed).ok_or(SealError::Envelope)?;
        let key = std::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.id == id)
            .ok_or_else(|| SealError::UnknownKey(id.to_owned()))?;
        let bytes = STANDARD.decode(body).map_err(|_| SealError::Envelope)?;
        let (nonce, ciphertext) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SealError::Envelope)?;
        let payload = Payload {
            msg: ciphertext,
            aad: &bound(id, context),
        };
        let opened = key
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| SealError::Altered)?;
        match String::from_utf8(opened) {
            Ok(secret) => Ok(Zeroizing::new(secret)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(SealError::Envelope)
            }
        }
    }

    /// Whether a secret is sealed with the current key; if not, sealing it again lets the older
    /// key be removed.
    #[must_use]
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        parts(sealed).is_some_and(|(id, _)| id == self.current.id)
    }
}

/// Key id and body of an envelope.
fn parts(sealed: &Sealed) -> Option<(&str, &str)> {
    if sealed.0.len() > MAX_ENVELOPE_BYTES {
        return None;
    }
    let (version, rest) = sealed.0.split_once('.')?;
    let (id, body) = rest.split_once('.')?;
    (version == VERSION && is_key_id(id)).then_some((id, body))
}

fn is_key_id(id: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_KEY_ID_CHARACTERS).contains(&id.len()) && id.bytes().all(known)
}

/// What is authenticated beside the secret. Key ids hold no dot, so no two contexts coincide.
fn bound(key_id: &str, context: Context<'_>) -> Vec<u8> {
    format!("{VERSION}.{key_id}.{context}").into_bytes()
}

fn sealing_key(line: &str) -> Option<SealingKey> {
    let (id, text) = line.split_once(':')?;
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let key = Zeroizing::new(<[u8; 32]>::try_from(&bytes[..]).ok()?);
    is_key_id(id).then(|| SealingKey {
        id: id.to_owned(),
        cipher: XChaCha20Poly1305::new(<&Key>::from(&*key)),
    })
}

/// Makes a key file. It appears under its name only when it is complete and on the disk, so a
/// crash leaves either none or a whole one; it never replaces one.
fn create(path: &Path, entropy: &Entropy) -> io::Result<()> {
    let bytes = Zeroizing::new(entropy.bytes::<32>());
    let id = format!("k{:08x}", entropy.u64() >> 32);
    let key = Zeroizing::new(STANDARD.encode(&bytes[..]));
    let line = Zeroizing::new([&id, ":", &key, "\n"].concat());

    let unfinished = path.with_added_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    let linked = match fs::hard_link(&unfinished, path) {
        // Somebody else was first; theirs is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    fs::remove_file(&unfinished)?;
    linked?;
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::id::EndpointId;

    const LOGIN: Context<'static> = Context::Password("apiuser");

    fn key_file(lines: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seal.key");
        fs::write(&path, lines.join("\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        (directory, path)
    }

    fn line(id: &str, byte: u8) -> String {
        format!("{id}:{}", STANDARD.encode([byte; 32]))
    }

    fn sealer(lines: &[&str]) -> Result<Sealer, SealError> {
        let (_directory, path) = key_file(lines);
        Sealer::from_file(&path, Entropy::seeded(7))
    }

    #[test]
    fn a_secret_opens_in_its_own_context_only() {
        let keys = sealer(&[&line("k1", 1)]).unwrap();
        let endpoint = EndpointId::from_number(1);
        let sealed = keys.seal(LOGIN, "geheimß1").unwrap();
        assert_eq!(*keys.open(LOGIN, &sealed).unwrap(), "geheimß1");
        for other in [
            Context::Password("apiuser2"),
            Context::CommKey("apiuser"),
            Context::SigningSecret(endpoint),
            Context::Headers(endpoint),
        ] {
            let opened = keys.open(other, &sealed);
            assert!(matches!(opened, Err(SealError::Altered)), "{other}");
        }
        assert_ne!(sealed, keys.seal(LOGIN, "geheimß1").unwrap());
        assert!(!sealed.0.contains("geheim"));
    }

    #[test]
    fn no_altered_envelope_opens() {
        let keys = sealer(&[&line("k1", 1), &line("k2", 2)]).unwrap();
        let sealed = keys.seal(LOGIN, "secret").unwrap().0;
        let body = sealed.strip_prefix("v1.k1.").unwrap();
        let bytes = STANDARD.decode(body).unwrap();
        for n in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[n] ^= 1;
            let altered = Sealed(format!("v1.k1.{}", STANDARD.encode(altered)));
            assert!(matches!(
                keys.open(LOGIN, &altered),
                Err(SealError::Altered)
            ));
        }
        let open = |text: String| keys.open(LOGIN, &Sealed(text)).unwrap_err();
        assert!(matches!(open(format!("v1.k2.{body}")), SealError::Altered));
        for text in [
            String::new(),
            "secret".into(),
            "v1.k1".into(),
            "v1.k1.".into(),
            "v1.k1.AAAA".into(),
            "v1.k1.***".into(),
            format!("v1..{body}"),
            format!("v1.K1.{body}"),
            format!("v2.k1.{body}"),
            "v1.k1.".to_owned() + &"A".repeat(MAX_ENVELOPE_BYTES),
        ] {
            assert!(matches!(open(text), SealError::Envelope));
        }
        let unknown = open(format!("v1.k3.{body}"));
        assert!(matches!(unknown, SealError::UnknownKey(id) if id == "k3"));
    }

    #[test]
    fn a_key_can_be_changed() {
        let (old, new) = (line("old", 1), line("new", 2));
        let sealed = sealer(&[&old]).unwrap().seal(LOGIN, "secret").unwrap();
        let both = sealer(&[&new, "", &old]).unwrap();
        assert!(!both.is_current(&sealed));
        let secret = both.open(LOGIN, &sealed).unwrap();
        let again = both.seal(LOGIN, &secret).unwrap();
        assert!(both.is_current(&again));
        let after = sealer(&[&new]).unwrap();
        assert_eq!(*after.open(LOGIN, &again).unwrap(), "secret");
        assert!(after.open(LOGIN, &sealed).is_err());
    }

    #[test]
    fn the_key_file_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seal.key");
        // What a crash in the middle of the first start leaves.
        fs::write(path.with_added_extension("new"), "half").unwrap();
        let first = Sealer::from_file(&path, Entropy::system()).unwrap();
        let mode = fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let sealed = first.seal(LOGIN, "secret").unwrap();
        let again = Sealer::from_file(&path, Entropy::system()).unwrap();
        assert_eq!(*again.open(LOGIN, &sealed).unwrap(), "secret");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let missing = directory.path().join("missing/seal.key");
        let refused = Sealer::from_file(&missing, Entropy::system());
        assert!(matches!(refused, Err(SealError::File(..))));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_except_from_systemd() {
        let (_directory, path) = key_file(&[&line("k1", 1)]);
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Sealer::from_file(&path, Entropy::system()).unwrap_err();
            assert!(matches!(&error, SealError::Permissions(_, m) if *m == mode));
            assert!(error.to_string().contains("chmod 600"));
            assert!(Sealer::from_credential(&path, Entropy::system()).is_ok());
        }
        let missing = Sealer::from_credential(&path.join("x"), Entropy::system());
        assert!(matches!(missing, Err(SealError::File(..))));
    }

    #[test]
    fn malformed_key_files_name_the_line_and_no_key() {
        let good = line("k1", 1);
        let short = format!("k2:{}", STANDARD.encode([1; 31]));
        for (lines, number) in [
            (vec!["rubbish"], 1),
            (vec![good.as_str(), "k2:***"], 2),
            (vec![good.as_str(), &short], 2),
            (vec![good.as_str(), &good], 2),
            (vec!["K1:AAAA"], 1),
            (vec![":AAAA"], 1),
        ] {
            let error = sealer(&lines).unwrap_err();
            assert!(matches!(&error, SealError::Line(_, line) if *line == number));
            assert!(!error.to_string().contains("AQEB"), "{error}");
        }
        assert!(matches!(sealer(&["", " "]), Err(SealError::NoKey(_))));
        let long = " ".repeat(MAX_FILE_BYTES);
        assert!(matches!(sealer(&[&good, &long]), Err(SealError::File(..))));
        let shown = format!("{:?}", sealer(&[&good]).unwrap());
        assert_eq!(shown, "Sealer(k1, …)");
    }
}
