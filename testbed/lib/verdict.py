# SPDX-License-Identifier: GPL-2.0
"""Turns what a test program printed into results.

Three kinds of program: "tap" (kselftest_harness and our own: TAP version 13),
"kselftest" (the kernel's older tests: exit status 0 passed, 4 skipped) and
"status" (anything else: exit status 0 passed).
"""
import dataclasses
import re

PASS, FAIL, SKIP = 'pass', 'fail', 'skip'
KSFT_SKIP = 4
TAIL = 15

PLAN = re.compile(r'1\.\.(\d+)\s*(?:#\s*SKIP\s*(.*))?$', re.IGNORECASE)
LINE = re.compile(r'(not )?ok\s+\d+\s*-?\s*(.*?)\s*(?:#\s*(SKIP|TODO|XFAIL)\b\s*(.*))?$')
RUN = re.compile(r'#\s+RUN\s+(\S+) \.\.\.$') # kselftest_harness names a skipped test only here
BEGIN, END = '##begin ', '##end '


@dataclasses.dataclass
class Result:
    """One test's result; name is job/program or job/program/test."""
    name: str
    verdict: str
    reason: str = ''
    output: list = dataclasses.field(default_factory=list)


def by_status(name, status, lines, kind):
    """The one result of a program whose exit status tells."""
    if status == 0:
        return [Result(name, PASS)]
    if status == KSFT_SKIP and kind == 'kselftest':
        said = [line for line in lines if line.strip()]
        return [Result(name, SKIP, said[-1].strip() if said else 'it gave no reason')]
    return [Result(name, FAIL, f'exit status {status}', lines[-TAIL:])]


def by_tap(name, status, lines):
    """The results of a program that prints TAP; at least one."""
    results, plan, seen, since, begun = [], None, 0, 0, ''
    for at, line in enumerate(lines):
        found = PLAN.match(line)
        if found:
            plan = int(found[1])
            if plan == 0:
                results.append(Result(name, SKIP, found[2] or 'it gave no reason'))
            continue
        found = RUN.match(line)
        if found:
            begun = found[1]
        found = LINE.match(line)
        if not found:
            continue
        seen += 1
        bad, title, mark, why = found.groups()
        test = f'{name}/{title or begun or seen}'
        begun = ''
        if mark == 'SKIP':
            results.append(Result(test, SKIP, why or 'it gave no reason'))
        elif bad:
            shown = lines[max(since, at - TAIL):at + 1]
            results.append(Result(test, FAIL, 'not ok', shown))
        else:
            results.append(Result(test, PASS))
        since = at + 1

    problem = ''
    if plan is None:
        problem = 'it printed no TAP plan' if seen else 'it said nothing'
    elif plan != seen:
        problem = f'it planned {plan} tests and reported {seen}'
    elif status not in (0, KSFT_SKIP) and not any(r.verdict == FAIL for r in results):
        problem = f'it reported no failure and left with exit status {status}'
    if problem:
        results.append(Result(name, FAIL, problem, lines[-TAIL:]))
    return results


def judge(name, status, lines, kind):
    """The results of one program."""
    if kind == 'tap':
        return by_tap(name, status, lines)
    return by_status(name, status, lines, kind)


def held_to(results, program):
    """The results of a program of which more is known: that it runs, or that it fails."""
    if program.fail:
        name = results[0].name
        if any(r.verdict == FAIL for r in results):
            return [Result(name, SKIP, f'fails as it is known to: {program.fail}')]
        return [Result(name, FAIL, 'it is known to fail and did not: move it in the list')]
    if not program.must_run:
        return results
    return [Result(r.name, FAIL, f'it was to run and skipped: {r.reason}') if r.verdict == SKIP else r
            for r in results]


def split(lines):
    """Yields (program, exit status, its lines) of output with BEGIN and END lines.

    The status is None for a program that did not come to its end.
    """
    name, body = None, []
    for line in lines:
        if line.startswith(BEGIN):
            if name is not None:
                yield name, None, body
            name, body = line[len(BEGIN):], []
        elif line.startswith(END) and name is not None:
            yield name, int(line[len(END):].split()[0]), body
            name = None
        else:
            body.append(line)
    if name is not None:
        yield name, None, body
