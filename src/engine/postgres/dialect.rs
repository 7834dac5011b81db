//! The SQL of PostgreSQL.

mod alter;
pub(in crate::engine::postgres) mod create;

use crate::{
    engine::dialect::{
        Altered, Created, Dialect, Kept, WrittenType, aliased,
        discovered::{self, Telling},
        names, settle,
    },
    model::{
        connection::EngineKind,
        schema::{
            ChangedTable, NeutralType, ObjectName, SECOND_DIGITS, SchemaChange, Table, TableKind, Trigger,
            TriggerEvent, TriggerTiming,
            definition::{SchemaDefinition, TableDefinition},
            difference::SchemaDifference,
        },
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

/// Words for types that the server itself writes otherwise.
const ALIASES: &[(&str, &str)] = &[
    ("bool", "boolean"),
    ("int2", "smallint"),
    ("int", "integer"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("smallserial", "smallint"),
    ("serial", "integer"),
    ("bigserial", "bigint"),
    ("decimal", "numeric"),
    ("dec", "numeric"),
    ("float4", "real"),
    ("float", "double precision"),
    ("float8", "double precision"),
    ("varchar", "character varying"),
    ("char", "character"),
    ("time", "time without time zone"),
    ("timetz", "time with time zone"),
    ("timestamp", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
];

/// PostgreSQL.
pub struct PostgresDialect;

impl Dialect for PostgresDialect {
    fn engine(&self) -> EngineKind {
        EngineKind::Postgresql
    }

    fn written_type(&self, neutral: NeutralType) -> Result<WrittenType, String> {
        create::written_type(neutral)
    }

    fn declares_types(&self) -> bool {
        true
    }

    fn create(&self, definition: &SchemaDefinition) -> Created {
        create::create(definition)
    }

    fn settled(&self, definition: &SchemaDefinition) -> SchemaDefinition {
        settle::settled(
            self,
            definition,
            &settle::MadeNames {
                check: &|table, column| made_name(&table.name, &column.name, "check"),
                primary_key: &made_key_name,
            },
        )
    }

    fn discovered(&self, settled: &SchemaDefinition, table: &TableDefinition) -> Table {
        let telling = Telling {
            data_type: &|column_type| discovered::data_type(self, column_type),
            primary_index: &|table| table.primary_key.as_ref().map(|key| key_name(table, &key.name)),
            unique_index: &|_, _, key| key.name.clone(),
            makes_key_indexes: false,
            searches_expression: true,
            complete: &|_, _| {},
        };
        discovered::table(settled, table, &telling)
    }

    fn alter(&self, difference: &SchemaDifference, _kept: Kept<'_>) -> Option<Altered> {
        Some(alter::alter(difference))
    }

    fn reserved_words(&self) -> &'static str {
        RESERVED
    }

    fn max_name_length(&self) -> usize {
        super::MAX_NAME_BYTES
    }

    fn neutral_type(&self, data_type: &str) -> Option<NeutralType> {
        use NeutralType as T;
        let (word, numbers) = NeutralType::split(data_type);
        let second_digits = T::second_digits(&numbers, SECOND_DIGITS);
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
            "time without time zone" => T::time(false).with_second_digits(second_digits),
            "time with time zone" => T::time(true).with_second_digits(second_digits),
            "timestamp without time zone" => T::timestamp(false).with_second_digits(second_digits),
            "timestamp with time zone" => T::timestamp(true).with_second_digits(second_digits),
            "uuid" => T::Uuid,
            "json" => T::Json { parsed: false },
            "jsonb" => T::Json { parsed: true },
            _ => return None,
        })
    }

    fn declared_type(&self, data_type: &str) -> Option<NeutralType> {
        self.neutral_type(&aliased(ALIASES, data_type))
    }

    fn default_schema(&self) -> Option<&'static str> {
        Some("public")
    }

    fn grammar(&self) -> Box<dyn sqlparser::dialect::Dialect> {
        Box::new(sqlparser::dialect::PostgreSqlDialect {})
    }

    fn fold(&self, name: &str) -> String {
        name.to_lowercase()
    }

    fn searched_columns(&self, expression: &str) -> Option<Vec<String>> {
        create::searched_columns(expression)
    }

    fn touched_column(&self, table: &Table, trigger: &Trigger) -> Option<String> {
        let function = trigger.function.as_ref()?;
        let is_ours = trigger.timing == TriggerTiming::Before
            && trigger.events == [TriggerEvent::Update]
            && trigger.columns.is_empty()
            && trigger.condition.is_empty();
        let names = table.columns.iter().map(|column| &column.name);
        let mut touched = names.filter(|name| names::function_name(name, self.max_name_length()) == function.name);
        is_ours.then(|| touched.next().cloned()).flatten()
    }

    fn prefers_zoned_timestamps(&self) -> bool {
        true
    }

    fn statements(&self, table: &ChangedTable<'_>, change: &SchemaChange) -> Vec<String> {
        let name = self.qualified(&table.name);
        // A build beside the work of others; a partitioned table has no such thing.
        let beside = if table.kind == TableKind::PartitionedTable { "" } else { " CONCURRENTLY" };
        vec![match change {
            SchemaChange::CreateIndex { name: index, columns } => {
                let columns: Vec<String> = columns.iter().map(|column| self.quoted(column)).collect();
                format!("CREATE INDEX{beside} {} ON {name} ({});", self.quoted(index), columns.join(", "))
            }
            SchemaChange::DropIndex { name: index } => {
                format!("DROP INDEX{beside} {};", self.qualified(&of_schema(&table.name, index)))
            }
            SchemaChange::RenameTable { to } => format!("ALTER TABLE {name} RENAME TO {};", self.quoted(to)),
            SchemaChange::RenameColumn { column, to } => {
                format!("ALTER TABLE {name} RENAME COLUMN {} TO {};", self.quoted(column), self.quoted(to))
            }
            SchemaChange::RenameIndex { index, to } => {
                let index = self.qualified(&of_schema(&table.name, &index.name));
                format!("ALTER INDEX {index} RENAME TO {};", self.quoted(to))
            }
            SchemaChange::RenameForeignKey { name: key, to } => {
                format!("ALTER TABLE {name} RENAME CONSTRAINT {} TO {};", self.quoted(key), self.quoted(to))
            }
            SchemaChange::RetypeColumn { column, to } => {
                let Some(to) = type_name(*to) else { return Vec::new() };
                let column = self.quoted(&column.name);
                // What the clock showed is taken for the time zone of the session, so it has to be said which it was.
                let using = match to.as_str() {
                    "timestamp with time zone" => format!(" USING {column} AT TIME ZONE 'UTC'"),
                    _ => format!(" USING {column}::{to}"),
                };
                format!("ALTER TABLE {name} ALTER COLUMN {column} TYPE {to}{using};")
            }
            SchemaChange::RequireValue { column } => {
                format!("ALTER TABLE {name} ALTER COLUMN {} SET NOT NULL;", self.quoted(&column.name))
            }
            SchemaChange::AddTimestamp { column, optional } => {
                let rule = if *optional { "" } else { " NOT NULL DEFAULT now()" };
                format!("ALTER TABLE {name} ADD COLUMN {} timestamp with time zone{rule};", self.quoted(column))
            }
            SchemaChange::AddNumberedKey { column } => {
                let column = self.quoted(column);
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
        T::Timestamp { zoned: true, .. } => "timestamp with time zone".to_owned(),
        T::Json { parsed: true } => "jsonb".to_owned(),
        _ => return None,
    })
}

/// A name as SQL writes it, in quotes where it needs them.
pub(super) fn quoted(name: &str) -> String {
    PostgresDialect.quoted(name)
}

/// A name with its schema as SQL writes it.
pub(super) fn qualified(name: &ObjectName) -> String {
    PostgresDialect.qualified(name)
}

fn of_schema(table: &ObjectName, name: &str) -> ObjectName {
    ObjectName { schema: table.schema.clone(), name: name.to_owned() }
}

/// The name of a primary key, which its index has, too.
fn key_name(table: &TableDefinition, given: &str) -> String {
    if given.is_empty() { made_key_name(&table.name) } else { given.to_owned() }
}

/// The name that the server makes for a primary key.
fn made_key_name(table: &str) -> String {
    let room = table.floor_char_boundary(super::MAX_NAME_BYTES - "_pkey".len());
    format!("{}_pkey", &table[..room])
}

/// The name that the server makes for what stands with a column: the longer of the two is cut until there is room for all.
fn made_name(table: &str, column: &str, label: &str) -> String {
    let room = super::MAX_NAME_BYTES - label.len() - 2;
    let (mut of_table, mut of_column) = (table.len(), column.len());
    while of_table + of_column > room {
        if of_table > of_column { of_table -= 1 } else { of_column -= 1 }
    }
    let (table, column) =
        (&table[..table.floor_char_boundary(of_table)], &column[..column.floor_char_boundary(of_column)]);
    format!("{table}_{column}_{label}")
}
