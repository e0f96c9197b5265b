//! From the authority of a URL to a connected socket.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use remoting_core::{Error, ErrorKind};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long one address has to answer, and how long a name may take to be found.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most addresses of one name that are tried.
const MOST_ADDRESSES: usize = 16;

/// Connects to the first address of `authority` that answers.
///
/// - `scheme`: that of the URL, for errors.
/// - `authority`: `host:port`, as in a URL.
///
/// # Errors
///
/// `ConnectFailed`, naming each address that was tried and what became of it.
pub async fn dial(scheme: &str, authority: &str) -> Result<TcpStream, Error> {
    let mut tried = String::new();
    let mut last = None;
    for address in resolve(scheme, authority).await? {
        match connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                let separator = if tried.is_empty() { "" } else { ", " };
                let _ = write!(tried, "{separator}{address}: {error}");
                last = Some(error);
            }
        }
    }
    let Some(last) = last else {
        return Err(unknown(scheme, authority, "it has no addresses"));
    };
    let advice = match last.kind() {
        io::ErrorKind::TimedOut => "is the address right, and does no firewall drop the packets?",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "is this machine on the server's network?"
        }
        _ => "is the server running and listening there?",
    };
    let text = format!("cannot connect to `{scheme}://{authority}` ({tried}); {advice}");
    Err(Error::new(ErrorKind::ConnectFailed, text).with_source(last))
}

/// Checks that an address names a port that can be dialled.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_port(authority: &str) -> Result<(), String> {
    // The colons of an IPv6 address stand in brackets.
    let outside = authority.rsplit(']').next().unwrap_or(authority);
    let Some((_, port)) = outside.rsplit_once(':') else {
        return Err("it names no port".to_owned());
    };
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!(
            "`{port}` is no port, which is a number from 1 to 65535"
        )),
    }
}

async fn resolve(scheme: &str, authority: &str) -> Result<Vec<SocketAddr>, Error> {
    match timeout(PATIENCE, lookup_host(authority)).await {
        Ok(Ok(addresses)) => Ok(addresses.take(MOST_ADDRESSES).collect()),
        Ok(Err(error)) => Err(unknown(scheme, authority, &error.to_string()).with_source(error)),
        Err(_) => Err(unknown(
            scheme,
            authority,
            "no name server answered in time",
        )),
    }
}

fn unknown(scheme: &str, authority: &str, why: &str) -> Error {
    let text = format!(
        "cannot connect to `{scheme}://{authority}`: its address cannot be found ({why}); \
         check the spelling of the host's name"
    );
    Error::new(ErrorKind::ConnectFailed, text)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(connected) => connected?,
        Err(_) => {
            let text = format!("no answer within {} s", PATIENCE.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
    };
    // On loopback, a socket can happen to get the very port it dials, and meets itself.
    let own = stream.local_addr()?;
    if own.port() == address.port() && own == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_gives_the_address_and_the_reason() {
        // Bound and not listening: the system gives the port to nobody else meanwhile.
        let held = TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = held.local_addr().unwrap();
        let error = dial("tcp", &format!("localhost:{}", address.port()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectFailed);
        let text = error.message();
        assert!(
            text.contains(&format!("tcp://localhost:{}", address.port())),
            "{text}"
        );
        assert!(text.contains(&format!("{address}: ")), "{text}");
        assert!(text.contains("is the server running"), "{text}");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn an_address_without_a_port_that_can_be_dialled_is_refused() {
        for authority in ["localhost", "[::1]"] {
            assert!(check_port(authority).unwrap_err().contains("names no port"));
        }
        for port in ["", "http", "70000", "0", "-1"] {
            let what = check_port(&format!("localhost:{port}")).unwrap_err();
            assert!(what.contains(&format!("`{port}` is no port")), "{what}");
        }
        for authority in ["localhost:1", "[::1]:65535"] {
            assert_eq!(check_port(authority), Ok(()));
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_is_an_error_that_says_so() {
        let error = dial("tcp", "no-such-host.invalid:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectFailed);
        assert!(error.message().contains("cannot be found"), "{error}");
    }

    #[tokio::test]
    async fn each_address_of_a_name_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // `localhost` may stand for ::1 first, where nobody listens.
        let stream = dial("tcp", &format!("localhost:{port}")).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
    }
}
