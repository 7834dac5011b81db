//! The SQL of MySQL and MariaDB.

mod alter;
mod create;
mod settle;
mod view;

use crate::{
    engine::dialect::{
        Altered, Created, Dialect, Kept, Quote, WrittenType, aliased,
        discovered::{self, Telling},
    },
    model::{
        connection::EngineKind,
        schema::{
            ChangedTable, Column, ColumnDetails, NeutralType, ObjectName, SchemaChange, Table,
            definition::{SchemaDefinition, TableDefinition},
            difference::SchemaDifference,
        },
    },
};

/// Words that MariaDB 10.11 does not take as a name of a table and its column, found by trying each of its keywords, and those
/// that MySQL 8.0 has reserved beside them by its manual.
const RESERVED: &str = " accessible add all alter analyze and as asc asensitive before between bigint binary blob both by call cascade \
     case change char character check collate column condition constraint continue convert create cross cube cume_dist \
     current_date current_role current_time current_timestamp current_user cursor database databases day_hour \
     day_microsecond day_minute day_second dec decimal declare default delayed delete delete_domain_id dense_rank desc \
     describe deterministic distinct distinctrow div do_domain_ids double drop dual each else elseif empty enclosed \
     escaped except exists exit explain false fetch first_value float float4 float8 for force foreign from fulltext \
     function generated get grant group grouping groups having high_priority hour_microsecond hour_minute hour_second \
     if ignore ignore_domain_ids in index infile inner inout insensitive insert int int1 int2 int3 int4 int8 integer \
     intersect interval into io_after_gtids io_before_gtids is iterate join json_table key keys kill lag last_value \
     lateral lead leading leave left like limit linear lines load localtime localtimestamp lock long longblob longtext \
     loop low_priority manual master_bind master_demote_to_replica master_demote_to_slave \
     master_ssl_verify_server_cert match maxvalue mediumblob mediumint mediumtext middleint minute_microsecond \
     minute_second mod modifies natural no_write_to_binlog not nth_value ntile null numeric of offset on optimize \
     optimizer_costs option optionally or order out outer outfile over page_checksum parallel parse_vcol_expr \
     partition percent_rank portion precision primary procedure purge qualify range rank read read_write reads real \
     recursive ref_system_id references regexp release rename repeat replace require resignal restrict return \
     returning revoke right rlike row row_number rows schema schemas second_microsecond select sensitive separator \
     set show signal smallint spatial specific sql sql_big_result sql_calc_found_rows sql_small_result sqlexception \
     sqlstate sqlwarning ssl starting stats_auto_recalc stats_persistent stats_sample_pages stored straight_join \
     system table tablesample terminated then tinyblob tinyint tinytext to trailing trigger true undo union unique \
     unlock unsigned update usage use using utc_date utc_time utc_timestamp values varbinary varchar varcharacter \
     varying virtual when where while window with write xor year_month zerofill ";
/// Digits of a `decimal` that says none.
const DEFAULT_PRECISION: u32 = 10;
/// Longest name, in characters.
const MAX_NAME: usize = 64;

/// Words for types that the server itself writes otherwise.
const ALIASES: &[(&str, &str)] = &[
    ("bool", "tinyint(1)"),
    ("boolean", "tinyint(1)"),
    ("integer", "int"),
    ("dec", "decimal"),
    ("fixed", "decimal"),
    ("numeric", "decimal"),
    ("real", "double"),
    ("double precision", "double"),
    ("character", "char"),
    ("character varying", "varchar"),
    ("nvarchar", "varchar"),
    ("nchar", "char"),
];

/// MySQL and MariaDB.
pub struct MysqlDialect;

impl Dialect for MysqlDialect {
    fn engine(&self) -> EngineKind {
        EngineKind::Mysql
    }

    fn name_length(&self, name: &str) -> usize {
        name.chars().count()
    }

    /// Names are kept in UTF-8 of three bytes and do not end in a blank.
    fn takes_name(&self, name: &str) -> bool {
        !name.ends_with(' ') && name.chars().all(|character| character <= '\u{ffff}')
    }

    fn portable_here(&self, text: &str) -> String {
        create::from_portable(text)
    }

    fn shares_index_names(&self) -> bool {
        false
    }

    fn string(&self, text: &str) -> String {
        format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    }

    fn written_type(&self, neutral: NeutralType) -> Result<WrittenType, String> {
        create::written_type(neutral)
    }

    fn create(&self, definition: &SchemaDefinition) -> Created {
        create::create(definition)
    }

    fn alter(&self, difference: &SchemaDifference, _kept: Kept<'_>) -> Option<Altered> {
        Some(alter::alter(difference))
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
            primary_index: &|table| table.primary_key.as_ref().map(|_| "PRIMARY".to_owned()),
            unique_index: &|_, _, key| key.name.clone(),
            makes_key_indexes: true,
            searches_expression: false,
            complete: &|own, column| create::complete(settled, own, column),
        };
        let mut found = discovered::table(settled, table, &telling);
        found.checks = create::column_checks(table);
        found.unique_constraints.extend(create::unique_indexes(table));
        found
    }

    fn reserved_words(&self) -> &'static str {
        RESERVED
    }

    fn quote(&self) -> Quote {
        Quote::Back
    }

    fn max_name_length(&self) -> usize {
        MAX_NAME
    }

    fn neutral_type(&self, data_type: &str) -> Option<NeutralType> {
        use NeutralType as T;
        let (word, numbers) = NeutralType::split(data_type);
        let unsigned = word.contains("unsigned");
        let integer = |bits| T::Integer { bits, unsigned };
        Some(match word.split_whitespace().next()? {
            // The display width of one is all that tells it from a small number.
            "tinyint" if numbers == [1] => T::Boolean,
            "tinyint" => integer(8),
            "smallint" => integer(16),
            "mediumint" => integer(24),
            "int" => integer(32),
            "bigint" => integer(64),
            "decimal" => {
                let precision = numbers.first().copied().unwrap_or(DEFAULT_PRECISION);
                T::Decimal { digits: Some((precision, numbers.get(1).copied().unwrap_or(0))) }
            }
            "float" => T::Float { bits: 32 },
            "double" => T::Float { bits: 64 },
            "char" => T::PaddedText { length: numbers.first().copied().unwrap_or(1) },
            "varchar" => T::Text { length: numbers.first().copied() },
            "tinytext" | "text" | "mediumtext" | "longtext" => T::Text { length: None },
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => T::Bytes,
            "date" => T::Date,
            "time" => T::time(false).with_second_digits(T::second_digits(&numbers, 0)),
            "datetime" => T::timestamp(false).with_second_digits(T::second_digits(&numbers, 0)),
            "timestamp" => T::timestamp(true).with_second_digits(T::second_digits(&numbers, 0)),
            "uuid" => T::Uuid,
            "json" => T::Json { parsed: true },
            _ => return None,
        })
    }

    fn declared_type(&self, data_type: &str) -> Option<NeutralType> {
        self.neutral_type(&aliased(ALIASES, data_type))
    }

    fn view_query(&self, database: &str, query: &str) -> String {
        view::without_database(database, query)
    }

    fn grammar(&self) -> Box<dyn sqlparser::dialect::Dialect> {
        Box::new(sqlparser::dialect::MySqlDialect {})
    }

    fn statements(&self, table: &ChangedTable<'_>, change: &SchemaChange) -> Vec<String> {
        let name = self.qualified(&table.name);
        vec![match change {
            SchemaChange::CreateIndex { name: index, columns } => {
                let columns: Vec<String> = columns.iter().map(|column| self.quoted(column)).collect();
                format!("CREATE INDEX {} ON {name} ({});", self.quoted(index), columns.join(", "))
            }
            SchemaChange::DropIndex { name: index } => format!("DROP INDEX {} ON {name};", self.quoted(index)),
            SchemaChange::RenameTable { to } => {
                let to = ObjectName { schema: table.name.schema.clone(), name: to.clone() };
                format!("RENAME TABLE {name} TO {};", self.qualified(&to))
            }
            SchemaChange::RenameColumn { column, to } => {
                format!("ALTER TABLE {name} RENAME COLUMN {} TO {};", self.quoted(column), self.quoted(to))
            }
            SchemaChange::RenameIndex { index, to } => {
                format!("ALTER TABLE {name} RENAME INDEX {} TO {};", self.quoted(&index.name), self.quoted(to))
            }
            SchemaChange::RetypeColumn { column, to } => {
                let Some(to) = type_name(*to, &column.data_type) else { return Vec::new() };
                let Some(rest) = attributes(table, column, column.nullable) else { return Vec::new() };
                format!("ALTER TABLE {name} MODIFY COLUMN {} {to}{rest};", self.quoted(&column.name))
            }
            SchemaChange::RequireValue { column } => {
                let Some(rest) = attributes(table, column, false) else { return Vec::new() };
                format!("ALTER TABLE {name} MODIFY COLUMN {} {}{rest};", self.quoted(&column.name), column.data_type)
            }
            SchemaChange::AddTimestamp { column, optional } => {
                let rule = if *optional { "NULL" } else { "NOT NULL DEFAULT CURRENT_TIMESTAMP(6)" };
                format!("ALTER TABLE {name} ADD COLUMN {} datetime(6) {rule};", self.quoted(column))
            }
            SchemaChange::AddNumberedKey { column } => {
                format!(
                    "ALTER TABLE {name} ADD COLUMN {} bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST;",
                    self.quoted(column)
                )
            }
            SchemaChange::WidenCharacterSet => format!("ALTER TABLE {name} CONVERT TO CHARACTER SET utf8mb4;"),
            SchemaChange::UseTransactionalEngine => format!("ALTER TABLE {name} ENGINE = InnoDB;"),
            // There is no statement for it: the key would have to be dropped and checked anew.
            SchemaChange::RenameForeignKey { .. } => return Vec::new(),
        }]
    }
}

/// The types that columns are changed to. `unsigned` stays.
fn type_name(to: NeutralType, from: &str) -> Option<String> {
    use NeutralType as T;
    let unsigned = if from.to_ascii_lowercase().contains("unsigned") { " unsigned" } else { "" };
    Some(match to {
        T::Integer { bits: 64, .. } => format!("bigint{unsigned}"),
        T::Decimal { digits: Some((precision, scale)) } => format!("decimal({precision},{scale}){unsigned}"),
        T::Text { length: Some(length) } => format!("varchar({length})"),
        _ => return None,
    })
}

/// What MODIFY COLUMN forgets unless it is said again. Absent for a column whose rest cannot be said by what is known of it.
fn attributes(table: &ChangedTable<'_>, column: &Column, nullable: bool) -> Option<String> {
    use crate::model::schema::Generation;
    let details = match &column.details {
        Some(ColumnDetails::Mysql(details)) => details,
        _ => return None,
    };
    if !column.generation_expression.is_empty() || details.compressed || details.srid.is_some() {
        return None;
    }
    let mut text = String::new();
    if !column.character_set.is_empty() {
        text += &format!(" CHARACTER SET {}", column.character_set);
    }
    if !column.collation.is_empty() {
        text += &format!(" COLLATE {}", column.collation);
    }
    text += if nullable { " NULL" } else { " NOT NULL" };
    if let Some(default) = &column.default_expression {
        text += &format!(" DEFAULT {default}");
    }
    if !details.on_update.is_empty() {
        text += &format!(" ON UPDATE {}", details.on_update);
    }
    if column.generation == Generation::AutoIncrement {
        text += " AUTO_INCREMENT";
    }
    if details.invisible {
        text += " INVISIBLE";
    }
    if !column.comment.is_empty() {
        text += &format!(" COMMENT '{}'", column.comment.replace('\\', "\\\\").replace('\'', "''"));
    }
    if let Some(check) = table.checks.iter().find(|check| check.column == column.name) {
        text += &format!(" CHECK ({})", check.expression);
    }
    Some(text)
}
