//! The library as its users meet it: a remote trait, a proxy, MessagePack.

use remoting_core::prelude::*;
use remoting_tcp::TcpChannel;
use serde::{Deserialize, Serialize};

use super::Subject;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: u32,
    name: String,
    email: String,
    age: u32,
    balance: f64,
}

impl Person {
    pub(crate) fn find(id: u32, country: &str, detailed: bool) -> Self {
        let email = if detailed {
            format!("ada@analytical.engine.{country}")
        } else {
            String::new()
        };
        Self {
            id,
            name: "Ada Lovelace".to_owned(),
            email,
            age: 36,
            balance: 42.0,
        }
    }
}

#[remote]
pub(crate) trait Directory {
    async fn add(&self, a: i32, b: i32) -> remoting_core::Result<i32>;
    async fn get_person(
        &self,
        id: u32,
        country: &str,
        detailed: bool,
    ) -> remoting_core::Result<Person>;
}

struct OnePerson;

impl Directory for OnePerson {
    async fn add(&self, a: i32, b: i32) -> remoting_core::Result<i32> {
        Ok(a.wrapping_add(b))
    }

    async fn get_person(
        &self,
        id: u32,
        country: &str,
        detailed: bool,
    ) -> remoting_core::Result<Person> {
        Ok(Person::find(id, country, detailed))
    }
}

/// Starts a host that offers one object, and gives the object's URL.
pub(crate) async fn serve() -> remoting_core::Result<(Host, String)> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.publish("directory", DirectoryDispatcher::singleton(|| OnePerson))?;
    let url = host
        .urls("directory")
        .into_iter()
        .next()
        .unwrap_or_default();
    Ok((host, url))
}

/// A proxy, and the host that it calls through.
#[derive(Clone)]
pub(crate) struct Client {
    _host: Host,
    directory: DirectoryProxy,
}

impl Client {
    /// The connection is made by the first call.
    pub(crate) async fn connect(url: &str) -> remoting_core::Result<Self> {
        let host = Host::builder()
            .channel(TcpChannel::client())
            .start()
            .await?;
        let directory = host.get(url)?;
        Ok(Self {
            _host: host,
            directory,
        })
    }
}

impl Subject for Client {
    async fn add(&self, a: i32, b: i32) -> i32 {
        self.directory.add(a, b).await.expect("the server is there")
    }

    async fn get_person(&self, id: u32, country: &str, detailed: bool) -> u32 {
        self.directory
            .get_person(id, country, detailed)
            .await
            .expect("the server is there")
            .id
    }
}
