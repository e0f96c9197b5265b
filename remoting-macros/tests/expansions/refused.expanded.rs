::core::compile_error! {
    "`waits_for_nothing` is not an `async fn`: a call waits for another process"
}
::core::compile_error! {
    "`u64` is not a `Result`, but a call can fail on the way; return `Result<u64, E>`, where `E: From<remoting::Error>`"
}
::core::compile_error! {
    "a method of an interface has no type parameters: the server could not know which to run; put the parameter on the trait, or write one method for each type"
}
pub trait Broken: ::core::marker::Send + ::core::marker::Sync {
    fn sound(
        &self,
        amount: u64,
    ) -> impl ::core::future::Future<
        Output = Result<u64, BrokenError>,
    > + ::core::marker::Send;
    fn waits_for_nothing(&self) -> u64;
    fn generic<T>(
        &self,
        value: T,
    ) -> impl ::core::future::Future<
        Output = Result<T, BrokenError>,
    > + ::core::marker::Send
    where
        Self: ::core::marker::Sized;
}
#[derive(::core::cmp::PartialEq, ::core::cmp::Eq, ::core::hash::Hash)]
/// A proxy of an object that implements [`Broken`].
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct BrokenProxy(::remoting::__private::Reference);
/// Offers objects that implement [`Broken`].
pub type BrokenDispatcher<T> = ::remoting::Dispatcher<BrokenProxy, T>;
#[allow(clippy::all, dead_code, deprecated, refining_impl_trait)]
const _: () = {
    use ::remoting::__private;
    static INTERFACE: __private::InterfaceDescriptor = __private::InterfaceDescriptor::new(
            "Broken",
            6626463779966448469u64,
        )
        .methods(&[__private::MethodDescriptor::new("sound", &["amount"])]);
    impl __private::Stub for BrokenProxy {
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
    impl __private::Serialize for BrokenProxy {
        fn serialize<__S: __private::Writer>(&self, to: __S) -> __private::Written<__S> {
            __private::board(self, to)
        }
    }
    impl<'a> __private::Deserialize<'a> for BrokenProxy {
        fn deserialize<__D: __private::Reader<'a>>(
            from: __D,
        ) -> __private::Read<'a, Self, __D> {
            __private::alight(from)
        }
    }
    impl BrokenProxy {
        /// Calls `sound` of the server object.
        pub fn sound(&self, amount: u64) -> __private::Call<u64, BrokenError> {
            self.0.call(&INTERFACE, 0, (amount,))
        }
    }
    impl Broken for BrokenProxy {
        fn sound(&self, amount: u64) -> __private::Call<u64, BrokenError> {
            Self::sound(self, amount)
        }
        #[allow(unused)]
        fn waits_for_nothing(&self) -> u64 {
            loop {}
        }
        #[allow(unused)]
        fn generic<T>(
            &self,
            value: T,
        ) -> impl ::core::future::Future<
            Output = Result<T, BrokenError>,
        > + ::core::marker::Send {
            async move { loop {} }
        }
    }
    impl<__T: Broken + 'static> __private::Dispatch<__T> for BrokenProxy {
        fn dispatch(call: __private::IncomingCall<'_, __T>) -> __private::Dispatched {
            call.unknown()
        }
    }
    impl __private::Shared for BrokenProxy {}
};
