//! Requests as JSON, in the form that grpcurl takes.

use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

use super::proto::FILE_DESCRIPTOR_SET;
use crate::model::{Error, Result};

/// A request of the contract.
pub trait Request {
    /// Its JSON as a request of `method`, such as `dbkeeper.v1.SchemaService/GetTable`: the names of fields as in the
    /// proto files and in their order, without fields that are not set.
    fn to_json(&self, method: &str) -> Result<String>;
}

impl<M: prost::Message> Request for M {
    fn to_json(&self, method: &str) -> Result<String> {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).map_err(Error::internal)?;
        let (service, name) = method.split_once('/').unwrap_or((method, ""));
        let found = pool
            .get_service_by_name(service)
            .and_then(|service| service.methods().find(|method| method.name() == name))
            .ok_or_else(|| Error::internal(format!("the contract has no method {method}")))?;
        let message =
            DynamicMessage::decode(found.input(), self.encode_to_vec().as_slice()).map_err(Error::internal)?;
        let mut json = serde_json::Serializer::new(Vec::new());
        message
            .serialize_with_options(&mut json, &SerializeOptions::new().use_proto_field_name(true))
            .map_err(Error::internal)?;
        String::from_utf8(json.into_inner()).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::Request as _;
    use crate::grpc::proto::v1;

    #[test]
    fn a_request_has_the_names_of_the_contract() {
        let connection = v1::Connection {
            display_name: "Books".to_owned(),
            engine: v1::Engine::Sqlite.into(),
            ..v1::Connection::default()
        };
        let request = v1::CreateConnectionRequest {
            connection_id: "books".to_owned(),
            connection: Some(connection),
            ..v1::CreateConnectionRequest::default()
        };
        assert_eq!(
            request.to_json("dbkeeper.v1.ConnectionService/CreateConnection").unwrap(),
            r#"{"connection_id":"books","connection":{"display_name":"Books","engine":"ENGINE_SQLITE"}}"#
        );
    }

    #[test]
    fn a_method_that_is_not_there_is_named() {
        let error = v1::GetTableRequest::default().to_json("dbkeeper.v1.SchemaService/Get").unwrap_err();
        assert!(error.to_string().contains("internal"), "{error}");
    }
}
