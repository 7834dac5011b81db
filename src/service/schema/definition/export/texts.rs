//! What a definition has no place for, by what the engine tells of it: two databases that differ in such a thing are told apart by it.
//!
//! Who made something is not compared, nor are sizes, estimates and numbers that were given out.

use std::fmt::Debug;

use super::{super::unsaid::TextPart, Export};
use crate::model::schema::{
    Hidden, Index, MysqlPartition, ObjectDetails, ObjectGrant, ObjectKind, ObjectName, RoutineDetails, SchemaObject,
    Table, TableDetails, TableKind, Trigger,
};

impl Export {
    fn text(&mut self, kind: &str, whole: Option<ObjectName>, name: ObjectName, told: &impl Debug) {
        let digest = blake3::hash(format!("{told:?}").as_bytes());
        self.texts.parts.push(TextPart { kind: kind.to_owned(), whole, name, digest });
    }

    /// What could not be read of such things.
    pub(super) fn hidden_text(&mut self, hidden: &Hidden) {
        match hidden {
            Hidden::Texts => self.texts.are_partial = true,
            Hidden::Privileges => self.texts.hides_privileges = true,
            Hidden::Object(kind, name) => {
                let name = self.named(&name.schema, &name.name);
                self.texts.unread.insert((words(*kind), name));
            }
            Hidden::Nothing | Hidden::Relation(_) | Hidden::Relations => {}
        }
    }

    /// An object that is no table, with the privileges on it.
    pub(super) fn object_text(&mut self, object: &SchemaObject) {
        let name = self.named(&object.schema, &object.name);
        let kind = words(object.kind);
        self.privileges(&kind, None, &name, &object.grants);
        let mut told =
            SchemaObject { schema: String::new(), owner: String::new(), grants: Vec::new(), ..object.clone() };
        match &mut told.details {
            // Types of a definition are compared as such.
            ObjectDetails::Enum(_) | ObjectDetails::Domain(_) | ObjectDetails::CompositeType(_) => return,
            ObjectDetails::Routine(routine) => {
                if let Some(RoutineDetails::Mysql(details)) = &mut routine.details {
                    details.definer.clear();
                }
            }
            ObjectDetails::Event(event) => event.definer.clear(),
            _ => {}
        }
        self.text(&kind, None, name, &told);
    }

    /// What a table or view has beside its definition.
    pub(super) fn table_texts(&mut self, table: &Table) {
        let name = self.named(&table.schema, &table.name);
        let kind = if table.kind == TableKind::View { "view" } else { "table" };
        self.privileges(kind, Some(&name), &ObjectName::default(), &table.grants);
        if table.kind == TableKind::View {
            table.triggers.iter().for_each(|trigger| self.trigger_text(table, trigger));
        }
        let whole = || Some(name.clone());
        let part = |part: &str| ObjectName { schema: String::new(), name: part.to_owned() };
        for exclusion in &table.exclusions {
            self.text("exclusion", whole(), part(&exclusion.name), exclusion);
        }
        let options = match &table.details {
            Some(TableDetails::Postgres(details)) => {
                for policy in &details.policies {
                    self.text("policy", whole(), part(&policy.name), policy);
                }
                for rule in &details.rules {
                    self.text("rule", whole(), part(&rule.name), rule);
                }
                for found in &details.statistics {
                    self.text("statistics", whole(), part(&found.name.name), found);
                }
                let security = (details.row_security, details.row_security_forced);
                format!("{:?}", (details.persistence, security, &details.storage_parameters))
            }
            Some(TableDetails::Mysql(details)) => {
                let view = details.view.as_ref().map(|view| (view.security, view.check_option.clone()));
                format!("{:?}", (&details.storage_engine, details.system_versioned, &details.periods, view))
            }
            Some(TableDetails::Sqlite(details)) => format!("{:?}", (details.without_rowid, details.autoincrement)),
            None => return,
        };
        self.text("options of", whole(), ObjectName::default(), &options);
    }

    pub(super) fn trigger_text(&mut self, table: &Table, trigger: &Trigger) {
        let whole = self.named(&table.schema, &table.name);
        let name = ObjectName { schema: String::new(), name: trigger.name.clone() };
        let told = Trigger { definer: String::new(), ..trigger.clone() };
        self.text("trigger", Some(whole), name, &told);
    }

    /// A key of a table that has no place in a definition.
    pub(super) fn key_text(&mut self, table: &ObjectName, kind: &str, name: &str, told: &impl Debug) {
        let name = ObjectName { schema: String::new(), name: name.to_owned() };
        self.text(kind, Some(table.clone()), name, told);
    }

    pub(super) fn index_text(&mut self, table: &ObjectName, index: &Index) {
        let name = ObjectName { schema: String::new(), name: index.name.clone() };
        self.text("index", Some(table.clone()), name, &plain_index(index));
    }

    /// A table that has no place in a definition.
    pub(super) fn whole_text(&mut self, kind: &str, name: &ObjectName, table: &Table) {
        let told = self.plain_whole(table);
        self.text(kind, Some(name.clone()), ObjectName::default(), &told);
    }

    /// A table without what is not of its definition. What it has beside that is told by itself.
    fn plain_whole(&self, table: &Table) -> Table {
        let mut told = Table {
            schema: String::new(),
            row_estimate: 0,
            data_size_bytes: 0,
            index_size_bytes: 0,
            owner: String::new(),
            grants: Vec::new(),
            indexes: table.indexes.iter().map(plain_index).collect(),
            ..table.clone()
        };
        told.triggers.iter_mut().for_each(|trigger| trigger.definer.clear());
        for key in &mut told.foreign_keys {
            key.referenced_schema = self.schema(&key.referenced_schema).to_owned();
        }
        let sequences = told.columns.iter_mut().filter_map(|column| column.sequence.as_mut());
        sequences.for_each(|sequence| sequence.last_value = None);
        match &mut told.details {
            Some(TableDetails::Mysql(details)) => {
                details.auto_increment = None;
                details.sequence.iter_mut().for_each(|sequence| sequence.last_value = None);
                let partitioning = details.partitioning.iter_mut();
                partitioning.flat_map(|found| &mut found.partitions).for_each(forget_figures);
            }
            Some(TableDetails::Postgres(details)) => {
                details.policies.clear();
                details.rules.clear();
                details.statistics.clear();
            }
            Some(TableDetails::Sqlite(_)) | None => {}
        }
        told
    }

    fn privileges(&mut self, kind: &str, whole: Option<&ObjectName>, name: &ObjectName, grants: &[ObjectGrant]) {
        if grants.is_empty() {
            return;
        }
        let told = |grant: &ObjectGrant| {
            (grant.grantee.clone(), grant.privilege.clone(), grant.grantable, grant.column.clone())
        };
        let mut told: Vec<_> = grants.iter().map(told).collect();
        told.sort_unstable();
        self.text(&format!("privileges on {kind}"), whole.cloned(), name.clone(), &told);
    }
}

/// What a kind is called.
fn words(kind: ObjectKind) -> String {
    kind.as_str().to_lowercase().replace('_', " ")
}

fn plain_index(index: &Index) -> Index {
    Index { size_bytes: 0, valid: true, ready: true, clustered: false, tablespace: String::new(), ..index.clone() }
}

fn forget_figures(partition: &mut MysqlPartition) {
    (partition.row_estimate, partition.data_size_bytes) = (0, 0);
    partition.subpartitions.iter_mut().for_each(forget_figures);
}
