//! The statements of what is recommended.

use crate::{
    engine::{
        Dialect,
        advise::{FullTextSearch, TwoWay},
        dialect::names::snake_case,
        mysql::dialect::MysqlDialect,
    },
    model::schema::{
        ChangedTable, Column, Index, IndexTerm, NeutralType, ObjectName, SchemaChange, Table, TableDetails,
    },
};

/// Storage engines with full-text indexes.
const SEARCHING_ENGINES: [&str; 3] = ["InnoDB", "MyISAM", "Aria"];
/// Bytes of a page of InnoDB, and what of it holds entries: without its headers, its end, and its least and greatest entry.
const PAGE: f64 = 16384.0;
const PAGE_ROOM: f64 = PAGE - 128.0;
/// A part of a page that InnoDB leaves free while it fills in order.
const FILL: f64 = 15.0 / 16.0;
/// Header of an entry, and the marks of what is NULL.
const ENTRY: f64 = 5.0 + 1.0;

/// Without its database: a migration may run on several of them, each of another name.
fn changed(table: &Table) -> ChangedTable<'_> {
    let name = ObjectName { schema: String::new(), name: table.name.clone() };
    ChangedTable { name, kind: table.kind, checks: &table.checks }
}

/// Absent for an index whose kind or terms are not known well enough.
pub(super) fn make_again(table: &Table, index: &Index) -> Option<String> {
    let kind = match index.method.as_str() {
        "btree" | "" if index.unique => "UNIQUE ",
        "btree" | "" => "",
        "fulltext" => "FULLTEXT ",
        _ => return None,
    };
    if !index.visible || !index.parser.is_empty() {
        return None;
    }
    let mut terms = Vec::with_capacity(index.parts.len());
    for part in &index.parts {
        let IndexTerm::Column(column) = &part.term else { return None };
        let prefix = if part.prefix_length > 0 { format!("({})", part.prefix_length) } else { String::new() };
        terms.push(format!("{}{prefix}{}", MysqlDialect.quoted(column), if part.descending { " DESC" } else { "" }));
    }
    let comment = match index.comment.as_str() {
        "" => String::new(),
        comment => format!(" COMMENT {}", MysqlDialect.string(comment)),
    };
    let (name, on) = (MysqlDialect.quoted(&index.name), MysqlDialect.qualified(&changed(table).name));
    Some(format!("CREATE {kind}INDEX {name} ON {on} ({}){comment};", terms.join(", ")))
}

/// The type as it is comes back by the statement that says all of the column again.
pub(super) fn widen(table: &Table, column: &Column) -> Option<TwoWay> {
    let unsigned = column.data_type.to_ascii_lowercase().contains("unsigned");
    let column = Box::new(column.clone());
    let to = NeutralType::Integer { bits: 64, unsigned };
    let up = MysqlDialect.statements(&changed(table), &SchemaChange::RetypeColumn { column: column.clone(), to });
    // A column that counts up takes no NULL.
    let down = MysqlDialect.statements(&changed(table), &SchemaChange::RequireValue { column });
    (!up.is_empty()).then_some(TwoWay { up, down })
}

/// A FULLTEXT index over some columns together, which a query has to name all of.
pub(super) fn full_text(table: &Table, columns: &[String]) -> Option<FullTextSearch> {
    let Some(TableDetails::Mysql(details)) = &table.details else { return None };
    let is_searching = SEARCHING_ENGINES.iter().any(|engine| details.storage_engine.eq_ignore_ascii_case(engine));
    if !is_searching || details.partitioning.is_some() {
        return None;
    }
    let words: Vec<String> = columns.iter().map(|column| snake_case(column)).collect();
    let wanted = format!("idx_{}_{}_words", snake_case(&table.name), words.join("_"));
    let limit = MysqlDialect.max_name_length();
    let mut name = wanted[..wanted.floor_char_boundary(limit)].to_owned();
    if table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(&name)) {
        name = format!("{}_2", &wanted[..wanted.floor_char_boundary(limit - 2)]);
    }
    let columns: Vec<String> = columns.iter().map(|column| MysqlDialect.quoted(column)).collect();
    let columns = columns.join(", ");
    let (quoted, on) = (MysqlDialect.quoted(&name), MysqlDialect.qualified(&changed(table).name));
    Some(FullTextSearch {
        statements: TwoWay {
            up: vec![format!("CREATE FULLTEXT INDEX {quoted} ON {on} ({columns});")],
            down: vec![format!("DROP INDEX {quoted} ON {on};")],
        },
        usage: format!(
            "MATCH ({columns}) AGAINST (? IN NATURAL LANGUAGE MODE); words of fewer letters than innodb_ft_min_token_size, or \
             ft_min_word_len for MyISAM and Aria, are not found"
        ),
        takes: vec![name.clone()],
        caveat: "the first such index of a table of InnoDB writes the table anew",
        name,
    })
}

/// Leaves of a secondary index that is filled in order; each entry ends with the primary key.
pub(super) fn index_bytes(rows: i64, key: f64, primary_key: f64) -> i64 {
    let entries = (PAGE_ROOM * FILL / (ENTRY + key + primary_key)).floor().max(1.0);
    let leaves = (rows as f64 / entries).ceil();
    let above = (leaves / entries).ceil();
    ((leaves + above) * PAGE) as i64
}
