//! The statements of what is recommended.

use crate::{
    engine::{
        Dialect,
        advise::{FullTextSearch, TwoWay},
        dialect::names::snake_case,
        postgres::dialect::{PostgresDialect, create::TEXT_SEARCH, qualified, quoted},
    },
    model::schema::{Column, Index, ObjectName, Table, TableKind},
};

/// What REINDEX CONCURRENTLY leaves behind where it fails: the new index, or the old one.
const LEFT_BEHIND: [&str; 2] = ["_ccnew", "_ccold"];
/// Bytes of a page, and what of it holds entries: without its header and what B-trees keep at its end.
const PAGE: f64 = 8192.0;
const PAGE_ROOM: f64 = PAGE - 24.0 - 16.0;
/// A B-tree is built with its leaves so full.
const FILL: f64 = 0.9;
/// Header of an entry and the pointer to it.
const ENTRY: f64 = 8.0 + 4.0;
/// Keys begin and end where the alignment says.
const ALIGNMENT: f64 = 8.0;

fn beside(table: &Table) -> &'static str {
    if table.kind == TableKind::PartitionedTable { "" } else { " CONCURRENTLY" }
}

fn name_of(table: &Table) -> ObjectName {
    ObjectName { schema: table.schema.clone(), name: table.name.clone() }
}

fn of_schema(table: &Table, name: &str) -> String {
    qualified(&ObjectName { schema: table.schema.clone(), name: name.to_owned() })
}

/// The server's own words of an index, beside the work of others where that can be.
pub(super) fn make_again(table: &Table, index: &Index) -> Option<String> {
    let beside = beside(table);
    ["CREATE INDEX", "CREATE UNIQUE INDEX"].into_iter().find_map(|begin| {
        let rest = index.definition.strip_prefix(begin).filter(|rest| rest.starts_with(' '))?;
        Some(format!("{begin}{beside}{rest};"))
    })
}

/// By its name, which the server numbers where it is taken.
pub(super) fn is_left_behind(index: &Index) -> bool {
    let stem = index.name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    LEFT_BEHIND.iter().any(|end| stem.ends_with(end)) && index.constraint.is_empty()
}

/// Builds an index anew, or drops what a build left behind. Those of a partitioned table become valid by their parts.
pub(super) fn mend(table: &Table, index: &Index) -> Option<TwoWay> {
    if table.kind == TableKind::PartitionedTable {
        return None;
    }
    let name = of_schema(table, &index.name);
    let up = match is_left_behind(index) {
        true => format!("DROP INDEX CONCURRENTLY {name};"),
        false => format!("REINDEX INDEX CONCURRENTLY {name};"),
    };
    Some(TwoWay { up: vec![up], down: Vec::new() })
}

/// 64 bits for a column and for the sequence that is its own.
pub(super) fn widen(table: &Table, column: &Column) -> TwoWay {
    let (name, quoted_column) = (qualified(&name_of(table)), quoted(&column.name));
    let retype = |to: &str| format!("ALTER TABLE {name} ALTER COLUMN {quoted_column} TYPE {to};");
    let sequence = column.sequence.as_ref().filter(|sequence| sequence.data_type != "bigint");
    let sequence = sequence.and_then(|sequence| Some((sequence.sequence.as_ref()?, &sequence.data_type)));
    let mut change = TwoWay { up: vec![retype("bigint")], down: vec![retype(&column.data_type)] };
    if let Some((sequence, data_type)) = sequence {
        change.up.push(format!("ALTER SEQUENCE {} AS bigint;", qualified(sequence)));
        change.down.insert(0, format!("ALTER SEQUENCE {} AS {data_type};", qualified(sequence)));
    }
    change
}

/// A GIN index on the words of some columns together, as GenerateDdl writes one.
pub(super) fn full_text(table: &Table, columns: &[String]) -> FullTextSearch {
    let words: Vec<String> = columns.iter().map(|column| snake_case(column)).collect();
    let limit = PostgresDialect.max_name_length();
    let wanted = format!("idx_{}_{}_words", snake_case(&table.name), words.join("_"));
    let mut name = wanted[..wanted.floor_char_boundary(limit)].to_owned();
    if table.indexes.iter().any(|index| index.name == name) {
        name = format!("{}_2", &wanted[..wanted.floor_char_boundary(limit - 2)]);
    }
    let texts: Vec<String> = columns.iter().map(|column| format!("coalesce({}, '')", quoted(column))).collect();
    let vector = format!("to_tsvector('{TEXT_SEARCH}', {})", texts.join(" || ' ' || "));
    let (beside, on) = (beside(table), qualified(&name_of(table)));
    FullTextSearch {
        statements: TwoWay {
            up: vec![format!("CREATE INDEX{beside} {} ON {on} USING gin ({vector});", quoted(&name))],
            down: vec![format!("DROP INDEX{beside} {};", of_schema(table, &name))],
        },
        usage: format!("{vector} @@ plainto_tsquery('{TEXT_SEARCH}', $1)"),
        takes: vec![name.clone()],
        caveat: "the server then refuses a row whose words come to more than 1 MiB",
        name,
    }
}

/// Leaves of a B-tree that was just built, without the duplicates that it would fold.
pub(super) fn index_bytes(rows: i64, key: f64) -> i64 {
    let entry = ENTRY + (key / ALIGNMENT).ceil() * ALIGNMENT;
    let entries = (PAGE_ROOM * FILL / entry).floor().max(1.0);
    let leaves = (rows as f64 / entries).ceil();
    // Pages above the leaves hold an entry for each, and the first page tells of the whole.
    let above = (leaves / entries).ceil();
    ((leaves + above + 1.0) * PAGE) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_made_again_beside_the_work_of_others() {
        let index =
            Index { definition: "CREATE UNIQUE INDEX a ON public.b USING btree (c)".to_owned(), ..Index::default() };
        let again = |kind| make_again(&Table { kind, ..Table::default() }, &index);
        let beside = "CREATE UNIQUE INDEX CONCURRENTLY a ON public.b USING btree (c);";
        assert_eq!(again(TableKind::Table).as_deref(), Some(beside));
        let plain = "CREATE UNIQUE INDEX a ON public.b USING btree (c);";
        assert_eq!(again(TableKind::PartitionedTable).as_deref(), Some(plain));
        assert_eq!(make_again(&Table::default(), &Index::default()), None);
    }
}
