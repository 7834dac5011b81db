//! Enumerated, domain, composite and range types.

use std::collections::HashMap;

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::ObjectReader;
use crate::{
    engine::postgres::inspect::catalog::text,
    model::{
        Result,
        schema::{DomainCheck, DomainType, ObjectDetails, RangeType, TypeAttribute},
    },
};

const ATTRIBUTES: &str = include_str!("../catalog/objects/attributes.sql");
const DOMAIN_CHECKS: &str = include_str!("../catalog/objects/domain_checks.sql");
const TYPES: &str = include_str!("../catalog/objects/types.sql");

impl ObjectReader<'_, '_> {
    pub(super) async fn types(&mut self) -> Result<()> {
        let Some(oids) = self.wanted_of("pg_type") else { return Ok(()) };
        let mut checks: HashMap<Oid, Vec<DomainCheck>> = HashMap::new();
        let query = self.transaction.query(DOMAIN_CHECKS).bind(&oids);
        for row in &self.transaction.rows(query).await? {
            checks.entry(row.get("oid")).or_default().push(check(row));
        }
        let mut attributes: HashMap<Oid, Vec<TypeAttribute>> = HashMap::new();
        let query = self.transaction.query(ATTRIBUTES).bind(&oids);
        for row in &self.transaction.rows(query).await? {
            attributes.entry(row.get("oid")).or_default().push(attribute(row));
        }
        let query = self.transaction.query(TYPES).bind(&oids);
        for row in &self.transaction.rows(query).await? {
            let oid = row.get("oid");
            let details =
                details(row, checks.remove(&oid).unwrap_or_default(), attributes.remove(&oid).unwrap_or_default());
            self.add("pg_type", oid, details, String::new());
        }
        Ok(())
    }
}

fn details(row: &PgRow, checks: Vec<DomainCheck>, attributes: Vec<TypeAttribute>) -> ObjectDetails {
    if let Some(labels) = row.get("labels") {
        return ObjectDetails::Enum(labels);
    }
    if let Some(base_type) = row.get("base_type") {
        return ObjectDetails::Domain(DomainType {
            base_type,
            not_null: row.get("not_null"),
            default_expression: row.get("default_expression"),
            collation: text(row, "collation"),
            checks,
        });
    }
    if let Some(subtype) = row.get("subtype") {
        return ObjectDetails::RangeType(RangeType {
            subtype,
            operator_class: text(row, "operator_class"),
            collation: text(row, "collation"),
            canonical_function: text(row, "canonical"),
            subtype_difference_function: text(row, "difference"),
            multirange_type: text(row, "multirange"),
        });
    }
    ObjectDetails::CompositeType(attributes)
}

fn check(row: &PgRow) -> DomainCheck {
    DomainCheck { name: row.get("name"), expression: text(row, "expression"), validated: row.get("validated") }
}

fn attribute(row: &PgRow) -> TypeAttribute {
    TypeAttribute {
        name: row.get("name"),
        data_type: row.get("data_type"),
        collation: text(row, "collation"),
        comment: text(row, "comment"),
    }
}
