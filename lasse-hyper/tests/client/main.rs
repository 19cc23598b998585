//! The client against real servers: our own, and those of Node and Python.

#![allow(unreachable_pub, reason = "a test is a crate that no one uses")]

#[path = "../support/mod.rs"]
mod support;

mod foreign;
mod foreign_server;
mod listener;
mod ours;
mod scripted;
