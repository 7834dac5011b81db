//! The SQL of SQLite.

mod alter;
pub(in crate::engine::sqlite) mod create;
mod settle;

use crate::{
    engine::dialect::{
        Altered, Created, Dialect, Kept, WrittenType,
        discovered::{self, Telling},
        names::name_aside,
    },
    model::{
        connection::EngineKind,
        schema::{
            ChangedTable, Index, IndexTerm, NeutralType, SchemaChange, Table, Trigger,
            definition::{DefaultValue, SchemaDefinition, TableDefinition},
            difference::SchemaDifference,
        },
    },
};

/// Keywords that SQLite 3.40 and later do not take as a name of a table and its column, found by trying each.
const RESERVED: &str = " add all alter and as autoincrement between case check collate commit constraint create default deferrable \
     delete distinct drop else escape except exists foreign from group having if in index insert intersect into is \
     isnull join limit not nothing notnull null on or order primary references returning select set table then to \
     transaction union unique update using values when where ";
/// There is none; a name that is longer helps nobody.
const MAX_NAME: usize = 255;

/// SQLite.
pub struct SqliteDialect;

impl Dialect for SqliteDialect {
    fn engine(&self) -> EngineKind {
        EngineKind::Sqlite
    }

    fn written_type(&self, neutral: NeutralType) -> Result<WrittenType, String> {
        create::written_type(neutral)
    }

    fn create(&self, definition: &SchemaDefinition) -> Created {
        create::create(definition)
    }

    fn alter(&self, difference: &SchemaDifference, kept: Kept<'_>) -> Option<Altered> {
        Some(alter::alter(difference, kept))
    }

    fn moves_columns(&self) -> bool {
        true
    }

    fn settled(&self, definition: &SchemaDefinition) -> SchemaDefinition {
        settle::settled(definition)
    }

    fn discovered(&self, settled: &SchemaDefinition, table: &TableDefinition) -> Table {
        let telling = Telling {
            data_type: &|column_type| discovered::data_type(self, column_type),
            primary_index: &|table| has_key_index(table).then(|| index_of_key(table, 0)),
            unique_index: &|table, place, _| index_of_key(table, place + usize::from(has_key_index(table))),
            makes_key_indexes: false,
            searches_expression: false,
            complete: &|_, _| {},
        };
        discovered::table(settled, table, &telling)
    }

    fn reserved_words(&self) -> &'static str {
        RESERVED
    }

    fn max_name_length(&self) -> usize {
        MAX_NAME
    }

    /// By the rules of affinity, <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>: what a column is
    /// declared as says little of what it holds, and a length is not kept.
    fn neutral_type(&self, data_type: &str) -> Option<NeutralType> {
        let word = data_type.to_ascii_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
        Some(match () {
            () if has(&["int"]) => NeutralType::Integer { bits: 64, unsigned: false },
            () if has(&["char", "clob", "text"]) => NeutralType::Text { length: None },
            () if word.is_empty() || has(&["blob"]) => NeutralType::Bytes,
            () if has(&["real", "floa", "doub"]) => NeutralType::Float { bits: 64 },
            () => return None,
        })
    }

    /// What only a few words say, which are none of the affinities' own.
    fn declared_type(&self, data_type: &str) -> Option<NeutralType> {
        use NeutralType as T;
        let (word, numbers) = NeutralType::split(data_type);
        let digits = numbers.first().map(|precision| (*precision, numbers.get(1).copied().unwrap_or(0)));
        self.neutral_type(data_type).or(match word.as_str() {
            "bool" | "boolean" => Some(T::Boolean),
            "decimal" | "numeric" => Some(T::Decimal { digits }),
            "date" => Some(T::Date),
            "time" => Some(T::time(false)),
            "datetime" | "timestamp" => Some(T::timestamp(false)),
            "uuid" => Some(T::Uuid),
            "json" => Some(T::Json { parsed: true }),
            _ => None,
        })
    }

    fn grammar(&self) -> Box<dyn sqlparser::dialect::Dialect> {
        Box::new(sqlparser::dialect::SQLiteDialect {})
    }

    fn named_default(&self, text: &str, neutral: Option<NeutralType>) -> Option<DefaultValue> {
        let text = text.trim();
        let text = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
        match text {
            // The current timestamp would be written otherwise for another type.
            create::NOW if !matches!(neutral, Some(NeutralType::Date | NeutralType::Time { .. })) => {
                Some(DefaultValue::CurrentTimestamp)
            }
            create::TIME_NOW if matches!(neutral, Some(NeutralType::Time { .. })) => {
                Some(DefaultValue::CurrentTimestamp)
            }
            create::NEW_UUID => Some(DefaultValue::NewUuid),
            _ => None,
        }
    }

    fn touched_column(&self, table: &Table, trigger: &Trigger) -> Option<String> {
        let is_written = |name: &&String| create::trigger(&table.name, name).0 == trigger.name;
        let name = table.columns.iter().map(|column| &column.name).find(is_written)?;
        let (_, condition) = create::trigger(&table.name, name);
        (trigger.definition.contains(&condition) && trigger.definition.contains(create::NOW)).then(|| name.clone())
    }

    fn statements(&self, table: &ChangedTable<'_>, change: &SchemaChange) -> Vec<String> {
        let name = self.quoted(&table.name.name);
        match change {
            SchemaChange::CreateIndex { name: index, columns } => {
                let columns: Vec<String> = columns.iter().map(|column| self.quoted(column)).collect();
                vec![format!("CREATE INDEX {} ON {name} ({});", self.quoted(index), columns.join(", "))]
            }
            SchemaChange::DropIndex { name: index } => vec![format!("DROP INDEX {};", self.quoted(index))],
            SchemaChange::RenameTable { to } => self.renamed(&table.name.name, to),
            SchemaChange::RenameColumn { column, to } => {
                vec![format!("ALTER TABLE {name} RENAME COLUMN {} TO {};", self.quoted(column), self.quoted(to))]
            }
            SchemaChange::RenameIndex { index, to } => self.made_again(&name, index, to).unwrap_or_default(),
            SchemaChange::AddTimestamp { column, optional: true } => {
                vec![format!("ALTER TABLE {name} ADD COLUMN {} TEXT;", self.quoted(column))]
            }
            // A column that must have a value needs one that does not change, and a time does.
            SchemaChange::AddTimestamp { optional: false, .. }
            | SchemaChange::RenameForeignKey { .. }
            | SchemaChange::RetypeColumn { .. }
            | SchemaChange::RequireValue { .. }
            | SchemaChange::AddNumberedKey { .. }
            | SchemaChange::WidenCharacterSet
            | SchemaChange::UseTransactionalEngine => Vec::new(),
        }
    }
}

impl SqliteDialect {
    /// Names that differ in the case of their letters alone are one name to SQLite, which is taken by the table itself: such a
    /// table goes by another name in between.
    fn renamed(&self, table: &str, to: &str) -> Vec<String> {
        let rename = |from: &str, to: &str| format!("ALTER TABLE {} RENAME TO {};", self.quoted(from), self.quoted(to));
        if !table.eq_ignore_ascii_case(to) {
            return vec![rename(table, to)];
        }
        let aside = name_aside(table, MAX_NAME);
        vec![rename(table, &aside), rename(&aside, to)]
    }

    /// An index cannot be renamed, only made again. One on an expression is left to who knows it.
    fn made_again(&self, table: &str, index: &Index, to: &str) -> Option<Vec<String>> {
        let mut terms = Vec::with_capacity(index.parts.len());
        for part in &index.parts {
            let IndexTerm::Column(column) = &part.term else { return None };
            let collation = match part.collation.as_str() {
                "" => String::new(),
                collation => format!(" COLLATE {}", self.quoted(collation)),
            };
            terms.push(format!("{}{collation}{}", self.quoted(column), if part.descending { " DESC" } else { "" }));
        }
        let unique = if index.unique { "UNIQUE " } else { "" };
        let predicate = if index.predicate.is_empty() { String::new() } else { format!(" WHERE {}", index.predicate) };
        let create = format!("CREATE {unique}INDEX {} ON {table} ({}){predicate};", self.quoted(to), terms.join(", "));
        let drop = format!("DROP INDEX {};", self.quoted(&index.name));
        // The new one is there before the old one goes, where they are not of one name to SQLite.
        Some(if index.name.eq_ignore_ascii_case(to) { vec![drop, create] } else { vec![create, drop] })
    }
}

/// A key that is the number of the row has no index of its own.
fn has_key_index(table: &TableDefinition) -> bool {
    table.primary_key.is_some() && create::rowid_column(table).is_none()
}

/// The index that SQLite makes for a key, by the key's place in the statement.
fn index_of_key(table: &TableDefinition, place: usize) -> String {
    format!("sqlite_autoindex_{}_{}", table.name, place + 1)
}
