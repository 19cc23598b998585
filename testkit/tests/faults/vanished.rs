//! A client that vanishes: no FIN, no RST, no acknowledgement. The test runs in a network namespace
//! of its own, whose loopback interface it takes down.

use std::env;
use std::process::Command;

use lasse_testkit::Received;
use libtest_mimic::Trial;

use crate::feed::Feed;
use crate::reader::{Reader, Target};
use crate::server::{Stack, settle};

pub(crate) fn trials() -> Vec<Trial> {
    let name = "a_client_that_vanishes_is_noticed_and_resumes_later";
    vec![crate::trial(name.into(), || {
        let mut child = Command::new("unshare");
        child.arg("--net").arg(env::current_exe().unwrap()).env(CHILD, "yes");
        assert!(child.status().unwrap().success());
    })]
}

pub(crate) fn has_namespaces() -> bool {
    let mut child = Command::new("unshare");
    child.args(["--net", "ip", "link", "set", "lo", "up"]);
    child.output().is_ok_and(|output| output.status.success())
}

/// Whether this process was started by the test, in a namespace of its own.
pub(crate) fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

pub(crate) fn run_child() {
    set_loopback("up");
    for (adapter, stack) in
        [("tokio", Stack::Tokio), ("hyper", Stack::Hyper), ("hyper", Stack::HyperHttp2)]
    {
        let mut feed = Feed::start(adapter);
        let target = Target { stack, address: feed.address };
        let mut reader = Reader::resume(target, Some("store-0"));
        feed.publish("store-1", "before");
        assert_eq!(reader.receive(), Ok(Received::message("message", "before", "store-1")));
        assert_eq!(feed.stats().0, 1);

        set_loopback("down");
        feed.publish("store-2", "meanwhile");
        settle("the server notices that the client is gone", || feed.stats().0 == 0);
        set_loopback("up");

        let mut reader = Reader::resume(target, Some("store-1"));
        assert_eq!(reader.receive(), Ok(Received::message("message", "meanwhile", "store-2")));
    }
}

fn set_loopback(state: &str) {
    let status = Command::new("ip").args(["link", "set", "lo", state]).status().unwrap();
    assert!(status.success(), "lo {state}");
}

const CHILD: &str = "LASSE_FAULTS_IN_NAMESPACE";
