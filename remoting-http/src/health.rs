//! Whether callers had better come here, as gateways ask it (PROTOCOL.md, rule H26).

use std::time::Duration;

use hyper::{Method, StatusCode};

use crate::answer::Answer;
use crate::route::HEALTH;
use crate::serve::Service;

/// When to ask again whoever does not serve.
const LATER: Duration = Duration::from_secs(1);

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Serving,
    /// What comes is still served, but soon nobody will be here.
    Draining,
    /// Who is here is served, and there is no room for more connections.
    Overloaded,
    /// Nobody is here, or not yet.
    Stopped,
}

/// Whether a request asks for it. Anybody may, under whatever name: there is nothing to learn but that, and the programs
/// that ask are set up by people in a hurry.
pub(crate) fn is_asked_for(method: &Method, path: &str) -> bool {
    path == HEALTH && (method == Method::GET || method == Method::HEAD)
}

/// The answer to who asks for it in another way.
pub(crate) fn wrong_method() -> Answer {
    let text = "this tells whether to come here; read it with GET";
    Answer::refused(405, "protocol", text).allowing("GET, HEAD")
}

impl Service {
    /// Whether callers had better come here.
    pub(crate) fn health(&self) -> Health {
        match (self.acceptor.is_leaving(), self.acceptor.is_short()) {
            (true, _) => Health::Draining,
            (false, true) => Health::Overloaded,
            (false, false) => Health::Serving,
        }
    }
}

impl Health {
    pub(crate) fn answer(self) -> Answer {
        let (status, body) = match self {
            Self::Serving => (StatusCode::OK, r#"{"status":"serving"}"#),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#),
            Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"status":"overloaded"}"#,
            ),
            Self::Stopped => (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"stopped"}"#),
        };
        let mut answer = Answer::json(body.into());
        answer.status = status;
        answer.retry_after = (self != Self::Serving).then_some(LATER);
        answer
    }
}
