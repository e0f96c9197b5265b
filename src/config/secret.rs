//! Tokens and keys: where they are is written in the file, what they are never is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use remoting_core::Secret;
use zeroize::Zeroizing;

use super::mistake::shown;

/// The longest secret, in bytes.
const LONGEST: u64 = 64 * 1024;

const FROM_ENVIRONMENT: &str = "env:";
pub(crate) const FROM_FILE: &str = "file:";

/// The variables of a process.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

/// Whether a text says where a secret is.
pub(crate) fn is_reference(text: &str) -> bool {
    text.starts_with(FROM_ENVIRONMENT) || text.starts_with(FROM_FILE)
}

/// Fetches the secret that a text of the file stands for.
///
/// - `folder`: where relative paths begin.
///
/// # Errors
///
/// What is wrong: the text is not `env:NAME` or `file:PATH`, or there is no secret. The message never
/// has the text of one, even if it was written in the place of its name.
pub(crate) fn fetch(text: &str, folder: &Path, variables: &Variables) -> Result<Secret, String> {
    if let Some(name) = text.strip_prefix(FROM_ENVIRONMENT) {
        return from_environment(name, variables);
    }
    if let Some(path) = text.strip_prefix(FROM_FILE) {
        let place = folder.join(path);
        return from_file(&place).map_err(|what| {
            let name = shown(&place.to_string_lossy());
            format!("the secret cannot be read from {name}: {what}")
        });
    }
    Err(
        "a secret is not written into the file itself; put it into a variable and write \
         \"env:NAME\", or into a file and write \"file:PATH\""
            .to_owned(),
    )
}

fn from_environment(name: &str, variables: &Variables) -> Result<Secret, String> {
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    // What does not look like a name may be the secret itself.
    let variable = if !name.is_empty() && name.bytes().all(is_name) {
        format!("the variable {}", shown(name))
    } else {
        "the variable named after `env:`".to_owned()
    };
    let value = variables.get(OsStr::new(name));
    let value = value.ok_or_else(|| format!("{variable} is not set; set it to the secret"))?;
    let text = value
        .to_str()
        .ok_or_else(|| format!("{variable} is not Unicode; put the secret into a file"))?;
    if text.is_empty() {
        return Err(format!("{variable} is empty; set it to the secret"));
    }
    Ok(Secret::new(text))
}

fn from_file(path: &Path) -> Result<Secret, String> {
    // What is checked is what is read: the open file, whatever becomes of its name.
    let file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no plain file".to_owned());
    }
    check_mode(&metadata)?;
    let too_long = || format!("it is longer than {LONGEST} bytes");
    if metadata.len() > LONGEST {
        return Err(too_long());
    }
    // Room for all that may come: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 2));
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST {
        return Err(too_long());
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    // What it was moved from is left empty, and what cannot be read as text is wiped.
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err("it is not text".to_owned())
        }
    }
}

/// Checks that nobody but its owner may read a file that holds a secret.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check_file(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    check_mode(&metadata)
}

#[cfg(unix)]
fn check_mode(metadata: &std::fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(format!(
        "others than its owner may use it (mode {mode:04o}); give it mode 0600"
    ))
}

#[cfg(not(unix))]
fn check_mode(_metadata: &std::fs::Metadata) -> Result<(), String> {
    Ok(())
}
