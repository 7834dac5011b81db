//! Requests to every method that are wrong in every way: none makes the server fail, forget itself or grow.

use std::time::Duration;

use dbkeeper::{grpc::proto::v1, model::Reason};
use futures::StreamExt;
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use prost::Message;
use prost_reflect::MethodDescriptor;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

use super::{
    super::{
        support::{file, migration_set, register, settings},
        wire::{begin_within, methods, short_name},
    },
    count,
    message::{message, with_one_extreme},
};
use crate::harness::{process::ServerProcess, server::in_time, sqlite::SqliteFolder};

/// A stream, or a test of a connection to nowhere, ends after this.
const DEADLINE: Duration = Duration::from_secs(5);
const AT_ONE_TIME: usize = 8;
/// What the memory of a server may differ by before and after: its caches, the pools that the requests made it open, and
/// what its allocator keeps.
const TOLERANCE: u64 = 64 * 1024 * 1024;
/// Requests of one MiB each: where the server kept what it is sent, they would count for 200 MiB.
const LARGE: usize = 200;
/// Small requests: where the server kept 64 KiB a call, as for a buffer, they would count for 188 MiB.
const SMALL: usize = 3_000;

/// Makes the same requests every time, so that a failure can be looked into.
fn runner() -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

/// A method and the bytes that it is sent: a message, a message with flipped bits, or noise.
fn request(methods: Vec<MethodDescriptor>) -> impl Strategy<Value = (MethodDescriptor, Vec<u8>)> {
    proptest::sample::select(methods).prop_flat_map(|method| {
        let encoded = message(&method.input(), 3).prop_map(|message| message.encode_to_vec()).boxed();
        let flips = proptest::collection::vec((any::<Index>(), 0..8u8), 1..8);
        let flipped = (encoded.clone(), flips).prop_map(|(mut bytes, flips)| {
            if !bytes.is_empty() {
                for (at, bit) in flips {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
            }
            bytes
        });
        let noise = proptest::collection::vec(any::<u8>(), 0..300);
        (Just(method), prop_oneof![2 => encoded, 2 => flipped, 1 => noise])
    })
}

/// The first answer to a request, or its refusal.
async fn send(
    server: &ServerProcess,
    channel: &Channel,
    method: &MethodDescriptor,
    bytes: Vec<u8>,
) -> Result<(), Status> {
    let key = server.admin_key();
    let call = async { begin_within(channel, method, Some(&key), bytes, Some(DEADLINE)).await?.message().await };
    in_time(call).await.map(drop)
}

/// Asserts that a refusal is one of ours, and no fault of ours.
fn assert_sound(method: &str, bytes: &[u8], status: &Status) {
    let sent = || format!("{method} with {}: {status:?}", hex(bytes));
    assert!(!matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss), "{}", sent());
    let Some(info) = status.get_details_error_info() else {
        // The client's own clock has no details.
        assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "no ErrorInfo: {}", sent());
        return;
    };
    assert!(info.domain == "dbkeeper" && Reason::parse(&info.reason).is_some(), "{info:?}: {}", sent());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(2000).map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_refused_and_leave_nothing_behind() {
    let folder = SqliteFolder::new();
    let root = format!("sqlite.root={}", folder.root().display());
    let server = ServerProcess::start(&[root, "pools.connect_timeout=1s".to_owned()]).await;
    let client = server.client();
    register(&client, "shop", settings(&folder.target(&folder.create_database()))).await;
    migration_set(&client, "app", vec![file("1_a.sql", "CREATE TABLE a (id INTEGER);")]).await;
    let channel = Channel::from_shared(server.url().to_owned()).unwrap().connect().await.unwrap();
    let attempt = async |(method, bytes): (MethodDescriptor, Vec<u8>)| {
        let answer = send(&server, &channel, &method, bytes.clone()).await;
        if let Err(status) = &answer {
            assert_sound(&short_name(&method), &bytes, status);
        }
        answer.is_err()
    };
    let extremes = methods().into_iter().flat_map(|method| {
        let messages = with_one_extreme(&method.input(), 3);
        messages.into_iter().map(move |message| (method.clone(), message.encode_to_vec()))
    });
    let extremes: Vec<_> = extremes.collect();
    futures::stream::iter(extremes).map(&attempt).buffer_unordered(AT_ONE_TIME).count().await;

    let mut runner = runner();
    let requests = request(methods());
    let mut next = || requests.new_tree(&mut runner).unwrap().current();
    let total = count(10_000);
    let mut before = 0;
    let mut refused = 0;
    for part in 0..2 {
        // The first half fills the caches and opens the pools.
        let batch: Vec<_> = (0..total / 2).map(|_| next()).collect();
        let sent = futures::stream::iter(batch).map(&attempt).buffer_unordered(AT_ONE_TIME);
        let ended: Vec<bool> = sent.collect().await;
        refused += ended.into_iter().filter(|refused| *refused).count();
        if part == 0 {
            before = server.resident_bytes();
        }
    }
    let large = v1::ListConnectionsRequest { filter: "x".repeat(1 << 20), ..Default::default() };
    let small = v1::ListConnectionsRequest { page_size: -1, ..Default::default() };
    let many = std::iter::repeat_n(large, LARGE).chain(std::iter::repeat_n(small, SMALL));
    let refusals = many.map(async |request| client.connections().list_connections(request).await.unwrap_err());
    let refusals: Vec<Status> = futures::stream::iter(refusals).buffer_unordered(AT_ONE_TIME).collect().await;
    assert!(refusals.iter().all(|error| error.code() == Code::InvalidArgument), "{refusals:?}");
    let after = server.resident_bytes();
    assert!(after < before + TOLERANCE, "memory grew from {before} to {after} bytes");
    assert!(refused > total as usize / 2, "only {refused} of {total} were refused: they were not malformed");
    client.connections().list_connections(v1::ListConnectionsRequest::default()).await.expect("the server works");
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("\"INTERNAL\""), "{log}");
}
