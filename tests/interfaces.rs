//! What `#[remote]` makes of a trait, used as a user does: every way an argument can
//! travel, constructors, generics, names that could clash.

#![allow(missing_docs, reason = "an interface of a test explains nothing")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use remoting::{ErrorKind, Proxy, remote, testing};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    name: String,
    age: u32,
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum AccountError {
    #[error("only {available} left")]
    Insufficient { available: u64 },
    #[error(transparent)]
    Remoting(#[from] remoting::Error),
}

type Answer<T> = Result<T, AccountError>;

#[remote]
pub trait Account {
    #[constructor]
    async fn open(owner: &str, balance: u64) -> Result<Self, AccountError>;
    #[constructor]
    async fn empty() -> Answer<Self>;
    #[idempotent]
    #[readonly]
    async fn balance(&self) -> Result<u64, AccountError>;
    async fn withdraw(&mut self, cents: u64) -> Result<u64, AccountError>;
    async fn owner(&self) -> remoting::Result<String>;
}

struct Checking {
    owner: String,
    balance: u64,
}

impl Account for Checking {
    async fn open(owner: &str, balance: u64) -> Result<Self, AccountError> {
        Ok(Self {
            owner: owner.to_owned(),
            balance,
        })
    }
    async fn balance(&self) -> Result<u64, AccountError> {
        Ok(self.balance)
    }
    async fn withdraw(&mut self, cents: u64) -> Result<u64, AccountError> {
        let available = self.balance;
        let left = available.checked_sub(cents);
        self.balance = left.ok_or(AccountError::Insufficient { available })?;
        Ok(self.balance)
    }
    async fn owner(&self) -> remoting::Result<String> {
        Ok(self.owner.clone())
    }
}

struct Branch {
    bonus: u64,
}

impl AccountFactory for Branch {
    type Object = Checking;
    async fn open(&self, owner: &str, balance: u64) -> Result<Checking, AccountError> {
        Checking::open(owner, balance + self.bonus).await
    }
    async fn empty(&self) -> Answer<Checking> {
        Checking::open("nobody", self.bonus).await
    }
}

/// The names of the arguments are those that generated code uses itself.
#[remote(name = "tests.Arguments")]
pub trait Arguments {
    async fn borrowed(
        &self,
        object: &str,
        arguments: &[u8],
        call: Option<&str>,
        factory: Option<&[u8]>,
    ) -> remoting::Result<String>;
    async fn lent(&self, person: &Person, other: Option<&Person>) -> remoting::Result<Person>;
    async fn owned(&mut self, bytes: Vec<u8>, #[default] times: u8) -> remoting::Result<Vec<u8>>;
    async fn read(&mut self, from: &str) -> Answer<Vec<u8>>;
    #[rename = "match"]
    async fn r#type(&self, r#in: u8) -> Answer<u8>;
    async fn clone(&self) -> Answer<u8>;
    async fn url(&self, value: u8) -> Answer<u8>;
}

struct Echo;

impl Arguments for Echo {
    async fn borrowed(
        &self,
        object: &str,
        arguments: &[u8],
        call: Option<&str>,
        factory: Option<&[u8]>,
    ) -> remoting::Result<String> {
        Ok(format!("{object} {arguments:?} {call:?} {factory:?}"))
    }
    async fn lent(&self, person: &Person, other: Option<&Person>) -> remoting::Result<Person> {
        Ok(other.unwrap_or(person).clone())
    }
    async fn owned(&mut self, bytes: Vec<u8>, times: u8) -> remoting::Result<Vec<u8>> {
        Ok(bytes.repeat(times.into()))
    }
    async fn read(&mut self, from: &str) -> Answer<Vec<u8>> {
        Ok(from.as_bytes().to_vec())
    }
    async fn r#type(&self, r#in: u8) -> Answer<u8> {
        Ok(r#in)
    }
    async fn clone(&self) -> Answer<u8> {
        Ok(7)
    }
    async fn url(&self, value: u8) -> Answer<u8> {
        Ok(value)
    }
}

#[remote]
pub trait Repository<K: Ord = String> {
    async fn first(&self, keys: Vec<K>) -> remoting::Result<Option<K>>;
}

struct Sorted;

impl<K: Ord + Send> Repository<K> for Sorted {
    async fn first(&self, keys: Vec<K>) -> remoting::Result<Option<K>> {
        Ok(keys.into_iter().min())
    }
}

macro_rules! interface {
    ($name:ident, $method:ident($argument:ident: $ty:ty) -> $answer:ty, $wire:literal) => {
        #[remote(name = $wire)]
        pub trait $name {
            async fn $method(&self, $argument: $ty, also: &$ty) -> $answer;
        }
    };
}

interface!(FromMacro, double(value: u64) -> remoting::Result<u64>, "tests.FromMacro");

impl FromMacro for Sorted {
    async fn double(&self, value: u64, also: &u64) -> remoting::Result<u64> {
        Ok(value + also)
    }
}

async fn audit(account: &mut impl Account) -> u64 {
    account.withdraw(1).await.unwrap_or_default()
}

#[tokio::test]
async fn a_proxy_and_its_object_are_interchangeable() {
    let mut object = Checking::open("Ann", 10).await.unwrap();
    assert_eq!(audit(&mut object).await, 9);
    let mut proxy = AccountDispatcher::new(object).proxy();
    assert_eq!(audit(&mut proxy).await, 8);
    assert_eq!(proxy.owner().await.unwrap(), "Ann");
}

#[tokio::test]
async fn a_call_has_options_however_the_proxy_is_held() {
    let mut proxy = AccountDispatcher::new(Checking::open("Ann", 10).await.unwrap()).proxy();
    let second = Duration::from_secs(1);
    assert_eq!(proxy.withdraw(1).deadline(second).await, Ok(9));
    let shared = &proxy;
    assert_eq!(shared.withdraw(1).deadline(second).await, Ok(8));
    let exclusive = &mut proxy;
    assert_eq!(exclusive.withdraw(1).deadline(second).await, Ok(7));
    let refused = AccountError::Insufficient { available: 7 };
    assert_eq!(proxy.withdraw(8).await, Err(refused));
}

#[tokio::test]
async fn every_kind_of_argument_arrives() {
    let mut proxy = ArgumentsDispatcher::new(Echo).proxy();
    let text = proxy.borrowed("a", b"b", Some("c"), Some(b"d")).await;
    assert_eq!(text.unwrap(), r#"a [98] Some("c") Some([100])"#);
    let text = proxy.borrowed("", b"", None, None).await;
    assert_eq!(text.unwrap(), " [] None None");
    let [ann, bob] = ["Ann", "Bob"].map(|name| Person {
        name: name.to_owned(),
        age: 3,
    });
    assert_eq!(proxy.lent(&ann, None).await.unwrap(), ann);
    assert_eq!(proxy.lent(&ann, Some(&bob)).await.unwrap(), bob);
    assert_eq!(proxy.owned(vec![1, 2], 2).await.unwrap(), [1, 2, 1, 2]);
    assert_eq!(proxy.read("text").await.unwrap(), b"text");
    assert_eq!(proxy.r#type(4).await.unwrap(), 4);
    assert_eq!(
        Arguments::owned(&mut proxy, vec![1], 3).await.unwrap(),
        [1; 3]
    );
}

#[tokio::test]
async fn a_users_method_wins_over_a_name_of_ours() {
    let proxy = ArgumentsDispatcher::new(Echo).proxy();
    assert_eq!(proxy.clone().await.unwrap(), 7);
    assert_eq!(proxy.url(5).await.unwrap(), 5);
    let copy = Clone::clone(&proxy);
    assert_eq!(copy, proxy);
}

#[tokio::test]
async fn constructors_travel() {
    let (server, client) = testing::pair().await.unwrap();
    let publication = AccountDispatcher::<Checking>::activated();
    server.publish("plain", publication).unwrap();
    let publication = AccountDispatcher::activated_with(Branch { bonus: 5 });
    server.publish("branch", publication).unwrap();
    let url = |name: &str| server.url(name).unwrap();
    let plain = client.activate::<AccountProxy>(&url("plain"));
    let ann = plain.open("Ann", 3).await.unwrap();
    assert_eq!(ann.owner().await.unwrap(), "Ann");
    assert_eq!(ann.balance().await.unwrap(), 3);
    let missing = plain.empty().await.unwrap_err();
    let AccountError::Remoting(missing) = missing else {
        panic!("{missing}");
    };
    assert_eq!(missing.kind(), ErrorKind::NotActivatable);
    let branch = client.activate::<AccountProxy>(&url("branch"));
    let nobody = branch.empty().await.unwrap();
    assert_eq!(nobody.balance().await.unwrap(), 5);
}

#[tokio::test]
async fn generic_interfaces_are_called_with_their_type() {
    let numbers: RepositoryProxy<u8> = RepositoryDispatcher::new(Sorted).proxy();
    assert_eq!(numbers.first(vec![3, 1, 2]).await.unwrap(), Some(1));
    let words: RepositoryProxy = RepositoryDispatcher::from_arc(Arc::new(Sorted)).proxy();
    let given = ["b", "a"].map(str::to_owned).to_vec();
    assert_eq!(words.first(given).await.unwrap().as_deref(), Some("a"));
    let proxies = HashSet::from([words.clone(), words]);
    assert_eq!(proxies.len(), 1);
    assert!(format!("{numbers:?}").starts_with("RepositoryProxy("));
}

#[tokio::test]
async fn interfaces_written_by_a_macro_work() {
    let proxy = FromMacroDispatcher::new(Sorted).proxy();
    assert_eq!(proxy.double(2, &3).await.unwrap(), 5);
    let _ = proxy.url();
}

#[tokio::test]
async fn an_interface_may_be_declared_in_a_function() {
    #[remote]
    trait Inner {
        async fn double(&self, value: u64) -> remoting::Result<u64>;
    }
    impl Inner for Echo {
        async fn double(&self, value: u64) -> remoting::Result<u64> {
            Ok(value * 2)
        }
    }
    let proxy = InnerDispatcher::new(Echo).proxy();
    assert_eq!(proxy.double(2).await.unwrap(), 4);
}

/// Compiles where nothing is in scope by itself.
mod bare {
    #![no_implicit_prelude]

    #[::remoting::remote]
    pub(crate) trait T {
        #[constructor]
        async fn open(s: &str) -> ::remoting::Result<Self>;
        async fn s(&mut self, t: ::std::option::Option<&[u8]>) -> ::remoting::Result<u64>;
    }

    #[::remoting::remote]
    pub(crate) trait S<U> {
        #[constructor]
        async fn open(u: U) -> ::remoting::Result<Self>;
        async fn s(&self, t: &str, u: &U) -> ::remoting::Result<::std::vec::Vec<u8>>;
    }
}

/// Compiles where the library has another name.
mod renamed {
    mod facade {
        pub(crate) use remoting as other;
    }

    #[remoting::remote(crate = facade::other)]
    pub(crate) trait Elsewhere {
        #[constructor]
        async fn open(text: &str) -> remoting::Result<Self>;
        async fn greet(&self, name: &str) -> remoting::Result<String>;
    }
}

/// Compiles without a warning, and warns those who call what is deprecated.
mod deprecated {
    #[remoting::remote]
    #[deprecated]
    pub trait Gone {
        #[constructor]
        async fn open() -> remoting::Result<Self>;
        async fn get(&self) -> remoting::Result<u64>;
    }

    #[remoting::remote]
    pub trait Partly {
        #[deprecated(note = "call `new`")]
        #[constructor]
        async fn old() -> remoting::Result<Self>;
        /// Still there.
        #[deprecated]
        async fn get(&self) -> remoting::Result<u64>;
    }

    #[test]
    #[expect(deprecated, reason = "that is what is tried")]
    fn whoever_calls_what_is_deprecated_is_warned() {
        let _get = PartlyProxy::get;
        let _old = PartlyActivator::old;
    }
}

/// Compiles whatever the names of parameters.
mod parameters {
    #[remoting::remote]
    pub(crate) trait Sized<const T: usize> {
        #[constructor]
        async fn open() -> remoting::Result<Self>;
        async fn get(&self) -> remoting::Result<u64>;
    }
}
