//! What a host says of itself in OpenAPI is valid, says a validator that knows nothing of us.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use remoting::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[remote(name = "bank.Account")]
trait Account {
    #[constructor]
    async fn open(owner: &str, balance: u64) -> Result<Self, AccountError>;
    #[readonly]
    #[idempotent]
    async fn balance(&self) -> remoting::Result<u64>;
    #[readonly]
    async fn history(&self, from: u64, to: Option<u64>) -> remoting::Result<Vec<u64>>;
    async fn withdraw(&mut self, cents: u64) -> Result<u64, AccountError>;
    #[oneway]
    async fn note(&self, text: &str) -> remoting::Result<()>;
    #[readonly]
    async fn watch(&self, from: u64) -> remoting::Result<Streaming<u64>>;
    async fn add(&self, from: u64, cents: Streaming<u64>) -> remoting::Result<Streaming<u64>>;
    #[rename = "größe {x}"]
    async fn size(&self) -> remoting::Result<u64>;
}

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
enum AccountError {
    #[error("only {available} left")]
    Insufficient { available: u64 },
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

struct Checking(u64);

impl Account for Checking {
    async fn open(_owner: &str, balance: u64) -> Result<Self, AccountError> {
        Ok(Self(balance))
    }
    async fn balance(&self) -> remoting::Result<u64> {
        Ok(self.0)
    }
    async fn history(&self, from: u64, to: Option<u64>) -> remoting::Result<Vec<u64>> {
        Ok((from..to.unwrap_or(from)).collect())
    }
    async fn withdraw(&mut self, cents: u64) -> Result<u64, AccountError> {
        let available = self.0;
        let rest = available.checked_sub(cents);
        self.0 = rest.ok_or(AccountError::Insufficient { available })?;
        Ok(self.0)
    }
    async fn note(&self, _text: &str) -> remoting::Result<()> {
        Ok(())
    }
    async fn watch(&self, from: u64) -> remoting::Result<Streaming<u64>> {
        Ok(Streaming::of([from, self.0]))
    }
    async fn add(&self, _from: u64, cents: Streaming<u64>) -> remoting::Result<Streaming<u64>> {
        Ok(cents)
    }
    async fn size(&self) -> remoting::Result<u64> {
        Ok(1)
    }
}

/// The body of the answer to a GET.
async fn get(server: &str, target: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

/// Has the validator look at a document.
fn validate(folder: &Path, name: &str, document: &str) -> Output {
    let file = folder.join(name);
    std::fs::write(&file, document).unwrap();
    let output = Command::new("openapi-spec-validator").arg(&file).output();
    output.unwrap_or_else(|error| {
        panic!(
            "`openapi-spec-validator` cannot be started ({error}); install it with \
             `pip install openapi-spec-validator`, and have it on the PATH"
        )
    })
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("openapi-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_accepts_what_a_host_says_of_its_objects() {
    let channel = HttpChannel::listen("127.0.0.1:0");
    let host = Host::builder().channel(channel).start().await.unwrap();
    let folder = folder();
    let server = host.channel("http").unwrap().address().unwrap();
    let server = server.strip_prefix("http://").unwrap();
    let nothing = get(server, "/.well-known/remoting?openapi").await;
    host.publish("account", AccountDispatcher::<Checking>::activated())
        .unwrap();
    let vip = AccountDispatcher::singleton(|| Checking(100));
    host.publish("vip", vip).unwrap();
    let both = get(server, "/.well-known/remoting?openapi").await;
    let vip = get(server, "/vip?openapi").await;
    for (name, document, paths) in [("nothing", nothing, 0), ("both", both, 16), ("vip", vip, 8)] {
        let read: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(read["paths"].as_object().unwrap().len(), paths, "{name}");
        let Output {
            status,
            stdout,
            stderr,
        } = validate(&folder, name, &document);
        let (said, also) = (
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr),
        );
        assert!(status.success(), "{name}: {said}{also}\n{document}");
        // The validator does look: one whose answers are not described is refused.
        let broken = document.replace("\"description\":", "\"descripton\":");
        assert!(!validate(&folder, "broken", &broken).status.success());
    }
    std::fs::remove_dir_all(folder).unwrap();
}
