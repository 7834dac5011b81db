//! A schema from any of its forms, in the statements of an engine.

pub(super) mod export;
pub(super) mod unsaid;
mod yaml;

use self::{export::TableSizes, unsaid::Unsaid};
use super::SchemaService;
use crate::{
    engine::{
        Dialect, Engines,
        dialect::{CreateStatement, Unsupported},
    },
    model::{
        CallContext, ConnectionId, Detail, Error, Reason, Result,
        backup::BackupSchema,
        connection::EngineKind,
        name::BackupName,
        schema::{
            TableFilter,
            definition::{MAX_DEFINITION_TEXT, MAX_GENERATED, SchemaDefinition, StandardColumns, Unmapped},
        },
    },
    pool::Lease,
};

/// Where a schema comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaSource {
    /// A definition.
    Definition(SchemaDefinition),
    /// SQL of an engine.
    Sql {
        /// Whose SQL it is.
        engine: EngineKind,
        /// The text.
        text: String,
    },
    /// A definition as YAML.
    Yaml(String),
    /// A live database.
    Connection {
        /// Which.
        connection: ConnectionId,
        /// Which tables and views of it.
        filter: TableFilter,
    },
    /// What a backup was taken of.
    Backup(BackupName),
}

/// A schema as it was read.
pub(super) struct ReadSchema {
    /// The schema.
    pub(super) definition: SchemaDefinition,
    /// What of a live database is not in it.
    pub(super) unmapped: Vec<Unmapped>,
    /// Path of the field that errors begin with.
    pub(super) field: String,
    /// The engine that it is of, where it is of one.
    pub(super) engine: Option<EngineKind>,
    /// How large the tables of a live database are.
    pub(super) sizes: TableSizes,
    /// What is to be known of a live database beside that.
    pub(super) unsaid: Unsaid,
}

impl ReadSchema {
    pub(super) fn given(definition: SchemaDefinition, field: String, engine: Option<EngineKind>) -> Self {
        Self { definition, unmapped: Vec::new(), field, engine, sizes: TableSizes::new(), unsaid: Unsaid::default() }
    }
}

/// A schema in all its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// As a definition.
    pub definition: SchemaDefinition,
    /// As YAML.
    pub yaml: String,
    /// As statements; none where no engine was asked for.
    pub statements: Vec<CreateStatement>,
    /// What of a live database has no place in it.
    pub unmapped: Vec<Unmapped>,
}

impl SchemaService {
    /// Reads a schema, and writes it for an engine where one is given.
    pub async fn generate_ddl(
        &self,
        context: &CallContext,
        source: SchemaSource,
        engine: Option<EngineKind>,
        standard: StandardColumns,
    ) -> Result<Generated> {
        let dialect = engine.map(Engines::dialect).transpose()?;
        let ReadSchema { mut definition, unmapped, field, .. } = self.read(context, source, "source").await?;
        standard.add_to(&mut definition);
        // A large definition is worked on for a while.
        let write = move || write(definition, unmapped, dialect, &field);
        tokio::task::spawn_blocking(write).await.map_err(Error::internal)?
    }

    /// Reads a schema that stands in a field of a request.
    pub(super) async fn read(&self, context: &CallContext, source: SchemaSource, field: &str) -> Result<ReadSchema> {
        Ok(match source {
            SchemaSource::Definition(definition) => ReadSchema::given(definition, format!("{field}.definition"), None),
            SchemaSource::Yaml(text) => {
                let field = format!("{field}.yaml");
                bounded(&text, &field)?;
                let path = field.clone();
                let read = move || yaml::read(&text, &path);
                let definition = tokio::task::spawn_blocking(read).await.map_err(Error::internal)??;
                ReadSchema::given(definition, field, None)
            }
            SchemaSource::Sql { engine, text } => {
                let field = format!("{field}.sql.text");
                bounded(&text, &field)?;
                let dialect = Engines::dialect(engine)?;
                let path = field.clone();
                let read = move || dialect.read_sql(&text, &path);
                let definition = tokio::task::spawn_blocking(read).await.map_err(Error::internal)??;
                ReadSchema::given(definition, field, Some(engine))
            }
            SchemaSource::Connection { connection, filter } => {
                // A replica may not have yet what a change would be written for.
                let lease = self.databases.database(context.account(), &connection).await?;
                Box::pin(export::read(&lease, filter, format!("{field}.connection"))).await?
            }
            SchemaSource::Backup(backup) => {
                let (engine, recorded) = self.backups.schema(context.account(), &backup).await?;
                let path = format!("{field}.backup");
                let field = path.clone();
                let read = move || yaml::read(&recorded.definition, &path).map(|found| (found, recorded.unmapped));
                let (definition, unmapped) = tokio::task::spawn_blocking(read).await.map_err(Error::internal)??;
                ReadSchema { unmapped, ..ReadSchema::given(definition, field, Some(engine)) }
            }
        })
    }
}

/// Most bytes of a schema that a backup keeps: its manifest is read as a whole wherever the backup is looked at.
const MAX_RECORDED: usize = 8 * 1024 * 1024;

/// The schema of a live database as a backup keeps it.
pub async fn recorded(lease: &Lease) -> Result<BackupSchema> {
    let read = export::read(lease, TableFilter::default(), "connection".to_owned()).await?;
    let definition = read.definition;
    let written = tokio::task::spawn_blocking(move || yaml::write(&definition)).await.map_err(Error::internal)??;
    recordable(BackupSchema { definition: written, unmapped: read.unmapped })
}

fn recordable(schema: BackupSchema) -> Result<BackupSchema> {
    let size = schema.definition.len() + unmapped_size(&schema.unmapped);
    match size > MAX_RECORDED {
        true => Err(Error::invalid_field(
            "connection",
            format!("its schema comes to {size} bytes; a backup records at most 8 MiB"),
        )),
        false => Ok(schema),
    }
}

fn unmapped_size(unmapped: &[Unmapped]) -> usize {
    unmapped.iter().map(|found| found.object.len() + found.reason.len()).sum()
}

/// Checks a definition, and writes it.
fn write(
    definition: SchemaDefinition,
    unmapped: Vec<Unmapped>,
    dialect: Option<&'static dyn Dialect>,
    field: &str,
) -> Result<Generated> {
    definition.check(field)?;
    let statements = match dialect {
        None => Vec::new(),
        Some(dialect) => {
            let created = dialect.create(&definition);
            refuse(&created.unsupported, created.more_unsupported, dialect.engine(), field)?;
            if created.is_too_large {
                return Err(too_large());
            }
            created.statements
        }
    };
    let yaml = yaml::write(&definition)?;
    // The definition comes to about as much as its YAML.
    let size =
        yaml.len() + statements.iter().map(|statement| statement.sql.len()).sum::<usize>() + unmapped_size(&unmapped);
    if size > MAX_GENERATED {
        return Err(too_large());
    }
    Ok(Generated { definition, yaml, statements, unmapped })
}

fn too_large() -> Error {
    let description = format!("the answer would come to more than {MAX_GENERATED} bytes; choose fewer tables");
    Error::invalid_field("source", description)
}

fn bounded(text: &str, field: &str) -> Result<()> {
    if text.len() > MAX_DEFINITION_TEXT {
        return Err(Error::invalid_field(field, format!("must be at most {MAX_DEFINITION_TEXT} bytes")));
    }
    Ok(())
}

/// Most parts that an engine cannot express which an error names.
const MAX_NAMED: usize = 50;

/// What an engine cannot express in one error: the first parts of it, and how many more there are.
pub(super) fn refuse(unsupported: &[Unsupported], more: usize, engine: EngineKind, field: &str) -> Result<()> {
    if unsupported.is_empty() {
        return Ok(());
    }
    let (unsupported, others) = unsupported.split_at(unsupported.len().min(MAX_NAMED));
    let told: Vec<String> = unsupported.iter().map(|found| format!("{} {}", found.object, found.feature)).collect();
    let more = match more + others.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let message = format!("{} cannot express the definition: {}{more}", engine.as_str(), told.join("; "));
    let error = Error::new(Reason::DefinitionUnsupported, message).with_metadata("engine", engine.as_str());
    Err(unsupported.iter().zip(told).fold(error, |error, (found, description)| {
        error.with(Detail::Precondition {
            kind: "UNSUPPORTED",
            subject: format!("{field}.{}", found.field),
            description,
        })
    }))
}

#[cfg(test)]
mod tests;
