//! Tables of a live database.

use super::{Export, LeftOutPart};
use crate::{
    engine::dialect::{DeclaredColumn, DeclaredTable, mentions},
    model::{
        connection::EngineKind,
        schema::{
            CheckConstraint, ColumnDetails, ForeignKey, Index, IndexPart, IndexTerm, KeyConstraint, MatchType,
            NullsOrder, ObjectName, Persistence, ReferentialAction, Table, TableDetails,
            definition::{
                CheckDefinition, ForeignKeyDefinition, IndexColumn, IndexDefinition, KeyDefinition, PartKind,
                TableDefinition, Unmapped, UnmappedName, folded, full_name, same,
            },
        },
    },
};

impl Export {
    pub(super) fn plain_table(&mut self, table: &Table) {
        let own = self.named(&table.schema, &table.name);
        let name = full_name(&own.schema, &own.name);
        if let Some(reason) = no_place(table) {
            self.whole_text("table", &own, table);
            return self.leave_out_whole("table", own, reason);
        }
        if let Some(found) = self.unread_type(table) {
            let reason = format!("its column {} is of the type {}, which could not be read", found.0, found.1);
            return self.leave_out_unread("table", own, reason, "try again when the type can be read");
        }
        let mut names: Vec<String> = table.columns.iter().map(|column| folded(&column.name)).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            let reason = "two of its columns have names that only their case tells apart";
            return self.leave_out_whole("table", own, reason);
        }
        self.leave_out_options(&name, table);
        self.table_as_declared(table);
        let mut found = TableDefinition {
            schema: own.schema.clone(),
            name: table.name.clone(),
            comment: table.comment.clone(),
            columns: table.columns.iter().map(|column| self.column(table, column)).collect(),
            ..TableDefinition::default()
        };
        self.triggers(&name, table, &mut found);
        found.primary_key = table.primary_key.as_ref().map(|key| self.primary_key(table, key));
        for column in &mut found.columns {
            // SQLite lets a key hold NULL, which no other engine does.
            let key = found.primary_key.as_ref();
            column.nullable &= !key.is_some_and(|key| key.columns.iter().any(|part| same(part, &column.name)));
        }
        let unique = table.unique_constraints.iter().filter(|key| !is_told_as_index(table, &key.index));
        found.unique_constraints = unique.filter_map(|key| self.unique(&own, key)).collect();
        found.foreign_keys = table.foreign_keys.iter().filter_map(|key| self.foreign_key(&found, key)).collect();
        found.checks = table.checks.iter().filter_map(|check| self.check(&found, check)).collect();
        let indexes = table.indexes.iter().filter(|index| !is_of_key(table, index));
        found.indexes = indexes.filter_map(|index| self.index(&found, index)).collect();
        self.definition.tables.push(found);
    }

    /// A column whose type could not be read, and that type.
    fn unread_type(&self, table: &Table) -> Option<(String, String)> {
        table.columns.iter().find_map(|column| {
            let Some(ColumnDetails::Postgres(details)) = &column.details else { return None };
            let found = details.user_type.as_ref().filter(|name| self.unread_types.contains(name))?;
            Some((column.name.clone(), full_name(self.schema(&found.schema), &found.name)))
        })
    }

    fn primary_key(&mut self, table: &Table, key: &KeyConstraint) -> KeyDefinition {
        let name = full_name(self.schema(&table.schema), &table.name);
        self.leave_out_key_options(&format!("primary key of {name}"), key);
        // What the engine itself calls it says nothing.
        let is_made = key.name == "PRIMARY" || key.name == format!("{}_pkey", table.name);
        KeyDefinition { name: if is_made { String::new() } else { key.name.clone() }, columns: key.columns.clone() }
    }

    fn unique(&mut self, table: &ObjectName, key: &KeyConstraint) -> Option<KeyDefinition> {
        let name = full_name(&table.schema, &table.name);
        let subject = format!("unique constraint {name} ({})", key.columns.join(", "));
        if key.without_overlaps || key.nulls_not_distinct {
            let reason = "it is over ranges, or takes two NULLs for the same";
            let part = LeftOutPart {
                table: table.clone(),
                kind: PartKind::Unique,
                name: key.name.clone(),
                object: subject,
                key: key.columns.clone(),
            };
            self.key_text(table, "unique constraint", &key.name, key);
            self.leave_out_part(part, key.columns.clone(), reason);
            return None;
        }
        self.leave_out_key_options(&subject, key);
        Some(KeyDefinition { name: key.name.clone(), columns: key.columns.clone() })
    }

    fn leave_out_key_options(&mut self, subject: &str, key: &KeyConstraint) {
        let options = [
            (key.deferrable, "waits for the end of the transaction"),
            (!key.included_columns.is_empty(), "stores further columns"),
            (!key.on_conflict.is_empty(), "says what happens on a conflict"),
            (!key.comment.is_empty(), "has a comment"),
        ];
        for (_, what) in options.iter().filter(|(holds, _)| *holds) {
            self.leave_out(format!("option of {subject}"), format!("it {what}, which a definition does not say"));
        }
    }

    fn foreign_key(&mut self, own: &TableDefinition, key: &ForeignKey) -> Option<ForeignKeyDefinition> {
        let subject = format!("foreign key {} ({})", own.full_name(), key.columns.join(", "));
        let sets_null = [key.on_update, key.on_delete].contains(&ReferentialAction::SetNull);
        let is_required = |name: &String| own.column(name).is_some_and(|column| !column.nullable);
        let reason = match () {
            () if key.period => "it is over ranges",
            () if !key.on_delete_columns.is_empty() => "it names the columns that a delete changes",
            () if sets_null && key.columns.iter().any(is_required) => "it sets columns to NULL that take none",
            () => "",
        };
        if !reason.is_empty() {
            let part = LeftOutPart {
                table: own.object_name(),
                kind: PartKind::ForeignKey,
                name: key.name.clone(),
                object: subject,
                key: key.columns.clone(),
            };
            let told = ForeignKey { referenced_schema: self.schema(&key.referenced_schema).to_owned(), ..key.clone() };
            self.key_text(&part.table, "foreign key", &key.name, &told);
            self.leave_out_part(part, key.columns.clone(), reason);
            return None;
        }
        let options = [
            (key.match_type != MatchType::Simple, "matches rows with some NULLs in its own way"),
            (!key.validated || !key.enforced, "is not checked for all rows"),
            (key.deferrable && !key.initially_deferred, "can wait and does not from the start"),
            (!key.comment.is_empty(), "has a comment"),
        ];
        for (_, what) in options.iter().filter(|(holds, _)| *holds) {
            self.leave_out(format!("option of {subject}"), format!("it {what}, which a definition does not say"));
        }
        Some(ForeignKeyDefinition {
            name: key.name.clone(),
            columns: key.columns.clone(),
            referenced_schema: self.schema(&key.referenced_schema).to_owned(),
            referenced_table: key.referenced_table.clone(),
            referenced_columns: key.referenced_columns.clone(),
            on_update: self.action(key.on_update),
            on_delete: self.action(key.on_delete),
            deferred: key.deferrable && key.initially_deferred,
        })
    }

    /// MySQL and MariaDB take RESTRICT and no action for the same, and tell one for the other.
    fn action(&self, action: ReferentialAction) -> ReferentialAction {
        match action {
            ReferentialAction::Restrict if self.dialect.engine() == EngineKind::Mysql => ReferentialAction::NoAction,
            other => other,
        }
    }

    fn check(&mut self, table: &TableDefinition, check: &CheckConstraint) -> Option<CheckDefinition> {
        let subject = format!("check {}.{}", table.full_name(), check.name);
        if check.expression.is_empty() {
            self.unmapped.push(Unmapped {
                object: subject,
                reason: "its condition could not be read".to_owned(),
                unread: true,
                name: Some(UnmappedName::Part {
                    table: table.object_name(),
                    kind: PartKind::Check,
                    name: check.name.clone(),
                    columns: Vec::new(),
                }),
                ..Unmapped::default()
            });
            return None;
        }
        let options = [
            (!check.validated || !check.enforced, "is not checked for all rows"),
            (check.no_inherit, "is not inherited"),
            (!check.comment.is_empty(), "has a comment"),
        ];
        for (_, what) in options.iter().filter(|(holds, _)| *holds) {
            self.leave_out(format!("option of {subject}"), format!("it {what}, which a definition does not say"));
        }
        let (expression, engine) = self.dialect.shared_expression(&check.expression, &|name| table.neutral_type(name));
        Some(CheckDefinition { name: check.name.clone(), expression, engine })
    }

    fn index(&mut self, own: &TableDefinition, index: &Index) -> Option<IndexDefinition> {
        let subject = format!("index {}.{}", own.full_name(), index.name);
        let mut found = IndexDefinition {
            name: index.name.clone(),
            unique: index.unique,
            comment: index.comment.clone(),
            ..IndexDefinition::default()
        };
        if let Some(columns) = self.searched(index) {
            self.leave_out_index_options(&subject, index);
            let columns = columns.into_iter().map(|column| IndexColumn { column, descending: false });
            return Some(IndexDefinition { columns: columns.collect(), full_text: true, ..found });
        }
        let is_special = |part: &IndexPart| {
            part.prefix_length > 0
                || !part.collation.is_empty()
                || part.operator_class.as_ref().is_some_and(|class| !class.default || !class.parameters.is_empty())
                || part.nulls == if part.descending { NullsOrder::Last } else { NullsOrder::First }
        };
        let reason = match () {
            () if index.method != "btree" => "its method is not that of all engines",
            () if index.parts.iter().any(|part| matches!(part.term, IndexTerm::Expression(_))) => {
                "it is on an expression"
            }
            () if index.parts.iter().any(is_special) => {
                "it has a prefix, a collation, an operator class or an order of NULLs of its own"
            }
            () if index.nulls_not_distinct => "it takes two NULLs for the same",
            () if !index.included_columns.is_empty() => "it stores further columns",
            () => "",
        };
        if !reason.is_empty() {
            let (names, terms) =
                (own.columns.iter().map(|column| &column.name), index.parts.iter().map(|part| &part.term));
            let columns = columns_of(names, terms, &index.included_columns, &index.predicate);
            let part = LeftOutPart {
                table: own.object_name(),
                kind: PartKind::Index,
                name: index.name.clone(),
                object: subject,
                key: Vec::new(),
            };
            self.index_text(&part.table, index);
            self.leave_out_part(part, columns, reason);
            return None;
        }
        self.leave_out_index_options(&subject, index);
        for part in &index.parts {
            if let IndexTerm::Column(column) = &part.term {
                found.columns.push(IndexColumn { column: column.clone(), descending: part.descending });
            }
        }
        if !index.predicate.is_empty() {
            (found.predicate, found.engine) =
                self.dialect.shared_expression(&index.predicate, &|name| own.neutral_type(name));
        }
        Some(found)
    }

    fn leave_out_index_options(&mut self, subject: &str, index: &Index) {
        let options = [
            (!index.storage_parameters.is_empty(), "has storage parameters"),
            (!index.visible && self.dialect.engine() == EngineKind::Mysql, "is not used by the planner"),
        ];
        for (_, what) in options.iter().filter(|(holds, _)| *holds) {
            self.leave_out(format!("option of {subject}"), format!("it {what}, which a definition does not say"));
        }
    }

    /// How SQLite was told to make the table: another engine keeps no words of its own.
    fn table_as_declared(&mut self, table: &Table) {
        let Some(TableDetails::Sqlite(details)) = &table.details else { return };
        let mut declared = DeclaredTable::new(details.strict);
        for column in &table.columns {
            let (data_type, default) = (column.data_type.clone(), column.default_expression.clone());
            declared.insert(&column.name, DeclaredColumn { data_type, default });
        }
        let name = ObjectName { schema: String::new(), name: table.name.clone() };
        self.unsaid.declared.insert(&name, declared);
    }

    /// The columns of a full-text index.
    fn searched(&self, index: &Index) -> Option<Vec<String>> {
        let column = |part: &IndexPart| match &part.term {
            IndexTerm::Column(column) => Some(column.clone()),
            IndexTerm::Expression(_) => None,
        };
        match (index.method.as_str(), index.parts.as_slice()) {
            ("fulltext", parts) if index.parser.is_empty() => parts.iter().map(column).collect(),
            ("gin", [IndexPart { term: IndexTerm::Expression(expression), .. }]) if index.predicate.is_empty() => {
                self.dialect.searched_columns(expression)
            }
            _ => None,
        }
    }

    fn triggers(&mut self, name: &str, table: &Table, found: &mut TableDefinition) {
        for trigger in &table.triggers {
            let is_foreign = trigger.function.as_ref().is_some_and(|name| self.foreign_functions.contains(name));
            let touched = self.dialect.touched_column(table, trigger).filter(|_| !is_foreign);
            match touched.and_then(|touched| found.columns.iter_mut().find(|column| column.name == touched)) {
                Some(column) => column.touched_on_update = true,
                None => {
                    self.trigger_text(table, trigger);
                    self.leave_out(
                        format!("trigger {name}.{}", trigger.name),
                        "a definition has no place for a trigger",
                    );
                }
            }
        }
    }

    fn leave_out_options(&mut self, name: &str, table: &Table) {
        for exclusion in &table.exclusions {
            let terms = exclusion.elements.iter().map(|element| &element.term);
            let names = table.columns.iter().map(|column| &column.name);
            let columns = columns_of(names, terms, &exclusion.included_columns, &exclusion.predicate);
            let part = LeftOutPart {
                table: self.named(&table.schema, &table.name),
                kind: PartKind::Exclusion,
                name: exclusion.name.clone(),
                object: format!("exclusion {name}.{}", exclusion.name),
                key: Vec::new(),
            };
            self.leave_out_part(part, columns, "a definition has no place for an exclusion");
        }
        let options: Vec<(bool, &str)> = match &table.details {
            Some(TableDetails::Postgres(details)) => vec![
                (details.persistence != Persistence::Permanent, "is unlogged"),
                (details.row_security || !details.policies.is_empty(), "has row security"),
                (!details.rules.is_empty(), "has rules"),
                (!details.storage_parameters.is_empty(), "has storage parameters"),
                (!details.statistics.is_empty(), "has extended statistics"),
            ],
            Some(TableDetails::Mysql(details)) => vec![
                (!details.storage_engine.eq_ignore_ascii_case("InnoDB"), "is not of the storage engine InnoDB"),
                (details.system_versioned || !details.periods.is_empty(), "has periods or a history"),
            ],
            Some(TableDetails::Sqlite(details)) => vec![
                (details.without_rowid, "is WITHOUT ROWID"),
                (details.autoincrement, "never gives a number twice (AUTOINCREMENT)"),
            ],
            None => Vec::new(),
        };
        for (_, what) in options.iter().filter(|(holds, _)| *holds) {
            self.leave_out(format!("option of table {name}"), format!("it {what}, which a definition does not say"));
        }
    }
}

/// The columns that an index stands on, of those with these names: the ones that its expressions name are among them.
fn columns_of<'t>(
    names: impl Iterator<Item = &'t String>,
    terms: impl Iterator<Item = &'t IndexTerm>,
    included: &[String],
    predicate: &str,
) -> Vec<String> {
    let (mut columns, mut texts) = (included.to_vec(), vec![folded(predicate)]);
    for term in terms {
        match term {
            IndexTerm::Column(column) => columns.push(column.clone()),
            IndexTerm::Expression(expression) => texts.push(folded(expression)),
        }
    }
    let is_named = |name: &&String| texts.iter().any(|text| mentions(text, &folded(name)));
    columns.extend(names.filter(is_named).cloned());
    columns
}

/// Why a table cannot stand by itself in a definition.
fn no_place(table: &Table) -> Option<&'static str> {
    match &table.details {
        Some(TableDetails::Postgres(details)) if details.partition_of.is_some() => {
            Some("it is a partition of another table")
        }
        Some(TableDetails::Postgres(details)) if !details.inherits.is_empty() => Some("it inherits from another table"),
        Some(TableDetails::Mysql(details)) if details.partitioning.is_some() => Some("it is partitioned"),
        _ if table.columns.is_empty() => Some("it has no columns"),
        _ => None,
    }
}

/// An index that comes with a key: that of a constraint, or the one that MySQL makes for a foreign key by itself.
fn is_of_key(table: &Table, index: &Index) -> bool {
    let is_made_for = |key: &ForeignKey| {
        let columns = index.parts.iter().filter_map(|part| match &part.term {
            IndexTerm::Column(column) => Some(column),
            IndexTerm::Expression(_) => None,
        });
        key.name == index.name && index.method == "btree" && key.columns.iter().eq(columns)
    };
    index.primary
        || (!index.constraint.is_empty() && !is_told_as_index(table, &index.name))
        || (table.unique_constraints.iter().any(|key| key.index == index.name) && !is_told_as_index(table, &index.name))
        || (matches!(table.details, Some(TableDetails::Mysql(_))) && table.foreign_keys.iter().any(is_made_for))
}

/// MySQL has no unique constraints beside unique indexes. One that says more than a constraint can is told as an index.
fn is_told_as_index(table: &Table, index: &str) -> bool {
    let says_more = |found: &Index| !found.comment.is_empty() || found.parts.iter().any(|part| part.descending);
    matches!(table.details, Some(TableDetails::Mysql(_)))
        && table.indexes.iter().any(|found| found.name == index && !found.primary && says_more(found))
}
