#[remote]
pub trait Repository<K: Ord, V = String>
where
    V: Clone,
{
    #[constructor]
    async fn with(first: K, why: &str) -> Result<Self, StoreError> {
        let store = Self::empty().await?;
        store.put(first, why).await
    }
    async fn get(&self, key: &K) -> Result<Option<V>, StoreError>;
    #[detached]
    async fn put(&self, key: K, value: V) -> Result<(), StoreError>;
}
