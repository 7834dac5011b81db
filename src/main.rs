//! The `dbkeeper` command.

fn main() {}
