#!/usr/bin/env python3
"""Broadcasts to any number of subscribers, on as many server processes as that takes.

    million.py [--subscribers 1000000] [--broadcasts 5] [--adapter tokio] [--record million.jsonl]
    million.py --smoke        a few subscribers on three nodes, unoptimized, not recorded

A process can open some 20,000 files (`ulimit -Hn`), so each node of the service is a process
with --per-node subscribers, and its load client another. All nodes share one channel: each
gets every event through a pipe, with the same number and id. The clients check that every
subscriber receives every event once and in order. A broadcast starts when the one before has
arrived. The status is 0 if all has arrived.

It prints one line of JSON: p50, p99 and the longest time from the broadcast to a subscriber,
over all broadcasts; CPU of the nodes and of the clients a delivery; resident memory of the
nodes a subscriber; and memory of the whole machine a subscriber, with both ends of its
connection in the kernel and the load client.
"""
import argparse, itertools, json, os, resource, select, socket, subprocess, sys, time

import load

# Of a node: its listener, epoll, standard streams, and what the runtime needs.
SPARE_FILES = 100
SECONDS_TO_CONNECT = 3600


class Node:
    """A server process, and the load client of its subscribers."""

    def __init__(self, folder, adapter, port, subscribers, broadcasts):
        self.port, self.subscribers, self.client = port, subscribers, None
        command = [os.path.join(folder, "fanout-server"), "--port", str(port), "--adapter", adapter,
                   "--feed", "stdin", "--keep-alive", "0"]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.load = [os.path.join(folder, "sse-load"), "--url", f"http://127.0.0.1:{port}/events", "--conns", str(subscribers),
                     "--events", str(broadcasts), "--no-publish", "--announce", "--latencies", "--json",
                     "--settle", "0", "--server-pid", str(self.server.pid),
                     "--timeout", str(2 * SECONDS_TO_CONNECT), "--stall", str(SECONDS_TO_CONNECT)]

    def wait_for_listener(self):
        for _ in range(400):
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
        sys.exit(f"the node at port {self.port} does not listen")

    def connect(self):
        """Returns when all subscribers of this node are connected."""
        self.client = subprocess.Popen(self.load, stdout=subprocess.PIPE, text=True)
        if self.client.stdout.readline() != "connected\n":
            sys.exit(f"the load client of port {self.port} has failed")

    def publish(self, line):
        self.server.stdin.write(line)
        self.server.stdin.flush()

    def has_report(self):
        return bool(select.select([self.client.stdout], [], [], 0)[0])

    def report(self):
        return json.loads(self.client.communicate()[0])

    def stop(self):
        for process in (self.server, self.client):
            if process:
                process.kill()
                process.wait()


def cpu_seconds(processes):
    """The CPU time of processes, in seconds. One that has ended counts as 0."""
    ticks = 0
    for process in processes:
        try:
            with open(f"/proc/{process.pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(processes):
    pages = sum(int(open(f"/proc/{process.pid}/statm").read().split()[1]) for process in processes)
    return pages * resource.getpagesize()


def available():
    """The memory of the machine that is free, or can be freed, in bytes."""
    fields = dict(line.split(":") for line in open("/proc/meminfo"))
    return int(fields["MemAvailable"].split()[0]) * 1024


def wait_until_idle(nodes, at_most):
    """Returns when the nodes and the clients have used hardly any CPU for half a second."""
    processes = [process for node in nodes for process in (node.server, node.client)]
    used, until = cpu_seconds(processes), time.monotonic() + at_most
    while time.monotonic() < until:
        time.sleep(0.5)
        before, used = used, cpu_seconds(processes)
        if used - before <= 0.05 + 0.002 * len(processes):
            return


def quantile(buckets, share):
    """The time within which the share of all deliveries lie. `buckets` are sorted."""
    total = sum(count for _, count in buckets)
    below = itertools.accumulate(count for _, count in buckets)
    return next((nanos for (nanos, _), sum_ in zip(buckets, below) if sum_ >= share * total), 0)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    return ports


def measure(folder, options):
    count, per_node = options.subscribers, options.per_node
    sizes = [min(per_node, count - start) for start in range(0, count, per_node)]
    memory_before = available()
    ports = free_ports(len(sizes))
    nodes = [Node(folder, options.adapter, port, size, options.broadcasts) for port, size in zip(ports, sizes)]
    try:
        for node in nodes:
            node.wait_for_listener()
        servers = [node.server for node in nodes]
        resident_before = resident(servers)
        start = time.monotonic()
        for nth, node in enumerate(nodes, 1):
            node.connect()
            print(f"{sum(sizes[:nth]):,} of {count:,} subscribers", file=sys.stderr, flush=True)
        connect_s = time.monotonic() - start
        wait_until_idle(nodes, 60)
        resident_after, memory_after = resident(servers), available()
        cpu_before = cpu_seconds(servers)
        clients_before = cpu_seconds(node.client for node in nodes)
        for number in range(1, options.broadcasts + 1):
            line = f"{number} {time.clock_gettime_ns(time.CLOCK_MONOTONIC)} ".ljust(options.size, "x") + "\n"
            for node in nodes:
                node.publish(line.encode())
            if number < options.broadcasts:
                wait_until_idle(nodes, options.interval)
        # A client prints its report at its end.
        while not all(node.has_report() for node in nodes):
            time.sleep(0.1)
        clients_after = cpu_seconds(node.client for node in nodes)
        reports = [node.report() for node in nodes]
        cpu_after = cpu_seconds(servers)
    finally:
        for node in nodes:
            node.stop()
    delivered = sum(report["delivered"] for report in reports)
    buckets = sorted((nanos, many) for report in reports for nanos, many in report["latencies"])
    notes = sorted({report["note"] for report in reports if not report["ok"]})
    per_delivery = lambda seconds: round(seconds * 1e6 / max(delivered, 1), 2)
    return {
        "ok": not notes and delivered == count * options.broadcasts,
        "note": "; ".join(notes),
        "adapter": options.adapter,
        "subscribers": count,
        "nodes": len(nodes),
        "broadcasts": options.broadcasts,
        "size": options.size,
        "delivered": delivered,
        "connect_s": round(connect_s, 1),
        "p50_ms": round(quantile(buckets, 0.5) / 1e6, 2),
        "p99_ms": round(quantile(buckets, 0.99) / 1e6, 2),
        "max_ms": round(max((nanos for nanos, _ in buckets), default=0) / 1e6, 2),
        "server_cpu_us_per_delivery": per_delivery(cpu_after - cpu_before),
        "client_cpu_us_per_delivery": per_delivery(clients_after - clients_before),
        "server_bytes_per_subscriber": round((resident_after - resident_before) / count),
        "machine_bytes_per_subscriber": round((memory_before - memory_after) / count),
        "cores": os.cpu_count(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    parser.add_argument("--per-node", type=int, default=min(most, 20_000) - SPARE_FILES)
    parser.add_argument("--broadcasts", type=int, default=5)
    parser.add_argument("--interval", type=float, default=300, help="seconds between broadcasts at most")
    parser.add_argument("--size", type=int, default=100, help="bytes of data")
    parser.add_argument("--adapter", default="tokio", choices=["tokio", "hyper", "axum"])
    parser.add_argument("--record", metavar="FILE", help="append the result to this file, too")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.smoke:
        options.subscribers, options.per_node, options.broadcasts, options.record = 250, 100, 3, None
    if min(options.subscribers, options.per_node, options.broadcasts) < 1:
        parser.error("--subscribers, --per-node and --broadcasts are at least 1")
    if options.per_node > most - SPARE_FILES:
        parser.error(f"a process can open {most} files: --per-node is {most - SPARE_FILES} at most")
    found = measure(load.build("dev" if options.smoke else "release"), options)
    print(json.dumps(found))
    if options.record:
        with open(options.record, "a") as out:
            out.write(json.dumps(found) + "\n")
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
