//! An object store that stops working at the n-th write, as a crash or a full disk does.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use futures::stream::{self, BoxStream, StreamExt};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart, path::Path,
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// From then on nothing works, reads and deletes included.
    Crash,
    /// From then on nothing can be written; reads and deletes work.
    Full,
}

/// The store. The count of writes goes down to the fault.
#[derive(Debug)]
pub(crate) struct FaultyStore<T> {
    inner: T,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    writes_left: AtomicI64,
    fault: Mutex<Fault>,
}

impl<T> FaultyStore<T> {
    pub(crate) fn new(inner: T) -> Arc<Self> {
        let state = State { writes_left: AtomicI64::new(i64::MAX), fault: Mutex::new(Fault::Full) };
        Arc::new(Self { inner, state: Arc::new(state) })
    }

    pub(crate) fn fail_after(&self, writes: i64, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
        self.state.writes_left.store(writes, Ordering::SeqCst);
    }

    pub(crate) fn heal(&self) {
        self.state.writes_left.store(i64::MAX, Ordering::SeqCst);
    }
}

impl State {
    fn write(&self) -> Result<()> {
        if self.writes_left.fetch_sub(1, Ordering::SeqCst) > 0 { Ok(()) } else { Err(self.error()) }
    }

    fn use_otherwise(&self) -> Result<()> {
        let crashed = *self.fault.lock().unwrap() == Fault::Crash && self.writes_left.load(Ordering::SeqCst) < 0;
        if crashed { Err(self.error()) } else { Ok(()) }
    }

    fn error(&self) -> Error {
        let kind = match *self.fault.lock().unwrap() {
            Fault::Crash => io::ErrorKind::BrokenPipe,
            Fault::Full => io::ErrorKind::StorageFull,
        };
        Error::Generic { store: "faulty", source: Box::new(io::Error::from(kind)) }
    }
}

impl<T: fmt::Debug> fmt::Display for FaultyStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {:?}", self.inner)
    }
}

#[async_trait::async_trait]
impl<T: ObjectStore> ObjectStore for FaultyStore<T> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.state.write()?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.state.write()?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(FaultyUpload { inner, state: self.state.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.state.use_otherwise()?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.state.use_otherwise() {
            Ok(()) => self.inner.delete_stream(locations),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.state.write()?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    state: Arc<State>,
}

#[async_trait::async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.state.write() {
            Ok(()) => self.inner.put_part(data),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.state.write()?;
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.state.use_otherwise()?;
        self.inner.abort().await
    }
}
