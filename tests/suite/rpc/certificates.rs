//! Callers with TLS client certificates.

use std::fs;

use dbkeeper::grpc::proto::v1::{
    self, access_service_client::AccessServiceClient, connection_service_client::ConnectionServiceClient,
};
use secrecy::ExposeSecret;
use tonic::{
    Code, Request, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

use super::{
    answer::{assert_refused, assert_says},
    support::end_of,
};
use crate::harness::{
    certificates::Certificates,
    server::{StoppedServer, TestServer},
};

/// A server with TLS that takes certificates of its own authority, with what their names come to.
async fn start(certificates: &Certificates, rules: &[&str]) -> TestServer {
    start_with(certificates, &certificates.ca_pem, rules).await
}

async fn start_with(certificates: &Certificates, authorities: &str, rules: &[&str]) -> TestServer {
    let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
    TestServer::start_with(|config| {
        let write = |name: &str, text: &str| {
            let path = config.data_dir.join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        config.server.tls_certificate_file = write("server.pem", &certificates.server_cert_pem);
        config.server.tls_key_file = write("server.key", &certificates.server_key_pem);
        config.server.tls_client_ca_file = write("clients.pem", authorities);
        config.access.certificates = rules;
    })
    .await
}

async fn client(
    server: &TestServer,
    ca_pem: &str,
    identity: Option<(&str, &str)>,
) -> Result<AccessServiceClient<Channel>, tonic::transport::Error> {
    channel(server, ca_pem, identity).await.map(AccessServiceClient::new)
}

async fn channel(
    server: &TestServer,
    ca_pem: &str,
    identity: Option<(&str, &str)>,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem)).domain_name("localhost");
    if let Some((certificate, key)) = identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let url = server.url().replace("http://", "https://");
    Channel::from_shared(url).unwrap().tls_config(tls)?.connect().await
}

/// A stream on a connection that is open.
async fn watch(channel: &Channel) -> Streaming<v1::WatchConnectionStatusesResponse> {
    let request = v1::WatchConnectionStatusesRequest::default();
    let mut client = ConnectionServiceClient::new(channel.clone());
    client.watch_connection_statuses(request).await.unwrap().into_inner()
}

fn with_key(server: &TestServer) -> Request<v1::WhoAmIRequest> {
    let mut request = Request::new(v1::WhoAmIRequest {});
    let bearer = format!("Bearer {}", server.admin_key().expose_secret());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_our_authority_is_the_caller_that_its_name_stands_for() {
    let ours = Certificates::generate();
    let server = start(&ours, &["dns:other=default:admin", "dns:Client=default:operator+restore"]).await;
    let identity = Some((ours.client_cert_pem.as_str(), ours.client_key_pem.as_str()));
    let mut certified = client(&server, &ours.ca_pem, identity).await.unwrap();
    let who = certified.who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!((who.principal.as_str(), who.role()), ("certificate/dns:client", v1::Role::Operator));
    assert_eq!(who.method(), v1::AuthenticationMethod::ClientCertificate);
    assert!(who.permissions().any(|held| held == v1::Permission::Restore) && who.expire_time.is_some());
    let error = certified.list_api_keys(v1::ListApiKeysRequest::default()).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");

    let who = certified.who_am_i(with_key(&server)).await.unwrap().into_inner();
    assert_eq!(who.method(), v1::AuthenticationMethod::ApiKey, "what the call itself brings goes first");
    let mut request = Request::new(v1::WhoAmIRequest {});
    request.metadata_mut().insert("authorization", "Bearer rubbish".parse().unwrap());
    let error = certified.who_am_i(request).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "API_KEY_INVALID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_none_of_ours_or_stands_for_nobody_is_refused() {
    let (ours, foreign) = (Certificates::generate(), Certificates::generate());
    let server = start(&ours, &["dns:somebody-else=default:admin"]).await;
    let mut anonymous = client(&server, &ours.ca_pem, None).await.unwrap();
    let error = anonymous.who_am_i(v1::WhoAmIRequest {}).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "CREDENTIALS_MISSING");

    let identity = Some((ours.client_cert_pem.as_str(), ours.client_key_pem.as_str()));
    let mut unmapped = client(&server, &ours.ca_pem, identity).await.unwrap();
    let error = unmapped.who_am_i(v1::WhoAmIRequest {}).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "IDENTITY_UNMAPPED");

    for (certificate, key) in [
        (&foreign.client_cert_pem, &foreign.client_key_pem),
        // Made for a server: not for showing as a client.
        (&ours.server_cert_pem, &ours.server_key_pem),
    ] {
        let refused = match client(&server, &ours.ca_pem, Some((certificate, key))).await {
            Err(_) => true,
            Ok(mut client) => {
                let error = client.who_am_i(v1::WhoAmIRequest {}).await.unwrap_err();
                error.code() != Code::Ok && error.details().is_empty()
            }
        };
        assert!(refused, "the handshake does not come about");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_is_taken_out_is_no_longer_believed() {
    let (ours, next) = (Certificates::generate(), Certificates::generate());
    let server = start(&ours, &["dns:client=default:viewer"]).await;
    let mut stopped: StoppedServer = server.stop().await;
    let file = stopped.config().server.tls_client_ca_file.clone().unwrap();
    fs::write(file, &next.ca_pem).unwrap();
    let server = stopped.start().await;
    let identity = Some((next.client_cert_pem.as_str(), next.client_key_pem.as_str()));
    let mut new = client(&server, &ours.ca_pem, identity).await.unwrap();
    new.who_am_i(v1::WhoAmIRequest {}).await.unwrap();
    let identity = Some((ours.client_cert_pem.as_str(), ours.client_key_pem.as_str()));
    let refused = match client(&server, &ours.ca_pem, identity).await {
        Err(_) => true,
        Ok(mut old) => old.who_am_i(v1::WhoAmIRequest {}).await.is_err(),
    };
    assert!(refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_connection_outlives_its_authority_by_nothing() {
    let (ours, next) = (Certificates::generate(), Certificates::generate());
    let both = format!("{}{}", ours.ca_pem, next.ca_pem);
    let server = start_with(&ours, &both, &["dns:client=default:viewer"]).await;
    let open = async |of: &Certificates| {
        channel(&server, &ours.ca_pem, Some((of.client_cert_pem.as_str(), of.client_key_pem.as_str()))).await.unwrap()
    };
    let (old, new) = (open(&ours).await, open(&next).await);
    let (ending, mut going_on) = (watch(&old).await, watch(&new).await);
    going_on.message().await.unwrap().expect("where the stream begins");

    fs::write(server.client_ca_file(), &next.ca_pem).unwrap();
    assert_refused(&end_of(ending).await, Code::Unauthenticated, "CREDENTIALS_ENDED");
    let mut old = AccessServiceClient::new(old);
    let error = old.who_am_i(v1::WhoAmIRequest {}).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "CREDENTIALS_ENDED");
    assert_says(&error, "authority");
    old.who_am_i(with_key(&server)).await.expect("a key is a key on any connection");

    AccessServiceClient::new(new).who_am_i(v1::WhoAmIRequest {}).await.expect("its authority is still in");
    let (ended, _stopped) = tokio::join!(end_of(going_on), server.stop());
    assert_refused(&ended, Code::Unavailable, "SHUTTING_DOWN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_certificate_has_open_ends_with_the_account() {
    let ours = Certificates::generate();
    let server = start(&ours, &["dns:client=tenant:viewer"]).await;
    let identity = Some((ours.client_cert_pem.as_str(), ours.client_key_pem.as_str()));
    let mut root = client(&server, &ours.ca_pem, None).await.unwrap();
    let mut create = Request::new(v1::CreateAccountRequest {
        account_id: "tenant".to_owned(),
        account: Some(v1::Account { display_name: "Tenant".to_owned(), ..Default::default() }),
        ..Default::default()
    });
    *create.metadata_mut() = with_key(&server).metadata().clone();
    root.create_account(create).await.unwrap();
    let watching = watch(&channel(&server, &ours.ca_pem, identity).await.unwrap()).await;

    let mut delete =
        Request::new(v1::DeleteAccountRequest { name: "accounts/tenant".to_owned(), ..Default::default() });
    *delete.metadata_mut() = with_key(&server).metadata().clone();
    root.delete_account(delete).await.unwrap();
    assert_refused(&end_of(watching).await, Code::Unauthenticated, "CREDENTIALS_ENDED");
}
