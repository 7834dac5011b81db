//! Callers, accounts and API keys.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{
    etag::etag,
    field_mask::UpdatePaths,
    time::{duration_from_proto, timestamp, timestamp_from_proto},
};
use crate::{
    grpc::proto::v1,
    model::{
        AuthenticationMethod, Caller, Error, Grant, Permission, Permissions, Result, Role, Timestamp,
        api_key::{Account, AddressRange, ApiKey, KeyState},
        name,
    },
    service::access::keys::{Issued, KeyPatch, MAX_OVERLAP, NewKey},
};

/// How long the old text of a rotated key is taken where the caller does not say.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// A caller.
pub fn identity(caller: Caller, display_name: String) -> v1::Identity {
    v1::Identity {
        api_key: caller.key.as_ref().map(|key| name::api_key(&caller.account, key)).unwrap_or_default(),
        account: name::account(&caller.account),
        principal: caller.principal,
        display_name,
        role: role(caller.role).into(),
        permissions: permissions(caller.permissions),
        method: method(caller.method).into(),
        expire_time: caller.expires.map(timestamp),
    }
}

fn role(role: Role) -> v1::Role {
    match role {
        Role::Viewer => v1::Role::Viewer,
        Role::Operator => v1::Role::Operator,
        Role::Admin => v1::Role::Admin,
    }
}

fn permission(permission: Permission) -> v1::Permission {
    match permission {
        Permission::Read => v1::Permission::Read,
        Permission::Operate => v1::Permission::Operate,
        Permission::Admin => v1::Permission::Admin,
        Permission::Restore => v1::Permission::Restore,
        Permission::System => v1::Permission::System,
    }
}

fn method(method: AuthenticationMethod) -> v1::AuthenticationMethod {
    match method {
        AuthenticationMethod::ApiKey => v1::AuthenticationMethod::ApiKey,
        AuthenticationMethod::Jwt => v1::AuthenticationMethod::Jwt,
        AuthenticationMethod::ClientCertificate => v1::AuthenticationMethod::ClientCertificate,
        AuthenticationMethod::Nothing => v1::AuthenticationMethod::Unspecified,
    }
}

/// An account.
pub fn account(account: Account) -> v1::Account {
    v1::Account {
        name: name::account(&account.id),
        display_name: account.display_name,
        create_time: Some(timestamp(account.created)),
        update_time: Some(timestamp(account.updated)),
        etag: etag(account.revision),
    }
}

/// The new name in an UpdateAccount; absent where the mask leaves it out.
pub fn renamed(account: &v1::Account, mask: Option<&prost_types::FieldMask>) -> Result<Option<String>> {
    let paths = UpdatePaths::resolve(mask, &[("display_name", !account.display_name.is_empty())])?;
    Ok(paths.contains("display_name").then(|| account.display_name.clone()))
}

/// An API key.
pub fn api_key(key: ApiKey) -> v1::ApiKey {
    let now = Timestamp::now();
    let state = match key.state(now) {
        KeyState::Active => v1::ApiKeyState::Active,
        KeyState::Expired => v1::ApiKeyState::Expired,
        KeyState::Revoked => v1::ApiKeyState::Revoked,
    };
    v1::ApiKey {
        name: name::api_key(&key.account, &key.id),
        role: role(key.grant.role).into(),
        restore: key.grant.restore,
        scopes: key.scopes.map(permissions).unwrap_or_default(),
        permissions: permissions(key.permissions()),
        cidrs: key.ranges.iter().map(ToString::to_string).collect(),
        expire_time: key.expires.map(timestamp),
        state: state.into(),
        create_time: Some(timestamp(key.created)),
        update_time: Some(timestamp(key.updated)),
        revoke_time: key.revoked.map(timestamp),
        previous_expire_time: key.previous_until.filter(|until| *until > now).map(timestamp),
        last_use_time: key.last_use.map(|used| timestamp(used.time)),
        last_use_address: key.last_use.map(|used| used.address.to_string()).unwrap_or_default(),
        etag: etag(key.revision),
        display_name: key.display_name,
        creator: key.creator,
    }
}

/// An API key with its text, the only answer that tells one.
pub fn issued(issued: Issued) -> v1::IssuedApiKey {
    v1::IssuedApiKey {
        api_key: Some(api_key(issued.key)),
        key: issued.text.map(|text| text.expose_secret().to_owned()).unwrap_or_default(),
    }
}

/// What a key is to be made from. Fields at fault are named as they stand in the key.
pub fn new_key(key: v1::ApiKey) -> Result<NewKey> {
    Ok(NewKey {
        grant: Grant { role: role_from_proto(key.role)?, restore: key.restore },
        scopes: scopes_from_proto(&key.scopes)?,
        ranges: ranges_from_proto(&key.cidrs)?,
        expires: expiry_from_proto(key.expire_time)?,
        display_name: key.display_name,
    })
}

/// The changes of an UpdateApiKey.
pub fn key_patch(key: v1::ApiKey, mask: Option<&prost_types::FieldMask>) -> Result<KeyPatch> {
    let fields = [
        ("display_name", !key.display_name.is_empty()),
        ("scopes", !key.scopes.is_empty()),
        ("cidrs", !key.cidrs.is_empty()),
        ("expire_time", key.expire_time.is_some()),
    ];
    let paths = UpdatePaths::resolve(mask, &fields)?;
    let changed = |path: &str| paths.contains(path);
    Ok(KeyPatch {
        scopes: changed("scopes").then(|| scopes_from_proto(&key.scopes)).transpose()?,
        ranges: changed("cidrs").then(|| ranges_from_proto(&key.cidrs)).transpose()?,
        expires: changed("expire_time").then(|| expiry_from_proto(key.expire_time)).transpose()?,
        display_name: changed("display_name").then_some(key.display_name),
    })
}

/// The overlap of a rotation.
pub fn overlap(overlap: Option<prost_types::Duration>) -> Result<Duration> {
    Ok(duration_from_proto(overlap, Duration::ZERO..=MAX_OVERLAP, "overlap")?.unwrap_or(DEFAULT_OVERLAP))
}

fn role_from_proto(value: i32) -> Result<Role> {
    match v1::Role::try_from(value) {
        Ok(v1::Role::Viewer) => Ok(Role::Viewer),
        Ok(v1::Role::Operator) => Ok(Role::Operator),
        Ok(v1::Role::Admin) => Ok(Role::Admin),
        Ok(v1::Role::Unspecified) | Err(_) => {
            Err(Error::invalid_field("role", "must be ROLE_VIEWER, ROLE_OPERATOR or ROLE_ADMIN"))
        }
    }
}

fn scopes_from_proto(scopes: &[i32]) -> Result<Option<Permissions>> {
    if scopes.is_empty() {
        return Ok(None);
    }
    let permission = |value: &i32| match v1::Permission::try_from(*value) {
        Ok(v1::Permission::Read) => Ok(Permission::Read),
        Ok(v1::Permission::Operate) => Ok(Permission::Operate),
        Ok(v1::Permission::Admin) => Ok(Permission::Admin),
        Ok(v1::Permission::Restore) => Ok(Permission::Restore),
        Ok(v1::Permission::System) => Ok(Permission::System),
        Ok(v1::Permission::Unspecified) | Err(_) => {
            Err(Error::invalid_field("scopes", format!("{value} is not a permission that a key can have")))
        }
    };
    scopes.iter().map(permission).collect::<Result<Permissions>>().map(Some)
}

fn ranges_from_proto(ranges: &[String]) -> Result<Vec<AddressRange>> {
    ranges.iter().map(|text| AddressRange::parse(text, "cidrs")).collect()
}

fn expiry_from_proto(moment: Option<prost_types::Timestamp>) -> Result<Option<Timestamp>> {
    moment.map(|moment| timestamp_from_proto(moment, "expire_time")).transpose()
}

fn permissions(held: Permissions) -> Vec<i32> {
    held.iter().map(|held| permission(held).into()).collect()
}
