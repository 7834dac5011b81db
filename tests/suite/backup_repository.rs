//! The backup storage: what goes in comes out, damage is always found, and a crash or a full disk publishes nothing.

use std::{
    collections::BTreeSet,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use dbkeeper::{
    engine::dump::Chunking,
    model::{
        BackupId, ConnectionId, OperationId, Reason, Result, Timestamp,
        backup::{BackupFormat, TableCount},
        connection::EngineKind,
        name::BackupName,
    },
    service::backup::repository::{BackupDescription, Manifest, Repository, RepositorySettings, Storage},
};
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use proptest::prelude::*;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::harness::faulty_store::{Fault, FaultyStore};

fn key() -> Zeroizing<[u8; 32]> {
    Zeroizing::new([7; 32])
}

/// Small packs, so that a backup of a few MiB has several.
fn settings() -> RepositorySettings {
    RepositorySettings { pack_size: 1 << 20, ..RepositorySettings::default() }
}

async fn open(directory: &Path) -> Arc<Repository> {
    let storage = Storage::directory(directory.to_owned()).unwrap();
    Repository::open(storage, &key(), settings()).await.unwrap()
}

fn name(id: &str) -> BackupName {
    BackupName {
        connection: ConnectionId::parse("shop", "connection").unwrap(),
        backup: BackupId::parse(id, "backup").unwrap(),
    }
}

fn description(id: &str) -> BackupDescription {
    BackupDescription {
        name: name(id),
        engine: EngineKind::Postgresql,
        format: BackupFormat::PgCustom,
        tool: "pg_dump 15".to_owned(),
        server_version: "15".to_owned(),
        database: "shop".to_owned(),
        created: Timestamp::from_micros(1),
        operation: OperationId::generate(),
        table_counts: vec![TableCount { schema: "public".to_owned(), table: "orders".to_owned(), rows: 3 }],
        schema: None,
    }
}

/// Bytes that look random and compress a little, the same for the same seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut plain = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut plain);
    plain.iter_mut().for_each(|byte| *byte &= 0x3f);
    plain
}

/// Takes a backup; what a failed one stored is taken back.
async fn back_up(repository: &Arc<Repository>, id: &str, plain: &[u8], chunking: Chunking) -> Result<Manifest> {
    let mut writer = repository.begin().await?;
    let source = Box::new(std::io::Cursor::new(plain.to_vec()));
    let stored = writer.store(source, chunking, &|_| {}).await;
    let published = match stored {
        Ok(()) => writer.publish(description(id)).await,
        Err(error) => Err(error),
    };
    if published.is_err() {
        // In a simulated crash this fails as everything else does.
        let _ = writer.discard().await;
    }
    published
}

async fn read(repository: &Arc<Repository>, id: &str) -> Result<Vec<u8>> {
    let manifest = repository.manifest(&name(id)).await?.expect("a manifest");
    let chunks: Vec<_> = repository.read(Arc::new(manifest)).try_collect().await?;
    Ok(chunks.concat())
}

/// Looks at every byte of a backup.
async fn verify(repository: &Arc<Repository>, id: &str) -> Result<()> {
    let manifest = repository.manifest(&name(id)).await?.expect("a manifest");
    repository.check_sizes(&manifest).await?;
    repository.check_tables(&manifest).await?;
    read(repository, id).await.map(|_| ())
}

fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path);
        }
    }
    found
}

fn only_file(directory: &Path) -> PathBuf {
    let found = files(directory);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn what_goes_in_comes_out() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let directory = TempDir::new().unwrap();
    let repository = runtime.block_on(open(directory.path()));
    let count = AtomicU64::new(0);
    let sizes = prop_oneof![1..2000_usize, 250_000..270_000_usize, 1..9_000_000_usize];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(24));
    runner
        .run(&(sizes, any::<u64>(), prop_oneof![Just(0), 4096..5_000_000_usize]), |(size, seed, fixed)| {
            let chunking = NonZeroUsize::new(fixed).map_or(Chunking::ContentDefined, Chunking::Fixed);
            let id = format!("b{}", count.fetch_add(1, Ordering::Relaxed));
            let plain = bytes(seed, size);
            let manifest = runtime.block_on(back_up(&repository, &id, &plain, chunking)).unwrap();
            prop_assert_eq!(manifest.plain_length(), size as u64);
            let root = blake3::hash(&plain).to_hex();
            prop_assert_eq!(manifest.root(), root.as_str());
            prop_assert!(runtime.block_on(read(&repository, &id)).unwrap() == plain);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_dump_of_nothing_is_no_backup() {
    let directory = TempDir::new().unwrap();
    let repository = open(directory.path()).await;
    let error = back_up(&repository, "empty", &[], Chunking::ContentDefined).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ToolFailed);
    assert!(repository.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_second_backup_stores_only_what_changed() {
    let directory = TempDir::new().unwrap();
    let repository = open(directory.path()).await;
    let mut plain = bytes(1, 24 << 20);
    let first = back_up(&repository, "first", &plain, Chunking::ContentDefined).await.unwrap();
    assert_eq!(first.new_chunk_count(), first.chunk_count());

    // A row more in the middle moves all that follows.
    plain.splice(12_000_000..12_000_000, *b"one row more");
    let reopened = open(directory.path()).await;
    let second = back_up(&reopened, "second", &plain, Chunking::ContentDefined).await.unwrap();
    assert!(second.new_chunk_count() <= 2, "{} new chunks", second.new_chunk_count());
    assert!(second.stored_length() * 5 < first.stored_length());
    assert!(read(&reopened, "second").await.unwrap() == plain);

    let third = back_up(&reopened, "third", &plain, Chunking::ContentDefined).await.unwrap();
    assert_eq!((third.new_chunk_count(), third.stored_length()), (0, 0));
}

#[tokio::test]
async fn a_chunk_that_repeats_is_stored_once() {
    let directory = TempDir::new().unwrap();
    let repository = open(directory.path()).await;
    let plain = [bytes(1, 100_000), bytes(2, 100_000), bytes(1, 100_000)].concat();
    let chunking = Chunking::Fixed(NonZeroUsize::new(100_000).unwrap());
    let manifest = back_up(&repository, "first", &plain, chunking).await.unwrap();
    assert_eq!((manifest.chunk_count(), manifest.new_chunk_count()), (3, 2));
    assert!(read(&repository, "first").await.unwrap() == plain);
}

#[tokio::test]
async fn every_flipped_byte_of_a_pack_or_manifest_is_found() {
    let directory = TempDir::new().unwrap();
    let repository = open(directory.path()).await;
    let chunking = Chunking::Fixed(NonZeroUsize::new(300).unwrap());
    back_up(&repository, "small", &bytes(1, 900), chunking).await.unwrap();
    verify(&repository, "small").await.unwrap();
    for folder in ["packs", "manifests"] {
        let file = only_file(&directory.path().join(folder));
        let whole = fs::read(&file).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1 << (position % 8);
            fs::write(&file, &damaged).unwrap();
            let error = verify(&repository, "small").await.expect_err(&format!("{folder} byte {position}"));
            assert_eq!(error.reason(), Reason::BackupCorrupt, "{folder} byte {position}: {error}");
            assert_eq!(error.metadata("backup"), Some("connections/shop/backups/small"));
        }
        fs::write(&file, &whole).unwrap();
    }
    verify(&repository, "small").await.unwrap();
}

#[tokio::test]
async fn every_flipped_byte_of_an_index_is_found_and_mended() {
    let directory = TempDir::new().unwrap();
    let plain = bytes(1, 900);
    back_up(&open(directory.path()).await, "small", &plain, Chunking::ContentDefined).await.unwrap();
    let length = fs::read(only_file(&directory.path().join("indexes"))).unwrap().len();
    for position in 0..length {
        let file = only_file(&directory.path().join("indexes"));
        let mut damaged = fs::read(&file).unwrap();
        damaged[position] ^= 1 << (position % 8);
        fs::write(&file, &damaged).unwrap();
        assert_eq!(open(directory.path()).await.report().rebuilt_indexes, 1, "byte {position}");
    }
    let repository = open(directory.path()).await;
    assert_eq!(repository.report().rebuilt_indexes, 0);
    let second = back_up(&repository, "second", &plain, Chunking::ContentDefined).await.unwrap();
    assert_eq!(second.new_chunk_count(), 0);
}

#[tokio::test]
async fn a_file_that_is_cut_short_missing_or_swapped_is_found() {
    let directory = TempDir::new().unwrap();
    let repository = open(directory.path()).await;
    back_up(&repository, "one", &bytes(1, 5000), Chunking::ContentDefined).await.unwrap();
    let first_pack = only_file(&directory.path().join("packs"));
    back_up(&repository, "two", &bytes(2, 5000), Chunking::ContentDefined).await.unwrap();
    let second_pack = files(&directory.path().join("packs")).into_iter().find(|file| *file != first_pack).unwrap();
    let whole = fs::read(&first_pack).unwrap();

    let expect_damage = async |what: &str| {
        let error = verify(&repository, "one").await.expect_err(what);
        assert_eq!(error.reason(), Reason::BackupCorrupt, "{what}");
        let error = read(&repository, "one").await.expect_err(what);
        assert_eq!((error.reason(), error.metadata("chunk")), (Reason::BackupCorrupt, Some("0")), "{what}");
        assert!(error.metadata("pack").is_some_and(|pack| first_pack.ends_with(pack)), "{what}");
    };
    for length in [0, 1, 8, 100, whole.len() / 2] {
        fs::write(&first_pack, &whole[..length]).unwrap();
        expect_damage(&format!("cut to {length}")).await;
    }
    fs::copy(&second_pack, &first_pack).unwrap();
    expect_damage("swapped").await;
    fs::remove_file(&first_pack).unwrap();
    expect_damage("missing").await;
    fs::write(&first_pack, &whole).unwrap();

    let manifest = |id| directory.path().join("manifests/shop").join(id);
    let sealed = fs::read(manifest("one")).unwrap();
    for content in [&sealed[..sealed.len() - 1], &sealed[..4], &[], &fs::read(manifest("two")).unwrap()] {
        fs::write(manifest("one"), content).unwrap();
        assert_eq!(verify(&repository, "one").await.unwrap_err().reason(), Reason::BackupCorrupt);
    }
    verify(&repository, "two").await.unwrap();
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_keeps_every_pack() {
    let directory = TempDir::new().unwrap();
    let plain = bytes(1, 5000);
    back_up(&open(directory.path()).await, "one", &plain, Chunking::ContentDefined).await.unwrap();
    let manifest = directory.path().join("manifests/shop/one");
    let sealed = fs::read(&manifest).unwrap();
    fs::write(&manifest, b"damaged").unwrap();

    let repository = open(directory.path()).await;
    assert_eq!(repository.report().unreadable_manifests, 1);
    // The second builds on the pack of the first, and goes again without taking it along.
    back_up(&repository, "two", &plain, Chunking::ContentDefined).await.unwrap();
    repository.delete(&name("two")).await.unwrap();
    fs::write(&manifest, &sealed).unwrap();
    assert!(read(&repository, "one").await.unwrap() == plain);
}

#[tokio::test]
async fn another_key_does_not_open_the_repository() {
    let directory = TempDir::new().unwrap();
    open(directory.path()).await;
    let storage = Storage::directory(directory.path().to_owned()).unwrap();
    let other = Zeroizing::new([8; 32]);
    let error = Repository::open(storage, &other, settings()).await.err().unwrap();
    assert_eq!(error.reason(), Reason::VaultSealed);
}

#[tokio::test]
async fn an_id_is_published_once() {
    let directory = TempDir::new().unwrap();
    let repository = open(directory.path()).await;
    back_up(&repository, "one", &bytes(1, 5000), Chunking::ContentDefined).await.unwrap();
    let error = back_up(&repository, "one", &bytes(2, 5000), Chunking::ContentDefined).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BackupExists);
    assert!(read(&repository, "one").await.unwrap() == bytes(1, 5000));
    only_file(&directory.path().join("packs"));
}

#[tokio::test]
async fn a_deleted_backup_takes_only_what_nobody_else_needs() {
    let directory = TempDir::new().unwrap();
    let repository = open(directory.path()).await;
    let (shared, own) = (bytes(1, 3 << 20), bytes(2, 3 << 20));
    back_up(&repository, "one", &shared, Chunking::ContentDefined).await.unwrap();
    back_up(&repository, "two", &[shared.clone(), own].concat(), Chunking::ContentDefined).await.unwrap();
    repository.delete(&name("one")).await.unwrap();
    verify(&repository, "two").await.unwrap();
    assert!(repository.manifest(&name("one")).await.unwrap().is_none());

    // A backup that is being taken keeps what it builds on.
    let mut writer = repository.begin().await.unwrap();
    writer.store(Box::new(std::io::Cursor::new(shared.clone())), Chunking::ContentDefined, &|_| {}).await.unwrap();
    repository.delete(&name("two")).await.unwrap();
    writer.publish(description("three")).await.unwrap();
    drop(writer);
    assert!(read(&repository, "three").await.unwrap() == shared);

    repository.delete(&name("three")).await.unwrap();
    assert!(files(&directory.path().join("packs")).is_empty());
    assert!(files(&directory.path().join("indexes")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_backups_of_the_same_bytes_at_once_are_both_right() {
    let directory = TempDir::new().unwrap();
    let repository = open(directory.path()).await;
    let plain = bytes(1, 12 << 20);
    let (one, two) = tokio::join!(
        back_up(&repository, "one", &plain, Chunking::ContentDefined),
        back_up(&repository, "two", &plain, Chunking::ContentDefined),
    );
    one.unwrap();
    two.unwrap();
    repository.delete(&name("one")).await.unwrap();
    let reopened = open(directory.path()).await;
    assert!(read(&reopened, "two").await.unwrap() == plain);
}

/// Whatever write the server dies at: the next start finds a whole backup or none, and nothing is left over.
#[tokio::test]
async fn a_crash_at_any_write_leaves_a_whole_backup_or_none() {
    let plain = bytes(1, 5 << 20);
    let mut published = 0;
    for writes in 0.. {
        let directory = TempDir::new().unwrap();
        back_up(&open(directory.path()).await, "older", &bytes(2, 5000), Chunking::ContentDefined).await.unwrap();
        let before = files(directory.path());
        let store = FaultyStore::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap());
        let storage = Storage::new(store.clone());
        let repository = Repository::open(storage, &key(), settings()).await.unwrap();
        store.fail_after(writes, Fault::Crash);
        let outcome = back_up(&repository, "new", &plain, Chunking::ContentDefined).await;
        drop(repository);

        let reopened = open(directory.path()).await;
        let found = reopened.manifest(&name("new")).await.unwrap().is_some();
        assert!(found || outcome.is_err(), "told as taken and is not there, after {writes} writes");
        verify(&reopened, "older").await.unwrap();
        if found {
            published += 1;
            assert!(read(&reopened, "new").await.unwrap() == plain);
        } else {
            assert_eq!(files(directory.path()), before, "after {writes} writes");
            back_up(&reopened, "new", &plain, Chunking::ContentDefined).await.unwrap();
        }
        if outcome.is_ok() {
            break;
        }
    }
    assert!(published > 0);
}

/// As above, with a disk that is full at that write and a server that lives on.
#[tokio::test]
async fn a_full_disk_at_any_write_publishes_nothing_and_is_cleaned_up() {
    let plain = bytes(1, 5 << 20);
    for writes in 0.. {
        let directory = TempDir::new().unwrap();
        let store = FaultyStore::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap());
        let storage = Storage::new(store.clone());
        let repository = Repository::open(storage, &key(), settings()).await.unwrap();
        let before = files(directory.path());
        store.fail_after(writes, Fault::Full);
        let outcome = back_up(&repository, "new", &plain, Chunking::ContentDefined).await;
        let Err(error) = outcome else { break };
        assert_eq!(error.reason(), Reason::StorageFull, "after {writes} writes: {error}");
        assert!(repository.list().await.unwrap().is_empty());
        let left: Vec<_> = files(directory.path()).into_iter().filter(|file| !before.contains(file)).collect();
        assert!(left.is_empty(), "after {writes} writes: {left:?}");
        store.heal();
        back_up(&repository, "new", &plain, Chunking::ContentDefined).await.unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_is_really_full_publishes_nothing() {
    let directory = TempDir::new().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=20m", "tmpfs"])
        .arg(directory.path())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        println!("no right to mount a small tmpfs; the test with a store that says it is full stands for this one");
        return;
    }
    let outcome = async {
        let repository = open(directory.path()).await;
        let error = back_up(&repository, "big", &bytes(1, 60 << 20), Chunking::ContentDefined).await.unwrap_err();
        let left = files(&directory.path().join("packs"));
        let small = back_up(&repository, "small", &bytes(1, 1 << 20), Chunking::ContentDefined).await;
        (error, left, small)
    };
    let (error, left, small) = outcome.await;
    Command::new("umount").arg("-l").arg(directory.path()).status().unwrap();
    assert_eq!(error.reason(), Reason::StorageFull, "{error}");
    assert!(left.is_empty(), "{left:?}");
    small.unwrap();
}
