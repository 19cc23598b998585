#!/usr/bin/env python3
"""Times encoding and decoding over several rounds, and writes the ratios into README.md.

    ratios.py run [--rounds 5]    runs the benchmarks, appends to ratios.jsonl
    ratios.py draw                ratios.jsonl to README.md

A ratio is taken of the fastest samples of all rounds: other programs can make a machine slow
for minutes, but never too fast.
"""
import argparse, glob, json, os, subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "ratios.jsonl")
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "target"))
MARK = ("<!-- ratios: begin -->\n", "<!-- ratios: end -->\n")

CASES = {
    "a": "60 B token", "b": "id, event, 100 B", "c": "1 KiB", "d": "64 KiB in lines of 80 B",
    "e": "a line of 1 MiB", "f": "4 KiB of LF", "c-utf8": "1 KiB, not ASCII", "e-utf8": "1 MiB, not ASCII",
}
# (heading, groups of criterion, columns)
TABLES = [
    ("Encoding, appended", ["append/{}"], ["write!", "memcpy", "axum", "russe"]),
    ("Encoding, as one owned frame", ["own/{}"], ["memcpy", "axum", "actix-web-lab", "russe", "sse-stream"]),
    ("Decoding", ["decode/{}/1400", "decode/{}/16384", "decode/{}/1"],
     ["walk", "memcpy", "sse-core", "sse-stream", "eventsource-stream"]),
]


def run(options):
    for _ in range(options.rounds):
        subprocess.run(["cargo", "bench", "-p", "lasse-benches", "--bench", "encode", "--bench", "decode"], check=True)
        with open(RESULTS, "a") as results:
            results.write(json.dumps(quickest()) + "\n")


def quickest():
    """Nanoseconds of the fastest sample of each benchmark in the last run of criterion."""
    found = {}
    for folder in glob.glob(os.path.join(TARGET, "criterion", "**", "new"), recursive=True):
        with open(os.path.join(folder, "benchmark.json")) as about, open(os.path.join(folder, "sample.json")) as sample:
            about, sample = json.load(about), json.load(sample)
            name = f'{about["group_id"]}: {about["function_id"]}'
            found[name] = min(time / count for time, count in zip(sample["times"], sample["iters"]))
    return found


def ratio(rounds, group, other):
    times = [best(rounds, f"{group}: {name}") for name in ("lasse", other)]
    return f"{times[0] / times[1]:.2f}" if all(times) else "–"


def best(rounds, name):
    return min((times[name] for times in rounds if name in times), default=None)


def row(rounds, case, group, columns):
    pieces = group.split("/")[2:]
    label = f"{case}: {CASES[case]}" + (f", by {int(pieces[0]):,} B" if pieces else "")
    return " | ".join([f"| {label}"] + [ratio(rounds, group, column) for column in columns]) + " |"


def table(rounds, heading, groups, columns):
    lines = [f"| {heading} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for case in CASES:
        wanted = [group.format(case) for group in groups]
        lines += [row(rounds, case, group, columns) for group in wanted if any(f"{group}: lasse" in times for times in rounds)]
    return "\n".join(lines) + "\n"


def draw(_):
    with open(RESULTS) as results:
        rounds = [json.loads(line) for line in results]
    readme = os.path.join(HERE, "README.md")
    with open(readme) as file:
        text = file.read()
    (before, rest), drawn = text.split(MARK[0]), "\n".join(table(rounds, *about) for about in TABLES)
    with open(readme, "w") as file:
        file.write(before + MARK[0] + drawn + MARK[1] + rest.split(MARK[1])[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run")
    running.add_argument("--rounds", type=int, default=5)
    running.set_defaults(do=run)
    commands.add_parser("draw").set_defaults(do=draw)
    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()
