//! Where keys and certificates come from.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use remoting_core::{Error, ErrorKind};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// The longest file that is read, in bytes.
const MOST: u64 = 1024 * 1024;

/// Certificates or a private key, in the form of PEM (RFC 7468): a file, or the text itself.
///
/// Files are read when they are needed first, and again by a reload. Debug shows where it comes from and
/// never what it is.
#[derive(Clone)]
pub struct Pem(Source);

/// When a file was changed last, and its length.
pub(super) type Stamp = (SystemTime, u64);

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Text(Arc<Zeroizing<Vec<u8>>>),
}

impl Pem {
    /// What stands in a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// The text itself.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self(Source::Text(Arc::new(Zeroizing::new(text.into()))))
    }

    /// What tells it from what it was before, if that can be told.
    pub(super) fn changed(&self) -> Option<Stamp> {
        match &self.0 {
            Source::File(path) => {
                let data = fs::metadata(path).ok()?;
                Some((data.modified().ok()?, data.len()))
            }
            Source::Text(_) => None,
        }
    }

    /// The certificates, the owner's own first.
    ///
    /// # Errors
    ///
    /// `Config` if there are none, or what is there cannot be read.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let bytes = self.read()?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(self.wrong("holds no certificate (`-----BEGIN CERTIFICATE-----`)")),
            Err(error) => Err(self.wrong(&format!(
                "holds a certificate that cannot be read ({error})"
            ))),
        }
    }

    /// The private key.
    ///
    /// # Errors
    ///
    /// `Config` if there is none, or it cannot be read.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        let bytes = self.read()?;
        // What the reader says of a key might hold a part of it.
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
            let what = match bytes.windows(9).any(|part| part == b"ENCRYPTED") {
                true => "holds a key that is encrypted; write it without a password, and let nobody else read it",
                false => "holds no private key that can be read (`-----BEGIN PRIVATE KEY-----`)",
            };
            self.wrong(what)
        })
    }

    /// The certificates of issuers who are trusted.
    ///
    /// # Errors
    ///
    /// `Config` if there are none, or one cannot be used.
    pub(super) fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| {
                self.wrong(&format!(
                    "holds a certificate that cannot be trusted ({error})"
                ))
            })?;
        }
        Ok(roots)
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let path = match &self.0 {
            Source::Text(text) => return Ok(Zeroizing::clone(text)),
            Source::File(path) => path,
        };
        let length = fs::metadata(path).map(|data| data.len());
        if length.as_ref().is_ok_and(|length| *length > MOST) {
            return Err(self.wrong("is too large for certificates or a key"));
        }
        let read = length.and_then(|_| fs::read(path));
        read.map(Zeroizing::new).map_err(|error| {
            self.wrong(&format!("cannot be read ({error})"))
                .with_source(error)
        })
    }

    /// - `what`: the rest of the sentence.
    pub(super) fn wrong(&self, what: &str) -> Error {
        Error::new(ErrorKind::Config, format!("{self} {what}"))
    }
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(path) => write!(f, "the file `{}`", path.display()),
            Source::Text(_) => f.write_str("the text of PEM that was given"),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}
