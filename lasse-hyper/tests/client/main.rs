//! The client against real servers: our own, and those of Node and Python.

#![allow(dead_code, unreachable_pub, reason = "what is shared is not all of use here")]

#[path = "../support/mod.rs"]
mod support;

mod foreign;
mod foreign_server;
mod listener;
mod ours;
mod scripted;
