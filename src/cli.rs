//! The command line: arguments, help, and the commands that talk to a server.

mod arguments;

pub use arguments::{Arguments, Command, Format, QuickstartArguments, ServerArguments};
