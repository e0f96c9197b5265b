//! A format that the library knows nothing of comes in through the same seam as JSON.

use remoting::Json;
use remoting::formatter::{
    ArgumentStyle, Codec, FormatError, Formatter, Payload, ScanBudget, ScanError, erased_serde,
};
use remoting::prelude::*;
use serde_json::{Map, Value};

use crate::calc::{CalcDispatcher, Exact};
use crate::raw::{ask, post};

/// XML, as far as one call needs it: `<add><a>2</a><b>3</b></add>`, and `<result>5</result>`.
struct Xml;

/// The arguments as JSON.
fn arguments(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut inside = text.strip_prefix("<add>")?.strip_suffix("</add>")?;
    let mut arguments = Map::new();
    while !inside.is_empty() {
        let (name, rest) = inside.strip_prefix('<')?.split_once('>')?;
        let (value, rest) = rest.split_once(&format!("</{name}>"))?;
        let value = value.parse::<i64>().ok()?;
        arguments.insert(name.to_owned(), Value::from(value));
        inside = rest;
    }
    Some(Value::Object(arguments).to_string().into_bytes())
}

impl Formatter for Xml {
    fn codec(&self) -> Codec {
        Codec(201)
    }

    fn name(&self) -> &'static str {
        "xml"
    }

    fn content_type(&self) -> &'static str {
        "text/xml"
    }

    fn arguments(&self) -> ArgumentStyle {
        ArgumentStyle::ByName
    }

    fn scan(&self, bytes: &[u8], budget: &mut ScanBudget) -> Result<(), ScanError> {
        match arguments(bytes) {
            Some(json) => Json.scan(&json, budget),
            None => Err(ScanError::Malformed("it is not XML")),
        }
    }

    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Payload,
    ) -> Result<(), FormatError> {
        let text = serde_json::to_string(value).map_err(FormatError::encode)?;
        out.extend_from_slice(format!("<result>{text}</result>").as_bytes());
        Ok(())
    }

    fn deserialize<'de>(
        &self,
        bytes: &'de [u8],
        read: &mut dyn FnMut(
            &mut dyn erased_serde::Deserializer<'de>,
        ) -> Result<(), erased_serde::Error>,
    ) -> Result<(), FormatError> {
        let json = arguments(bytes).ok_or_else(|| FormatError::decode("it is not XML"))?;
        let mut json = serde_json::Deserializer::from_reader(json.as_slice());
        read(&mut <dyn erased_serde::Deserializer>::erase(&mut json)).map_err(FormatError::decode)
    }
}

#[tokio::test]
async fn a_format_of_a_users_own_is_chosen_by_its_content_type() {
    let channel = HttpChannel::listen("127.0.0.1:0");
    let builder = Host::builder().formatter(Xml).channel(channel);
    let host = builder.start().await.unwrap();
    host.publish("calc", CalcDispatcher::singleton(Exact::default))
        .unwrap();
    let url = host.url("calc").unwrap();
    let authority = url.split('/').nth(2).unwrap();
    let call = async |kind: &str, body: &str| {
        let line = format!("Content-Type: {kind}");
        let answer = ask(authority, &post("/calc/add", &[&line], body)).await;
        let answer = answer.unwrap();
        let kind = answer.header("content-type").map(str::to_owned);
        (answer.status, kind.unwrap_or_default(), answer.body)
    };
    let (status, kind, body) = call("text/xml; charset=utf-8", "<add><a>2</a><b>3</b></add>").await;
    assert_eq!(
        (status, &*kind, &*body),
        (200, "text/xml", "<result>5</result>")
    );
    let (status, kind, _) = call("text/xml", "<add><a>two</a></add>").await;
    assert_eq!((status, &*kind), (400, "application/json"));
    let (status, kind, body) = call("application/json", "[2,3]").await;
    assert_eq!((status, &*kind, &*body), (200, "application/json", "5"));
}
