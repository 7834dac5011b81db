//! Lists: filters, orders and counts over gRPC, and labels.

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Code, Status};

use super::{
    answer::{assert_field, assert_refused},
    support::{register, settings},
};
use crate::harness::{server::TestServer, sqlite::SqliteFolder};

/// A server with nine databases: three teams, each with three stages.
async fn with_nine(folder: &SqliteFolder) -> (TestServer, Client) {
    let server = TestServer::start_on(folder).await;
    let client = server.client();
    let target = folder.target(&folder.create_database());
    for (team_number, team) in ["crm", "shop", "web"].into_iter().enumerate() {
        for stage in ["dev", "prod", "test"] {
            let labels = [("team", team), ("stage", stage)].map(|(key, value)| (key.to_owned(), value.to_owned()));
            let connection = v1::Connection {
                // The order by display name is the reverse of the one by name.
                display_name: format!("{} {stage}", 9 - team_number),
                labels: labels.into(),
                read_only: stage == "prod",
                ..settings(&target)
            };
            register(&client, &format!("{team}-{stage}"), connection).await;
        }
    }
    (server, client)
}

async fn list(client: &Client, filter: &str, order_by: &str) -> Result<v1::ListConnectionsResponse, Status> {
    let request =
        v1::ListConnectionsRequest { filter: filter.to_owned(), order_by: order_by.to_owned(), ..Default::default() };
    client.connections().list_connections(request).await.map(tonic::Response::into_inner)
}

fn ids(connections: &[v1::Connection]) -> Vec<&str> {
    connections.iter().map(|connection| connection.name.trim_start_matches("connections/")).collect()
}

#[tokio::test]
async fn a_filter_selects_by_every_field_and_counts_what_it_finds() {
    let folder = SqliteFolder::new();
    let (_server, client) = with_nine(&folder).await;
    for (filter, expected) in [
        ("labels.team = shop AND labels.stage != prod", vec!["shop-dev", "shop-test"]),
        ("(labels.team = shop OR labels.team = crm) AND read_only = true", vec!["crm-prod", "shop-prod"]),
        ("NOT (name : \"dev\" OR name : \"prod\")", vec!["crm-test", "shop-test", "web-test"]),
        ("display_name : \"7 D\"", vec!["web-dev"]),
        ("engine = ENGINE_SQLITE AND state = \"untested\" AND name = \"connections/web-test\"", vec!["web-test"]),
        ("engine = postgresql", vec![]),
        ("labels:nobody", vec![]),
    ] {
        let found = list(&client, filter, "").await.expect(filter);
        assert_eq!(ids(&found.connections), expected, "{filter}");
        assert_eq!(found.total_size as usize, expected.len(), "{filter}");
        let request = v1::ListConnectionStatusesRequest { filter: filter.to_owned(), ..Default::default() };
        let statuses = client.connections().list_connection_statuses(request).await.unwrap().into_inner();
        assert_eq!(statuses.total_size as usize, expected.len(), "{filter}");
    }
}

#[tokio::test]
async fn an_order_holds_over_pages_and_the_name_decides_between_equals() {
    let folder = SqliteFolder::new();
    let (_server, client) = with_nine(&folder).await;
    for (order, first, last) in [
        ("", "crm-dev", "web-test"),
        ("name desc", "web-test", "crm-dev"),
        ("display_name", "web-dev", "crm-test"),
        ("create_time desc", "web-test", "crm-dev"),
        ("update_time", "crm-dev", "web-test"),
    ] {
        let mut request = v1::ListConnectionsRequest { order_by: order.to_owned(), page_size: 4, ..Default::default() };
        let mut names = Vec::new();
        loop {
            let page = client.connections().list_connections(request.clone()).await.unwrap().into_inner();
            assert_eq!(page.total_size, 9);
            names.extend(ids(&page.connections).iter().map(|id| (*id).to_owned()));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!((names.len(), names[0].as_str(), names[8].as_str()), (9, first, last), "{order}");
        // A token belongs to its order.
        let other = v1::ListConnectionsRequest { order_by: "display_name desc".to_owned(), ..request };
        let error = client.connections().list_connections(other).await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_field_and_place() {
    let server = TestServer::start().await;
    let client = server.client();
    let long = format!("display_name : \"{}\"", "x".repeat(5000));
    for (filter, cure) in [
        ("name : a b", "expected AND or OR at character 10"),
        ("colour = red", "unknown field \"colour\" at character 1"),
        ("name : a AND (state = online", "expected ')' at character 29"),
        ("name : a OR state = online AND engine = mysql", "need parentheses at character 28"),
        (long.as_str(), "must have at most 4096"),
    ] {
        let error = list(&client, filter, "").await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "FILTER_INVALID");
        assert_field(&error, "filter", cure);
    }
    for order in ["colour", "name sideways", &"name,".repeat(100)] {
        let error = list(&client, "", order).await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "FILTER_INVALID");
        assert_field(&error, "order_by", "it takes name, display_name");
    }
}

#[tokio::test]
async fn labels_have_a_form_and_a_size() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let good = settings(&folder.target(&folder.create_database()));
    let with = |labels: Vec<(String, String)>| {
        let connection = v1::Connection { labels: labels.into_iter().collect(), ..good.clone() };
        v1::CreateConnectionRequest { connection: Some(connection), ..Default::default() }
    };
    let one = |key: &str, value: &str| with(vec![(key.to_owned(), value.to_owned())]);
    let long = "x".repeat(10_000);
    for (request, field, cure) in [
        (one("team", &long), "connection.labels.team", "must be at most 255 characters, has 10000"),
        (one("team", "a\nb"), "connection.labels.team", "control characters"),
        (one(&long, "a"), "connection.labels", "keys must have the form [a-z][a-z0-9_.-]{0,62}"),
        (one("Team", "a"), "connection.labels", "one begins with \"Team\""),
        (with((0..65).map(|n| (format!("k{n}"), String::new())).collect()), "connection.labels", "64 at most"),
    ] {
        let error = client.connections().create_connection(request).await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&error, field, cure);
        assert!(error.message().len() < 1000, "the fault is repeated in full: {} bytes", error.message().len());
    }
    let most = (0..64).map(|n| (format!("k{n}"), "ü".repeat(255))).collect();
    let made = client.connections().create_connection(with(most)).await.unwrap().into_inner();
    assert_eq!(made.labels.len(), 64);
}
