# SPDX-License-Identifier: GPL-2.0
"""Reads the job files of testbed/jobs.

A job file is made of lines "key = value", # begins a comment:
  about     one sentence
  matrix    "mode: default pml=0; cpus: 1 2": one job for each combination, named
            FILE-VALUE-VALUE; {mode} and {cpus} in other values stand for the
            value, and "default" for nothing.  More such lines add their combinations
  build     make targets that come first
  kind      tap, kselftest or status: how its programs tell (lib/verdict.py)
  seconds   how long it takes, about: long jobs start first
  timeout   seconds after which it has failed (600)
and one of
  host      a command to run on this machine
  machine   arguments of testbed/machine, to run in one boot one of
    programs  files that match these patterns
    list      a list such as selftests/conformance/list, which names every program
              there is; lines for other cpus and mem than the job's are passed
              over, and if its matrix has a model all that are not marked for such;
              "directory" is a command that prints where the programs are, and
              "may_skip" names programs that may skip themselves on this machine,
              "fails_on = VALUE TEST REASON" one known to fail where the matrix has VALUE
    script    a script for the guest's shell
  args      arguments for each program
  limit     guest seconds for each program (40)
  add       files for the guest besides
"""
import dataclasses
import glob
import itertools
import os
import shlex
import subprocess

KEYS = {'about', 'matrix', 'build', 'kind', 'seconds', 'timeout', 'host', 'machine', 'programs',
        'list', 'directory', 'may_skip', 'fails_on', 'script', 'args', 'limit', 'add'}
KINDS = ('tap', 'kselftest', 'status')


class JobError(Exception):
    """A job cannot be run as its file says; the text says why."""


@dataclasses.dataclass
class Program:
    """One program of a machine job.

    skip is the reason why it is left out, fail why it is known to fail, or '';
    must_run: it may not skip itself.
    """
    label: str
    path: str = ''
    name: str = ''
    args: list = dataclasses.field(default_factory=list)
    skip: str = ''
    fail: str = ''
    must_run: bool = False


class Job:
    """One combination of a job file's matrix."""

    def __init__(self, name, keys, values):
        self.name, self.keys, self.values = name, keys, values
        self.kind = keys.get('kind', 'status')
        self.seconds = int(keys.get('seconds', 10))
        self.timeout = int(keys.get('timeout', 600))
        self.limit = int(keys.get('limit', 40))
        self.build = self.text('build').split()

    def text(self, key):
        """A key's value with the matrix's values put in; '' if it is not there."""
        text = self.keys.get(key, '')
        for name, value in self.values.items():
            text = text.replace('{' + name + '}', '' if value == 'default' else value)
        return text

    def words(self, key):
        """The same, as the shell would split it."""
        return shlex.split(self.text(key))

    def programs(self):
        """The programs of a machine job; at least one."""
        found = self._from_list() if 'list' in self.keys else self._from_patterns()
        labels = [p.label for p in found]
        for label in labels:
            if labels.count(label) > 1:
                raise JobError(f'{label} is there twice')
        if not found:
            raise JobError('it has no program to run')
        return found

    def _from_patterns(self):
        found = []
        for pattern in self.words('programs'):
            paths = sorted(p for p in glob.glob(pattern) if os.access(p, os.X_OK) and os.path.isfile(p))
            if not paths:
                raise JobError(f'there is no program {pattern}')
            args = self.words('args')
            for path in paths:
                base = os.path.basename(path)
                found.append(Program('_'.join([base] + args), path, base, args))
        return found

    def _from_list(self):
        done = subprocess.run(self.words('directory'), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise JobError(f'{self.text("directory")} failed:\n{done.stderr}')
        directory = done.stdout.strip()
        with open(self.text('list'), encoding='ascii') as f:
            rows = [words for words in map(str.split, f) if words and not words[0].startswith('#')]
        named = {words[0] for words in rows}
        there = set(programs_below(directory))
        if named != there:
            raise JobError(f'{self.text("list")} does not name {sorted(there - named)} and names '
                           f'{sorted(named - there)}, which are not there')
        return [p for p in (self._row(directory, words) for words in rows) if p]

    def _row(self, directory, words):
        """The program of one line of a list; None if it is for another machine."""
        test, how = words[:2]
        path, label = os.path.join(directory, test), test.replace('/', '.')
        cpus, mem, model = (self.values.get(k) for k in ('cpus', 'mem', 'model'))
        if how in ('skip', 'fail'): # told once
            here = (cpus, mem, model) == ('1', '512', None)
            return Program(label, path, test, **{how: ' '.join(words[2:])}) if here else None
        if model: # one machine for all rows that are marked
            wanted = cpus + '+' in how.split(',') and int(words[2]) <= int(mem)
        else:
            wanted = cpus in how.replace('+', '').split(',') and words[2] == mem
        if not wanted:
            return None
        return Program('_'.join([label] + words[3:]), path, test, words[3:],
                       must_run=test not in self.words('may_skip'), fail=self._known(test))

    def _known(self, test):
        """Why it is known that this test fails on this machine; or ''."""
        value, known, reason = (self.text('fails_on').split(None, 2) + [''] * 3)[:3]
        return reason if known == test and value in self.values.values() else ''


def programs_below(directory):
    """The names of all programs below a directory."""
    for at, _, files in os.walk(directory):
        for name in files:
            path = os.path.join(at, name)
            if os.access(path, os.X_OK):
                yield os.path.relpath(path, directory)


def parse(path):
    """The keys of a job file; that of matrix is a list."""
    keys = {'matrix': []}
    with open(path, encoding='ascii') as f:
        for number, line in enumerate(f, 1):
            line = line.strip()
            if not line or line.startswith('#'):
                continue
            key, equals, value = line.partition('=')
            key = key.strip()
            if equals and key == 'matrix':
                keys[key].append(value.strip())
                continue
            if not equals or key not in KEYS or key in keys:
                raise JobError(f'{path}:{number}: "{key}" is no key, or there twice')
            keys[key] = value.strip()
    if ('host' in keys) == ('machine' in keys):
        raise JobError(f'{path}: it needs one of host and machine')
    if 'machine' in keys and sum(k in keys for k in ('programs', 'list', 'script')) != 1:
        raise JobError(f'{path}: it needs one of programs, list and script')
    if keys.get('kind', 'status') not in KINDS:
        raise JobError(f'{path}: kind is one of {", ".join(KINDS)}')
    return keys


def combinations(matrix):
    """The choices of one matrix line, each a list of (name, value)."""
    axes = []
    for axis in filter(None, matrix.split(';')):
        name, _, values = axis.partition(':')
        axes.append([(name.strip(), value) for value in values.split()])
    return itertools.product(*axes)


def load(directory):
    """All jobs of a directory's job files."""
    jobs = []
    for path in sorted(glob.glob(os.path.join(directory, '*.job'))):
        keys = parse(path)
        base = os.path.basename(path)[:-len('.job')]
        for choice in itertools.chain(*map(combinations, keys['matrix'] or [''])):
            jobs.append(Job('-'.join([base] + [v for _, v in choice]), keys, dict(choice)))
    return jobs
