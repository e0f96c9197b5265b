//! Calling objects without their trait: what a console, a test bench or a gateway needs.
//!
//! ```console
//! $ cargo run --example dynamic
//! $ cargo run --example dynamic -- http://127.0.0.1:8080/calc
//! $ cargo run --example dynamic -- tcp://127.0.0.1:8080/calc add '[2,3]'
//! ```
//!
//! With a URL it describes what is there, and with the name of a method and arguments in JSON it
//! calls it. Without, it starts a server of its own and shows both.

use anyhow::{Context, ensure};
use remoting::prelude::*;
use remoting::{Description, DynamicError, ObjectHandle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

// ---- what only the server knows

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Book {
    title: String,
    year: u16,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum ShelfError {
    #[error("the shelf holds {0} books and no more")]
    Full(usize),
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

#[remote]
trait Shelf {
    #[constructor]
    async fn with_room_for(books: usize) -> Result<Self, ShelfError>;
    async fn put(&mut self, book: Book) -> Result<usize, ShelfError>;
    #[readonly]
    async fn since(&self, year: u16) -> Result<Vec<Book>, ShelfError>;
}

struct Board {
    room: usize,
    books: Vec<Book>,
}

impl Shelf for Board {
    async fn with_room_for(books: usize) -> Result<Self, ShelfError> {
        let (room, books) = (books, Vec::new());
        Ok(Self { room, books })
    }

    async fn put(&mut self, book: Book) -> Result<usize, ShelfError> {
        if self.books.len() >= self.room {
            return Err(ShelfError::Full(self.room));
        }
        self.books.push(book);
        Ok(self.books.len())
    }

    async fn since(&self, year: u16) -> Result<Vec<Book>, ShelfError> {
        let books = self.books.iter().filter(|book| book.year >= year);
        Ok(books.cloned().collect())
    }
}

// ---- a caller that knows names and JSON

fn show(url: &str, description: &Description) {
    println!("{url} is a `{}`", description.interface);
    for constructor in &description.constructors {
        println!(
            "  :{}({})",
            constructor.name,
            constructor.arguments.join(", ")
        );
    }
    for method in &description.methods {
        println!("  {}({})", method.name, method.arguments.join(", "));
    }
}

/// Does what the command line says.
async fn call(url: &str, method: Option<&str>, arguments: Option<&str>) -> anyhow::Result<()> {
    let object: ObjectHandle = remoting::connect(url).await?;
    let Some(method) = method else {
        show(url, &object.describe().await?);
        return Ok(());
    };
    let arguments = arguments.map_or(Ok(Value::Null), serde_json::from_str);
    let arguments = arguments.context("the arguments are not JSON")?;
    println!("{}", object.call(method, arguments).await?);
    Ok(())
}

/// Makes a shelf, fills it, and asks it, by names alone.
async fn fill(url: &str) -> anyhow::Result<()> {
    let shelves: ObjectHandle = remoting::connect(url).await?;
    show(url, &shelves.describe().await?);
    let shelf = shelves.activate("with_room_for", json!([2])).await?;
    for (title, year) in [("Emma", 1815), ("Ulysses", 1922)] {
        let count = shelf.call("put", json!([{"title": title, "year": year}]));
        println!("  {title}: {} there now", count.await?);
    }
    let full = json!({"book": {"title": "Dune", "year": 1965}});
    match shelf.call("put", full).await {
        Err(DynamicError::App(error)) => println!("  Dune: {error}"),
        other => anyhow::bail!("the shelf was to be full: {other:?}"),
    }
    let new = shelf.call("since", json!([1900])).await?;
    println!("  since 1900: {new}");
    ensure!(new == json!([{"title": "Ulysses", "year": 1922}]));
    // Whoever has the trait after all gets a proxy of the same object.
    let typed: ShelfProxy = shelf.cast().await?;
    ensure!(typed.since(0).await?.len() == 2);
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut arguments = arguments.iter().map(String::as_str);
    if let Some(url) = arguments.next() {
        return call(url, arguments.next(), arguments.next()).await;
    }
    let host = Host::builder()
        .channel(TcpChannel::listen("127.0.0.1:0"))
        .channel(HttpChannel::listen("127.0.0.1:0"))
        .start()
        .await?;
    host.publish("shelves", ShelfDispatcher::<Board>::activated())?;
    for url in host.urls("shelves") {
        fill(&url).await?;
    }
    Ok(())
}
