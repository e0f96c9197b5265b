//! Methods that are named like those of the types that they are called through.

use remoting::prelude::*;

use crate::pair::{Pair, statements};

statements! { every channel:
    a_method_may_be_named_like_one_of_the_standard_library,
}

#[remote]
pub trait Grade {
    async fn downgrade(&mut self, by: u32) -> remoting::Result<u32>;
    async fn into(&self, name: String) -> remoting::Result<String>;
    async fn try_into(&self) -> remoting::Result<u32>;
    async fn borrow(&mut self) -> remoting::Result<u32>;
}

struct Wine(u32);

impl Grade for Wine {
    async fn downgrade(&mut self, by: u32) -> remoting::Result<u32> {
        self.0 -= by;
        Ok(self.0)
    }

    async fn into(&self, name: String) -> remoting::Result<String> {
        Ok(format!("{name} {}", self.0))
    }

    async fn try_into(&self) -> remoting::Result<u32> {
        Ok(self.0)
    }

    async fn borrow(&mut self) -> remoting::Result<u32> {
        Ok(self.0)
    }
}

async fn a_method_may_be_named_like_one_of_the_standard_library(pair: &Pair) {
    let publication = GradeDispatcher::singleton(|| Wine(9));
    pair.server.publish("wine", publication).unwrap();
    let wine: GradeProxy = pair.get("wine");
    assert_eq!(wine.downgrade(2).await.unwrap(), 7);
    assert_eq!(
        GradeProxy::into(&wine, "red".to_owned()).await.unwrap(),
        "red 7"
    );
    assert_eq!(GradeProxy::try_into(&wine).await.unwrap(), 7);
    assert_eq!(wine.borrow().await.unwrap(), 7);
}
