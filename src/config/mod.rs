//! Hosts from a file: channels, publications, limits and lifetimes as an operator sets them.
//!
//! ```
//! # use remoting::prelude::*;
//! # use std::sync::atomic::{AtomicU64, Ordering};
//! use remoting::config::{Classes, Config};
//!
//! #[remote]
//! trait Tally {
//!     async fn next(&self) -> remoting::Result<u64>;
//! }
//!
//! #[derive(Default)]
//! struct Counted(AtomicU64);
//!
//! impl Tally for Counted {
//!     async fn next(&self) -> remoting::Result<u64> {
//!         Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> remoting::Result<()> {
//! let text = r#"
//!     [channels.main]
//!     kind = "tcp"
//!     listen = "127.0.0.1:0"
//!
//!     [publications.tally]
//!     class = "demo.Tally"
//!     activation = "singleton"
//! "#;
//! let classes = Classes::new().add::<TallyDispatcher<Counted>>("demo.Tally");
//! // From the file `remoting.toml`: `Host::from_default_config(classes).await?`.
//! let host = Config::parse(text, "remoting.toml", std::env::vars_os())?.start(classes).await?;
//! let tally: TallyProxy = host.get(&host.url("tally")?)?;
//! assert_eq!(tally.next().await?, 1);
//! # Ok(()) }
//! ```
//!
//! [`reference()`] says what each key is for, and the text of a [`Config`] what holds and where it comes from. Where a
//! file has mistakes, all are reported at once, each with its line and column. Variables such as
//! `REMOTING__CHANNELS__MAIN__LISTEN` go before the file.

mod build;
mod channels;
mod check;
mod classes;
mod dump;
mod environment;
mod limits;
mod mistake;
mod nearest;
mod path;
mod read;
mod reference;
mod secret;
mod settings;
mod sinks;
mod time;
mod value;

#[doc(hidden)]
pub mod schema;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};

use remoting_core::{Error, ErrorKind, Host, Result};

use self::mistake::Mistakes;
use self::read::Found;
use self::secret::Variables;
use self::settings::Settings;
use self::value::Surroundings;

pub use classes::{Classes, Offers, WithConstructors, WithDefault, WithFactory};
pub use reference::reference;

/// The variable that says where the file is.
const VARIABLE: &str = "REMOTING_CONFIG";

/// The name of the file where nothing else is said.
const FILE: &str = "remoting.toml";

/// The longest file, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// A file that was read and checked.
///
/// Its text (`to_string`) has every key that has a value, with where it comes from. Secrets are in no
/// text of it.
pub struct Config {
    /// The file's name, for messages.
    file: String,
    found: Found,
    settings: Settings,
}

impl Config {
    /// Reads a file, and the environment of the process.
    ///
    /// - `path`: the file; what it refers to is relative to its folder.
    ///
    /// # Errors
    ///
    /// `Config`: the file cannot be read, or has mistakes: all of them, one a line.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&text_of(path)?, path, std::env::vars_os())
    }

    /// Reads the text of a file.
    ///
    /// - `path`: the file's name, for messages; what the text refers to is relative to its folder.
    /// - `environment`: the variables that go before the text, and that secrets are fetched from.
    ///
    /// # Errors
    ///
    /// Those of [`Config::read`].
    pub fn parse<K, V>(
        text: &str,
        path: impl AsRef<Path>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let (config, mistakes) = Self::examine(text, path.as_ref(), environment);
        mistakes.into_result(&config.file)?;
        Ok(config)
    }

    /// Makes the host: with the channels listening, the classes published and the client's
    /// interfaces registered that the file names.
    ///
    /// All is checked before anything is done; a failure leaves nothing bound and nothing registered.
    ///
    /// # Errors
    ///
    /// - `Config`: the file has mistakes that only the program's classes bring to light, all of
    ///   them, one a line; or a channel may not listen there.
    /// - `ChannelTaken`: something listens already where a channel of the file would.
    /// - `NameTaken`: an interface of the file is registered for activation by another host.
    pub async fn start(&self, classes: Classes) -> Result<Host> {
        let mut mistakes = Mistakes::default();
        build::check(self, &classes, &mut mistakes);
        mistakes.into_result(&self.file)?;
        build::build(self, &classes).await
    }

    /// Reads as much as there is, and gathers what is wrong.
    fn examine<K, V>(
        text: &str,
        path: &Path,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> (Self, Mistakes)
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let variables: Variables = environment
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let around = Surroundings {
            folder: path.parent().unwrap_or(Path::new("")),
            variables: &variables,
        };
        let mut mistakes = Mistakes::default();
        let read = read::read(text, &around, &mut mistakes);
        // Of a file that is not TOML nothing is known, and so nothing else can be wrong.
        let is_toml = read.is_some();
        let mut found = read.unwrap_or_default();
        if is_toml {
            environment::overlay(&mut found, &around, &mut mistakes);
            read::check_required(&found, &mut mistakes);
        }
        let settings = Settings::of(&found);
        check::check(&found, &settings, &mut mistakes);
        // A line break in it would make two mistakes of one.
        let file = path.display().to_string().replace(char::is_control, "?");
        let config = Self {
            file,
            found,
            settings,
        };
        (config, mistakes)
    }

    /// Reads a file and makes the host, so that all mistakes are reported together.
    async fn host(path: &Path, classes: Classes) -> Result<Host> {
        let (config, mut mistakes) = Self::examine(&text_of(path)?, path, std::env::vars_os());
        build::check(&config, &classes, &mut mistakes);
        mistakes.into_result(&config.file)?;
        build::build(&config, &classes).await
    }
}

/// Secrets are shown as `<redacted>`.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("file", &self.file)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Makes a host of a file. In the prelude, so that `Host::from_config` is at hand.
pub trait FromConfig: Sized {
    /// Reads a file and starts the host that it describes, with all its channels listening.
    ///
    /// - `path`: the file; what it refers to is relative to its folder.
    /// - `classes`: what the file may publish and register.
    ///
    /// # Errors
    ///
    /// Those of [`Config::read`] and [`Config::start`]; all mistakes of the file at once. A
    /// failure leaves nothing bound and nothing registered.
    fn from_config(
        path: impl AsRef<Path> + Send,
        classes: Classes,
    ) -> impl Future<Output = Result<Self>> + Send;

    /// Does so with the file that the variable `REMOTING_CONFIG` names, else with `remoting.toml`
    /// in the current folder.
    ///
    /// # Errors
    ///
    /// Those of [`from_config`](Self::from_config).
    fn from_default_config(classes: Classes) -> impl Future<Output = Result<Self>> + Send;
}

impl FromConfig for Host {
    async fn from_config(path: impl AsRef<Path> + Send, classes: Classes) -> Result<Self> {
        Config::host(path.as_ref(), classes).await
    }

    async fn from_default_config(classes: Classes) -> Result<Self> {
        let named = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let path = named.map_or_else(|| PathBuf::from(FILE), PathBuf::from);
        Config::host(&path, classes).await
    }
}

/// The text of a file.
fn text_of(path: &Path) -> Result<String> {
    let name = path.display();
    let unreadable = |error: std::io::Error| {
        let text = format!(
            "the configuration `{name}` cannot be read ({error}); write it, or set {VARIABLE} to where it is"
        );
        Error::new(ErrorKind::Config, text).with_source(error)
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        let text = format!("{name}: the file is longer than {LONGEST} bytes; make it shorter");
        return Err(Error::new(ErrorKind::Config, text));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let before = String::from_utf8_lossy(before.unwrap_or_default());
        let place = mistake::Place::of(&before, before.len());
        let text = format!(
            "{name}:{}:{}: the file is not UTF-8; save it as such",
            place.line, place.column
        );
        Error::new(ErrorKind::Config, text)
    })
}
