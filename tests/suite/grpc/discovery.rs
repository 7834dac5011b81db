//! What tools find out by themselves: reflection, health, methods that do not exist.

use dbkeeper::grpc::{ServerSettings, proto::v1};
use futures::stream;
use http::uri::PathAndQuery;
use tonic::{Code, Request, client::Grpc};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_prost::ProstCodec;

use super::support::*;

const LISTED: [&str; 2] = ["dbkeeper.v1.OperationService", "grpc.health.v1.Health"];

#[tokio::test]
async fn reflection_v1_lists_the_services() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let server = TestServer::start().await;
    let mut client = ServerReflectionClient::new(server.channel().await);
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(stream::iter([ask])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert!(LISTED.iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
    server.stopped().await;
}

#[tokio::test]
async fn reflection_v1alpha_lists_the_services() {
    use tonic_reflection::pb::v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let server = TestServer::start_sealed(ServerSettings::default()).await;
    let mut client = ServerReflectionClient::new(server.channel().await);
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(stream::iter([ask])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert!(LISTED.iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
    server.stopped().await;
}

#[tokio::test]
async fn health_follows_the_vault() {
    const SERVING: i32 = 1;
    const NOT_SERVING: i32 = 2;
    let server = TestServer::start_sealed(ServerSettings::default()).await;
    let mut health = HealthClient::new(server.channel().await);
    let mut check = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        health.check(request).await.map(|answer| answer.into_inner().status).map_err(|status| status.code())
    };
    for service in ["", "dbkeeper.v1.OperationService"] {
        assert_eq!(check(service).await, Ok(NOT_SERVING), "{service:?}");
        server.health.open().await;
        assert_eq!(check(service).await, Ok(SERVING), "{service:?}");
        server.health.seal().await;
        assert_eq!(check(service).await, Ok(NOT_SERVING), "{service:?}");
    }
    assert_eq!(check("dbkeeper.v1.NoService").await, Err(Code::NotFound));
    server.stopped().await;
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_told_apart() {
    let server = TestServer::start().await;
    // The second is in the contract, and this server was built without its service.
    let paths = ["/dbkeeper.v1.OperationService/Explode", "/dbkeeper.v1.SchemaService/GetTable", "/x.Y/Z"];
    for path in paths {
        let mut client = Grpc::new(server.channel().await);
        client.ready().await.unwrap();
        let codec: ProstCodec<v1::GetOperationRequest, v1::Operation> = ProstCodec::default();
        let request = with_key(get("a"), "reader");
        let status = client.unary(request, PathAndQuery::from_static(path), codec).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "METHOD_UNKNOWN"), "{path}");
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_decoded_is_invalid() {
    let server = TestServer::start().await;
    let mut client = Grpc::new(server.channel().await);
    client.ready().await.unwrap();
    // Field 1 is a string; here it is a number.
    let codec: ProstCodec<v1::Gap, v1::Operation> = ProstCodec::default();
    let mut request = Request::new(v1::Gap { missed: 7 });
    request.metadata_mut().insert("authorization", "Bearer reader".parse().unwrap());
    let path = PathAndQuery::from_static("/dbkeeper.v1.OperationService/GetOperation");
    let status = client.unary(request, path, codec).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "MESSAGE_INVALID"));
    server.stopped().await;
}
