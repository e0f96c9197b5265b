#[remote(name = "files.Files", crate = crate::facade)]
pub(crate) trait Files {
    async fn write(&mut self, path: &str, content: Vec<u8>, #[default] mode: u32) -> Result<(), FileError>;
    async fn append(&mut self, content: &[u8], comment: Option<&str>) -> Result<(), FileError>;
    async fn find(&self, query: &Query, after: Option<&Name>) -> Answer<Vec<Name>>;
    #[blocking]
    #[roles("reader", "owner")]
    async fn read(&self, path: String) -> Result<Vec<u8>, FileError>;
    #[rename = "type"]
    async fn kind(&self, r#in: String) -> remoting::Result<Kind>;
}
