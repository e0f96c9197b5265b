//! Where an object is: `scheme://authority/name`, or with a path before the name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::id::TICKET;

/// The longest name of a publication, in bytes.
const MAX_NAME: usize = 128;

/// The most addresses that a URL may have.
const MOST_ADDRESSES: usize = 16;

/// What the names of objects begin with that are known by a ticket.
pub(crate) const TICKETS: &str = "~/";

/// The address of a published object, such as `tcp://127.0.0.1:8080/bank`.
///
/// Names are case-sensitive, like the paths of URLs. Where the objects of a host are below a path of a
/// server that has other things too, it stands before the name: `http://api.example/objects/bank`.
/// Most channels know no such paths, and refuse them.
///
/// A host that can be reached at several addresses, or several hosts of which each will do, have them all in the URL:
/// `tcp://one.example:8080,two.example:8080/bank`, at most 16. They are dialled one after the other, beginning with the one
/// that worked last. Objects that are called without a session, by `http://`, have one address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectUrl {
    scheme: String,
    authority: String,
    path: String,
    name: String,
}

impl ObjectUrl {
    /// The scheme, in lower case: `tcp`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What the channel dials: `127.0.0.1:8080`, or several such addresses of one host with commas between them.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path before the name: `/objects`, mostly empty.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The URL without the name, which all objects of the host share: `tcp://127.0.0.1:8080`.
    pub fn base(&self) -> String {
        [&*self.scheme, "://", &self.authority, &self.path].concat()
    }

    /// The name of the publication, `bank`, or that of an object which has a ticket:
    /// `~/rt1.` and 22 letters more.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Another object of the same host.
    pub(crate) fn sibling(&self, name: String) -> Self {
        Self {
            name,
            ..self.clone()
        }
    }

    /// The same object, reached in another way.
    ///
    /// - `scheme`: a word in lower case: `ws`.
    #[must_use]
    pub fn over(&self, scheme: &str) -> Self {
        Self {
            scheme: scheme.to_owned(),
            ..self.clone()
        }
    }

    /// The same object at each of its addresses, in the order in which they stand in the URL.
    pub fn addresses(&self) -> impl Iterator<Item = Self> + '_ {
        self.authority.split(',').map(|authority| Self {
            authority: authority.to_owned(),
            ..self.clone()
        })
    }

    /// Whether there are more addresses than one.
    pub(crate) fn has_several_addresses(&self) -> bool {
        self.authority.contains(',')
    }

    /// Whether all addresses are of this machine's own: `localhost`, or a number that stands for it.
    pub fn is_on_this_machine(&self) -> bool {
        self.authority.split(',').all(is_of_this_machine)
    }

    /// Refuses a path before the name, for channels that know none.
    ///
    /// # Errors
    ///
    /// `InvalidUrl` if there is one.
    pub fn without_path(&self) -> Result<(), Error> {
        if self.path.is_empty() {
            return Ok(());
        }
        let what = format!(
            "`{}` has no place in it, since a name alone follows the address here",
            self.path
        );
        Err(self.invalid(&what))
    }

    /// The error of a URL that its channel cannot dial.
    ///
    /// - `what`: what is wrong with it: "its address has no port".
    pub fn invalid(&self, what: &str) -> Error {
        invalid(&self.to_string(), what)
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base(), self.name)
    }
}

impl FromStr for ObjectUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |what: &str| invalid(text, what);
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("it has no scheme"))?;
        if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(invalid("its scheme is not a word"));
        }
        let (place, _) = rest
            .rsplit_once('/')
            .ok_or_else(|| invalid("it names no object after the address"))?;
        // The name of an object that has a ticket has two parts.
        let place = place.strip_suffix("/~").unwrap_or(place);
        let name = rest.get(place.len() + 1..).unwrap_or_default();
        let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        if authority.is_empty() {
            return Err(invalid("it has no address"));
        }
        let addresses = authority.split(',');
        if addresses.clone().any(str::is_empty) {
            return Err(invalid("one of its addresses is empty"));
        }
        if addresses.count() > MOST_ADDRESSES {
            return Err(invalid("it has more than 16 addresses"));
        }
        if authority
            .bytes()
            .any(|byte| byte.is_ascii_control() || b" @?#;|\\".contains(&byte))
        {
            return Err(invalid(
                "its address has a character that addresses do not have (several of them have commas between them: `tcp://a:1,b:2/bank`)",
            ));
        }
        check_path(path).map_err(invalid)?;
        if !is_ticket(name) {
            check_name(name).map_err(|what| invalid(&what))?;
        }
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            name: name.to_owned(),
        })
    }
}

fn invalid(text: &str, what: &str) -> Error {
    let shown = text.chars().take(MAX_NAME);
    let shown: String = shown.flat_map(char::escape_debug).collect();
    let text =
        format!("`{shown}` is no object's URL: {what}; write it like `tcp://127.0.0.1:8080/bank`");
    Error::new(ErrorKind::InvalidUrl, text)
}

/// Whether an address is one of this machine's own.
fn is_of_this_machine(address: &str) -> bool {
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => address,
    };
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let number = inside.unwrap_or(host).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || number.is_ok_and(|number| number.to_canonical().is_loopback())
}

/// Whether a name is that of an object which is known by a ticket.
pub(crate) fn is_ticket(name: &str) -> bool {
    let ticket = name.strip_prefix(TICKETS).unwrap_or_default();
    ticket.starts_with(TICKET) && check_name(ticket).is_ok()
}

/// Checks what stands between an address and a name: parts that begin with `/`, none of which a server
/// or a gateway would take away, or this protocol for its own.
fn check_path(path: &str) -> Result<(), &'static str> {
    let mut parts = path.split('/').skip(1);
    let is_plain = |part: &str| {
        let mut bytes = part.bytes();
        !matches!(part, "" | "." | ".." | "~")
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if parts.all(is_plain) {
        return Ok(());
    }
    Err(
        "the path before the object's name has a part that is not made of letters, digits, `-`, `.`, `_` and `~`",
    )
}

/// Checks the name of a publication: 1 to 128 characters of `A–Z a–z 0–9 . _ -`.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the object's name is empty".to_owned());
    }
    if name.len() > MAX_NAME {
        return Err(format!(
            "the object's name is longer than {MAX_NAME} characters"
        ));
    }
    match name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c)))
    {
        None => Ok(()),
        Some(c) => Err(format!(
            "the object's name has a `{}`, and names are made of letters, digits, `.`, `_` and `-`",
            c.escape_debug()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_into_its_parts_and_written_again() {
        let url: ObjectUrl = "TCP://[::1]:8080/my.bank".parse().unwrap();
        assert_eq!(
            (url.scheme(), url.authority(), url.name()),
            ("tcp", "[::1]:8080", "my.bank")
        );
        assert_eq!(url.to_string(), "tcp://[::1]:8080/my.bank");
        let url: ObjectUrl = "http://host:1/~/rt1.AbC".parse().unwrap();
        assert_eq!((url.path(), url.name()), ("", "~/rt1.AbC"));
        let url: ObjectUrl = "http://host:1/objects/~/rt1.AbC".parse().unwrap();
        assert_eq!((url.path(), url.name()), ("/objects", "~/rt1.AbC"));
        assert!(url.without_path().is_err());
    }

    #[test]
    fn what_stands_between_address_and_name_is_a_path_that_channels_may_refuse() {
        let url: ObjectUrl = "http://api.example/v1/objects/bank".parse().unwrap();
        assert_eq!(
            (url.authority(), url.path()),
            ("api.example", "/v1/objects")
        );
        assert_eq!(
            (url.base().as_str(), url.name()),
            ("http://api.example/v1/objects", "bank")
        );
        assert_eq!(url.to_string(), "http://api.example/v1/objects/bank");
        let error = url.without_path().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUrl);
        assert!(
            error.message().contains("`/v1/objects` has no place"),
            "{error}"
        );
        let url: ObjectUrl = "tcp://host:1/bank".parse().unwrap();
        assert!(url.without_path().is_ok());
    }

    #[test]
    fn a_url_may_have_several_addresses() {
        let url: ObjectUrl = "tcp://[::1]:1,b:2,127.0.0.1:3/bank".parse().unwrap();
        let addresses: Vec<_> = url.addresses().map(|url| url.to_string()).collect();
        let expected = [
            "tcp://[::1]:1/bank",
            "tcp://b:2/bank",
            "tcp://127.0.0.1:3/bank",
        ];
        assert_eq!(addresses, expected);
        assert_eq!(url.base(), "tcp://[::1]:1,b:2,127.0.0.1:3");
        assert!(!url.is_on_this_machine(), "not all of them are");
        let one: ObjectUrl = "tcp://[::1]:1,localhost:3/bank".parse().unwrap();
        assert!(one.is_on_this_machine());
        let one: ObjectUrl = "tcp://b:2/bank".parse().unwrap();
        assert_eq!(
            one.addresses().collect::<Vec<_>>(),
            std::slice::from_ref(&one)
        );
        let most = vec!["a:1"; MOST_ADDRESSES].join(",");
        assert!(format!("tcp://{most}/bank").parse::<ObjectUrl>().is_ok());
        for (text, reason) in [
            (format!("tcp://{most},b:2/bank"), "more than 16 addresses"),
            ("tcp://a:1,/bank".to_owned(), "addresses is empty"),
            ("tcp://a:1,,b:2/bank".to_owned(), "addresses is empty"),
            ("tcp://,/bank".to_owned(), "addresses is empty"),
        ] {
            let error = text.parse::<ObjectUrl>().unwrap_err();
            assert!(error.message().contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_of_this_machine_is_known_as_one() {
        for (authority, here) in [
            ("localhost:1", true),
            ("127.0.0.9", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("192.0.2.1:1", false),
            ("localhost.example:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            let url: ObjectUrl = format!("tcp://{authority}/a").parse().unwrap();
            assert_eq!(url.is_on_this_machine(), here, "{authority}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_with_the_reason_and_an_example() {
        let long = format!("tcp://host/{}", "x".repeat(MAX_NAME + 1));
        for (text, reason) in [
            ("bank", "no scheme"),
            ("tcp://127.0.0.1:8080", "names no object"),
            ("tcp:///bank", "no address"),
            ("tcp://host/", "name is empty"),
            ("tcp://host/~/b", "has a `~`"),
            ("tcp://host/~/rt1.b/c", "path before the object's name"),
            ("tcp://host/~", "has a `~`"),
            ("tcp://host/a?b", "has a `?`"),
            ("tcp://host//b", "path before the object's name"),
            ("tcp://host/../b", "path before the object's name"),
            ("tcp://host/a b/c", "path before the object's name"),
            ("tcp://host/a/", "name is empty"),
            ("tcp://user@host/a", "character that addresses do not have"),
            ("tcp://a:1;b:2/bank", "`tcp://a:1,b:2/bank`"),
            ("t c p://host/a", "not a word"),
            (long.as_str(), "longer than 128"),
        ] {
            let error = text.parse::<ObjectUrl>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidUrl);
            assert!(error.message().contains(reason), "{text}: {error}");
            assert!(
                error.message().contains("tcp://127.0.0.1:8080/bank"),
                "{error}"
            );
        }
    }
}
