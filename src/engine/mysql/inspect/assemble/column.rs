//! Columns.

use sqlx::mysql::MySqlRow;

use super::{
    super::catalog::{integer, text},
    Place,
};
use crate::{
    engine::mysql::row,
    model::schema::{Column, ColumnDetails, Generation, MysqlColumn, VersioningRole},
};

/// What MariaDB writes behind the type of a column whose values are compressed.
const COMPRESSED: &str = " COMPRESSED*/";

pub(super) fn columns(rows: &[MySqlRow], place: &Place<'_>) -> Vec<Column> {
    let mut columns: Vec<Column> = rows.iter().map(|found| column(found, place)).collect();
    columns.sort_by_key(|column| column.position);
    columns
}

/// Adds the spatial reference systems that MariaDB keeps apart; 0 is none.
pub(super) fn add_spatial_systems(columns: &mut [Column], rows: &[MySqlRow]) {
    for found in rows {
        let (name, system) = (text(found, 1), row::unsigned(found, 2).unwrap_or(0));
        let column = columns.iter_mut().find(|column| column.name == name);
        if let Some(Column { details: Some(ColumnDetails::Mysql(details)), .. }) = column {
            details.srid = u32::try_from(system).ok().filter(|system| *system != 0);
        }
    }
}

fn column(found: &MySqlRow, place: &Place<'_>) -> Column {
    let extra = Extra::read(&text(found, 6));
    let expression = text(found, 7);
    let versioning = match expression.as_str() {
        "ROW START" => VersioningRole::RowStart,
        "ROW END" => VersioningRole::RowEnd,
        _ if extra.unversioned => VersioningRole::Excluded,
        _ => VersioningRole::None,
    };
    let (data_type, compressed) = match text(found, 3) {
        whole if whole.ends_with(COMPRESSED) => (whole.split(" /*").next().unwrap_or(&whole).to_owned(), true),
        whole => (whole, false),
    };
    let default = row::optional_text(found, 5).ok().flatten();
    let default_expression = match extra.generation {
        Generation::Stored | Generation::Virtual => None,
        _ => default_expression(default, &extra, &text(found, 10), place.mariadb),
    };
    let collation = text(found, 8);
    Column {
        name: text(found, 1),
        position: i32::try_from(integer(found, 2)).unwrap_or(0),
        data_type,
        nullable: text(found, 4) == "YES",
        default_expression,
        generation: extra.generation,
        generation_expression: expression,
        collation: if collation == place.collation { String::new() } else { collation },
        comment: text(found, 9),
        character_set: text(found, 11),
        sequence: None,
        details: Some(ColumnDetails::Mysql(Box::new(MysqlColumn {
            on_update: extra.on_update,
            invisible: extra.invisible,
            versioning,
            compressed,
            srid: row::optional_unsigned(found, 12).ok().flatten().and_then(|system| u32::try_from(system).ok()),
            extra: extra.rest,
        }))),
    }
}

/// The words of a column beside its type.
#[derive(Debug, Default, PartialEq)]
struct Extra {
    generation: Generation,
    on_update: String,
    invisible: bool,
    /// Changes of it make no version of the row.
    unversioned: bool,
    /// MySQL says of a default that it is an expression.
    default_generated: bool,
    /// What is none of these.
    rest: String,
}

impl Extra {
    /// Reads words such as `DEFAULT_GENERATED on update CURRENT_TIMESTAMP(3) INVISIBLE` or `STORED GENERATED, INVISIBLE`.
    fn read(words: &str) -> Self {
        let mut extra = Self::default();
        let words: Vec<&str> = words.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let mut rest = words.as_slice();
        let mut unknown = Vec::new();
        while let Some(first) = rest.first() {
            let starts = |phrase: &[&str]| {
                rest.len() >= phrase.len()
                    && phrase.iter().zip(rest).all(|(one, other)| one.eq_ignore_ascii_case(other))
            };
            let taken = if starts(&["auto_increment"]) {
                extra.generation = Generation::AutoIncrement;
                1
            } else if starts(&["stored", "generated"]) {
                extra.generation = Generation::Stored;
                2
            } else if starts(&["virtual", "generated"]) {
                extra.generation = Generation::Virtual;
                2
            } else if starts(&["on", "update"]) {
                extra.on_update = rest.get(2).copied().unwrap_or_default().to_owned();
                3
            } else if starts(&["without", "system", "versioning"]) {
                extra.unversioned = true;
                3
            } else if starts(&["invisible"]) {
                extra.invisible = true;
                1
            } else if starts(&["default_generated"]) {
                extra.default_generated = true;
                1
            } else {
                unknown.push(*first);
                1
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        extra.rest = unknown.join(" ");
        extra
    }
}

/// MariaDB gives a default as it would be written in SQL, NULL included. MySQL gives the bare value of a literal and marks
/// expressions.
fn default_expression(text: Option<String>, extra: &Extra, data_type: &str, mariadb: bool) -> Option<String> {
    let text = text?;
    if mariadb {
        return (!text.eq_ignore_ascii_case("NULL")).then_some(text);
    }
    if extra.default_generated || is_numeric(data_type) || text.starts_with("b'") {
        return Some(text);
    }
    Some(format!("'{}'", text.replace('\'', "''")))
}

fn is_numeric(data_type: &str) -> bool {
    matches!(
        data_type,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float" | "double" | "year" | "bit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_both_products_are_read() {
        let mysql = Extra::read("DEFAULT_GENERATED on update CURRENT_TIMESTAMP(3) INVISIBLE");
        assert_eq!(
            (mysql.on_update.as_str(), mysql.invisible, mysql.default_generated),
            ("CURRENT_TIMESTAMP(3)", true, true)
        );
        let mariadb = Extra::read("STORED GENERATED, INVISIBLE, WITHOUT SYSTEM VERSIONING");
        assert_eq!((mariadb.generation, mariadb.invisible, mariadb.unversioned), (Generation::Stored, true, true));
        let other = Extra::read("auto_increment STORAGE DISK");
        assert_eq!((other.generation, other.rest.as_str()), (Generation::AutoIncrement, "STORAGE DISK"));
        assert_eq!(Extra::read(""), Extra::default());
    }

    #[test]
    fn a_default_of_mysql_is_written_as_sql() {
        let written = |text: &str, words: &str, data_type: &str| {
            default_expression(Some(text.to_owned()), &Extra::read(words), data_type, false)
        };
        assert_eq!(written("it's", "", "varchar").as_deref(), Some("'it''s'"));
        assert_eq!(written("1.50", "", "decimal").as_deref(), Some("1.50"));
        assert_eq!(
            written("CURRENT_TIMESTAMP", "DEFAULT_GENERATED", "timestamp").as_deref(),
            Some("CURRENT_TIMESTAMP")
        );
        assert_eq!(default_expression(Some("NULL".to_owned()), &Extra::default(), "int", true), None);
    }
}
