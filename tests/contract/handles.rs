//! Objects whose trait the caller does not have: described, called by names, made by names, and cast.

use remoting::prelude::*;
use remoting::{DynamicError, ErrorKind, Executed, ObjectHandle};
use serde_json::{Value, json};

use crate::pair::{Pair, statements, until};
use crate::tower::{BellProxy, Brass, Stone, TowerDispatcher, TowerProxy};

#[remote]
pub trait Ledger {
    #[constructor]
    async fn opened(owner: &str, cents: u64) -> Result<Self, LedgerError>;
    #[readonly]
    #[idempotent]
    async fn balance(&self) -> remoting::Result<u64>;
    async fn pay(&mut self, cents: u64, note: Option<String>) -> Result<u64, LedgerError>;
    /// Another ledger, by reference.
    async fn page(&self, cents: u64) -> remoting::Result<LedgerProxy>;
    #[oneway]
    async fn forget(&self, what: &str) -> remoting::Result<()>;
}

#[derive(Debug, PartialEq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum LedgerError {
    #[error("only {left} left")]
    Short { left: u64 },
    #[error("nobody of this name")]
    Nobody,
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

struct Book(u64);

impl Ledger for Book {
    async fn opened(owner: &str, cents: u64) -> Result<Self, LedgerError> {
        match owner {
            "" => Err(LedgerError::Nobody),
            _ => Ok(Self(cents)),
        }
    }

    async fn balance(&self) -> remoting::Result<u64> {
        Ok(self.0)
    }

    async fn pay(&mut self, cents: u64, _note: Option<String>) -> Result<u64, LedgerError> {
        let left = self.0.checked_sub(cents);
        self.0 = left.ok_or(LedgerError::Short { left: self.0 })?;
        Ok(self.0)
    }

    async fn page(&self, cents: u64) -> remoting::Result<LedgerProxy> {
        Ok(LedgerProxy::local(Book(cents)))
    }

    async fn forget(&self, _what: &str) -> remoting::Result<()> {
        Ok(())
    }
}

fn publish(pair: &Pair) {
    let book = LedgerDispatcher::singleton(|| Book(100));
    pair.server.publish("book", book).unwrap();
    let books = LedgerDispatcher::<Book>::activated();
    pair.server.publish("books", books).unwrap();
}

fn error_of(error: DynamicError) -> remoting::Error {
    match error {
        DynamicError::Remoting(error) => error,
        DynamicError::App(value) => panic!("the method's own: {value}"),
    }
}

async fn an_object_describes_itself(pair: &Pair) {
    publish(pair);
    for name in ["book", "books"] {
        let handle: ObjectHandle = pair.client.connect(&pair.url(name)).await.unwrap();
        let description = handle.describe().await.unwrap();
        assert_eq!(description.interface, "Ledger");
        assert_eq!(description.id.len(), 16);
        let names = |list: &[remoting::MethodDescription]| -> Vec<String> {
            list.iter().map(|method| method.name.clone()).collect()
        };
        let methods = ["balance", "pay", "page", "forget"];
        assert_eq!(names(&description.methods), methods);
        assert_eq!(names(&description.constructors), ["opened"]);
        let [balance, pay, _, forget] = &description.methods[..] else {
            panic!("{description:?}");
        };
        assert!(balance.readonly && balance.idempotent && !balance.oneway);
        assert_eq!(pay.arguments, ["cents", "note"]);
        assert!(forget.oneway);
    }
}

async fn an_object_is_called_by_names(pair: &Pair) {
    publish(pair);
    let handle: ObjectHandle = pair.get("book");
    assert_eq!(
        handle.call("balance", Value::Null).await.unwrap(),
        json!(100)
    );
    assert_eq!(handle.call("pay", json!([30])).await.unwrap(), json!(70));
    let named = json!({"note": "rent", "cents": 20});
    assert_eq!(handle.call("pay", named).await.unwrap(), json!(50));
    let gone = handle.call("forget", json!(["all"])).await.unwrap();
    assert_eq!(gone, Value::Null);
    let own = handle.call("pay", json!([60])).await.unwrap_err();
    assert_eq!(own, DynamicError::App(json!({"Short": {"left": 50}})));
    for (method, arguments, kind) in [
        ("steal", json!([]), ErrorKind::NoSuchMethod),
        ("pay", json!(["much"]), ErrorKind::BadArguments),
        ("pay", json!(5), ErrorKind::BadArguments),
    ] {
        let error = error_of(handle.call(method, arguments).await.unwrap_err());
        assert_eq!(
            (error.kind(), error.executed()),
            (kind, Executed::No),
            "{error}"
        );
    }
}

async fn a_handle_is_cast_to_a_proxy_and_a_proxy_to_a_handle(pair: &Pair) {
    publish(pair);
    let handle: ObjectHandle = pair.get("book");
    let typed: LedgerProxy = handle.cast().await.unwrap();
    assert_eq!(typed.pay(1, None).await.unwrap(), 99);
    let again: ObjectHandle = typed.cast().await.unwrap();
    assert_eq!(again.call("balance", Value::Null).await.unwrap(), json!(99));
    assert_eq!(again.describe().await.unwrap().interface, "Ledger");
}

async fn connecting_finds_out_whether_an_object_is_there(pair: &Pair) {
    publish(pair);
    let found = pair.client.connect::<LedgerProxy>(&pair.url("book")).await;
    assert_eq!(found.unwrap().balance().await.unwrap(), 100);
    let kind_of = async |name: &str| {
        let found = pair.client.connect::<LedgerProxy>(&pair.url(name)).await;
        let error = found.unwrap_err();
        assert_eq!(error.executed(), Executed::No, "{error}");
        error.kind()
    };
    assert_eq!(kind_of("nobody").await, ErrorKind::NotFound);
    let other = crate::objects::RoomDispatcher::new(crate::objects::Hall::new().room());
    pair.server.marshal("room", other).unwrap();
    assert_eq!(kind_of("room").await, ErrorKind::WrongInterface);
    pair.server.disconnect("room").unwrap();
    assert!(matches!(kind_of("room").await, ErrorKind::ObjectGone(_)));
    let dead = pair.cell.dead_url("book");
    let error = pair.client.connect::<LedgerProxy>(&dead).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error}");
    let handle = pair
        .client
        .connect::<ObjectHandle>(&pair.url("nobody"))
        .await;
    assert_eq!(handle.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn an_object_that_a_method_gives_is_a_handle_too(pair: &Pair) {
    publish(pair);
    let handle: ObjectHandle = pair.get("book");
    let page = handle.call_object("page", json!([7])).await.unwrap();
    assert_eq!(page.call("pay", json!([3])).await.unwrap(), json!(4));
    assert_eq!(page.describe().await.unwrap().interface, "Ledger");
    let typed: LedgerProxy = page.cast().await.unwrap();
    drop(page);
    assert_eq!(typed.balance().await.unwrap(), 4);
    drop(typed);
    // What is not taken as an object is let go.
    let _number = handle.call("page", json!([7])).await.unwrap();
    until(|| pair.server.kept_objects() == 0).await;
    let error = handle
        .call_object("balance", Value::Null)
        .await
        .unwrap_err();
    assert_eq!(error_of(error).kind(), ErrorKind::BadResult);
}

async fn an_object_is_made_by_the_name_of_its_constructor(pair: &Pair) {
    publish(pair);
    let books: ObjectHandle = pair.get("books");
    let book = books
        .activate("opened", json!({"owner": "Ann", "cents": 9}))
        .await;
    let book = book.unwrap();
    assert_eq!(book.call("pay", json!([4])).await.unwrap(), json!(5));
    drop(book);
    until(|| pair.server.kept_objects() == 0).await;
    let own = books.activate("opened", json!(["", 9])).await.unwrap_err();
    assert_eq!(own, DynamicError::App(json!("Nobody")));
    let error = books.activate("closed", Value::Null).await.unwrap_err();
    assert_eq!(error_of(error).kind(), ErrorKind::NoSuchMethod);
    let error = books.call("balance", Value::Null).await.unwrap_err();
    assert_eq!(error_of(error).kind(), ErrorKind::NotActivatable);
    let book: ObjectHandle = pair.get("book");
    let error = book
        .activate("opened", json!(["Ann", 9]))
        .await
        .unwrap_err();
    assert_eq!(error_of(error).kind(), ErrorKind::NotActivatable);
}

async fn what_needs_a_session_says_so_where_there_is_none(pair: &Pair) {
    publish(pair);
    let stone = Stone::default();
    pair.server
        .marshal("tower", TowerDispatcher::new(stone))
        .unwrap();
    let tower: TowerProxy = pair.get("tower");
    let bell = BellProxy::local(Brass::default());
    let refused = tower.ring(bell, 1).await.unwrap_err();
    let books = pair.client.activate::<LedgerProxy>(&pair.url("books"));
    let LedgerError::Remoting(not_made) = books.opened("Ann", 1).await.unwrap_err() else {
        panic!("an error of the library");
    };
    for error in [refused, not_made] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert_eq!(error.executed(), Executed::No, "{error}");
    }
    assert_eq!(pair.server.kept_objects(), 1);
}

statements!(in cells: what_needs_a_session_says_so_where_there_is_none,
    exchange_message_pack Exchange MessagePack, exchange_json Exchange Json);
statements!(every channel:
    an_object_describes_itself,
    an_object_is_called_by_names,
    a_handle_is_cast_to_a_proxy_and_a_proxy_to_a_handle,
    connecting_finds_out_whether_an_object_is_there,
);
statements!(channels with references:
    an_object_that_a_method_gives_is_a_handle_too,
    an_object_is_made_by_the_name_of_its_constructor,
);
