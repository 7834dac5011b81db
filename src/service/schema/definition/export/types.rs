//! Types of a live database.

use super::Export;
use crate::model::schema::{
    DomainType, ObjectDetails, ObjectName, SchemaObject, TypeAttribute,
    definition::{CheckDefinition, ColumnType, TypeDefinition, TypeField, TypeShape, full_name},
};

impl Export {
    pub(super) fn declared(&mut self, object: SchemaObject) {
        let schema = self.schema(&object.schema).to_owned();
        let subject = format!("type {}", full_name(&schema, &object.name));
        let shape = match object.details {
            ObjectDetails::Enum(labels) => TypeShape::Enum(labels),
            ObjectDetails::Domain(domain) => self.domain(&subject, &object.schema, domain),
            ObjectDetails::CompositeType(fields) => self.composite(&subject, &object.schema, fields),
            _ => return,
        };
        self.definition.types.push(TypeDefinition { schema, name: object.name, comment: object.comment, shape });
    }

    fn domain(&mut self, subject: &str, schema: &str, domain: DomainType) -> TypeShape {
        if domain.default_expression.is_some() {
            self.leave_out(
                format!("default of {subject}"),
                "a domain of a definition has no default; its columns have",
            );
        }
        if !domain.collation.is_empty() {
            self.leave_out(format!("collation of {subject}"), "a domain of a definition has no collation");
        }
        let base = self.type_named(schema, &domain.base_type);
        let held = |name: &str| base.neutral().filter(|_| name.eq_ignore_ascii_case("value"));
        let check = |check: crate::model::schema::DomainCheck| {
            let (expression, engine) = self.dialect.shared_expression(&check.expression, &held);
            CheckDefinition { name: check.name, expression: expression.replace("\"VALUE\"", "VALUE"), engine }
        };
        let checks = domain.checks.into_iter().map(check).collect();
        TypeShape::Domain { base, required: domain.not_null, checks }
    }

    fn composite(&mut self, subject: &str, schema: &str, fields: Vec<TypeAttribute>) -> TypeShape {
        for field in &fields {
            if !field.collation.is_empty() || !field.comment.is_empty() {
                let reason = "a field of a composite type of a definition has no collation and no comment";
                self.leave_out(format!("field {} of {subject}", field.name), reason);
            }
        }
        let field = |field: TypeAttribute| TypeField {
            column_type: self.type_named(schema, &field.data_type),
            name: field.name,
        };
        TypeShape::Composite(fields.into_iter().map(field).collect())
    }

    /// A type that is only told by its text: a neutral one, one of the database, or one that only the engine has.
    fn type_named(&self, schema: &str, text: &str) -> ColumnType {
        if let Some(neutral) = self.dialect.declared_type(text) {
            return ColumnType::Neutral(neutral);
        }
        let bare = text.replace('"', "");
        let (schema, name) = bare.split_once('.').unwrap_or((schema, &bare));
        self.declared_type(schema, name)
            .unwrap_or_else(|| ColumnType::Native { engine: self.dialect.engine(), text: text.to_owned() })
    }

    /// A reference to a type of the database; absent where it is none that was read.
    pub(super) fn declared_type(&self, schema: &str, name: &str) -> Option<ColumnType> {
        let is_known = self.types.contains(&(schema.to_owned(), name.to_owned()));
        let name = ObjectName { schema: self.schema(schema).to_owned(), name: name.to_owned() };
        is_known.then_some(ColumnType::Declared(name))
    }
}
