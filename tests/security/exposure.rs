//! What may listen where other machines reach it: all combinations of where, TLS and authentication.

use remoting::prelude::*;
use remoting::{ErrorKind, Principal, Principals};

use crate::certificates::Authority;
use crate::ground::within_patience;

/// Starts a host with one channel of each kind; gives what became of it.
async fn start(
    everywhere: bool,
    tls: bool,
    known: bool,
    allow: Allow,
) -> [remoting::Result<Host>; 2] {
    let place = if everywhere {
        "0.0.0.0:0"
    } else {
        "127.0.0.1:0"
    };
    let authority = Authority::new("issuer");
    let (mut tcp, mut http) = (TcpChannel::listen(place), HttpChannel::listen(place));
    if tls {
        let shown = authority.server().server_tls();
        (tcp, http) = (tcp.tls(shown.clone()), http.tls(shown));
    }
    let host = || {
        let host = Host::builder();
        let host = match allow {
            Allow::Nothing => host,
            Allow::Plaintext => host.allow_plaintext(),
            Allow::Anonymous => host.allow_anonymous(),
        };
        match known {
            true => host.authenticator(Principals::new().token("t", Principal::new("ann"))),
            false => host,
        }
    };
    [
        host().channel(tcp).start().await,
        host().channel(http).start().await,
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allow {
    Nothing,
    Plaintext,
    Anonymous,
}

#[test]
fn beyond_this_machine_there_are_tls_and_authentication_or_the_host_does_not_start() {
    let log = within_patience(async {
        for everywhere in [false, true] {
            for tls in [false, true] {
                for known in [false, true] {
                    for started in start(everywhere, tls, known, Allow::Nothing).await {
                        if !everywhere || (tls && known) {
                            assert!(started.is_ok(), "{everywhere} {tls} {known}");
                            continue;
                        }
                        let error = started.unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::Config);
                        let advice = if tls {
                            "allow_anonymous()"
                        } else {
                            "allow_plaintext()"
                        };
                        assert!(error.message().contains(advice), "{error}");
                        assert!(error.message().contains("0.0.0.0:0"), "{error}");
                    }
                }
            }
        }
    });
    assert!(!log.contains("as was allowed"), "{log}");
}

#[test]
fn what_is_allowed_in_writing_starts_and_each_start_says_so() {
    for (tls, known, allow, starts) in [
        (false, false, Allow::Plaintext, true),
        (false, true, Allow::Plaintext, true),
        (true, false, Allow::Plaintext, true),
        (true, false, Allow::Anonymous, true),
        (false, false, Allow::Anonymous, false),
        (false, true, Allow::Anonymous, false),
    ] {
        let log = within_patience(async {
            for started in start(true, tls, known, allow).await {
                assert_eq!(started.is_ok(), starts, "{tls} {known} {allow:?}");
            }
        });
        assert_eq!(log.contains("as was allowed"), starts, "{log}");
    }
}

#[test]
fn a_certificate_that_clients_have_to_show_is_authentication() {
    within_patience(async {
        let authority = Authority::new("issuer");
        let shown = authority.server().server_tls();
        let mutual = shown.clone().client_roots(authority.root());
        let optional = shown.optional_client_roots(authority.root());
        for (tls, starts) in [(mutual, true), (optional, false)] {
            let channel = TcpChannel::listen("0.0.0.0:0").tls(tls);
            let started = Host::builder().channel(channel).start().await;
            assert_eq!(started.is_ok(), starts);
        }
    });
}
