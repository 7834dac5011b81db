//! The SQL of PostgreSQL.

use crate::{
    engine::dialect::{Dialect, is_plain},
    model::{
        name::Identifier,
        schema::{ChangedTable, NeutralType, ObjectName, SchemaChange, TableKind},
    },
};

/// Words of `pg_get_keywords()` of category R and T in any version from 13 to 18.
const RESERVED: &str = " all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate \
     collation column concurrently constraint create cross current_catalog current_date current_role current_schema \
     current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for \
     foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral \
     leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps \
     placing primary references returning right select session_user similar some symmetric system_user table \
     tablesample then to trailing true union unique user using variadic verbose when where window with ";

/// PostgreSQL.
pub struct PostgresDialect;

impl Dialect for PostgresDialect {
    fn is_reserved(&self, word: &str) -> bool {
        is_reserved(word)
    }

    fn max_name_length(&self) -> usize {
        super::MAX_NAME_BYTES
    }

    fn neutral_type(&self, data_type: &str) -> Option<NeutralType> {
        use NeutralType as T;
        let (word, numbers) = NeutralType::split(data_type);
        Some(match word.as_str() {
            "boolean" => T::Boolean,
            "smallint" => T::Integer { bits: 16, unsigned: false },
            "integer" => T::Integer { bits: 32, unsigned: false },
            "bigint" => T::Integer { bits: 64, unsigned: false },
            "numeric" => T::Decimal { digits: digits(&numbers) },
            "real" => T::Float { bits: 32 },
            "double precision" => T::Float { bits: 64 },
            "money" => T::Money,
            "character" => T::PaddedText { length: numbers.first().copied().unwrap_or(1) },
            "character varying" => T::Text { length: numbers.first().copied() },
            "text" => T::Text { length: None },
            "bytea" => T::Bytes,
            "date" => T::Date,
            "time without time zone" => T::Time { zoned: false },
            "time with time zone" => T::Time { zoned: true },
            "timestamp without time zone" => T::Timestamp { zoned: false },
            "timestamp with time zone" => T::Timestamp { zoned: true },
            "uuid" => T::Uuid,
            "json" => T::Json { parsed: false },
            "jsonb" => T::Json { parsed: true },
            _ => return None,
        })
    }

    fn prefers_zoned_timestamps(&self) -> bool {
        true
    }

    fn statements(&self, table: &ChangedTable, change: &SchemaChange) -> Vec<String> {
        let name = qualified(&table.name);
        // A build beside the work of others; a partitioned table has no such thing.
        let beside = if table.kind == TableKind::PartitionedTable { "" } else { " CONCURRENTLY" };
        vec![match change {
            SchemaChange::CreateIndex { name: index, columns } => {
                let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
                format!("CREATE INDEX{beside} {} ON {name} ({});", quoted(index), columns.join(", "))
            }
            SchemaChange::DropIndex { name: index } => {
                format!("DROP INDEX{beside} {};", qualified(&of_schema(&table.name, index)))
            }
            SchemaChange::RenameTable { to } => format!("ALTER TABLE {name} RENAME TO {};", quoted(to)),
            SchemaChange::RenameColumn { column, to } => {
                format!("ALTER TABLE {name} RENAME COLUMN {} TO {};", quoted(column), quoted(to))
            }
            SchemaChange::RenameIndex { index, to } => {
                let index = qualified(&of_schema(&table.name, &index.name));
                format!("ALTER INDEX {index} RENAME TO {};", quoted(to))
            }
            SchemaChange::RenameForeignKey { name: key, to } => {
                format!("ALTER TABLE {name} RENAME CONSTRAINT {} TO {};", quoted(key), quoted(to))
            }
            SchemaChange::RetypeColumn { column, to } => {
                let Some(to) = type_name(*to) else { return Vec::new() };
                let column = quoted(&column.name);
                // What the clock showed is taken for the time zone of the session, so it has to be said which it was.
                let using = match to.as_str() {
                    "timestamp with time zone" => format!(" USING {column} AT TIME ZONE 'UTC'"),
                    _ => format!(" USING {column}::{to}"),
                };
                format!("ALTER TABLE {name} ALTER COLUMN {column} TYPE {to}{using};")
            }
            SchemaChange::RequireValue { column } => {
                format!("ALTER TABLE {name} ALTER COLUMN {} SET NOT NULL;", quoted(&column.name))
            }
            SchemaChange::AddTimestamp { column, optional } => {
                let rule = if *optional { "" } else { " NOT NULL DEFAULT now()" };
                format!("ALTER TABLE {name} ADD COLUMN {} timestamp with time zone{rule};", quoted(column))
            }
            SchemaChange::AddNumberedKey { column } => {
                let column = quoted(column);
                format!("ALTER TABLE {name} ADD COLUMN {column} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;")
            }
            SchemaChange::WidenCharacterSet | SchemaChange::UseTransactionalEngine => return Vec::new(),
        }]
    }
}

fn digits(numbers: &[u32]) -> Option<(u32, u32)> {
    Some((*numbers.first()?, numbers.get(1).copied().unwrap_or(0)))
}

/// The types that columns are changed to.
fn type_name(to: NeutralType) -> Option<String> {
    use NeutralType as T;
    Some(match to {
        T::Integer { bits: 64, .. } => "bigint".to_owned(),
        T::Decimal { digits: Some((precision, scale)) } => format!("numeric({precision},{scale})"),
        T::Decimal { digits: None } => "numeric".to_owned(),
        T::Text { length: None } => "text".to_owned(),
        T::Text { length: Some(length) } => format!("character varying({length})"),
        T::Timestamp { zoned: true } => "timestamp with time zone".to_owned(),
        T::Json { parsed: true } => "jsonb".to_owned(),
        _ => return None,
    })
}

fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&format!(" {} ", word.to_ascii_lowercase()))
}

/// A name as SQL writes it, in quotes where it needs them.
pub(super) fn quoted(name: &str) -> String {
    if is_plain(name) && !is_reserved(name) { name.to_owned() } else { Identifier::of_catalog(name).double_quoted() }
}

/// A name with its schema as SQL writes it.
pub(super) fn qualified(name: &ObjectName) -> String {
    format!("{}.{}", quoted(&name.schema), quoted(&name.name))
}

fn of_schema(table: &ObjectName, name: &str) -> ObjectName {
    ObjectName { schema: table.schema.clone(), name: name.to_owned() }
}
