#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs test programs that print TAP and joins their output into one stream.

A program that dies, says nothing, breaks off before its plan, or exits
non-zero without a failed line counts as failed.
"""
import argparse
import os
import re
import shlex
import subprocess
import sys

RESULT = re.compile(r"^(not )?ok\b\s*\d*\s*(?:-\s*)?(.*)$")


def run(command, number, timeout):
    """Runs one program; returns (tests seen, failures seen)."""
    argv = shlex.split(command)
    name = os.path.basename(argv[0])
    seen = failed = 0
    plan = None
    proc = subprocess.Popen(["timeout", str(timeout)] + argv, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in proc.stdout:
        line = line.rstrip("\n")
        match = RESULT.match(line)
        if match:
            seen += 1
            failed += bool(match[1])
            print(f"{match[1] or ''}ok {number + seen} - {name}: {match[2]}", flush=True)
        elif line.startswith("1.."):
            plan = int(line[3:])
        else:
            print(line if line.startswith("#") else "# " + line, flush=True)
    status = proc.wait()
    why = None
    if status == 124:
        why = f"took more than {timeout} s"
    elif not seen:
        why = "said nothing"
    elif plan != seen:
        why = f"planned {plan} tests and ran {seen}"
    elif status and not failed:
        why = f"exit status {status}"
    if why:
        seen += 1
        failed += 1
        print(f"not ok {number + seen} - {name}: {why}", flush=True)
    return seen, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timeout", type=int, default=300, help="seconds for each program")
    parser.add_argument("command", nargs="+", help="a program, with its arguments in one word")
    args = parser.parse_args()
    print("TAP version 13")
    total = failures = 0
    for command in args.command:
        seen, failed = run(command, total, args.timeout)
        total += seen
        failures += failed
    print(f"1..{total}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
