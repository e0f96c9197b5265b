//! Values, errors, and what is known after a failure: the tutorial's `GetPersonInfo`.
//!
//! Shows
//!
//! - a struct that travels by value, as an argument and as a result;
//! - several arguments, borrowed ones among them;
//! - an error type of the program's own, which arrives as it left, fields and all;
//! - `executed()`: whether a call that failed ran at the server, and so may be repeated.
//!
//! `cargo run --example person` runs the server and its client in one process, over TCP.

use std::time::Duration;

use anyhow::{bail, ensure};
use remoting::prelude::*;
use remoting::{ErrorKind, Executed};
use serde::{Deserialize, Serialize};

// ---- the contract, shared by client and server

/// Someone. A copy travels: what one side does to it, the other never sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    sex: String,
    age: u32,
}

/// Why the office could not help.
///
/// The error is data like any other. `Remoting` is what the program cannot declare
/// by itself: the network, the deadline, the object that is not there.
#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
enum PersonError {
    #[error("nobody is called {name:?}")]
    NotAName { name: String },
    #[error("nobody of {age} is known, the oldest is {oldest}")]
    TooOld { age: u32, oldest: u32 },
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

/// An office that knows people.
#[remote]
trait Office {
    /// Describes a person.
    async fn get_person_info(&self, name: &str, sex: &str, age: u32)
    -> Result<Person, PersonError>;

    /// The same person, a year later.
    async fn a_year_later(&self, person: &Person) -> Result<Person, PersonError>;

    /// The story of a life. It is never finished.
    async fn biography(&self, person: &Person) -> Result<String, PersonError>;
}

// ---- the server

struct TownHall {
    oldest: u32,
}

impl Office for TownHall {
    async fn get_person_info(
        &self,
        name: &str,
        sex: &str,
        age: u32,
    ) -> Result<Person, PersonError> {
        if !name.chars().any(char::is_alphabetic) {
            return Err(PersonError::NotAName {
                name: name.to_owned(),
            });
        }
        if age > self.oldest {
            return Err(PersonError::TooOld {
                age,
                oldest: self.oldest,
            });
        }
        println!("server: someone asks for {name}");
        Ok(Person {
            name: name.to_owned(),
            sex: sex.to_owned(),
            age,
        })
    }

    async fn a_year_later(&self, person: &Person) -> Result<Person, PersonError> {
        self.get_person_info(&person.name, &person.sex, person.age + 1)
            .await
    }

    async fn biography(&self, _person: &Person) -> Result<String, PersonError> {
        std::future::pending().await
    }
}

async fn start_server() -> anyhow::Result<(Host, String)> {
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.publish(
        "office",
        OfficeDispatcher::singleton(|| TownHall { oldest: 122 }),
    )?;
    let url = host.url("office")?;
    Ok((host, url))
}

// ---- the client

async fn values(office: &OfficeProxy) -> anyhow::Result<Person> {
    let person = office.get_person_info("Wayfarer", "male", 16).await?;
    println!(
        "client: {} is {} and {} years old",
        person.name, person.sex, person.age
    );
    let expected = Person {
        name: "Wayfarer".into(),
        sex: "male".into(),
        age: 16,
    };
    ensure!(person == expected, "the fields arrive as they were");

    let older = office.a_year_later(&person).await?;
    println!(
        "client: a year later {}, and the copy here is still {}",
        older.age, person.age
    );
    ensure!(
        (older.age, person.age) == (17, 16),
        "a value is copied, never shared"
    );
    Ok(person)
}

/// The program's own errors are matched like those of a function in this process.
async fn own_errors(office: &OfficeProxy) -> anyhow::Result<()> {
    match office.get_person_info("Methuselah", "male", 969).await {
        Err(PersonError::TooOld { age, oldest }) => {
            println!("client: {age} is too old by {}", age - oldest);
            ensure!(
                (age, oldest) == (969, 122),
                "the fields of an error arrive as they were"
            );
        }
        other => bail!("expected TooOld, got {other:?}"),
    }
    let error = office.get_person_info("?", "", 0).await.err();
    ensure!(
        error == Some(PersonError::NotAName { name: "?".into() }),
        "got {error:?}"
    );
    Ok(())
}

/// What the network adds. `executed()` says whether to try again.
async fn failures(client: &Host, url: &str, person: &Person) -> anyhow::Result<()> {
    let misspelt = client.get::<OfficeProxy>(&url.replace("office", "offfice"))?;
    let error = remoting_error(misspelt.a_year_later(person).await)?;
    println!(
        "client: a wrong name: executed {:?}, {error}",
        error.executed()
    );
    ensure!(error.kind() == ErrorKind::NotFound);
    ensure!(
        error.executed() == Executed::No,
        "no code ran: the call may be repeated elsewhere"
    );

    let office = client.get::<OfficeProxy>(url)?;
    let call = office
        .biography(person)
        .deadline(Duration::from_millis(250));
    let error = remoting_error(call.await)?;
    println!(
        "client: out of patience: executed {:?}, {error}",
        error.executed()
    );
    ensure!(error.kind() == ErrorKind::DeadlineExceeded);
    // Mostly nobody can tell whether it ran; where the server's clock is first, its answer says so.
    ensure!(
        error.executed() != Executed::No,
        "it was sent: it may have run"
    );
    Ok(())
}

fn remoting_error<T>(result: Result<T, PersonError>) -> anyhow::Result<remoting::Error> {
    match result {
        Err(PersonError::Remoting(error)) => Ok(error),
        Err(other) => Err(other.into()),
        Ok(_) => bail!("the call was expected to fail"),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (server, url) = start_server().await?;
    let client = Host::builder()
        .channel(TcpChannel::client())
        .start_client()?;
    let office = client.connect::<OfficeProxy>(&url).await?;

    let person = values(&office).await?;
    own_errors(&office).await?;
    failures(&client, &url, &person).await?;

    // The server says goodbye to its clients, and ends when all have heard it.
    server
        .run_until(std::future::ready(()))
        .drain(Duration::from_secs(1))
        .await;
    let error = remoting_error(office.a_year_later(&person).await)?;
    println!(
        "client: the server is gone: executed {:?}, {error}",
        error.executed()
    );
    ensure!(
        error.executed() == Executed::No,
        "nobody was there to run it"
    );
    Ok(())
}
