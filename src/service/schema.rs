//! Reading the schemas of registered databases.
