//! A table of a definition as discovery tells that of a database that was made of it, so that what looks at discovered tables can look
//! at those of a definition. What only a live database knows, such as sizes and privileges, is unknown in it.

mod key_index;
mod neutral;

pub(crate) use self::neutral::{MAX_NEUTRAL_NAME, named, neutral_table};
use super::Dialect;
use crate::model::schema::{
    Column, ForeignKey, Generation, Index, IndexPart, IndexTerm, KeyConstraint, Table,
    definition::{
        ColumnDefinition, ColumnType, ForeignKeyDefinition, Identity, IndexDefinition, KeyDefinition, SchemaDefinition,
        TableDefinition,
    },
};

/// The method of an index that finds rows by the order of their values.
const ORDERED: &str = "btree";
/// The method of an index for searches by words, where it is one over columns.
const SEARCH: &str = "fulltext";
/// What is not known.
const UNKNOWN: i64 = -1;

/// What engines tell each in their own way.
pub(in crate::engine) struct Telling<'a> {
    /// A type.
    pub(in crate::engine) data_type: &'a dyn Fn(&ColumnType) -> String,
    /// Name of the index of a primary key; absent where the key has none of its own.
    pub(in crate::engine) primary_index: &'a dyn Fn(&TableDefinition) -> Option<String>,
    /// Name of the index of a unique constraint, by its place among those of the table.
    pub(in crate::engine) unique_index: &'a dyn Fn(&TableDefinition, usize, &KeyDefinition) -> String,
    /// The engine makes an index for a foreign key that has none.
    pub(in crate::engine) makes_key_indexes: bool,
    /// An index for searches by words is one over an expression.
    pub(in crate::engine) searches_expression: bool,
    /// What the engine alone tells of a column.
    pub(in crate::engine) complete: &'a dyn Fn(&ColumnDefinition, &mut Column),
}

/// A type as an engine writes it; empty for what it does not have.
pub(in crate::engine) fn data_type(dialect: &dyn Dialect, column_type: &ColumnType) -> String {
    match column_type {
        ColumnType::Neutral(neutral) => dialect.written_type(*neutral).map(|written| written.text).unwrap_or_default(),
        ColumnType::Native { engine, text } if *engine == dialect.engine() => text.clone(),
        ColumnType::Native { .. } => String::new(),
        ColumnType::Declared(name) => dialect.qualified(name),
    }
}

/// The table, whose definition has a name for everything.
pub(in crate::engine) fn table(definition: &SchemaDefinition, table: &TableDefinition, telling: &Telling<'_>) -> Table {
    let mut found = Table {
        schema: table.schema.clone(),
        name: table.name.clone(),
        comment: table.comment.clone(),
        columns: table.columns.iter().zip(1..).map(|(own, position)| column(own, position, telling)).collect(),
        primary_key: table.primary_key.as_ref().map(|key| constraint(table, key, String::new())),
        foreign_keys: table.foreign_keys.iter().map(|key| foreign_key(definition, table, key)).collect(),
        row_estimate: UNKNOWN,
        data_size_bytes: UNKNOWN,
        index_size_bytes: UNKNOWN,
        ..Table::default()
    };
    if let Some((key, name)) = found.primary_key.as_mut().zip((telling.primary_index)(table)) {
        key.index.clone_from(&name);
        let index = Index { unique: true, primary: true, ..over_columns(name, &key.columns) };
        found.indexes.push(index);
    }
    for (place, key) in table.unique_constraints.iter().enumerate() {
        let key = constraint(table, key, (telling.unique_index)(table, place, key));
        let index = over_columns(key.index.clone(), &key.columns);
        found.indexes.push(Index { unique: true, constraint: key.name.clone(), ..index });
        found.unique_constraints.push(key);
    }
    found.indexes.extend(table.indexes.iter().map(|own| index(table, own, telling.searches_expression)));
    if telling.makes_key_indexes {
        let made = key_index::made(&found);
        found.indexes.extend(made);
    }
    found
}

fn column(own: &ColumnDefinition, position: i32, telling: &Telling<'_>) -> Column {
    let generation = match (own.identity, &own.generated) {
        (Some(Identity::Always), _) => Generation::IdentityAlways,
        (Some(Identity::ByDefault), _) => Generation::IdentityByDefault,
        (None, Some(generated)) if generated.stored => Generation::Stored,
        (None, Some(_)) => Generation::Virtual,
        (None, None) => Generation::None,
    };
    let mut found = Column {
        name: own.name.clone(),
        position,
        data_type: (telling.data_type)(&own.column_type),
        nullable: own.nullable,
        generation,
        generation_expression: own.generated.as_ref().map(|found| found.expression.clone()).unwrap_or_default(),
        collation: own.collation.clone(),
        comment: own.comment.clone(),
        ..Column::default()
    };
    (telling.complete)(own, &mut found);
    found
}

fn constraint(table: &TableDefinition, key: &KeyDefinition, index: String) -> KeyConstraint {
    KeyConstraint { name: key.name.clone(), columns: table.own_names(&key.columns), index, ..KeyConstraint::default() }
}

fn foreign_key(definition: &SchemaDefinition, table: &TableDefinition, key: &ForeignKeyDefinition) -> ForeignKey {
    let mut found = ForeignKey {
        name: key.name.clone(),
        columns: table.own_names(&key.columns),
        referenced_schema: key.referenced_schema.clone(),
        referenced_table: key.referenced_table.clone(),
        referenced_columns: key.referenced_columns.clone(),
        on_update: key.on_update,
        on_delete: key.on_delete,
        deferrable: key.deferred,
        initially_deferred: key.deferred,
        validated: true,
        enforced: true,
        ..ForeignKey::default()
    };
    if let Some(referenced) = definition.find_table(&key.referenced_schema, &key.referenced_table) {
        let columns =
            if key.referenced_columns.is_empty() { referenced.key_columns() } else { &key.referenced_columns };
        found.referenced_schema.clone_from(&referenced.schema);
        found.referenced_table.clone_from(&referenced.name);
        found.referenced_columns = referenced.own_names(columns);
    }
    found
}

/// An index like the engine makes one when nothing more is said.
fn over_columns(name: String, columns: &[String]) -> Index {
    let part = |column: &String| IndexPart::plain(IndexTerm::Column(column.clone()));
    Index {
        name,
        method: ORDERED.to_owned(),
        parts: columns.iter().map(part).collect(),
        valid: true,
        ready: true,
        visible: true,
        size_bytes: UNKNOWN,
        ..Index::default()
    }
}

fn index(table: &TableDefinition, own: &IndexDefinition, searches_expression: bool) -> Index {
    let columns = table.own_names(&own.column_names());
    let mut found = Index {
        unique: own.unique,
        predicate: own.predicate.clone(),
        comment: own.comment.clone(),
        ..over_columns(own.name.clone(), &columns)
    };
    for (part, declared) in found.parts.iter_mut().zip(&own.columns) {
        part.descending = declared.descending;
    }
    if own.full_text {
        SEARCH.clone_into(&mut found.method);
        if searches_expression {
            found.parts = vec![IndexPart::plain(IndexTerm::Expression(columns.join(" ")))];
        }
    }
    found
}
