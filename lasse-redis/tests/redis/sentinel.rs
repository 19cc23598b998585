//! A master, a replica, and a sentinel that makes the replica the next master.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lasse_redis::RedisServer;
use redis::Connection;
use tokio::time::sleep;

use crate::server::{Server, call_on, free_port};

pub(crate) struct Failover {
    master: Server,
    replica: Server,
    sentinel: Child,
    port: u16,
    file: PathBuf,
}

impl Failover {
    pub(crate) async fn start() -> Self {
        let master = Server::start();
        let port = master.port.to_string();
        let options = ["--save", "", "--replicaof", "127.0.0.1", &port];
        let replica = Server::with(&options);
        let (sentinel, port, file) = start_sentinel(master.port);
        let failover = Self { master, replica, sentinel, port, file };
        failover.wait_for("master_link_status:up").await;
        failover.wait_for_sentinel().await;
        failover
    }

    pub(crate) fn redis_server(&self) -> RedisServer {
        // The first sentinel does not exist.
        let sentinels = [format!("redis://127.0.0.1:{}", free_port()), self.sentinel_url()];
        RedisServer::with_sentinels(sentinels, "main", "redis://localhost").unwrap()
    }

    fn sentinel_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends the replication: the replica cannot sign in any more.
    pub(crate) async fn cut_replica(&self) {
        let mut admin = self.master.connection();
        call_on::<()>(&mut admin, "CONFIG SET requirepass secret");
        call_on::<i64>(&mut admin, "CLIENT KILL TYPE replica");
        self.wait_for("master_link_status:down").await;
    }

    /// Kills the master, and waits until the replica is the master.
    pub(crate) async fn kill_master(&mut self) {
        self.master.kill();
        self.wait_for("role:master").await;
    }

    async fn wait_for(&self, state: &str) {
        for _ in 0..6000 {
            // The sentinel kills all connections of a server that it makes the master.
            if self.replica.info("replication").is_ok_and(|info| info.contains(state)) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("the replica is never in the state {state}");
    }

    /// Waits until the sentinel knows the replica.
    async fn wait_for_sentinel(&self) {
        let client = redis::Client::open(self.sentinel_url()).unwrap();
        let knows = |connection: &mut Connection| {
            let mut command = redis::cmd("SENTINEL");
            command.arg("REPLICAS").arg("main");
            command
                .query::<Vec<redis::Value>>(connection)
                .is_ok_and(|replicas| !replicas.is_empty())
        };
        for _ in 0..6000 {
            if client.get_connection().is_ok_and(|mut connection| knows(&mut connection)) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("the sentinel does not find the replica");
    }
}

/// Starts a sentinel, again if another program uses its port for a moment.
fn start_sentinel(master: u16) -> (Child, u16, PathBuf) {
    for _ in 0..20 {
        let port = free_port();
        let file = std::env::temp_dir().join(format!("lasse-sentinel-{port}.conf"));
        let config = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
        );
        fs::write(&file, config).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut sentinel = command.spawn().unwrap();
        while sentinel.try_wait().unwrap().is_none() {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (sentinel, port, file);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_file(&file);
    }
    panic!("no sentinel starts");
}

impl Drop for Failover {
    fn drop(&mut self) {
        let _ = self.sentinel.kill();
        let _ = self.sentinel.wait();
        let _ = fs::remove_file(&self.file);
    }
}
