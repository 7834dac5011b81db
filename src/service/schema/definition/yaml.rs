//! A definition as YAML.

use crate::model::{Error, Result, schema::definition::SchemaDefinition};

/// Reads a definition. An error tells line, column and the place in the document.
pub(super) fn read(text: &str, field: &str) -> Result<SchemaDefinition> {
    let track = |deserializer: serde_saphyr::Deserializer<'_, '_>, path: &mut serde_path_to_error::Track| {
        serde::Deserialize::deserialize(serde_path_to_error::Deserializer::new(deserializer, path))
    };
    let mut path = serde_path_to_error::Track::new();
    serde_saphyr::with_deserializer_from_str(text, |deserializer| track(deserializer, &mut path)).map_err(|problem| {
        let place = match path.path().to_string().as_str() {
            "." | "?" => String::new(),
            place => format!(" at {place}"),
        };
        let told = problem.without_snippet().to_string();
        // The place is told once, in front.
        let told = told.rsplit_once(" at line ").map_or(told.as_str(), |(told, _)| told);
        match problem.location() {
            None => Error::invalid_field(field, format!("{told}{place}")),
            Some(location) => {
                let (line, column) = (location.line(), location.column());
                Error::invalid_field(field, format!("line {line}, column {column}{place}: {told}"))
                    .with_metadata("line", line.to_string())
                    .with_metadata("column", column.to_string())
            }
        }
    })
}

/// Writes a definition, in the form that is read.
pub(super) fn write(definition: &SchemaDefinition) -> Result<String> {
    serde_saphyr::to_string(definition).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    const SHOP: &str = r#"
types:
  - name: mood
    shape:
      enum: [calm, loud]
tables:
  - name: album
    comment: What is sold
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: title, type: text(160)}
      - {name: price, type: "decimal(10,2)", default: {literal: "9.99"}}
      - {name: mood, type: "declared:mood", nullable: true}
      - {name: made, type: timestamp_tz, default: current_timestamp}
      - {name: place, type: "postgresql:point", nullable: true}
      - name: twice
        type: int64
        nullable: true
        generated: {expression: id * 2, stored: true}
    primary_key: {columns: [id]}
    foreign_keys:
      - {columns: [id], referenced_table: album, on_delete: cascade, deferred: true}
    checks:
      - {expression: "price >= 0 /* yes: no */"}
    indexes:
      - columns: [{column: title, descending: true}]
        unique: true
views:
  - name: titles
    query: "SELECT title FROM album"
    engine: postgresql
"#;

    #[test]
    fn a_definition_is_read_as_it_is_written() {
        let definition = read(SHOP, "yaml").unwrap();
        definition.check("yaml").unwrap();
        let text = write(&definition).unwrap();
        assert_eq!(read(&text, "yaml").unwrap(), definition, "{text}");
        assert_eq!(write(&read(&text, "yaml").unwrap()).unwrap(), text);
    }

    #[test]
    fn hard_texts_come_back_from_yaml() {
        let mut definition = read(SHOP, "yaml").unwrap();
        for text in ["yes", "1e3", "null", "", " lead", "a: b # c", "two\nlines\n", "'\"\\`", "🦀\u{85}", "- x", "0x1F"]
        {
            definition.tables[0].comment = text.to_owned();
            definition.tables[0].columns[1].name = text.to_owned();
            let written = write(&definition).unwrap();
            assert_eq!(read(&written, "yaml").unwrap(), definition, "{written}");
        }
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        for (text, told) in [
            (
                "tables:\n  - name: a\n    columns:\n      - {name: x, type: int33}\n",
                "line 4, column 25 at tables[0].columns[0].type: ",
            ),
            ("tables:\n  - name: a\n    columnz: []\n", "line 3, column 5 at tables[0]"),
            ("tables: [\n", "line 1, column 9"),
        ] {
            let error = read(text, "yaml").unwrap_err();
            assert!(error.message().contains(told), "{error}");
        }
    }
}
