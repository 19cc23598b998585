//! The client against real servers: our own, and servers of Node and Python.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of the shared code")]

#[path = "../support/mod.rs"]
mod support;

mod foreign;
mod foreign_server;
mod ours;
mod scripted;
mod source;
