//! What the contract says about each method: who may call it, and whether a call is recorded.
//!
//! The options stand in the proto files and are read from the compiled descriptors when the server is
//! built. A method without a permission stops the start, so that none can be left open by oversight.

use std::{collections::HashMap, sync::Arc};

use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, MessageDescriptor, MethodDescriptor, Value};

use super::proto::FILE_DESCRIPTOR_SET;
use crate::model::{Error, Permission, Result};

/// Package whose methods are ours; those of other packages (health, reflection) are not looked at.
const PACKAGE: &str = "dbkeeper.v1";

/// What holds for one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodPolicy {
    /// `/dbkeeper.v1.ConnectionService/GetConnection`.
    pub path: String,
    /// The path without its first slash, as logs, traces and records have it.
    pub method: Arc<str>,
    /// What a caller must hold.
    pub permission: Permission,
    /// Each call leaves a record.
    pub audited: bool,
    /// The answer does not wait for the outcome in the record.
    pub outcome_follows: bool,
    /// It is answered while the vault is sealed, too.
    pub while_sealed: bool,
    /// The answer is a stream.
    pub server_streaming: bool,
    /// What the request consists of.
    pub input: MessageDescriptor,
    /// What the answer consists of.
    pub output: MessageDescriptor,
}

/// The policies of all methods of the contract, by path.
#[derive(Debug, Clone)]
pub struct MethodPolicies(HashMap<String, Arc<MethodPolicy>>);

impl MethodPolicies {
    /// Reads the contract that this binary was built with.
    pub fn of_contract() -> Result<Self> {
        Self::read(FILE_DESCRIPTOR_SET)
    }

    /// Reads an encoded descriptor set. An error names the method that lacks a permission.
    pub fn read(descriptors: &[u8]) -> Result<Self> {
        let pool = DescriptorPool::decode(descriptors).map_err(Error::internal)?;
        let permission = extension(&pool, "permission")?;
        let flags = Flags {
            audited: extension(&pool, "audited")?,
            outcome_follows: extension(&pool, "outcome_follows")?,
            while_sealed: extension(&pool, "while_sealed")?,
        };
        let methods = pool
            .services()
            .filter(|service| service.package_name() == PACKAGE)
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        let mut policies = HashMap::new();
        for method in methods {
            let policy = policy(&method, &permission, &flags)?;
            policies.insert(policy.path.clone(), Arc::new(policy));
        }
        Ok(Self(policies))
    }

    /// The policy of a path; absent where the contract has no such method.
    pub fn get(&self, path: &str) -> Option<&Arc<MethodPolicy>> {
        self.0.get(path)
    }

    /// Every policy, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &MethodPolicy> {
        self.0.values().map(AsRef::as_ref)
    }
}

fn extension(pool: &DescriptorPool, name: &str) -> Result<ExtensionDescriptor> {
    pool.get_extension_by_name(&format!("{PACKAGE}.{name}"))
        .ok_or_else(|| Error::internal(format!("the contract lacks the option {PACKAGE}.{name}")))
}

/// The options that are true or false.
struct Flags {
    audited: ExtensionDescriptor,
    outcome_follows: ExtensionDescriptor,
    while_sealed: ExtensionDescriptor,
}

fn policy(method: &MethodDescriptor, permission: &ExtensionDescriptor, flags: &Flags) -> Result<MethodPolicy> {
    let options = method.options();
    let permission = declared_permission(&options, permission).ok_or_else(|| {
        Error::internal(format!("method {} declares no permission", method.full_name()))
            .context(format!("set the option (permission) on {}", method.full_name()))
    })?;
    let name = format!("{}/{}", method.parent_service().full_name(), method.name());
    let is_set = |flag| options.get_extension(flag).as_bool().unwrap_or(false);
    Ok(MethodPolicy {
        path: format!("/{name}"),
        method: name.into(),
        permission,
        audited: is_set(&flags.audited),
        outcome_follows: is_set(&flags.outcome_follows),
        while_sealed: is_set(&flags.while_sealed),
        server_streaming: method.is_server_streaming(),
        input: method.input(),
        output: method.output(),
    })
}

/// The numbers are those of the enum `Permission` in options.proto.
fn declared_permission(options: &DynamicMessage, extension: &ExtensionDescriptor) -> Option<Permission> {
    let value = options.get_extension(extension);
    match *value {
        Value::EnumNumber(1) => Some(Permission::Read),
        Value::EnumNumber(2) => Some(Permission::Operate),
        Value::EnumNumber(3) => Some(Permission::Admin),
        Value::EnumNumber(4) => Some(Permission::Restore),
        Value::EnumNumber(5) => Some(Permission::System),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn every_method_of_the_contract_has_a_policy() {
        let policies = MethodPolicies::of_contract().unwrap();
        let get = policies.get("/dbkeeper.v1.ConnectionService/GetConnection").unwrap();
        assert_eq!((get.permission, get.audited, get.server_streaming), (Permission::Read, false, false));
        let download = policies.get("/dbkeeper.v1.BackupService/DownloadBackup").unwrap();
        assert_eq!(
            (download.permission, download.audited, download.server_streaming),
            (Permission::Restore, true, true)
        );
        // These read only, but what an administrator alone may see.
        let looks = |policy: &MethodPolicy| ["/Get", "/List", "/Verify"].iter().any(|verb| policy.path.contains(verb));
        let changing_unaudited: Vec<_> = policies
            .iter()
            .filter(|policy| policy.permission != Permission::Read && !policy.audited && !looks(policy))
            .collect();
        assert_eq!(changing_unaudited, Vec::<&MethodPolicy>::new());
        let following: Vec<_> = policies.iter().filter(|policy| policy.outcome_follows).collect();
        let paths: Vec<_> = following.iter().map(|policy| (policy.path.as_str(), policy.audited)).collect();
        assert_eq!(paths, [("/dbkeeper.v1.ConnectionService/TestConnection", true)]);
        let mut while_sealed: Vec<_> = policies.iter().filter(|policy| policy.while_sealed).collect();
        while_sealed.sort_by_key(|policy| &policy.path);
        let paths: Vec<_> = while_sealed.iter().map(|policy| policy.path.as_str()).collect();
        assert_eq!(paths, ["/dbkeeper.v1.VaultService/GetVaultStatus", "/dbkeeper.v1.VaultService/Unseal"]);
    }

    #[test]
    fn who_may_start_an_operation_is_who_may_cancel_it() {
        let policies = MethodPolicies::of_contract().unwrap();
        for kind in crate::model::operation::OperationKind::ALL {
            let started_by = |policy: &MethodPolicy| {
                let method = policy.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
                method == kind.as_str().replace('_', "")
            };
            let policy = policies.iter().find(|policy| started_by(policy)).unwrap();
            assert_eq!(policy.permission, kind.permission(), "{}", policy.path);
        }
    }

    #[test]
    fn a_method_without_a_permission_is_named() {
        let mut set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        // The decoded set has lost our own options, which is what a method without them looks like.
        set.file.retain(|file| !file.name().ends_with("_service.proto") || file.name().contains("operation"));
        let error = MethodPolicies::read(&set.encode_to_vec()).unwrap_err();
        assert!(error.message().contains("dbkeeper.v1.OperationService.GetOperation"), "{error}");
    }
}
