//! Privileges of the user itself on routines, out of SHOW GRANTS: information_schema does not have them, and the tables of all
//! grants are not for everybody.

use sqlx::MySqlConnection;

use super::super::{catalog::text, creation::backquoted};
use crate::{
    engine::mysql::row,
    model::schema::{ObjectGrant, ObjectKind},
};

/// What is held on the routines of a database, by kind and name.
pub(super) async fn read(
    connection: &mut MySqlConnection,
    schema: &str,
) -> Result<Vec<((ObjectKind, String), Vec<ObjectGrant>)>, sqlx::Error> {
    let account = sqlx::query("SELECT CURRENT_USER()").fetch_one(&mut *connection).await?;
    let account = row::text(&account, 0)?;
    let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    let grantee = format!("'{user}'@'{host}'");
    let lines = sqlx::query("SHOW GRANTS").fetch_all(connection).await?;
    Ok(lines.iter().filter_map(|line| parse(&text(line, 0), schema, &grantee)).collect())
}

/// Reads a line such as GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE `shop`.`tidy` TO `a`@`%` WITH GRANT OPTION.
fn parse(line: &str, schema: &str, grantee: &str) -> Option<((ObjectKind, String), Vec<ObjectGrant>)> {
    let (privileges, rest) = line.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (kind, rest) = match rest.strip_prefix("PROCEDURE ") {
        Some(rest) => (ObjectKind::Procedure, rest),
        None => (ObjectKind::Function, rest.strip_prefix("FUNCTION ")?),
    };
    let (database, rest) = backquoted(rest)?;
    let (name, rest) = backquoted(rest.strip_prefix('.')?)?;
    if database != schema {
        return None;
    }
    let grantable = rest.ends_with(" WITH GRANT OPTION");
    let grant = |privilege: &str| ObjectGrant {
        grantee: grantee.to_owned(),
        grantor: String::new(),
        privilege: privilege.trim().to_owned(),
        grantable,
        column: String::new(),
    };
    Some(((kind, name), privileges.split(',').map(grant).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_on_a_routine_is_told_from_others() {
        let line = "GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE `shop`.`ti``dy` TO `a`@`%` WITH GRANT OPTION";
        let ((kind, name), grants) = parse(line, "shop", "'a'@'%'").unwrap();
        assert_eq!((kind, name.as_str()), (ObjectKind::Procedure, "ti`dy"));
        let privileges: Vec<_> = grants.iter().map(|it| (it.privilege.as_str(), it.grantable)).collect();
        assert_eq!(privileges, [("EXECUTE", true), ("ALTER ROUTINE", true)]);
        for line in ["GRANT SELECT ON `shop`.* TO `a`@`%`", "GRANT EXECUTE ON FUNCTION `other`.`f` TO `a`@`%`"] {
            assert!(parse(line, "shop", "'a'@'%'").is_none(), "{line}");
        }
    }
}
