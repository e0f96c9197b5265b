//! Dialling the addresses of a URL, one after the other.

use super::channels::Registered;
use super::reach::may_pass;
use crate::channel::Dialed;
use crate::error::{Error, ErrorKind};
use crate::url::ObjectUrl;

/// What dialling gave.
pub(super) struct Answered {
    pub(super) dialed: Dialed,
    /// The one of several addresses where that was, and its number.
    pub(super) at: Option<(usize, ObjectUrl)>,
}

/// Dials until somebody answers.
///
/// - `first`: the number of the address that is dialled first.
pub(super) async fn dial(
    channel: &Registered,
    url: &ObjectUrl,
    first: usize,
) -> Result<Answered, Error> {
    if !url.has_several_addresses() {
        let dialed = channel.channel().dial(url).await?;
        return Ok(Answered { dialed, at: None });
    }
    let mut addresses: Vec<_> = url.addresses().enumerate().collect();
    let first = first.checked_rem(addresses.len());
    addresses.rotate_left(first.unwrap_or_default());
    let mut failures = Vec::new();
    for (number, address) in addresses {
        match channel.channel().dial(&address).await {
            Ok(dialed) => {
                let at = Some((number, address));
                return Ok(Answered { dialed, at });
            }
            Err(error) if may_pass(&error) => failures.push(error),
            Err(error) => return Err(error),
        }
    }
    Err(all_failed(url, failures))
}

/// The error of a URL none of whose addresses answers; that of a single address says all there is to say.
fn all_failed(url: &ObjectUrl, mut failures: Vec<Error>) -> Error {
    let many = failures.len() > 1;
    let texts: Vec<_> = failures.iter().map(Error::to_string).collect();
    let last = failures.pop();
    match last {
        Some(only) if !many => only,
        last => {
            let why = joined(&texts);
            let text = format!("no address of `{url}` can be reached: {why}");
            let error = Error::new(ErrorKind::ConnectFailed, text);
            match last {
                Some(last) => error.with_source(last),
                None => error,
            }
        }
    }
}

/// One text of many. Advice that several of them end with, one after the other, is given once.
fn joined(texts: &[String]) -> String {
    let advice = |text: &String| text.rsplit_once("; ").map(|(_, advice)| advice.to_owned());
    let mut parts = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let next = texts.get(number.saturating_add(1)).and_then(advice);
        let said_later = next.is_some() && advice(text) == next;
        parts.push(match text.rsplit_once("; ") {
            Some((fact, _)) if said_later => fact,
            _ => text,
        });
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_all_failures_advise_is_said_once() {
        let joined = |texts: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            super::joined(&texts)
        };
        assert_eq!(
            joined(&["a (1); is it on?", "b (2)"]),
            "a (1); is it on?; b (2)"
        );
        assert_eq!(
            joined(&["a (1); is it on?", "b (2); is it on?", "c; is it near?"]),
            "a (1); b (2); is it on?; c; is it near?"
        );
    }
}
