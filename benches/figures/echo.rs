//! The peer of `calls`: tonic with nothing behind it. It answers every GetConnection with the same message, from memory,
//! so that the same client with the same requests can call either server.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use dbkeeper::grpc::proto::v1::{Connection, GetConnectionRequest};
use http_body::Body as HttpBody;
use prost::Message;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, UnaryService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::Service;

#[derive(Clone)]
struct Echo(Arc<Connection>);

impl NamedService for Echo {
    const NAME: &'static str = "dbkeeper.v1.ConnectionService";
}

impl UnaryService<GetConnectionRequest> for Echo {
    type Response = Connection;
    type Future = Ready<Result<Response<Connection>, Status>>;

    fn call(&mut self, _: Request<GetConnectionRequest>) -> Self::Future {
        ready(Ok(Response::new((*self.0).clone())))
    }
}

impl<B> Service<http::Request<B>> for Echo
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(echo, request).await) })
    }
}

/// Serves on a free port, which it prints, until the process is killed.
pub(crate) async fn serve(answer: &str) {
    let answer = hex::decode(answer).expect("a message in hex");
    let answer = Connection::decode(answer.as_slice()).expect("a connection");
    let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    println!("{}", incoming.local_addr().expect("a bound listener has an address").port());
    let service = Echo(Arc::new(answer));
    Server::builder()
        .add_service(service)
        .serve_with_incoming(incoming.with_nodelay(Some(true)))
        .await
        .expect("it serves");
}
