#!/usr/bin/env python3
"""Measures servers under load, side by side.

    load.py run [--rounds 3] [--tests A,B] [--server NAME=COMMAND ...]
                          builds and measures the servers, appends to results.jsonl
    load.py draw          results.jsonl to README.md and load.svg
    load.py smoke         runs each measurement once, small and unoptimized

Without `--server`, the servers are those of SERVERS below. The command of another
one can contain {port}; src/bin/fanout-server.rs says what a server must do. The
servers `floor` and `floor-coalesce` are what the others are compared with: one write
a delivery, and one write for all events that are due.

A server runs on CPU 0 and the load client on CPU 1; a server with two threads runs on
both. In each round, each measurement is taken of one server after the other, each time of
a new process.
"""
import argparse, json, os, shlex, socket, statistics, subprocess, sys, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TARGET = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"))
RESULTS = os.path.join(HERE, "results.jsonl")
MARK = ("<!-- load: begin -->\n", "<!-- load: end -->\n")

SERVERS = {
    "floor": "floor --port {port}",
    "floor-coalesce": "floor --port {port} --coalesce",
    "axum": "examples/axum-sse --port {port}",
    "lasse-tokio": "fanout-server --port {port} --adapter tokio",
    "lasse-hyper": "fanout-server --port {port} --adapter hyper",
    "lasse-axum": "fanout-server --port {port} --adapter axum",
}

# name: options of the load client, and of a run before it that is not recorded
TESTS = {
    "idle": ("--mode idle --conns 10000 --duration 1", None),
    "fixed1k": ("--conns 1000 --events 120 --rate 40", None),
    "fixed10k": ("--conns 10000 --events 24 --rate 6", None),
    "fixed19k": ("--conns 19000 --events 10 --rate 2", None),
    "burst10k": ("--conns 10000 --events 60", None),
    "resume": ("--conns 10000 --events 100 --last-event-id 1 --no-publish", "--conns 1 --events 101"),
    "stream": ("--mode stream --conns 1 --events 1000000", None),
    "quick": ("--conns 1000 --events 300 --rate 30", None),
    "stuck": ("--conns 1000 --events 300 --rate 30 --stuck 1", None),
    "catch_up": ("--conns 1000 --events 300 --rate 30", "--conns 1 --events 101"),
    "threads2": ("--conns 10000 --events 24 --rate 6", None),
}
# name: options of the server
SERVER_OPTIONS = {"threads2": "--threads 2"}
# name: options of a second load client, which runs beside the first one, again and again. Its readers leave when they
# have the old events: if they stayed, each event would have more readers, and the figure would be that of their number.
BESIDE = {"catch_up": "--conns 10000 --events 100 --last-event-id 1 --no-publish --leave"}
# What axum does not have: replay, and options for its threads. The floors have one thread.
CANNOT = {("axum", "resume"), ("axum", "catch_up"), ("axum", "threads2"), ("floor", "threads2"), ("floor-coalesce", "threads2")}


def build(profile):
    """The folder of the programs. Unoptimized ones are those of the whole workspace, which the tests build, too."""
    packages = ["--workspace"] if profile == "dev" else ["-p", "lasse-benches"]
    subprocess.run(["cargo", "build", "--profile", profile, *packages, "--bins", "--examples"], cwd=ROOT, check=True)
    return os.path.join(TARGET, "debug" if profile == "dev" else profile)


def on_cpu(cpu):
    """Keeps a child on one CPU, if there is more than one."""
    if cpu in os.sched_getaffinity(0):
        return lambda: os.sched_setaffinity(0, {cpu})
    return None


class Server:
    def __init__(self, folder, command):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        program, *args = shlex.split(command.replace("{port}", str(self.port)))
        local = os.path.join(folder, program)
        program = local if os.path.exists(local) else program
        pinned = None if "--threads" in args else on_cpu(0)
        self.process = subprocess.Popen([program, *args], stdout=subprocess.DEVNULL, preexec_fn=pinned)
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{command} does not listen")

    def stop(self):
        self.process.kill()
        self.process.wait()


def start_load(folder, server, path, options):
    command = [os.path.join(folder, "sse-load"), "--url", f"http://127.0.0.1:{server.port}{path}", "--pin", "1",
               "--server-pid", str(server.process.pid), "--server-cpu", "0", "--json", "--timeout", "90", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def load(folder, server, path, options):
    return report(start_load(folder, server, path, options))


def report(client):
    """What a load client found, when it has ended."""
    stdout, stderr = client.communicate()
    try:
        return json.loads(stdout)
    except ValueError:
        return {"ok": False, "note": stderr[-200:]}


def measure(folder, server, test, scale=1):
    options, before = (words and scaled(words.split(), scale) for words in TESTS[test])
    path = "/events"
    if test == "stream":
        path = f"/stream?events={options[options.index('--events') + 1]}&size=100"
    if before:
        load(folder, server, path, before)
    client, others = start_load(folder, server, path, options), []
    while test in BESIDE and client.poll() is None:
        others.append(load(folder, server, path, scaled(BESIDE[test].split(), scale)))
    found = {**report(client), "publish_ns": publish_ns(server)}
    failed = [other for other in others if not other["ok"]]
    return {**found, "ok": False, "note": failed[0]["note"]} if failed else found


def scaled(words, scale):
    """Divides the number of connections, and large numbers of events; publishes faster."""
    def value(name, word):
        if name == "--rate" and scale > 1:
            return str(int(word) * 10)
        if name == "--conns" or name == "--events" and int(word) > 1000:
            return str(max(int(word) // scale, 1))
        return word
    return [value(name, word) for name, word in zip([None, *words], words)]


def publish_ns(server):
    """The median time of a publication, if the server measures it."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/cost", timeout=5) as response:
            return int(response.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None


def run(options):
    servers = dict(server.split("=", 1) for server in options.server) or SERVERS
    tests = options.tests.split(",") if options.tests else list(TESTS)
    folder = build("release")
    with open(options.results, "a") as out:
        for number in range(options.rounds):
            for test in tests:
                for name, command in servers.items():
                    if (name, test) in CANNOT:
                        continue
                    server = Server(folder, f"{command} {SERVER_OPTIONS.get(test, '')}")
                    try:
                        found = measure(folder, server, test)
                    finally:
                        server.stop()
                    row = {"server": name, "test": test, "round": number, **{key: found.get(key) for key in KEYS}}
                    print(json.dumps(row), flush=True)
                    out.write(json.dumps(row) + "\n")
                    out.flush()


def smoke(_):
    folder, failed = build("dev"), []
    for name, command in SERVERS.items():
        for test in (test for test in TESTS if (name, test) not in CANNOT):
            server = Server(folder, f"{command} {SERVER_OPTIONS.get(test, '')}")
            try:
                found = measure(folder, server, test, scale=100)
            finally:
                server.stop()
            if not found["ok"]:
                failed.append(f"{name} {test}: {found['note']}")
    print("\n".join(failed) or f"{len(SERVERS)} servers, {len(TESTS)} measurements: all delivered in order")
    sys.exit(len(failed) > 0)


KEYS = ["ok", "note", "deliveries_per_s", "server_cpu_us_per_delivery", "p50_us", "p99_us",
        "server_rss_per_conn", "server_rss_peak", "connects_per_s", "connect_cpu_us", "publish_ns"]


class Results:
    def __init__(self, path):
        self.rows = [json.loads(line) for line in open(path)]
        self.servers = list(dict.fromkeys(row["server"] for row in self.rows))

    def median(self, server, test, key):
        values = [row[key] for row in self.rows
                  if row["server"] == server and row["test"] == test and row["ok"] and row.get(key)]
        return statistics.median(values) if values else None

    def ratio(self, server, test, key, other, other_test=None):
        """The median over the rounds of a figure, divided by that of another server or test in the same round."""
        found = []
        for row in self.rows:
            if row["server"] == server and row["test"] == test and row["ok"] and row.get(key):
                beside = [its[key] for its in self.rows if its["server"] == other and its["test"] == (other_test or test)
                          and its["round"] == row["round"] and its["ok"] and its.get(key)]
                found += [row[key] / beside[-1]] if beside else []
        return statistics.median(found) if found else None


def to_floor(test, key="server_cpu_us_per_delivery", floor="floor"):
    return lambda results, server: results.ratio(server, test, key, floor)


def to_test(test, other, key):
    """A figure of one test, divided by that of another, of the same server in the same round."""
    return lambda results, server: results.ratio(server, test, key, server, other)


def growth(results, server):
    most, least = (results.ratio(server, test, "server_cpu_us_per_delivery", "floor") for test in ("fixed19k", "fixed1k"))
    return most / least if most and least else None


def plain(test, key, unit=1):
    def value(results, server):
        value = results.median(server, test, key)
        return value and value / unit
    return value


# title, value, format
TABLE = [
    ("CPU a delivery, 10,000 connections, one event at a time, to `floor`", to_floor("fixed10k"), ".2f"),
    ("the same, 1,000 connections", to_floor("fixed1k"), ".2f"),
    ("the same, 19,000 connections", to_floor("fixed19k"), ".2f"),
    ("growth: the row above, divided by the row above that", growth, ".2f"),
    ("CPU a delivery, burst of 60 events, 10,000 connections, to `floor-coalesce`", to_floor("burst10k", floor="floor-coalesce"), ".2f"),
    ("events a second, one connection, as fast as possible, to `floor-coalesce`", to_floor("stream", "deliveries_per_s", "floor-coalesce"), ".2f"),
    ("CPU of 10,000 clients that connect and receive 100 old events each, to `floor-coalesce`", to_floor("resume", "connect_cpu_us", "floor-coalesce"), ".2f"),
    ("connections accepted a second, to `floor`", to_floor("idle", "connects_per_s"), ".2f"),
    ("CPU a connection accepted, to `floor`", to_floor("idle", "connect_cpu_us"), ".2f"),
    ("p99 with one in 1,000 stuck, to that without", to_test("stuck", "quick", "p99_us"), ".2f"),
    ("peak memory with one in 1,000 stuck, to that without", to_test("stuck", "quick", "server_rss_peak"), ".2f"),
    ("p99 while 10,000 others connect, receive 100 old events each and leave, again and again, to that without", to_test("catch_up", "quick", "p99_us"), ".2f"),
    ("CPU a delivery with two threads, 10,000 connections, to that with one", to_test("threads2", "fixed10k", "server_cpu_us_per_delivery"), ".2f"),
    ("bytes an idle connection, 10,000", plain("idle", "server_rss_per_conn"), ",.0f"),
    ("µs in `publish`, 10,000 connections", plain("fixed10k", "publish_ns", 1000), ".1f"),
]


def table(results):
    shown = [server for server in results.servers if not server.startswith("floor")]
    lines = ["| | " + " | ".join(shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for title, find, form in TABLE:
        found = (find(results, server) for server in shown)
        lines.append(f"| {title} | " + " | ".join("–" if value is None else format(value, form) for value in found) + " |")
    return "\n".join(lines) + "\n"


def panel(title, series, left, unit):
    """Bars, a group for each label, as SVG."""
    most = max((value or 0) for _, values in series for value in values.values()) or 1
    parts = [f'<text x="{left}" y="20" class="title">{title}</text>']
    y = 36
    for label, values in series:
        parts.append(f'<text x="{left}" y="{y + 10}">{label}</text>')
        y += 16
        for nth, (server, value) in enumerate(values.items()):
            width = 170 * (value or 0) / most
            parts.append(f'<rect x="{left}" y="{y}" width="{width:.1f}" height="11" class="s{nth}"/>')
            parts.append(f'<text x="{left + width + 4:.1f}" y="{y + 10}" class="small">{server} {value or 0:,.{2 if unit else 0}f}</text>')
            y += 14
        y += 6
    return parts, y


def draw(options):
    results = Results(options.results)
    def values(test, key):
        return {server: results.median(server, test, key) for server in results.servers}
    scales = [("1,000 connections", "fixed1k"), ("10,000", "fixed10k"), ("19,000", "fixed19k")]
    scales = [(label, test) for label, test in scales if any(values(test, "server_cpu_us_per_delivery").values())]
    panels = [
        ("deliveries a second, in a burst", [("10,000 connections", values("burst10k", "deliveries_per_s"))], ""),
        ("CPU a delivery, µs", [(label, values(test, "server_cpu_us_per_delivery")) for label, test in scales], "µs"),
        ("bytes an idle connection", [("10,000 connections", values("idle", "server_rss_per_conn"))], ""),
    ]
    parts, height = [], 0
    for nth, (title, series, unit) in enumerate(panels):
        drawn, bottom = panel(title, series, 20 + 360 * nth, unit)
        parts, height = parts + drawn, max(height, bottom)
    style = ("text{font:12px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:14px}.small{font-size:10px}"
             ".s0{fill:#bbb}.s1{fill:#888}.s2{fill:#2a7}.s3{fill:#27a}.s4{fill:#a72}.s5{fill:#a27}")
    with open(os.path.join(HERE, "load.svg"), "w") as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="1100" height="{height + 10}">'
                  f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>' + "\n".join(parts) + "</svg>\n")
    readme = os.path.join(HERE, "README.md")
    text = open(readme).read()
    before, rest = text.split(MARK[0])
    after = rest.split(MARK[1])[1]
    open(readme, "w").write(before + MARK[0] + table(results) + MARK[1] + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "draw", "smoke"])
    parser.add_argument("--server", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--tests")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", default=RESULTS)
    options = parser.parse_args()
    {"run": run, "draw": draw, "smoke": smoke}[options.command](options)


if __name__ == "__main__":
    main()
