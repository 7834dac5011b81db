//! A live database as a definition.
//!
//! What has no place in a definition is told as unmapped, object by object; owners, privileges and sizes are of the database and
//! not of its schema, and are not told.

mod column;
mod table;
mod texts;
mod types;

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio::sync::mpsc;

use super::{
    ReadSchema,
    unsaid::{OnColumns, Texts, Unsaid},
};
use crate::{
    engine::{Dialect, InspectObjects},
    model::{
        Error, Result,
        schema::{
            Hidden, ObjectDetails, ObjectFilter, ObjectKey, ObjectKind, ObjectName, ObjectPage, SchemaObject,
            SecurityContext, Skipped, Table, TableDetails, TableFilter, TableKind,
            definition::{
                MAX_TABLES, PartKind, SchemaDefinition, Unmapped, UnmappedName, ViewDefinition, folded, full_name,
            },
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
/// What mends that the query of a view is not told.
const UNREAD_QUERY: &str = "grant SHOW VIEW on the database to the user, or make what the view reads again";
/// Kinds of objects that become types.
const TYPES: [ObjectKind; 3] = [ObjectKind::Enum, ObjectKind::Domain, ObjectKind::CompositeType];
/// Kinds that a definition has no place for, of which a range type has the name that a type could have.
const OTHERS: [ObjectKind; 5] =
    [ObjectKind::RangeType, ObjectKind::Function, ObjectKind::Procedure, ObjectKind::Aggregate, ObjectKind::Event];

/// A part of a table that has no place in a definition.
struct LeftOutPart {
    table: ObjectName,
    kind: PartKind,
    /// Its own name; empty: it has none.
    name: String,
    /// What it is, in words.
    object: String,
    /// The columns of a key, by which it is known beside its name.
    key: Vec<String>,
}

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
        let (objects, skipped) = all_objects(lease, inspect, &objects).await?;
        skipped.into_iter().for_each(|found| export.skipped_object(found));
        export.objects(objects, is_part);
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

async fn all_objects(
    lease: &Lease,
    inspect: &dyn InspectObjects,
    filter: &ObjectFilter,
) -> Result<(Vec<SchemaObject>, Vec<Skipped>)> {
    let (mut objects, mut skipped): (Vec<SchemaObject>, Vec<Skipped>) = Default::default();
    loop {
        let after = objects.last().map(ObjectKey::of);
        let page = ObjectPage { after, limit: OBJECT_PAGE };
        let list = lease.run(inspect.list_objects(filter, &page)).await?;
        let unread = list.skipped.iter().filter(|found| matches!(found.hidden, Hidden::Object(..))).count();
        // What concerns all objects is told with every page.
        skipped.extend(list.skipped.into_iter().filter(|found| !skipped.contains(found)).collect::<Vec<_>>());
        let mut found = list.objects;
        // One that could not be read has its place on the page, too.
        let is_last = found.is_empty() || found.len() + unread < OBJECT_PAGE as usize;
        found.iter_mut().for_each(SchemaObject::cut_texts);
        objects.extend(found);
        if is_last {
            return Ok((objects, skipped));
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
    /// Types that could not be read, by the schema and name that the engine tells.
    unread_types: HashSet<ObjectName>,
    /// What has no place in the definition, by what the engine tells of it.
    texts: Texts,
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
            unread_types: HashSet::new(),
            texts: Texts::default(),
        }
    }

    /// Leaves out what nothing of a definition could have the name of.
    fn leave_out(&mut self, object: impl Into<String>, reason: impl Into<String>) {
        self.unmapped.push(Unmapped { object: object.into(), reason: reason.into(), ..Unmapped::default() });
    }

    /// Leaves out a table, view or type of this kind.
    fn leave_out_whole(&mut self, kind: &str, name: ObjectName, reason: impl Into<String>) {
        self.unmapped.push(Unmapped {
            object: format!("{kind} {}", full_name(&name.schema, &name.name)),
            reason: reason.into(),
            name: Some(UnmappedName::InSchema(name)),
            ..Unmapped::default()
        });
    }

    /// The same for one that could not be read, with what mends that.
    fn leave_out_unread(&mut self, kind: &str, name: ObjectName, reason: impl Into<String>, remedy: &str) {
        self.unmapped.push(Unmapped {
            object: format!("{kind} {}", full_name(&name.schema, &name.name)),
            reason: reason.into(),
            remedy: remedy.to_owned(),
            unread: true,
            name: Some(UnmappedName::InSchema(name)),
        });
    }

    /// Leaves out a part of a table that stands on these columns.
    fn leave_out_part(&mut self, part: LeftOutPart, columns: Vec<String>, reason: impl Into<String>) {
        let LeftOutPart { table, kind, name, object, key } = part;
        let full_name = full_name(&table.schema, &table.name);
        let part = Unmapped {
            object,
            reason: reason.into(),
            name: Some(UnmappedName::Part { table, kind, name, columns: key }),
            ..Unmapped::default()
        };
        self.unmapped.push(part.clone());
        self.unsaid.on_columns.push(OnColumns { table: full_name, columns, part });
    }

    fn skipped(&mut self, skipped: Skipped) {
        self.hidden_text(&skipped.hidden);
        let name = |name: ObjectName| {
            let schema = self.schema(&name.schema).to_owned();
            Some(UnmappedName::InSchema(ObjectName { schema, ..name }))
        };
        let name = match skipped.hidden {
            Hidden::Relation(found) => name(found),
            Hidden::Object(kind, found) if is_type(kind) => name(found),
            Hidden::Relations => Some(UnmappedName::AnyRelation),
            Hidden::Nothing | Hidden::Object(..) | Hidden::Texts | Hidden::Privileges => None,
        };
        let Skipped { subject: object, reason, remedy, .. } = skipped;
        self.unmapped.push(Unmapped { object, reason, remedy, unread: true, name });
    }

    /// An object that could not be read. A type is known by its name, so that no column that has it is taken for one of another type.
    fn skipped_object(&mut self, skipped: Skipped) {
        if let Hidden::Object(kind, name) = &skipped.hidden
            && is_type(*kind)
        {
            self.unread_types.insert(name.clone());
        }
        self.skipped(skipped);
    }

    /// Types, and what a definition has no place for; that is not told where only some tables are asked for.
    fn objects(&mut self, objects: Vec<SchemaObject>, is_part: bool) {
        let is_declared = |object: &&SchemaObject| TYPES.contains(&object.kind);
        self.types =
            objects.iter().filter(is_declared).map(|object| (object.schema.clone(), object.name.clone())).collect();
        for object in objects {
            // A name that is passed over where only some tables are asked for still has to be known.
            let is_touching = self.is_touching(&object);
            if !is_touching {
                self.object_text(&object);
            }
            if TYPES.contains(&object.kind) {
                self.declared(object);
            } else if !is_part && !is_touching {
                let kind = object.kind.as_str().to_lowercase().replace('_', " ");
                let (name, reason) =
                    (self.named(&object.schema, &object.name), format!("a definition has no place for a {kind}"));
                match is_type(object.kind) {
                    true => self.leave_out_whole(&kind, name, reason),
                    false => self.leave_out(format!("{kind} {}", full_name(&name.schema, &name.name)), reason),
                }
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
        self.table_texts(table);
        let name = self.named(&table.schema, &table.name);
        let kind = match table.kind {
            TableKind::Table => {
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
        self.whole_text(kind, &name, table);
        self.leave_out_whole(kind, name, format!("a definition has no place for a {kind}"));
    }

    fn view(&mut self, table: &Table) {
        let query = table.view_definition.trim().trim_end_matches(';').trim_end();
        let schema = self.schema(&table.schema).to_owned();
        if query.is_empty() {
            let name = ObjectName { schema, name: table.name.clone() };
            return self.leave_out_unread("view", name, "its query could not be read", UNREAD_QUERY);
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

    /// A name as a definition has it.
    fn named(&self, schema: &str, name: &str) -> ObjectName {
        ObjectName { schema: self.schema(schema).to_owned(), name: name.to_owned() }
    }

    /// Takes out what only makes sense with what was left out.
    fn finish(mut self, is_part: bool, field: String) -> ReadSchema {
        self.drop_clashing_names();
        self.drop_open_keys(is_part);
        let Self { dialect, definition, unmapped, sizes, mut unsaid, mut texts, .. } = self;
        texts.of_tables_alone = is_part;
        unsaid.texts = Some(texts);
        ReadSchema { definition, unmapped, field, engine: Some(dialect.engine()), sizes, unsaid }
    }

    /// Of two names that only their case tells apart the first stays.
    fn drop_clashing_names(&mut self) {
        let mut seen = BTreeSet::new();
        let mut clashing = Vec::new();
        let reason = "its name is that of another but for its case, which some engines do not tell apart";
        let mut take = |kind: &str, schema: &str, name: &str| {
            let full_name = full_name(schema, name);
            let is_new = seen.insert(folded(&full_name));
            if !is_new {
                clashing.push(Unmapped {
                    object: format!("{kind} {full_name}"),
                    reason: reason.to_owned(),
                    name: Some(UnmappedName::InSchema(ObjectName { schema: schema.to_owned(), name: name.to_owned() })),
                    ..Unmapped::default()
                });
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
            let (own, name) = (table.object_name(), table.full_name());
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
                    open.push(Unmapped {
                        object,
                        reason: format!("there is no table {target}{why}"),
                        name: Some(UnmappedName::Part {
                            table: own.clone(),
                            kind: PartKind::ForeignKey,
                            name: key.name.clone(),
                            columns: key.columns.clone(),
                        }),
                        ..Unmapped::default()
                    });
                }
                is_closed
            });
        }
        self.unmapped.append(&mut open);
    }
}

/// True for an object that has the name which a type of a definition could have.
fn is_type(kind: ObjectKind) -> bool {
    TYPES.contains(&kind) || kind == ObjectKind::RangeType
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
