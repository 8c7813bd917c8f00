#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks which files include which.

Usage: layers.py LAYER...

The layers are directories, lowest first.  A file includes files of its own layer
and of those before it.  The pure files of mmu/ and nested/ reach the kernel
through include/env.h alone, so that they can be run in userspace.
"""
import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
PURE = {f'mmu/{name}.{end}' for name in ('spte', 'iter', 'ept', 'dirty', 'pml', 'ring', 'tracker',
                                         'slot') for end in 'ch'}
PURE |= {f'nested/{name}.{end}' for name in ('vmcs12', 'ept12', 'caps', 'bits', 'check',
                                            'check_guest', 'pf') for end in 'ch'}
# Constants of the CPU's, and nothing else.
CONSTANTS = {'asm/msr-index.h', 'asm/processor-flags.h'}


def includes(path):
    """Yields (line number, '<' or '"', name) of a file's #include lines."""
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            found = INCLUDE.match(line)
            if found:
                yield number, found[1], found[2]


def breaches(path, layers, sources):
    """Yields what is wrong with a file's #include lines."""
    own = path.split('/', maxsplit=1)[0]
    for number, kind, name in includes(path):
        where = f'{path}:{number}'
        if kind == '<':
            if path in PURE and name not in CONSTANTS:
                yield f'{where}: a pure file includes <{name}>; it reaches the kernel through include/env.h'
            continue
        places = (os.path.join(os.path.dirname(path), name), name, os.path.join('include', name))
        target = next((p for p in map(os.path.normpath, places) if p in sources), None)
        if target is None:
            yield f'{where}: "{name}" is in none of the layers'
            continue
        layer = target.split('/', maxsplit=1)[0]
        if layers.index(layer) > layers.index(own):
            yield f'{where}: {own}/ includes {target}, which stands above it'


def main():
    layers = sys.argv[1:]
    if not layers or layers[0].startswith('-'):
        print(__doc__)
        sys.exit(0 if layers in (['-h'], ['--help']) else 2)
    sources = {os.path.join(where, name) for layer in layers for where, _, names in os.walk(layer)
               for name in names if name.endswith(('.c', '.h', '.S')) and not name.endswith('.mod.c')}
    found = [b for path in sorted(sources) for b in breaches(path, layers, sources)]
    for breach in found:
        print(breach)
    if not sources:
        sys.exit(f'there are no sources in {" ".join(layers)}')
    sys.exit(1 if found else 0)


if __name__ == '__main__':
    main()
