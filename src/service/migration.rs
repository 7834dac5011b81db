//! Migration sets, and bringing databases to a version of them.
