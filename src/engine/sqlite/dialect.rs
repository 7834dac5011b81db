//! The SQL of SQLite.

use crate::{
    engine::dialect::Dialect,
    model::schema::{ChangedTable, Index, IndexTerm, NeutralType, SchemaChange},
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

    fn statements(&self, table: &ChangedTable, change: &SchemaChange) -> Vec<String> {
        let name = self.quoted(&table.name.name);
        match change {
            SchemaChange::CreateIndex { name: index, columns } => {
                let columns: Vec<String> = columns.iter().map(|column| self.quoted(column)).collect();
                vec![format!("CREATE INDEX {} ON {name} ({});", self.quoted(index), columns.join(", "))]
            }
            SchemaChange::DropIndex { name: index } => vec![format!("DROP INDEX {};", self.quoted(index))],
            SchemaChange::RenameTable { to } => vec![format!("ALTER TABLE {name} RENAME TO {};", self.quoted(to))],
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
        Some(vec![
            format!("CREATE {unique}INDEX {} ON {table} ({}){predicate};", self.quoted(to), terms.join(", ")),
            format!("DROP INDEX {};", self.quoted(&index.name)),
        ])
    }
}
