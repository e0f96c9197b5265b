/// An account at a bank.
pub trait Account: ::core::marker::Send + ::core::marker::Sync {
    /// Opens an account with a first deposit.
    fn open(
        owner: &str,
        balance: u64,
    ) -> impl ::core::future::Future<
        Output = Result<Self, AccountError>,
    > + ::core::marker::Send
    where
        Self: ::core::marker::Sized,
    {
        let _ = (owner, balance);
        ::remoting::__private::not_activatable("Account", "open")
    }
    fn balance(
        &self,
    ) -> impl ::core::future::Future<
        Output = Result<u64, AccountError>,
    > + ::core::marker::Send;
    /// Takes money out and tells what is left.
    fn withdraw(
        &mut self,
        cents: u64,
    ) -> impl ::core::future::Future<
        Output = Result<u64, AccountError>,
    > + ::core::marker::Send;
    fn greet(
        &self,
        name: &str,
    ) -> impl ::core::future::Future<
        Output = Result<String, AccountError>,
    > + ::core::marker::Send;
    fn note(
        &self,
        text: &str,
    ) -> impl ::core::future::Future<
        Output = remoting::Result<()>,
    > + ::core::marker::Send;
}
#[derive(::core::cmp::PartialEq, ::core::cmp::Eq, ::core::hash::Hash)]
/// A proxy of an object that implements [`Account`].
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct AccountProxy(::remoting::__private::Reference);
/// Offers objects that implement [`Account`].
pub type AccountDispatcher<T> = ::remoting::Dispatcher<AccountProxy, T>;
/// Creates objects that implement [`Account`], where that takes more than the arguments.
#[allow(deprecated)]
pub trait AccountFactory: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// What is created: an implementor of [`Account`].
    type Object: Account + 'static;
    /// Opens an account with a first deposit.
    fn open(
        &self,
        owner: &str,
        balance: u64,
    ) -> impl ::core::future::Future<
        Output = Result<Self::Object, AccountError>,
    > + ::core::marker::Send;
}
/// Activates an object that implements [`Account`] at a server.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct AccountActivator(::remoting::__private::Activator);
#[allow(clippy::all, dead_code, deprecated, refining_impl_trait)]
const _: () = {
    use ::remoting::__private;
    use ::core::result::Result::Ok;
    static INTERFACE: __private::InterfaceDescriptor = __private::InterfaceDescriptor::new(
            "Account",
            15211526064139230334u64,
        )
        .methods(
            &[
                __private::MethodDescriptor::new("balance", &[]).idempotent().readonly(),
                __private::MethodDescriptor::new("withdraw", &["cents"]).exclusive(),
                __private::MethodDescriptor::new("greet", &["name"]),
                __private::MethodDescriptor::new("note", &["text"]).oneway(),
            ],
        )
        .constructors(
            &[__private::MethodDescriptor::new("open", &["owner", "balance"])],
        );
    impl __private::Stub for AccountProxy {
        fn interface() -> &'static __private::InterfaceDescriptor {
            &INTERFACE
        }
        fn from_reference(reference: __private::Reference) -> Self {
            Self(reference)
        }
        fn reference(&self) -> &__private::Reference {
            &self.0
        }
    }
    impl __private::Serialize for AccountProxy {
        fn serialize<__S: __private::Writer>(&self, to: __S) -> __private::Written<__S> {
            __private::board(self, to)
        }
    }
    impl<'a> __private::Deserialize<'a> for AccountProxy {
        fn deserialize<__D: __private::Reader<'a>>(
            from: __D,
        ) -> __private::Read<'a, Self, __D> {
            __private::alight(from)
        }
    }
    impl AccountProxy {
        /// Opens an account with a first deposit.
        pub fn open(
            owner: &str,
            balance: u64,
        ) -> __private::Call<AccountProxy, AccountError> {
            __private::activate_registered(&INTERFACE, 0, (owner, balance))
        }
        /// Calls `balance` of the server object.
        pub fn balance(&self) -> __private::Call<u64, AccountError> {
            self.0.call(&INTERFACE, 0, ())
        }
        /// Takes money out and tells what is left.
        pub fn withdraw(&self, cents: u64) -> __private::Call<u64, AccountError> {
            self.0.call(&INTERFACE, 1, (cents,))
        }
        /// Calls `greet` of the server object.
        pub fn greet(&self, name: &str) -> __private::Call<String, AccountError> {
            self.0.call(&INTERFACE, 2, (name,))
        }
        /// Calls `note` of the server object.
        pub fn note(&self, text: &str) -> __private::Call<(), __private::Error> {
            self.0.call(&INTERFACE, 3, (text,))
        }
    }
    impl Account for AccountProxy {
        fn open(
            owner: &str,
            balance: u64,
        ) -> __private::Call<AccountProxy, AccountError> {
            Self::open(owner, balance)
        }
        fn balance(&self) -> __private::Call<u64, AccountError> {
            Self::balance(self)
        }
        fn withdraw(&mut self, cents: u64) -> __private::Call<u64, AccountError> {
            Self::withdraw(self, cents)
        }
        fn greet(&self, name: &str) -> __private::Call<String, AccountError> {
            Self::greet(self, name)
        }
        fn note(&self, text: &str) -> __private::Call<(), __private::Error> {
            Self::note(self, text)
        }
    }
    impl<__T: Account + 'static> __private::Dispatch<__T> for AccountProxy {
        fn dispatch(call: __private::IncomingCall<'_, __T>) -> __private::Dispatched {
            match call.index() {
                0 => call.shared(|it, (): ()| async move { (&*it).balance().await }),
                1 => {
                    call.exclusive(|mut it, (cents,): (u64,)| async move {
                        (&mut *it).withdraw(cents).await
                    })
                }
                2 => {
                    call.shared_ref(|it, arguments| async move {
                        let (name,): (__private::Text<'_>,) = arguments.decode()?;
                        Ok((&*it).greet(&name).await)
                    })
                }
                3 => {
                    call.shared_ref(|it, arguments| async move {
                        let (text,): (__private::Text<'_>,) = arguments.decode()?;
                        Ok((&*it).note(&text).await)
                    })
                }
                _ => call.unknown(),
            }
        }
    }
    impl AccountActivator {
        /// Opens an account with a first deposit.
        pub fn open(
            &self,
            owner: &str,
            balance: u64,
        ) -> __private::Call<AccountProxy, AccountError> {
            self.0.construct(&INTERFACE, 0, (owner, balance))
        }
    }
    impl __private::Activatable for AccountProxy {
        type Activator = AccountActivator;
        fn activator(activator: __private::Activator) -> AccountActivator {
            AccountActivator(activator)
        }
    }
    impl<__T: Account + 'static> __private::Construct<__T> for AccountProxy {
        fn construct(call: __private::ConstructorCall<'_>) -> __private::Made<__T> {
            match call.index() {
                0 => {
                    call.construct_ref(|_, arguments| async move {
                        let (owner, balance): (__private::Text<'_>, u64) = arguments
                            .decode()?;
                        Ok(__T::open(&owner, balance).await)
                    })
                }
                _ => call.unknown(),
            }
        }
    }
    impl<__F: AccountFactory> __private::ConstructWith<__F> for AccountProxy {
        type Object = __F::Object;
        fn construct(
            call: __private::ConstructorCall<'_, __F>,
        ) -> __private::Made<__F::Object> {
            match call.index() {
                0 => {
                    call.construct_ref(|factory, arguments| async move {
                        let (owner, balance): (__private::Text<'_>, u64) = arguments
                            .decode()?;
                        Ok(factory.open(&owner, balance).await)
                    })
                }
                _ => call.unknown(),
            }
        }
    }
};
