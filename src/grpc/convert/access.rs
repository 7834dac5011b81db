//! Callers, accounts and API keys.

use super::time::timestamp;
use crate::{
    grpc::proto::v1,
    model::{AuthenticationMethod, Caller, Permission, Role, name},
};

/// A caller.
pub fn identity(caller: Caller, display_name: String) -> v1::Identity {
    v1::Identity {
        api_key: caller.key.as_ref().map(|key| name::api_key(&caller.account, key)).unwrap_or_default(),
        account: name::account(&caller.account),
        principal: caller.principal,
        display_name,
        role: role(caller.role).into(),
        permissions: caller.permissions.iter().map(|held| permission(held).into()).collect(),
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
