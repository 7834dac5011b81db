//! Views, which follow what they read.

use dbkeeper::grpc::proto::v1;

use super::{Rows, assert_rows, change, hints, revert};
use crate::{harness::server::TestServer, rpc::support::on_both_engines};

on_both_engines! {
    views_follow_their_tables,
}

const VIEWS_BEFORE: &str = "
tables:
  - name: sale
    columns: [{name: id, type: int64}, {name: amount, type: int64, nullable: true}, {name: old, type: int64, nullable: true}]
    primary_key: {columns: [id]}
  - name: shop
    columns: [{name: id, type: int64}]
    primary_key: {columns: [id]}
views:
  - {name: a_over, query: SELECT id FROM z_base WHERE amount > 1}
  - {name: counted, query: SELECT count(*) AS n FROM z_base}
  - {name: z_base, query: 'SELECT id, amount FROM sale'}
  - {name: untouched, query: SELECT id FROM shop}
  - {name: gone, query: SELECT old FROM sale}
";
const VIEWS_AFTER: &str = "
tables:
  - name: sold
    columns: [{name: id, type: int64}, {name: total, type: float64, nullable: true}]
    primary_key: {columns: [id]}
  - name: shop
    columns: [{name: id, type: int64}, {name: place, type: int64, nullable: true}]
    primary_key: {columns: [id]}
    checks: [{name: ck_shop_place, expression: place > 0}]
views:
  - {name: a_over, query: SELECT id FROM z_base WHERE total > 1}
  - {name: counted, query: SELECT count(*) AS n FROM z_base}
  - {name: z_base, query: 'SELECT id, total FROM sold'}
  - {name: untouched, query: SELECT id FROM shop}
  - {name: new, query: SELECT place FROM shop}
";

async fn views_follow_their_tables(server: &TestServer, fixture: &impl Rows) {
    let rows = "INSERT INTO sale (id, amount) VALUES (1, 1), (2, 2); INSERT INTO shop VALUES (4);";
    let renames = hints(&[("sale", "sold")], &[("sale", "amount", "total")]);
    let changed = change(server, fixture, [VIEWS_BEFORE, VIEWS_AFTER], rows, renames).await;
    assert_rows(fixture, &changed.database, "SELECT id FROM a_over", 2).await;
    assert_rows(fixture, &changed.database, "SELECT id FROM untouched", 4).await;
    assert_rows(fixture, &changed.database, "SELECT count(*) FROM new", 1).await;
    assert_rows(fixture, &changed.database, "SELECT n FROM counted", 2).await;
    use v1::{ChangeAction as A, ChangedKind as K};
    for (action, name) in [(A::Alter, "a_over"), (A::Alter, "z_base"), (A::Drop, "gone"), (A::Add, "new")] {
        changed.of(action, K::View, name);
    }
    changed.of(A::Rename, K::Table, "sold");
    assert!(!changed.up().iter().any(|sql| sql.contains("untouched")), "{:#?}", changed.up());
    revert(server, fixture, &changed).await;
    assert_rows(fixture, &changed.database, "SELECT id FROM a_over", 2).await;
}
