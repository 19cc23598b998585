#!/usr/bin/env python3
"""Counts the instructions of a channel, which no other program disturbs, also beside another commit.

    instructions.py                     the commit that is checked out, with its changes
    instructions.py --beside COMMIT     the same, and the ratio to COMMIT

Builds src/bin/instructions.rs with lasse-core alone, and runs it under callgrind. A count is the
difference of two runs, so that start and first rounds do not count.
"""
import argparse, os, re, subprocess, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(HERE)
ROUNDS = (50, 150)
# (label, function, readers, whether for each reader)
ROWS = [
    ("publish, no readers", "publish", 0, False),
    ("publish, 100 readers wait", "publish", 100, False),
    ("publish, 1,000 readers wait in shards", "publish", 1000, False),
    ("wake, a reader of 100", "wake", 100, True),
    ("wake, a reader of 1,000 in shards", "wake", 1000, True),
    ("read and wait, a reader of 100", "read_and_wait", 100, True),
    ("read and wait, a reader of 1,000 in shards", "read_and_wait", 1000, True),
]
MANIFEST = """[package]
name = "instructions"
edition = "2024"
[dependencies]
lasse-core = {{ path = "{tree}/lasse-core", features = ["std", "http", "simdutf8"] }}
[[bin]]
name = "instructions"
path = "{driver}"
[profile.release]
lto = "thin"
codegen-units = 1
debug = "line-tables-only"
[workspace]
"""


def build(tree, folder):
    """The program with the lasse-core of a tree."""
    os.makedirs(folder)
    with open(os.path.join(folder, "Cargo.toml"), "w") as manifest:
        manifest.write(MANIFEST.format(tree=tree, driver=os.path.join(HERE, "src/bin/instructions.rs")))
    with open(os.path.join(TREE, "Cargo.lock")) as lock, open(os.path.join(folder, "Cargo.lock"), "w") as copy:
        copy.write(lock.read())
    target = os.path.join(folder, "target")
    subprocess.run(["cargo", "build", "--quiet", "--release", "--target-dir", target], cwd=folder, check=True)
    return os.path.join(target, "release", "instructions")


def count(program, function, readers, rounds):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               f"--toggle-collect=instructions::{function}*", program, str(readers), str(rounds)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", run.stderr)[1])


def measure(program, function, readers, is_each):
    few, many = (count(program, function, readers, rounds) for rounds in ROUNDS)
    return (many - few) / (ROUNDS[1] - ROUNDS[0]) / (readers if is_each else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", metavar="COMMIT")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programs = [build(TREE, os.path.join(folder, "now"))]
        if options.beside:
            before = os.path.join(folder, "tree")
            subprocess.run(["git", "-C", TREE, "worktree", "add", "--quiet", "--detach", before, options.beside], check=True)
            try:
                programs.append(build(before, os.path.join(folder, "before")))
            finally:
                subprocess.run(["git", "-C", TREE, "worktree", "remove", "--force", before], check=True)
        print("| instructions | now |" + (f" {options.beside} | ratio |" if options.beside else ""))
        print("|---|---|" + ("---|---|" if options.beside else ""))
        for label, *what in ROWS:
            counts = [measure(program, *what) for program in programs]
            ratio = [f"{counts[0] / counts[1]:.3f}"] if options.beside else []
            print(" | ".join([f"| {label}"] + [f"{each:,.0f}" for each in counts] + ratio) + " |", flush=True)


if __name__ == "__main__":
    main()
