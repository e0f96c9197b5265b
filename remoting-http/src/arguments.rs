//! From the body or the query of a request to the arguments of a call.

use std::fmt::Display;

use bytes::Bytes;
use hyper::Method;
use hyper::body::Body;
use hyper::header::ORIGIN;
use hyper::http::request::Parts;
use remoting_core::formatter::{FormatterRef, Payload};
use remoting_core::{MethodDescriptor, Peer};

use crate::answer::{Answer, JSON};
use crate::body::{self, BodyError, Read};
use crate::gate::media_type;
use crate::headers::INTERFACE;
use crate::query;
use crate::room::Place;
use crate::serve::Service;
use crate::stream::{Inbound, LINES};

/// The arguments of a call.
pub(crate) struct Arguments {
    pub(crate) formatter: FormatterRef,
    pub(crate) payload: Payload,
    /// The place of the body in the memory for bodies.
    pub(crate) place: Option<Place>,
    /// The stream among them, if the body is one.
    pub(crate) stream: Option<Inbound>,
}

impl Service {
    /// The arguments of a call, and the format they are in.
    pub(crate) async fn arguments<B>(
        &self,
        head: &Parts,
        method: &MethodDescriptor,
        body: B,
        peer: &Peer,
    ) -> Result<Arguments, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        if head.method == Method::GET {
            if !method.readonly {
                let text = "the method may change something; call it with POST";
                return Err(Answer::refused(405, "protocol", text).allowing("POST"));
            }
            return Ok(Arguments {
                formatter: self.formatter(JSON)?,
                payload: in_query(head, None)?,
                place: None,
                stream: None,
            });
        }
        if head.method != Method::POST {
            let text = "calls are made with POST, or with GET if they change nothing";
            return Err(Answer::refused(405, "protocol", text).allowing("GET, POST"));
        }
        let media_type = media_type(&head.headers)?;
        if media_type.eq_ignore_ascii_case(LINES) {
            return self.beside_stream(head, method, body, peer);
        }
        let formatter = match self.formatter(media_type) {
            Ok(formatter) => formatter,
            // Pages cannot send other types without asking first, and proxies mean what they say;
            // other programs are trusted to mean JSON.
            Err(refused)
                if head.headers.contains_key(ORIGIN) || head.headers.contains_key(INTERFACE) =>
            {
                return Err(refused);
            }
            Err(_) => self.formatter(JSON)?,
        };
        let Read { bytes, place } = self.read(body, peer).await?;
        let payload = if bytes.is_empty() {
            // A method without arguments is called without a body.
            formatter.encode::<[(); 0]>(&[]).unwrap_or_default()
        } else {
            bytes.into()
        };
        Ok(Arguments {
            formatter,
            payload,
            place: Some(place),
            stream: None,
        })
    }

    /// The arguments of a call whose body is a stream.
    fn beside_stream<B>(
        &self,
        head: &Parts,
        method: &MethodDescriptor,
        body: B,
        peer: &Peer,
    ) -> Result<Arguments, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let place = method.stream_argument;
        let name = place.and_then(|place| method.arguments.get(place));
        let name = name.ok_or_else(|| {
            let text =
                "the method has no argument that is a stream, or several; send `application/json`";
            Answer::refused(415, "unsupported", text)
        })?;
        Ok(Arguments {
            formatter: self.formatter(JSON)?,
            payload: in_query(head, Some(name))?,
            place: None,
            stream: Some(self.items(body, peer)),
        })
    }

    /// Reads a body within the bounds of the channel, and of the caller.
    pub(crate) async fn read<B>(&self, body: B, peer: &Peer) -> Result<Read, Answer>
    where
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        let read = body::read(body, &self.room.of(peer)).await;
        read.map_err(|error| self.unread(error))
    }

    fn unread(&self, error: BodyError) -> Answer {
        let answer = match error {
            BodyError::TooLarge => {
                self.counters().max_message.add();
                let text = "the body is larger than the server takes (its limit `max_message`)";
                Answer::refused(413, "too_large", text)
            }
            BodyError::NoRoom => {
                let text = "the server holds too many large bodies at the moment";
                Answer::refused(503, "overloaded", text)
            }
            BodyError::TooSlow => Answer::refused(408, "protocol", "the body came too slowly"),
            BodyError::Broken(why) => {
                tracing::debug!(target: "remoting::http", why, "a body could not be read");
                Answer::refused(400, "protocol", "the body could not be read to its end")
            }
        };
        answer.closing()
    }

    fn formatter(&self, media_type: &str) -> Result<FormatterRef, Answer> {
        let mut formatters = self.formatters.iter();
        let found =
            formatters.find(|formatter| formatter.content_type().eq_ignore_ascii_case(media_type));
        found.cloned().ok_or_else(|| {
            let text = "the server does not read this Content-Type; send `application/json`";
            Answer::refused(415, "unsupported", text)
        })
    }
}

/// The arguments in the query of a request.
///
/// - `stream`: the name of the one that is a stream.
fn in_query(head: &Parts, stream: Option<&str>) -> Result<Payload, Answer> {
    let arguments = query::arguments(head.uri.query().unwrap_or_default(), stream);
    arguments.map(Payload::from).map_err(|name| {
        let text = format!("the argument `{}` is there twice", name.escape_debug());
        Answer::refused(400, "bad_arguments", &text)
    })
}
