//! Calls of any method by its name, in bytes: the contract's descriptors say what the bytes mean.

use std::time::Duration;

use bytes::{Buf, BufMut};
use dbkeeper::grpc::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use secrecy::{ExposeSecret, SecretString};
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

/// Every method of the contract.
pub(super) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptors of the contract");
    let services = pool.services().filter(|service| service.package_name() == "dbkeeper.v1");
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// `Service.Method`, as the tables of the tests name it.
pub(super) fn short_name(method: &MethodDescriptor) -> String {
    format!("{}.{}", method.parent_service().name(), method.name())
}

/// Begins a call. A unary answer is a stream of one message.
pub(super) async fn begin(
    channel: &Channel,
    method: &MethodDescriptor,
    key: Option<&SecretString>,
    message: Vec<u8>,
) -> Result<Streaming<Vec<u8>>, Status> {
    begin_within(channel, method, key, message, None).await
}

/// Begins a call that ends by itself after a time.
pub(super) async fn begin_within(
    channel: &Channel,
    method: &MethodDescriptor,
    key: Option<&SecretString>,
    message: Vec<u8>,
    deadline: Option<Duration>,
) -> Result<Streaming<Vec<u8>>, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.map_err(|cause| Status::unknown(cause.to_string()))?;
    let mut request = Request::new(message);
    if let Some(key) = key {
        let bearer = format!("Bearer {}", key.expose_secret()).parse().expect("a printable key");
        request.metadata_mut().insert("authorization", bearer);
    }
    if let Some(deadline) = deadline {
        request.set_timeout(deadline);
    }
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name()).parse().expect("a path");
    client.server_streaming(request, path, Bytes).await.map(tonic::Response::into_inner)
}

/// Makes a call and returns its first message.
pub(super) async fn call(
    channel: &Channel,
    method: &MethodDescriptor,
    key: Option<&SecretString>,
    message: Vec<u8>,
) -> Result<DynamicMessage, Status> {
    let mut answers = begin(channel, method, key, message).await?;
    let first = answers.message().await?.ok_or_else(|| Status::unknown("an answer without a message"))?;
    Ok(DynamicMessage::decode(method.output(), first.as_slice()).expect("the message of the method"))
}

/// Bytes as they are.
#[derive(Clone, Copy, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
