//! A server of Redis for one test, on a free port and with a folder of its own.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use redis::{Client, Cmd, Connection, FromRedisValue, RedisResult};
use rustix::process::{Pid, Signal, kill_process};

/// Whether the program is installed.
pub(crate) fn is_installed() -> bool {
    let version = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// A server, which is ended with this.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: PathBuf,
    options: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// Starts a server that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server that has written each command to its file before it answers.
    pub(crate) fn durable() -> Self {
        Self::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a server that can be part of a cluster. Its own port for other servers is not 10,000
    /// above the other one, where there may be no ports.
    pub(crate) fn of_cluster() -> Self {
        let port = free_port().to_string();
        Self::with(&["--save", "", "--cluster-enabled", "yes", "--cluster-port", &port])
    }

    pub(crate) fn with(options: &[&str]) -> Self {
        let mut server = Self::absent(options);
        server.run();
        server
    }

    /// A server that does not run yet.
    pub(crate) fn absent(options: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("lasse-redis-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self { port: free_port(), folder, options, process: None }
    }

    /// Starts the server, with what its folder holds.
    pub(crate) fn run(&mut self) {
        for _ in 0..ATTEMPTS {
            let mut process = self.spawn();
            if self.answers(&mut process) {
                self.process = Some(process);
                return;
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("redis-server on port {} does not answer", self.port);
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.arg("--dir").arg(&self.folder).args(&self.options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Waits until this process answers. It ends at once if another program uses the port for a
    /// moment.
    fn answers(&self, process: &mut Child) -> bool {
        let own = format!("process_id:{}\r", process.id());
        for _ in 0..1000 {
            // While it loads its data, it answers only to some commands.
            let has = |section, line: &str| self.info(section).is_ok_and(|i| i.contains(line));
            if has("server", &own) && has("persistence", "\nloading:0\r") {
                return true;
            }
            if process.try_wait().unwrap().is_some() {
                sleep(Duration::from_millis(100));
                return false;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }

    /// The port for other servers of a cluster.
    pub(crate) fn cluster_port(&self) -> &str {
        self.options.last().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn client(&self) -> Client {
        Client::open(self.url()).unwrap()
    }

    pub(crate) fn connection(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    /// A section of what the server reports of itself.
    pub(crate) fn info(&self, section: &str) -> RedisResult<String> {
        let mut connection = self.client().get_connection()?;
        redis::cmd("INFO").arg(section).query(&mut connection)
    }

    /// Calls a command, whose words are separated by blanks.
    pub(crate) fn call<T: FromRedisValue>(&self, command: &str) -> T {
        call_on(&mut self.connection(), command)
    }

    /// Kills the server, which has no time to write anything.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A stopped process is killed, too.
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Removes what the server has written.
    pub(crate) fn lose_data(&self) {
        fs::remove_dir_all(&self.folder).unwrap();
        fs::create_dir_all(&self.folder).unwrap();
    }

    /// The files that the server has written.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = self.folder.join("appendonlydir");
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// Replaces the files of the server by earlier ones.
    pub(crate) fn restore(&self, files: &[(PathBuf, Vec<u8>)]) {
        for entry in fs::read_dir(self.folder.join("appendonlydir")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (path, bytes) in files {
            fs::write(path, bytes).unwrap();
        }
    }

    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn unpause(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().unwrap();
        kill_process(Pid::from_child(process), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Calls a command on this connection.
pub(crate) fn call_on<T: FromRedisValue>(connection: &mut Connection, command: &str) -> T {
    let mut words = Cmd::new();
    command.split_whitespace().for_each(|word| {
        words.arg(word);
    });
    words.query(connection).unwrap_or_else(|error| panic!("{command}: {error}"))
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// How often the start of a server is tried.
const ATTEMPTS: usize = 20;
