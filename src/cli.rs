//! The command line: arguments, help, and the commands that talk to a server.
