#!/usr/bin/env python3
"""Measures a node on Redis beside one without.

    redis.py [--rounds 3] [--conns 10000] [--events 200000]
                          builds the servers, starts a redis-server of its own, and prints a
                          table: README.md has the last one
    redis.py --smoke      each measurement once, small and unoptimized

It needs `redis-server`, `redis-benchmark` and `redis-cli`. The node runs on CPU 0, and the load
client and Redis on CPU 1, as with load.py.
"""
import argparse, json, shutil, socket, statistics, subprocess, sys, tempfile, time

import load

PROGRAMS = ["redis-server", "redis-benchmark", "redis-cli"]


class Redis:
    """A server that keeps nothing on disk."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        # Another program can use the free port for a moment.
        if not any(self.start() for _ in range(10)):
            sys.exit("redis-server does not answer")

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder.name]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=load.on_cpu(1))
        for _ in range(200):
            if self.process.poll() is not None:
                return False
            if self.call("PING", check=False) == "PONG":
                return True
            time.sleep(0.05)
        return False

    def call(self, *words, check=True):
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True, check=check).stdout.strip()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def most_xadds(redis, events, pipeline):
    """How many XADD a second redis-benchmark makes, with an event like those of the node."""
    command = ["redis-benchmark", "-p", str(redis.port), "-n", str(events), "-c", "50", "-P", str(pipeline), "--csv",
               "XADD", "limit", "MAXLEN", "~", "100000", "*", "lasse", "event", "data", "x" * 100]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return float(lines[-1].split('","')[1])


def most_taken_in(folder, redis, events):
    """How many events a second a node reads from Redis and sends to one client."""
    server = node(folder, redis)
    try:
        for _ in range(200):
            epoch = redis.call("HGET", "{events}:state", "epoch")
            if epoch:
                break
            time.sleep(0.05)
        client = load.start_load(folder, server, "/events", ["--conns", "1", "--events", str(events), "--no-publish", "--announce"])
        # Events from before it is connected would not reach it.
        if "connected" not in client.stdout.readline():
            sys.exit("the load client does not connect")
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        with tempfile.TemporaryFile() as commands:
            # Not trimmed: redis-cli writes faster than Redis serves the node beside it on one CPU.
            for number in range(1, events + 1):
                words = ["XADD", "events", f"{epoch}-*", "lasse", "event", "data", f"{number} {now} ".ljust(100, "x")]
                commands.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words))
            commands.seek(0)
            pipe = subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], stdin=commands, capture_output=True, text=True)
        found = result(client, pipe.stdout)
    finally:
        server.stop()
    return found["deliveries_per_s"]


def latency(folder, redis, events):
    """The median and the 99th percentile from publish to delivery, in us, at 1,000 events a second."""
    found = fan_out(folder, redis, 10, events, 1000)
    return found["p50_us"], found["p99_us"]


def fan_out(folder, redis, conns, events, rate):
    server = node(folder, redis)
    try:
        options = ["--conns", str(conns), "--events", str(events), "--rate", str(rate)]
        return result(load.start_load(folder, server, "/events", options))
    finally:
        server.stop()


def node(folder, redis):
    if redis:
        redis.call("FLUSHALL")
    server = load.Server(folder, "fanout-server --port {port}" + (f" --redis {redis.url}" if redis else ""))
    time.sleep(0.5)
    return server


def result(client, note=""):
    stdout, stderr = client.communicate()
    found = json.loads(stdout) if stdout.startswith("{") else {"ok": False}
    if not found["ok"]:
        sys.exit(f"not all was delivered: {found} {stderr[-300:]} {note}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--conns", type=int, default=10000)
    parser.add_argument("--events", type=int, default=200000)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        sys.exit(f"install {', '.join(missing)} (Debian: apt install redis-server redis-tools)")
    if options.smoke:
        options.rounds, options.conns, options.events = 1, 20, 2000
    folder = load.build("dev" if options.smoke else "release")
    redis = Redis()
    try:
        measure(folder, redis, options)
    finally:
        redis.stop()


def measure(folder, redis, options):
    rows, rounds = {}, range(options.rounds)
    def median(title, values, form):
        rows[title] = format(statistics.median(values), form)
        print(f"| {title} | {rows[title]} |", flush=True)
    median("XADD a second, redis-benchmark, one at a time on 50 connections", [most_xadds(redis, options.events, 1) for _ in rounds], ",.0f")
    median("the same, 16 at a time", [most_xadds(redis, options.events, 16) for _ in rounds], ",.0f")
    median("events a second that a node takes in and sends to a client", [most_taken_in(folder, redis, options.events) for _ in rounds], ",.0f")
    few = max(options.events // 40, 100)
    for title, server in [("with Redis", redis), ("without", None)]:
        found = [latency(folder, server, few) for _ in rounds]
        median(f"from publish to delivery at 1,000 events a second, {title}, median, us", [p50 for p50, _ in found], ",.0f")
        median("the same, p99, us", [p99 for _, p99 in found], ",.0f")
    # One after the other, so that both have the same neighbours.
    pairs = [[fan_out(folder, server, options.conns, 24, 6)["server_cpu_us_per_delivery"] for server in (redis, None)] for _ in rounds]
    median(f"CPU a delivery, {options.conns:,} readers, with Redis, us", [pair[0] for pair in pairs], ".2f")
    median("the same, without, us", [pair[1] for pair in pairs], ".2f")
    if all(pair[1] for pair in pairs):
        median("with Redis, to without", [pair[0] / pair[1] for pair in pairs], ".3f")


if __name__ == "__main__":
    main()
