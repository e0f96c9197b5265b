pub(crate) trait Files: ::core::marker::Send + ::core::marker::Sync {
    fn write(
        &mut self,
        path: &str,
        content: Vec<u8>,
        mode: u32,
    ) -> impl ::core::future::Future<
        Output = Result<(), FileError>,
    > + ::core::marker::Send;
    fn append(
        &mut self,
        content: &[u8],
        comment: Option<&str>,
    ) -> impl ::core::future::Future<
        Output = Result<(), FileError>,
    > + ::core::marker::Send;
    fn find(
        &self,
        query: &Query,
        after: Option<&Name>,
    ) -> impl ::core::future::Future<Output = Answer<Vec<Name>>> + ::core::marker::Send;
    fn read(
        &self,
        path: String,
    ) -> impl ::core::future::Future<
        Output = Result<Vec<u8>, FileError>,
    > + ::core::marker::Send;
    fn kind(
        &self,
        r#in: String,
    ) -> impl ::core::future::Future<
        Output = remoting::Result<Kind>,
    > + ::core::marker::Send;
}
#[derive(::core::cmp::PartialEq, ::core::cmp::Eq, ::core::hash::Hash)]
/// A proxy of an object that implements [`Files`].
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub(crate) struct FilesProxy(crate::facade::__private::Reference);
/// Offers objects that implement [`Files`].
pub(crate) type FilesDispatcher<T> = crate::facade::Dispatcher<FilesProxy, T>;
#[allow(clippy::all, dead_code, deprecated, refining_impl_trait)]
const _: () = {
    use crate::facade::__private;
    use ::core::result::Result::Ok;
    static INTERFACE: __private::InterfaceDescriptor = __private::InterfaceDescriptor::new(
            "files.Files",
            17491202577882410638u64,
        )
        .methods(
            &[
                __private::MethodDescriptor::new("write", &["path", "content", "mode"])
                    .exclusive(),
                __private::MethodDescriptor::new("append", &["content", "comment"])
                    .exclusive(),
                __private::MethodDescriptor::new("find", &["query", "after"]),
                __private::MethodDescriptor::new("read", &["path"])
                    .blocking()
                    .roles(&["reader", "owner"]),
                __private::MethodDescriptor::new("type", &["in"]),
            ],
        );
    impl __private::Stub for FilesProxy {
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
    impl __private::Serialize for FilesProxy {
        fn serialize<__S: __private::Writer>(&self, to: __S) -> __private::Written<__S> {
            __private::board(self, to)
        }
    }
    impl<'a> __private::Deserialize<'a> for FilesProxy {
        fn deserialize<__D: __private::Reader<'a>>(
            from: __D,
        ) -> __private::Read<'a, Self, __D> {
            __private::alight(from)
        }
    }
    impl FilesProxy {
        /// Calls `write` of the server object.
        pub(crate) fn write(
            &self,
            path: &str,
            content: Vec<u8>,
            mode: u32,
        ) -> __private::Call<(), FileError> {
            self.0.call(&INTERFACE, 0, (path, __private::ByteVec(content), mode))
        }
        /// Calls `append` of the server object.
        pub(crate) fn append(
            &self,
            content: &[u8],
            comment: Option<&str>,
        ) -> __private::Call<(), FileError> {
            self.0.call(&INTERFACE, 1, (__private::Blob::new(content), comment))
        }
        /// Calls `find` of the server object.
        pub(crate) fn find(
            &self,
            query: &Query,
            after: Option<&Name>,
        ) -> __private::Call<
            <Answer<Vec<Name>> as __private::Outcome>::Value,
            <Answer<Vec<Name>> as __private::Outcome>::Error,
        > {
            self.0.call(&INTERFACE, 2, (query, after))
        }
        /// Calls `read` of the server object.
        pub(crate) fn read(&self, path: String) -> __private::Call<Vec<u8>, FileError> {
            self.0.call_bytes(&INTERFACE, 3, (path,))
        }
        /// Calls `kind` of the server object.
        pub(crate) fn kind(
            &self,
            r#in: String,
        ) -> __private::Call<Kind, __private::Error> {
            self.0.call(&INTERFACE, 4, (r#in,))
        }
    }
    impl Files for FilesProxy {
        fn write(
            &mut self,
            path: &str,
            content: Vec<u8>,
            mode: u32,
        ) -> __private::Call<(), FileError> {
            Self::write(self, path, content, mode)
        }
        fn append(
            &mut self,
            content: &[u8],
            comment: Option<&str>,
        ) -> __private::Call<(), FileError> {
            Self::append(self, content, comment)
        }
        fn find(
            &self,
            query: &Query,
            after: Option<&Name>,
        ) -> __private::Call<
            <Answer<Vec<Name>> as __private::Outcome>::Value,
            <Answer<Vec<Name>> as __private::Outcome>::Error,
        > {
            Self::find(self, query, after)
        }
        fn read(&self, path: String) -> __private::Call<Vec<u8>, FileError> {
            Self::read(self, path)
        }
        fn kind(&self, r#in: String) -> __private::Call<Kind, __private::Error> {
            Self::kind(self, r#in)
        }
    }
    impl<__T: Files + 'static> __private::Dispatch<__T> for FilesProxy {
        fn dispatch(call: __private::IncomingCall<'_, __T>) -> __private::Dispatched {
            match call.index() {
                0 => {
                    call.exclusive_ref(|mut it, arguments| async move {
                        let (
                            path,
                            content,
                            mode,
                        ): (
                            __private::Text<'_>,
                            __private::ByteVec,
                            __private::Defaulted<u32>,
                        ) = arguments.decode()?;
                        Ok((&mut *it).write(&path, content.0, mode.0).await)
                    })
                }
                1 => {
                    call.exclusive_ref(|mut it, arguments| async move {
                        let (
                            content,
                            comment,
                        ): (
                            __private::Blob<'_>,
                            ::core::option::Option<__private::Text<'_>>,
                        ) = arguments.decode()?;
                        Ok((&mut *it).append(&content, comment.as_deref()).await)
                    })
                }
                2 => {
                    call.shared(|
                        it,
                        (query, after): (Query, ::core::option::Option<Name>)|
                    async move { (&*it).find(&query, after.as_ref()).await })
                }
                3 => {
                    call.shared(|it, (path,): (String,)| async move {
                        __private::bytes((&*it).read(path)).await
                    })
                }
                4 => {
                    call.shared(|it, (r#in,): (String,)| async move {
                        (&*it).kind(r#in).await
                    })
                }
                _ => call.unknown(),
            }
        }
    }
};
