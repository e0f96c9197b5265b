//! The door of a channel that listens: who is let in, and what those are told who are not.

use std::net::SocketAddr;
use std::sync::Arc;

use remoting_core::Peer;
use remoting_core::channel::{Acceptor, Admission};
use remoting_tcp::sockets::{
    Farewells, Protocol, Security, Socket, Unwelcome, accept_secure, tune,
};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::answer::Answer;
use crate::connection;
use crate::serve::Service;

/// What is needed to let somebody in.
pub(crate) struct Door {
    pub(crate) security: Arc<Security>,
    pub(crate) acceptor: Acceptor,
    pub(crate) service: Arc<Service>,
    pub(crate) farewells: Farewells,
    pub(crate) stopping: watch::Receiver<()>,
}

impl Door {
    /// Answers a new connection, if the host has room for it.
    pub(crate) fn welcome(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        match self.acceptor.admit(Some(peer.ip().to_canonical())) {
            Ok(admission) => {
                tune(&stream);
                tokio::spawn(Arc::clone(self).serve(stream, Peer::at(peer), admission));
            }
            // Who speaks TLS would not understand it.
            Err(_) if self.security.is_secure() => {}
            Err(turned_away) => {
                let answer = Answer::refused(503, "overloaded", &turned_away.to_string());
                self.farewells.say(stream, answer.closing().into_bytes());
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, peer: Peer, admission: Admission) {
        let (security, acceptor) = (&self.security, &self.acceptor);
        let (socket, owner) = match security.is_secure() {
            false => (Socket::Plain(stream), None),
            true => match accept_secure(security, acceptor, stream, &peer, Protocol::Http).await {
                Ok(accepted) => accepted,
                Err(unwelcome) => return self.turn_away(unwelcome),
            },
        };
        let peer = Arc::new(peer.with_certificate(owner));
        let (service, stopping) = (Arc::clone(&self.service), self.stopping.clone());
        connection::run(socket, peer, admission, service, stopping).await;
    }

    fn turn_away(&self, unwelcome: Option<Unwelcome>) {
        match unwelcome {
            Some(Unwelcome::ClearText(stream)) => {
                let text = "this port has TLS; use an `https://` URL";
                let answer = Answer::refused(400, "tls_required", text);
                self.farewells.say(stream, answer.closing().into_bytes());
            }
            Some(Unwelcome::Failed(stream)) => self.farewells.say(stream, Vec::new()),
            None => {}
        }
    }
}
