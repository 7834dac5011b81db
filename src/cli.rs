//! The command line: arguments, help, and the commands that talk to a server or to people.

mod arguments;
pub mod master_key;
pub mod quickstart;
mod signals;

pub use arguments::{
    Arguments, Command, ExportArguments, Format, ImportArguments, MasterKeyCommand, QuickstartArguments,
    ServerArguments,
};
pub use signals::stop_on_signal;
