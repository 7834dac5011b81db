//! Names that are hard to write, and those that an engine makes by itself.

use dbkeeper::grpc::proto::v1;

use super::{Rows, change, connection, diff, hints, make, revert, yaml};
use crate::{harness::server::TestServer, rpc::support::on_both_engines};

on_both_engines! {
    hard_names_are_quoted,
    the_schema_of_a_definition_is_no_change,
}

const HARD_BEFORE: &str = r#"
tables:
  - name: 'a "b" `c` ü日'
    comment: it's
    columns:
      - {name: "it's; --", type: text(20), nullable: true, default: {literal: "it's \\ \"x\""}}
      - {name: Select, type: int64}
      - {name: from, type: int64, nullable: true}
    primary_key: {columns: [Select]}
    checks: [{name: 'check "1"', expression: '"from" > 0'}]
    indexes: [{name: 'index "1"', columns: [{column: "it's; --"}]}]
  - name: order
    columns: [{name: group, type: int64}, {name: to, type: int64, nullable: true}]
    primary_key: {columns: [group]}
    foreign_keys: [{name: "table", columns: [to], referenced_table: 'a "b" `c` ü日', referenced_columns: [Select]}]
"#;
const HARD_AFTER: &str = r#"
tables:
  - name: 'a "b" `c` ü日'
    columns:
      - {name: "Index", type: int64}
      - {name: "it's; --", type: text(30), nullable: true, default: {literal: "it's \\ \"y\""}}
      - {name: 'where `x` "y"', type: int64, nullable: true}
      - {name: "null", type: int64, default: {literal: "3"}}
    primary_key: {columns: ["Index"]}
    checks: [{name: 'check "1"', expression: '"where `x` ""y""" > 0'}]
    indexes: [{name: 'index "1"', columns: [{column: "it's; --"}, {column: "null"}]}]
  - name: Group
    columns: [{name: group, type: int64}, {name: to, type: int64, nullable: true}]
    primary_key: {columns: [group]}
    foreign_keys: [{name: "table", columns: [to], referenced_table: 'a "b" `c` ü日', referenced_columns: ["Index"]}]
"#;

async fn hard_names_are_quoted(server: &TestServer, fixture: &impl Rows) {
    let table = "a \"b\" `c` ü日";
    let renames = hints(&[("order", "Group")], &[(table, "Select", "Index"), (table, "from", "where `x` \"y\"")]);
    let changed = change(server, fixture, [HARD_BEFORE, HARD_AFTER], "", renames).await;
    revert(server, fixture, &changed).await;
}

/// A database that was made of a definition does not differ from it, whatever the engine makes of its types.
async fn the_schema_of_a_definition_is_no_change(server: &TestServer, fixture: &impl Rows) {
    let client = server.client();
    let declared = "
types:
  - {name: colour, shape: {enum: [red, \"it's\"]}}
  - {name: percent, shape: {domain: {base: int16, required: true, checks: [{expression: VALUE >= 0}, {expression: VALUE <= 100}]}}}
tables:
  - name: paint
    columns:
      - {name: id, type: int64}
      - {name: colour, type: declared:colour, nullable: true}
      - {name: share, type: declared:percent, nullable: true}
      - {name: made, type: date, default: current_timestamp}
      - {name: token, type: uuid, default: new_uuid}
      - {name: raw, type: json_text, nullable: true}
    primary_key: {columns: [id]}
    checks: [{expression: id > 0}]
    indexes: [{columns: [{column: made}], unique: true}, {columns: [{column: token}]}]
";
    for (id, schema) in [("shop", include_str!("../definition/shop.yaml")), ("paint", declared)] {
        make(&client, fixture, id, schema).await;
        for (source, target) in [(connection(id), yaml(schema)), (yaml(schema), connection(id))] {
            let answer = diff(&client, source, target, v1::RenameHints::default()).await;
            assert_eq!(answer.changes, [], "{id}");
            assert_eq!((answer.up, answer.down), (Vec::new(), Vec::new()));
        }
    }
}
