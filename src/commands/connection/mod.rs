//! Commands on the connection itself.

mod auth;
mod basic;
mod client;
mod client_filter;
mod client_kill;
mod client_list;
mod consistency;
mod tracking;

pub use client_list::client_info;

use crate::command::Command;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    auth::AUTH,
    auth::HELLO,
    basic::ECHO,
    basic::PING,
    basic::QUIT,
    basic::RESET,
    basic::SELECT,
    client::CLIENT,
    consistency::READONLY,
    consistency::READWRITE,
];
