pub trait Repository<K: Ord, V = String>: ::core::marker::Send + ::core::marker::Sync
where
    V: Clone,
{
    fn with(
        first: K,
        why: &str,
    ) -> impl ::core::future::Future<
        Output = Result<Self, StoreError>,
    > + ::core::marker::Send
    where
        Self: ::core::marker::Sized,
    {
        async move {
            let store = Self::empty().await?;
            store.put(first, why).await
        }
    }
    fn get(
        &self,
        key: &K,
    ) -> impl ::core::future::Future<
        Output = Result<Option<V>, StoreError>,
    > + ::core::marker::Send;
    fn put(
        &self,
        key: K,
        value: V,
    ) -> impl ::core::future::Future<
        Output = Result<(), StoreError>,
    > + ::core::marker::Send;
}
/// A proxy of an object that implements [`Repository`].
pub struct RepositoryProxy<K, V = String>(
    ::remoting::__private::Reference,
    ::core::marker::PhantomData<fn() -> (K, V)>,
);
/// Offers objects that implement [`Repository`].
pub type RepositoryDispatcher<K, V, T> = ::remoting::Dispatcher<
    RepositoryProxy<K, V>,
    T,
>;
/// Creates objects that implement [`Repository`], where that takes more than the arguments.
#[allow(deprecated)]
pub trait RepositoryFactory<
    K: Ord,
    V = String,
>: ::core::marker::Send + ::core::marker::Sync + 'static
where
    V: Clone,
{
    /// What is created: an implementor of [`Repository`].
    type Object: Repository<K, V> + 'static;
    /// Creates the object for the constructor `with`.
    fn with(
        &self,
        first: K,
        why: &str,
    ) -> impl ::core::future::Future<
        Output = Result<Self::Object, StoreError>,
    > + ::core::marker::Send;
}
/// Activates an object that implements [`Repository`] at a server.
pub struct RepositoryActivator<K, V = String>(
    ::remoting::__private::Activator,
    ::core::marker::PhantomData<fn() -> (K, V)>,
);
#[allow(clippy::all, dead_code, deprecated, refining_impl_trait)]
const _: () = {
    use ::remoting::__private;
    use ::core::result::Result::Ok;
    static INTERFACE: __private::InterfaceDescriptor = __private::InterfaceDescriptor::new(
            "Repository",
            15223231358430799656u64,
        )
        .methods(
            &[
                __private::MethodDescriptor::new("get", &["key"]),
                __private::MethodDescriptor::new("put", &["key", "value"]).detached(),
            ],
        )
        .constructors(&[__private::MethodDescriptor::new("with", &["first", "why"])]);
    impl<K: Ord, V> __private::Stub for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        fn interface() -> &'static __private::InterfaceDescriptor {
            &INTERFACE
        }
        fn from_reference(reference: __private::Reference) -> Self {
            Self(reference, ::core::marker::PhantomData)
        }
        fn reference(&self) -> &__private::Reference {
            &self.0
        }
    }
    impl<K: Ord, V> __private::Serialize for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        fn serialize<__S: __private::Writer>(&self, to: __S) -> __private::Written<__S> {
            __private::board(self, to)
        }
    }
    impl<'a, K: Ord, V> __private::Deserialize<'a> for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        fn deserialize<__D: __private::Reader<'a>>(
            from: __D,
        ) -> __private::Read<'a, Self, __D> {
            __private::alight(from)
        }
    }
    impl<K, V> ::core::clone::Clone for RepositoryProxy<K, V> {
        fn clone(&self) -> Self {
            Self(::core::clone::Clone::clone(&self.0), self.1)
        }
    }
    impl<K, V> ::core::fmt::Debug for RepositoryProxy<K, V> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_tuple("RepositoryProxy").field(&self.0).finish()
        }
    }
    impl<K, V> ::core::cmp::PartialEq for RepositoryProxy<K, V> {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl<K, V> ::core::cmp::Eq for RepositoryProxy<K, V> {}
    impl<K, V> ::core::hash::Hash for RepositoryProxy<K, V> {
        fn hash<__H: ::core::hash::Hasher>(&self, state: &mut __H) {
            ::core::hash::Hash::hash(&self.0, state)
        }
    }
    impl<K: Ord, V> RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        /// Activates an object by its constructor `with`.
        pub fn with(
            first: K,
            why: &str,
        ) -> __private::Call<RepositoryProxy<K, V>, StoreError> {
            __private::activate_registered(&INTERFACE, 0, (first, why))
        }
        /// Calls `get` of the server object.
        pub fn get(&self, key: &K) -> __private::Call<Option<V>, StoreError> {
            self.0.call(&INTERFACE, 0, (key,))
        }
        /// Calls `put` of the server object.
        pub fn put(&self, key: K, value: V) -> __private::Call<(), StoreError> {
            self.0.call(&INTERFACE, 1, (key, value))
        }
    }
    impl<K: Ord, V> Repository<K, V> for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        fn with(
            first: K,
            why: &str,
        ) -> __private::Call<RepositoryProxy<K, V>, StoreError> {
            Self::with(first, why)
        }
        fn get(&self, key: &K) -> __private::Call<Option<V>, StoreError> {
            Self::get(self, key)
        }
        fn put(&self, key: K, value: V) -> __private::Call<(), StoreError> {
            Self::put(self, key, value)
        }
    }
    impl<K: Ord, V, __T: Repository<K, V> + 'static> __private::Dispatch<__T>
    for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        fn dispatch(call: __private::IncomingCall<'_, __T>) -> __private::Dispatched {
            match call.index() {
                0 => {
                    call.shared(|it, (key,): (K,)| async move { (&*it).get(&key).await })
                }
                1 => {
                    call.shared(|it, (key, value): (K, V)| async move {
                        (&*it).put(key, value).await
                    })
                }
                _ => call.unknown(),
            }
        }
    }
    impl<K: Ord, V> __private::Shared for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {}
    impl<K: Ord, V> RepositoryActivator<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        /// Activates an object by its constructor `with`.
        pub fn with(
            &self,
            first: K,
            why: &str,
        ) -> __private::Call<RepositoryProxy<K, V>, StoreError> {
            self.0.construct(&INTERFACE, 0, (first, why))
        }
    }
    impl<K, V> ::core::clone::Clone for RepositoryActivator<K, V> {
        fn clone(&self) -> Self {
            Self(::core::clone::Clone::clone(&self.0), self.1)
        }
    }
    impl<K, V> ::core::fmt::Debug for RepositoryActivator<K, V> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_tuple("RepositoryActivator").field(&self.0).finish()
        }
    }
    impl<K: Ord, V> __private::Activatable for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        type Activator = RepositoryActivator<K, V>;
        fn activator(activator: __private::Activator) -> RepositoryActivator<K, V> {
            RepositoryActivator(activator, ::core::marker::PhantomData)
        }
    }
    impl<K: Ord, V, __T: Repository<K, V> + 'static> __private::Construct<__T>
    for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        fn construct(call: __private::ConstructorCall<'_>) -> __private::Made<__T> {
            match call.index() {
                0 => {
                    call.construct_ref(|_, arguments| async move {
                        let (first, why): (K, __private::Text<'_>) = arguments.decode()?;
                        Ok(__T::with(first, &why).await)
                    })
                }
                _ => call.unknown(),
            }
        }
    }
    impl<K: Ord, V, __F: RepositoryFactory<K, V>> __private::ConstructWith<__F>
    for RepositoryProxy<K, V>
    where
        V: Clone,
        K: __private::Value,
        V: __private::Value,
    {
        type Object = __F::Object;
        fn construct(
            call: __private::ConstructorCall<'_, __F>,
        ) -> __private::Made<__F::Object> {
            match call.index() {
                0 => {
                    call.construct_ref(|factory, arguments| async move {
                        let (first, why): (K, __private::Text<'_>) = arguments.decode()?;
                        Ok(factory.with(first, &why).await)
                    })
                }
                _ => call.unknown(),
            }
        }
    }
};
