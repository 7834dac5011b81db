//! A live database as a definition.
//!
//! What has no place in a definition is told as unmapped, object by object; owners, privileges and sizes are of the database and
//! not of its schema, and are not told.

mod column;
mod table;
mod types;

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio::sync::mpsc;

use super::{
    ReadSchema,
    unsaid::{OnColumns, Unsaid},
};
use crate::{
    engine::{Dialect, InspectObjects},
    model::{
        Error, Result,
        schema::{
            ObjectDetails, ObjectFilter, ObjectKey, ObjectKind, ObjectName, ObjectPage, SchemaObject, SecurityContext,
            Skipped, Table, TableDetails, TableFilter, TableKind,
            definition::{MAX_TABLES, SchemaDefinition, Unmapped, ViewDefinition, folded, full_name},
        },
    },
    pool::Lease,
};

/// How large the tables of a live database are, by the schema and name that a definition gives them.
pub(in crate::service::schema) type TableSizes = HashMap<ObjectName, TableSize>;

/// How large a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSize {
    /// Rows by estimate; -1 where the engine does not tell.
    pub row_estimate: i64,
    /// Bytes with indexes; -1 where the engine does not tell.
    pub size_bytes: i64,
}

impl TableSize {
    fn of(table: &Table) -> Self {
        let (data, indexes) = (table.data_size_bytes, table.index_size_bytes);
        let size_bytes = if data < 0 && indexes < 0 { -1 } else { data.max(0).saturating_add(indexes.max(0)) };
        Self { row_estimate: table.row_estimate.max(-1), size_bytes }
    }
}

/// Tables that are read ahead of what is made of them.
const TABLE_BUFFER: usize = 16;
/// Objects that are read at once.
const OBJECT_PAGE: u32 = 1000;
/// Kinds of objects that become types.
const TYPES: [ObjectKind; 3] = [ObjectKind::Enum, ObjectKind::Domain, ObjectKind::CompositeType];
/// Kinds that a definition has no place for.
const OTHERS: [ObjectKind; 5] =
    [ObjectKind::RangeType, ObjectKind::Function, ObjectKind::Procedure, ObjectKind::Aggregate, ObjectKind::Event];

/// The tables, views and types that match, and what could not be taken over. Errors name a field of the request.
pub(in crate::service::schema) async fn read(lease: &Lease, filter: TableFilter, field: String) -> Result<ReadSchema> {
    let dialect = lease.require_dialect()?;
    let inspect = lease.require_inspect()?;
    let mut export = Export::new(dialect);
    // Types are of the schema, whatever the tables that are asked for are called.
    let kinds: Vec<ObjectKind> = TYPES.into_iter().chain(OTHERS).collect();
    let objects = ObjectFilter { schema: filter.schema.clone(), kinds, name_pattern: None };
    let is_part = filter.name_pattern.is_some();
    if let Some(inspect) = lease.inspect_objects() {
        export.objects(all_objects(lease, inspect, &objects).await?, is_part);
    }
    let (sender, mut tables) = mpsc::channel(TABLE_BUFFER);
    let stream = lease.run(inspect.stream_tables(&filter, sender));
    let collect = async {
        while let Some(table) = tables.recv().await {
            if export.definition.tables.len() > MAX_TABLES {
                // Without somebody who takes them the stream of tables ends.
                tables.close();
                let description = format!("has more than {MAX_TABLES} tables; choose a schema or a name pattern");
                return Err(Error::invalid_field(&field, description));
            }
            export.table(&table);
        }
        Ok(())
    };
    let (skipped, collected) = tokio::join!(stream, collect);
    collected?;
    skipped?.into_iter().for_each(|found| export.skipped(found));
    Ok(export.finish(is_part, field))
}

async fn all_objects(lease: &Lease, inspect: &dyn InspectObjects, filter: &ObjectFilter) -> Result<Vec<SchemaObject>> {
    let mut objects: Vec<SchemaObject> = Vec::new();
    loop {
        let after = objects.last().map(ObjectKey::of);
        let page = ObjectPage { after, limit: OBJECT_PAGE };
        let mut found = lease.run(inspect.list_objects(filter, &page)).await?.objects;
        let is_last = found.len() < OBJECT_PAGE as usize;
        found.iter_mut().for_each(SchemaObject::cut_texts);
        objects.extend(found);
        if is_last {
            return Ok(objects);
        }
    }
}

/// A definition while a database is read into it.
struct Export {
    dialect: &'static dyn Dialect,
    definition: SchemaDefinition,
    unmapped: Vec<Unmapped>,
    /// Schemas and names of the types as the engine tells them.
    types: HashSet<(String, String)>,
    sizes: TableSizes,
    /// What a change has to know beside that.
    unsaid: Unsaid,
    /// Functions that are called as ours and do something else, by the schema and name that the engine tells.
    foreign_functions: HashSet<ObjectName>,
}

impl Export {
    fn new(dialect: &'static dyn Dialect) -> Self {
        Self {
            dialect,
            definition: SchemaDefinition::default(),
            unmapped: Vec::new(),
            types: HashSet::new(),
            sizes: TableSizes::new(),
            unsaid: Unsaid::default(),
            foreign_functions: HashSet::new(),
        }
    }

    fn leave_out(&mut self, object: impl Into<String>, reason: impl Into<String>) {
        self.unmapped.push(Unmapped { object: object.into(), reason: reason.into() });
    }

    /// Leaves something out that stands on columns of a table, whose name is given with its schema.
    fn leave_out_of(&mut self, table: &str, columns: Vec<String>, object: String, reason: impl Into<String>) {
        let part = Unmapped { object, reason: reason.into() };
        self.unmapped.push(part.clone());
        self.unsaid.on_columns.push(OnColumns { table: table.to_owned(), columns, part });
    }

    fn skipped(&mut self, skipped: Skipped) {
        self.leave_out(skipped.subject, skipped.reason);
    }

    /// Types, and what a definition has no place for; that is not told where only some tables are asked for.
    fn objects(&mut self, objects: Vec<SchemaObject>, is_part: bool) {
        let is_type = |object: &&SchemaObject| TYPES.contains(&object.kind);
        self.types =
            objects.iter().filter(is_type).map(|object| (object.schema.clone(), object.name.clone())).collect();
        for object in objects {
            // A name that is passed over where only some tables are asked for still has to be known.
            let is_touching = self.is_touching(&object);
            if TYPES.contains(&object.kind) {
                self.declared(object);
            } else if !is_part && !is_touching {
                let kind = object.kind.as_str().to_lowercase().replace('_', " ");
                let name = full_name(self.schema(&object.schema), &object.name);
                self.leave_out(format!("{kind} {name}"), format!("a definition has no place for a {kind}"));
            }
        }
    }

    /// A function that our own triggers call is made again with them. One of such a name that does something else is of its author.
    fn is_touching(&mut self, object: &SchemaObject) -> bool {
        let is_called_so =
            object.kind == ObjectKind::Function && object.name.starts_with("touch_") && object.signature.is_empty();
        let is_ours = match &object.details {
            ObjectDetails::Routine(routine) => is_touching(&routine.body),
            _ => false,
        };
        if is_called_so && !is_ours {
            let (schema, name) = (object.schema.clone(), object.name.clone());
            self.foreign_functions.insert(ObjectName { schema, name });
        }
        is_called_so && is_ours
    }

    fn table(&mut self, table: &Table) {
        let name = full_name(self.schema(&table.schema), &table.name);
        let kind = match table.kind {
            TableKind::Table => {
                let name = ObjectName { schema: self.schema(&table.schema).to_owned(), name: table.name.clone() };
                self.sizes.insert(name, TableSize::of(table));
                return self.plain_table(table);
            }
            TableKind::View => return self.view(table),
            TableKind::MaterializedView => "materialised view",
            TableKind::PartitionedTable => "partitioned table",
            TableKind::ForeignTable => "foreign table",
            TableKind::VirtualTable => "virtual table",
            TableKind::Sequence => "sequence",
        };
        self.leave_out(format!("{kind} {name}"), format!("a definition has no place for a {kind}"));
    }

    fn view(&mut self, table: &Table) {
        let query = table.view_definition.trim().trim_end_matches(';').trim_end();
        let schema = self.schema(&table.schema).to_owned();
        if query.is_empty() {
            return self.leave_out(format!("view {}", full_name(&schema, &table.name)), "its query could not be read");
        }
        self.leave_out_view_options(&full_name(&schema, &table.name), table);
        self.definition.views.push(ViewDefinition {
            schema,
            name: table.name.clone(),
            comment: table.comment.clone(),
            query: self.dialect.view_query(&table.schema, query),
            engine: Some(self.dialect.engine()),
        });
    }

    /// What a view that is made again from its query alone would lose.
    fn leave_out_view_options(&mut self, name: &str, table: &Table) {
        let mut options = vec![(!table.triggers.is_empty(), "has triggers")];
        match &table.details {
            Some(TableDetails::Postgres(details)) => options.extend([
                (!details.storage_parameters.is_empty(), "has options, such as security_invoker"),
                (!details.rules.is_empty(), "has rules"),
            ]),
            Some(TableDetails::Mysql(details)) => options.extend(details.view.iter().flat_map(|view| {
                [
                    (view.security == SecurityContext::Invoker, "runs with the privileges of who uses it"),
                    (!matches!(view.check_option.as_str(), "" | "NONE"), "checks rows that are written through it"),
                ]
            })),
            _ => {}
        }
        for (_, what) in options.iter().filter(|(holds, _)| *holds) {
            self.leave_out(format!("option of view {name}"), format!("it {what}, which a definition does not say"));
        }
    }

    /// A schema as a definition names it: the default one has no name.
    fn schema<'s>(&self, schema: &'s str) -> &'s str {
        match self.dialect.default_schema() {
            Some(default) if default != schema => schema,
            _ => "",
        }
    }

    /// Takes out what only makes sense with what was left out.
    fn finish(mut self, is_part: bool, field: String) -> ReadSchema {
        self.drop_clashing_names();
        self.drop_open_keys(is_part);
        let Self { dialect, definition, unmapped, sizes, unsaid, .. } = self;
        ReadSchema { definition, unmapped, field, engine: Some(dialect.engine()), sizes, unsaid }
    }

    /// Of two names that only their case tells apart the first stays.
    fn drop_clashing_names(&mut self) {
        let mut seen = BTreeSet::new();
        let mut clashing = Vec::new();
        let reason = "its name is that of another but for its case, which some engines do not tell apart";
        let mut take = |kind: &str, schema: &str, name: &str| {
            let name = full_name(schema, name);
            let is_new = seen.insert(folded(&name));
            if !is_new {
                clashing.push(Unmapped { object: format!("{kind} {name}"), reason: reason.to_owned() });
            }
            is_new
        };
        self.definition.types.retain(|found| take("type", &found.schema, &found.name));
        self.definition.tables.retain(|found| take("table", &found.schema, &found.name));
        self.definition.views.retain(|found| take("view", &found.schema, &found.name));
        self.unmapped.append(&mut clashing);
    }

    /// A foreign key to a table that was left out, or to columns that are no key of it.
    fn drop_open_keys(&mut self, is_part: bool) {
        let whole = self.definition.clone();
        let mut open = Vec::new();
        for table in &mut self.definition.tables {
            let name = table.full_name();
            table.foreign_keys.retain(|key| {
                let target = full_name(&key.referenced_schema, &key.referenced_table);
                let found = whole.find_table(&key.referenced_schema, &key.referenced_table);
                let is_closed = found.is_some_and(|found| match key.referenced_columns.as_slice() {
                    [] => found.key_columns().len() == key.columns.len(),
                    columns => found.is_key(columns),
                });
                if !is_closed {
                    let object = format!("foreign key {name} ({})", key.columns.join(", "));
                    let why =
                        if is_part { " among those that were asked for" } else { " in the definition with that key" };
                    open.push(Unmapped { object, reason: format!("there is no table {target}{why}") });
                }
                is_closed
            });
        }
        self.unmapped.append(&mut open);
    }
}

/// True for the body of a function that gives a column the time of the change and does nothing else.
fn is_touching(body: &str) -> bool {
    let column = body.trim().strip_prefix("BEGIN\n    NEW.");
    let column = column.and_then(|rest| rest.strip_suffix(" := now();\n    RETURN NEW;\nEND;"));
    column.is_some_and(|column| {
        let quoted = column.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match quoted {
            Some(name) => !name.replace("\"\"", "").contains('"'),
            None => column.chars().all(|part| part.is_alphanumeric() || part == '_' || part == '$'),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::is_touching;

    #[test]
    fn only_the_function_that_is_written_here_is_taken_for_it() {
        assert!(is_touching("\nBEGIN\n    NEW.changed := now();\n    RETURN NEW;\nEND;\n"));
        assert!(is_touching("\nBEGIN\n    NEW.\"The time\" := now();\n    RETURN NEW;\nEND;\n"));
        for other in [
            "BEGIN RETURN NEW; END",
            "BEGIN NEW.changed := now(); PERFORM audit(); RETURN NEW; END;",
            "BEGIN NEW.changed := now(); NEW.by := current_user; RETURN NEW; END;",
        ] {
            assert!(!is_touching(other), "{other}");
            assert!(!is_touching(&other.replace("; ", ";\n    ")), "{other}");
        }
    }
}
