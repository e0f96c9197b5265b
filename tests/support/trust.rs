//! The one issuer of a test program, and what servers show and clients trust because of it.

use std::sync::LazyLock;

use remoting::{ClientTls, ServerTls};

use crate::certificates::Authority;

struct Trust {
    authority: Authority,
    server: ServerTls,
}

static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let authority = Authority::new("issuer");
    let server = authority.server().server_tls();
    Trust { authority, server }
});

/// What servers show.
pub fn trusted() -> ServerTls {
    TRUST.server.clone()
}

/// How clients dial them.
pub fn trusting() -> ClientTls {
    ClientTls::new().roots(TRUST.authority.root())
}
