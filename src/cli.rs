//! The command line: arguments, help, and the commands that talk to a server.

mod arguments;
pub mod quickstart;
mod signals;

pub use arguments::{Arguments, Command, Format, QuickstartArguments, ServerArguments};
pub use signals::stop_on_signal;
