//! The statements that make a database again, out of what discovery tells and what needs what.
//!
//! A file a noun writes the statements of one thing without asking the server; `order` puts them behind each other; `facts` reads what
//! discovery does not tell and statements need.

mod column;
mod constraint;
mod database;
mod facts;
mod index;
mod order;
mod piece;
mod rewrite;
mod routine;
mod sequence;
mod table;
mod types;
mod view;

use async_trait::async_trait;
use sqlx::{Row, postgres::types::Oid};
use tokio::sync::mpsc;

use self::facts::{Context, Written};
use super::{
    database::{PostgresDatabase, ReadTransaction},
    inspect::{ATTEMPTS, DEFAULT_SCHEMA, PartReader, is_passing, keys, lookup, read_objects},
};
use crate::{
    engine::ReadDdl,
    model::{
        Error, Reason, Result,
        name::QualifiedName,
        schema::{
            DdlKind, DdlObject, DdlSelection, DdlStatement, DdlSubject, NamePattern, ObjectDetails, ObjectFilter,
            ObjectKind, ObjectName, ObjectPage, SchemaObject, Skipped, Table, TableFilter,
        },
    },
};

const PARENTS: &str = include_str!("ddl/catalog/parents.sql");
const UNWRITTEN: &str = include_str!("ddl/catalog/unwritten.sql");
/// Tables that are read at one time.
const PART: usize = 1000;
/// Kinds that stand in what their tables tell, and the schemas themselves.
const NOT_ALONE: [ObjectKind; 4] = [ObjectKind::Trigger, ObjectKind::Policy, ObjectKind::Rule, ObjectKind::Schema];
/// Bodies of routines may name what is made after them.
const CHECK_BODIES: &str = "check_function_bodies";

#[async_trait]
impl ReadDdl for PostgresDatabase {
    async fn stream_ddl(
        &self,
        selection: &DdlSelection,
        statements: mpsc::Sender<DdlStatement>,
    ) -> Result<Option<Vec<Skipped>>> {
        let written = tokio::select! {
            biased;
            // The transaction is dropped in the middle of a query, which closes its connection and so ends the query.
            () = statements.closed() => return Ok(Some(Vec::new())),
            written = Box::pin(self.write(selection)) => written?,
        };
        let Some((written, skipped)) = written else { return Ok(None) };
        for statement in written {
            if statements.send(statement).await.is_err() {
                break;
            }
        }
        Ok(Some(skipped))
    }
}

/// Statements in their order, and what is not among them.
type Answer = (Vec<DdlStatement>, Vec<Skipped>);

impl PostgresDatabase {
    async fn write(&self, selection: &DdlSelection) -> Result<Option<Answer>> {
        let mut attempt = 1;
        loop {
            match self.write_once(selection).await {
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn write_once(&self, selection: &DdlSelection) -> Result<Option<Answer>> {
        let mut transaction = self.leases().begin().await?;
        let context = Context::read(&mut transaction, selection.owners).await?;
        let mut writer = Writer {
            transaction: &mut transaction,
            context,
            written: Written::default(),
            parts: PartReader::default(),
        };
        let is_there = match &selection.subject {
            DdlSubject::Database => writer.whole(None).await?,
            DdlSubject::Schema(schema) => writer.whole(Some(schema)).await?,
            DdlSubject::Table(name) => writer.table(name).await?,
            DdlSubject::Object(object) => writer.object(object).await?,
        };
        let Writer { context, written, parts, .. } = writer;
        let mut skipped = parts.into_gaps().of_definitions();
        transaction.commit().await?;
        if !is_there {
            return Ok(None);
        }
        let statements = between_settings(context.plan.arrange(written.pieces));
        skipped.extend(written.skipped);
        skipped.extend(context.plan.skipped);
        Ok(Some((statements, skipped)))
    }
}

/// Writes what is asked for.
struct Writer<'a, 'b> {
    transaction: &'a mut ReadTransaction<'b>,
    context: Context,
    written: Written,
    parts: PartReader,
}

impl Writer<'_, '_> {
    /// The database, or a schema of it; false where there is no such schema.
    async fn whole(&mut self, schema: Option<&str>) -> Result<bool> {
        if !self.schemas(schema).await? {
            return Ok(false);
        }
        self.context.read_plan(self.transaction).await?;
        let kinds = ObjectKind::ALL.into_iter().filter(|kind| !NOT_ALONE.contains(kind)).collect();
        let filter = ObjectFilter { schema: schema.map(str::to_owned), kinds, name_pattern: None };
        for object in self.objects(&filter).await? {
            write_object(&object, &self.context, &mut self.written);
        }
        let filter = TableFilter { schema: schema.map(str::to_owned), ..TableFilter::default() };
        let oids = keys(self.transaction, &filter, None).await?;
        self.read_parents(None).await?;
        for part in oids.chunks(PART) {
            for table in self.parts.read_tables(self.transaction, part).await? {
                table::write(&table, &self.context, &mut self.written);
            }
        }
        let query = self.transaction.query(UNWRITTEN).bind(schema.map(str::to_owned));
        for row in &self.transaction.rows(query).await? {
            let subject = format!("{} {}", row.get::<&str, _>("kind"), row.get::<&str, _>("identity"));
            self.written.skip(
                subject,
                "no statement is written for objects of this kind",
                "make it by hand, before what needs it",
            );
        }
        Ok(true)
    }

    /// The schemas themselves, or the one of a name.
    async fn schemas(&mut self, name: Option<&str>) -> Result<bool> {
        let name_pattern = name.map(exactly).transpose()?;
        let filter = ObjectFilter { schema: None, kinds: vec![ObjectKind::Schema], name_pattern };
        let schemas = self.objects(&filter).await?;
        schemas.iter().for_each(|schema| write_object(schema, &self.context, &mut self.written));
        Ok(name.is_none() || !schemas.is_empty())
    }

    /// A table or view with what belongs to it.
    async fn table(&mut self, name: &QualifiedName) -> Result<bool> {
        let schema = name.schema.as_ref().map_or(DEFAULT_SCHEMA, |schema| schema.as_str());
        let Some(oid) = lookup(self.transaction, schema, name.name.as_str()).await? else { return Ok(false) };
        self.read_parents(Some(vec![oid])).await?;
        let Some(table) = self.parts.read_tables(self.transaction, &[oid]).await?.pop() else {
            let text = format!(
                "{schema}.{}, or something that it reads, is locked by another session; try again when it is done",
                name.name.as_str()
            );
            return Err(Error::new(Reason::LockTimeout, text));
        };
        let kinds = vec![ObjectKind::Sequence];
        for object in self.objects(&ObjectFilter { kinds, ..ObjectFilter::default() }).await? {
            if owns(&table, &object) {
                write_object(&object, &self.context, &mut self.written);
            }
        }
        table::write(&table, &self.context, &mut self.written);
        Ok(true)
    }

    /// One object that is no table, or every routine of a name.
    async fn object(&mut self, wanted: &DdlObject) -> Result<bool> {
        let has_schema = !matches!(
            wanted.kind,
            ObjectKind::Schema | ObjectKind::Extension | ObjectKind::Publication | ObjectKind::ForeignServer
        );
        let schema = wanted.name.schema.as_ref().map(|schema| schema.as_str());
        let schema = if has_schema { schema.or(Some(DEFAULT_SCHEMA)) } else { schema };
        let filter = ObjectFilter {
            schema: schema.map(str::to_owned),
            kinds: vec![wanted.kind],
            name_pattern: Some(exactly(wanted.name.name.as_str())?),
        };
        let mut found = self.objects(&filter).await?;
        found.retain(|object| wanted.names(object.kind, &object.name, &object.table, &object.signature));
        for object in &found {
            write_object(object, &self.context, &mut self.written);
        }
        if self.written.pieces.is_empty() && !found.is_empty() {
            let subject = format!("{} {}", wanted.kind.as_str(), wanted.name.name.as_str());
            let reason = "every database has it, or it comes with the statement of a table, such as the sequence of an identity column";
            self.written.skip(subject, reason, "ask for the table");
        }
        Ok(!found.is_empty())
    }

    async fn objects(&mut self, filter: &ObjectFilter) -> Result<Vec<SchemaObject>> {
        let found = read_objects(self.transaction, filter, &ObjectPage::first(u32::MAX), i64::MAX).await?;
        self.written.skipped.extend(found.gaps.of_definitions());
        Ok(found.objects)
    }

    /// Reads what some tables inherit from, or all that any does.
    async fn read_parents(&mut self, of: Option<Vec<Oid>>) -> Result<()> {
        let query = self.transaction.query(PARENTS).bind(of);
        let parents: Vec<Oid> = self.transaction.rows(query).await?.iter().map(|row| row.get(0)).collect();
        let mut reader = PartReader::default();
        for part in parents.chunks(PART) {
            for table in reader.read_tables(self.transaction, part).await? {
                self.context
                    .parents
                    .insert(ObjectName { schema: table.schema.clone(), name: table.name.clone() }, table);
            }
        }
        Ok(())
    }
}

fn write_object(object: &SchemaObject, context: &Context, written: &mut Written) {
    match &object.details {
        ObjectDetails::Schema(_) => database::write_schema(object, context, written),
        ObjectDetails::Extension(extension) => database::write_extension(object, extension, written),
        ObjectDetails::Collation(collation) => database::write_collation(object, collation, context, written),
        ObjectDetails::ForeignServer(server) => database::write_server(object, server, context, written),
        ObjectDetails::Publication(publication) => database::write_publication(object, publication, context, written),
        ObjectDetails::Sequence(found) => sequence::write(object, found, context, written),
        ObjectDetails::Routine(_) | ObjectDetails::Aggregate(_) => routine::write(object, context, written),
        ObjectDetails::Enum(_)
        | ObjectDetails::Domain(_)
        | ObjectDetails::CompositeType(_)
        | ObjectDetails::RangeType(_) => types::write(object, context, written),
        ObjectDetails::Trigger(_) | ObjectDetails::Policy(_) | ObjectDetails::Rule(_) => {
            rewrite::write_alone(object, context, written);
        }
        // PostgreSQL has none.
        ObjectDetails::Event(_) => {}
    }
}

/// Whether a sequence belongs to a column of a table.
fn owns(table: &Table, object: &SchemaObject) -> bool {
    let ObjectDetails::Sequence(sequence) = &object.details else { return false };
    let owner = sequence.owned_by.as_ref().map(|(owner, _)| (owner.schema.as_str(), owner.name.as_str()));
    owner == Some((table.schema.as_str(), table.name.as_str()))
}

/// A pattern that only one name matches.
fn exactly(name: &str) -> Result<NamePattern> {
    let escape = |letter| if matches!(letter, '%' | '_' | '\\') { vec!['\\', letter] } else { vec![letter] };
    NamePattern::parse(&name.chars().flat_map(escape).collect::<String>(), "name")
}

/// Statements with the settings around them that routines need.
fn between_settings(mut statements: Vec<DdlStatement>) -> Vec<DdlStatement> {
    if !statements.iter().any(|statement| statement.kind == DdlKind::Routine) {
        return statements;
    }
    let setting = |sql: String| DdlStatement {
        kind: DdlKind::Setting,
        schema: String::new(),
        name: CHECK_BODIES.to_owned(),
        table: String::new(),
        sql,
    };
    statements.insert(0, setting(format!("SET {CHECK_BODIES} = false;")));
    statements.push(setting(format!("RESET {CHECK_BODIES};")));
    statements
}
