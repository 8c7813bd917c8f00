# SPDX-License-Identifier: GPL-2.0
"""Starts one Bochs and makes sure that it ends."""
import hashlib
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'vellum')


class MissingError(Exception):
    """Something that a run needs is not there; the text says what to do."""


def words(name):
    """The words of a file of boot/, comments left out, as one line."""
    with open(os.path.join(HERE, 'boot', name), encoding='ascii') as f:
        return ' '.join(line.strip() for line in f if not line.startswith('#'))


def cached(name, sources, build):
    """A built file in the cache, made again when one of its sources changes.

    build(sources, out) makes it; two that build at once both succeed.
    """
    digest = hashlib.sha256()
    for source in sources:
        with open(source, 'rb') as f:
            digest.update(f.read())
    path = os.path.join(CACHE, 'built', f'{name}-{digest.hexdigest()[:16]}')
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as scratch:
            out = os.path.join(scratch, name)
            build(sources, out)
            os.rename(out, path)
    return path


def run_tool(*command):
    """Runs a build tool; its output is shown if it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError as e:
        raise MissingError(f'{command[0]} is missing: run testbed/setup') from e
    if done.returncode:
        raise MissingError(f'{" ".join(command)} failed:\n{done.stdout.decode(errors="replace")}')


def _build_rom(sources, out):
    run_tool('gcc', '-c', '-o', out + '.o', sources[0])
    run_tool('objcopy', '-O', 'binary', '-j', '.text', out + '.o', out)
    with open(out, 'r+b') as f:
        rom = f.read()
        f.seek(511)
        f.write(bytes([-sum(rom) & 0xff]))


def _build_port(sources, out):
    run_tool('gcc', '-Os', '-static', '-nostdlib', '-fno-stack-protector', '-fno-builtin',
             '-fno-asynchronous-unwind-tables', '-s', '-o', out, sources[0])


def rom():
    """The boot ROM's path."""
    return cached('rom', [os.path.join(HERE, 'boot/rom.S')], _build_rom)


def port():
    """The guest's helper program's path."""
    return cached('port', [os.path.join(HERE, 'guest/port.c')], _build_port)


class Bochs:
    """A running Bochs: .output is its standard output, a binary file.

    machine has cpu, cpus, mem and debugger (a file of commands for Bochs's debugger,
    which stops at each "xchg %bx, %bx" then; or None); serial is the tty for the guest's COM1, or None
    for the file directory/serial.  close() ends it whatever it does.
    """

    def __init__(self, directory, machine, serial=None):
        bochs = shutil.which('bochs')
        if not bochs:
            raise MissingError('Bochs is missing: run testbed/setup')
        values = {'MB': machine.mem, 'CPU': machine.cpu, 'CPUS': machine.cpus, 'DIR': directory,
                  'ROM': rom(), 'COM1': serial or f'{directory}/serial',
                  'COM1MODE': 'term' if serial else 'file',
                  'MARKS': int(bool(machine.debugger))}
        with open(os.path.join(HERE, 'boot/bochsrc'), encoding='ascii') as f:
            rc = f.read()
        for key, value in values.items():
            rc = rc.replace(f'@{key}@', str(value))
        self._write(directory, 'bochsrc', rc)
        commands = 'c\n'
        if machine.debugger:
            with open(machine.debugger, encoding='ascii') as f:
                commands = f.read()
        self._write(directory, 'debugger', commands)
        # Dies with its parent, however that dies; a network of its own keeps the
        # display's ports of two machines apart.
        command = ['setpriv', '--pdeathsig=KILL', bochs, '-q', '-f', f'{directory}/bochsrc',
                   '-rc', f'{directory}/debugger']
        if subprocess.run(['unshare', '--net', 'true'], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0:
            command[:0] = ['unshare', '--net']
        self.log, self.errors = f'{directory}/bochs.log', f'{directory}/bochs.err'
        with open(self.errors, 'wb') as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=err)
        self.output = self.process.stdout

    @staticmethod
    def _write(directory, name, text):
        with open(os.path.join(directory, name), 'w', encoding='ascii') as f:
            f.write(text)

    def close(self):
        """Ends it, and waits until it is gone."""
        self.process.kill()
        self.process.wait()
        self.output.close()
