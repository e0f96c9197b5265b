//! The bank's objects. They know nothing of the network, and can be tested like any
//! others; `publish` gives them names.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bank_contract::{
    Account, AccountDispatcher, AccountError, AccountFactory, Bank, BankDispatcher,
};
use remoting::Host;

/// Offers the bank at a host: `bank`, one for all, and `account`, one for each client that opens one.
///
/// # Errors
///
/// `NameTaken` if the host offers something under these names.
pub fn publish(host: &Host) -> remoting::Result<()> {
    let office = Office::default();
    let bank = office.clone();
    host.publish("bank", BankDispatcher::singleton(move || bank.clone()))?;
    host.publish("account", AccountDispatcher::activated_with(office))
}

/// The bank's books. A clone is another handle on the same ones.
#[derive(Debug, Clone, Default)]
pub struct Office {
    customers: Arc<Mutex<Vec<String>>>,
}

impl Office {
    fn customers(&self) -> MutexGuard<'_, Vec<String>> {
        self.customers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bank for Office {
    async fn customers(&self) -> remoting::Result<Vec<String>> {
        Ok(Office::customers(self).clone())
    }
}

/// Opening an account needs the books, so a factory does it rather than the account's own constructor.
impl AccountFactory for Office {
    type Object = Checking;

    async fn open(&self, owner: &str, cents: u64) -> Result<Checking, AccountError> {
        self.customers().push(owner.to_owned());
        Ok(Checking { cents })
    }
}

/// An account without overdraft.
#[derive(Debug)]
pub struct Checking {
    cents: u64,
}

impl Account for Checking {
    async fn balance(&self) -> Result<u64, AccountError> {
        Ok(self.cents)
    }

    async fn deposit(&mut self, cents: u64) -> Result<u64, AccountError> {
        self.cents = self.cents.checked_add(cents).ok_or(AccountError::Full)?;
        Ok(self.cents)
    }

    async fn withdraw(&mut self, cents: u64) -> Result<u64, AccountError> {
        let available = self.cents;
        self.cents = available
            .checked_sub(cents)
            .ok_or(AccountError::Insufficient { available })?;
        Ok(self.cents)
    }
}
