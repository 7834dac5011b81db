//! Sealing and opening on one core, against bare AES-256-GCM, and a rotation of the master key while calls go on.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dbkeeper::{
    grpc::proto::v1,
    model::AccountId,
    vault::{MasterKeys, SecretScope, Vault},
};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use secrecy::SecretString;

use crate::{
    harness::vault::add_connections,
    report::{Figure, Target, seconds},
    server::Server,
};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
const SECRET: &str = "a password of some length";
/// Records that are sealed anew by the rotation.
const RECORDS: usize = 100_000;
/// Callers that read while it is at work.
const READERS: usize = 4;

pub(crate) async fn measure() -> Vec<Figure> {
    let (mut subject, mut peer) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        peer = f64::max(peer, bare());
        subject = f64::max(subject, sealed());
    }
    let rotation = rotation().await;
    vec![
        Figure {
            name: "Seal and open of a secret, thousands/s on one core",
            subject: format!("{subject:.0}/s"),
            peer: format!("{peer:.0}/s"),
            value: subject / 1000.0,
            unit: "k",
            target: Target::AtLeast(200.0),
        },
        rotation,
    ]
}

/// How often a second a piece of work is done on this thread.
fn rate(mut work: impl FnMut()) -> f64 {
    let (began, mut count) = (Instant::now(), 0_u64);
    while began.elapsed() < ROUND {
        for _ in 0..1000 {
            work();
        }
        count += 1000;
    }
    count as f64 / began.elapsed().as_secs_f64()
}

fn sealed() -> f64 {
    let vault = Vault::new(&MasterKeys::generate().expect("a key")).expect("a vault");
    let (account, secret) = (AccountId::from_stored("default".to_owned()), SecretString::from(SECRET));
    let scope = SecretScope::new(&account, "connections/orders", "password", 1);
    rate(|| {
        let sealed = vault.seal(&scope, &secret).expect("it is sealed");
        black_box(vault.open_secret(&scope, &sealed).expect("it opens"));
    })
}

/// The same ciphers without keys, randomness and places: two encryptions and two decryptions.
fn bare() -> f64 {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes"));
    let nonce = || Nonce::assume_unique_for_key([7; 12]);
    rate(|| {
        for plain in [SECRET.as_bytes(), &[7; 32]] {
            let mut text = plain.to_vec();
            key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut text).expect("it is sealed");
            black_box(key.open_in_place(nonce(), Aad::empty(), &mut text).expect("it opens"));
        }
    })
}

async fn rotation() -> Figure {
    let server = Server::start().await;
    server.register("orders", "orders").await;
    let data = server.data_directory();
    add_connections(&data.join("store.db"), &data.join("master.key"), RECORDS).await;

    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (mut client, stop, reads) = (server.client().connections(), stop.clone(), reads.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let request =
                        v1::GetConnectionRequest { name: "connections/orders".to_owned(), ..Default::default() };
                    client.get_connection(request).await.expect("the call is answered");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(ROUND).await;
    let before = reads.load(Ordering::Relaxed) as f64 / ROUND.as_secs_f64();
    let began = Instant::now();
    let from = reads.load(Ordering::Relaxed);
    let operation = server.client().vault().rotate_master_key(v1::RotateMasterKeyRequest::default()).await;
    server.finish(operation.expect("the rotation begins").into_inner()).await;
    let elapsed = began.elapsed();
    let during = (reads.load(Ordering::Relaxed) - from) as f64 / elapsed.as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("the reader ends");
    }
    println!("  {:<28} {before:.0}/s before, {during:.0}/s during the rotation", "GetConnection");
    Figure {
        name: "RotateMasterKey, 100,000 records, while calls go on",
        subject: seconds(elapsed),
        peer: String::new(),
        value: elapsed.as_secs_f64(),
        unit: " s",
        target: Target::Under(10.0),
    }
}
