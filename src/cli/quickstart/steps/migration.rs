//! Imports two migrations and applies them.

use crate::{
    cli::quickstart::{
        follow::follow,
        sample,
        walk::{Failure, Walk, ensure},
    },
    grpc::{client::answer, proto::v1},
};

/// Makes a set and imports the files.
pub(in crate::cli::quickstart) async fn import(walk: &mut Walk<'_>) -> Result<(), Failure> {
    walk.step(
        "Import migrations",
        "A set is made, then four files in the layout of golang-migrate are read into it: two migrations, each with its \
         way back. The files are in the request, which is long, so it lies in a file.",
    )?;
    let set = v1::MigrationSet { display_name: "Bookshop".to_owned(), ..v1::MigrationSet::default() };
    let request = v1::CreateMigrationSetRequest {
        migration_set_id: walk.place.id().to_owned(),
        migration_set: Some(set),
        request_id: walk.place.request_id(),
        validate_only: false,
    };
    walk.show("MigrationService/CreateMigrationSet", &request)?;
    let set = answer(walk.calls().migrations().create_migration_set(request)).await?;
    ensure(set.name == walk.place.migration_set(), || format!("the server made {}", set.name))?;

    let files = sample::MIGRATIONS
        .map(|file| v1::MigrationFile { path: file.path.to_owned(), content: file.content.to_owned() })
        .to_vec();
    let request = v1::ImportMigrationsRequest {
        migration_set: walk.place.migration_set(),
        files,
        ..v1::ImportMigrationsRequest::default()
    };
    walk.show_with_file("MigrationService/ImportMigrations", &request)?;
    let imported = answer(walk.calls().migrations().import_migrations(request)).await?;
    ensure(imported.format() == v1::MigrationFormat::GolangMigrate, || {
        format!("the files were taken for {:?}", imported.format())
    })?;
    ensure((imported.added, imported.changed) == (2, 0), || {
        format!("{} migrations were added and {} changed, not 2 and 0", imported.added, imported.changed)
    })?;
    Ok(walk.right(&format!("{} migrations added to {}", imported.added, set.name))?)
}

/// Applies what is pending, follows the operation and asks for the status.
pub(in crate::cli::quickstart) async fn apply(walk: &mut Walk<'_>) -> Result<(), Failure> {
    walk.step(
        "Apply them",
        "Each migration is one transaction together with its row in the history. The call returns an operation, which \
         outlives the caller; the second command follows it.",
    )?;
    let request = v1::ApplyMigrationsRequest {
        migration_set: walk.place.migration_set(),
        connection: walk.place.connection(),
        request_id: walk.place.request_id(),
        ..v1::ApplyMigrationsRequest::default()
    };
    walk.show("MigrationService/ApplyMigrations", &request)?;
    let operation = answer(walk.calls().migrations().apply_migrations(request)).await?;
    let watched = v1::WatchOperationRequest { name: operation.name, after_sequence: 0 };
    walk.show("OperationService/WatchOperation", &watched)?;
    let Some(v1::operation::Result::MigrateResult(result)) = follow(walk, watched).await? else {
        return Err(Failure::Wrong("the operation tells of no migrations".to_owned()));
    };
    ensure(result.versions == ["0001", "0002"], || format!("applied were {}", result.versions.join(", ")))?;

    let request = v1::GetMigrationStatusRequest {
        migration_set: walk.place.migration_set(),
        connection: walk.place.connection(),
        ..v1::GetMigrationStatusRequest::default()
    };
    let status = answer(walk.calls().migrations().get_migration_status(request)).await?;
    ensure((status.applied_count, status.pending_count, status.drifted_count) == (2, 0, 0), || {
        format!("{} are applied, {} pending", status.applied_count, status.pending_count)
    })?;
    Ok(walk.right(&format!("{} applied, none pending, now at {}", status.applied_count, status.current_version))?)
}
