# SPDX-License-Identifier: GPL-2.0
"""Writes the guest's initial file system: a cpio archive of the "newc" kind.

Documentation/driver-api/early-userspace/buffer-format.rst describes the format.
"""
import os
import stat


class Initrd:
    """An archive in memory; directories on the way to a file are made as needed."""

    def __init__(self):
        self.parts = []
        self.names = set()

    def _entry(self, name, mode, data):
        encoded = name.encode() + b'\0'
        fields = (len(self.parts) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        header = b'070701' + b''.join(b'%08X' % f for f in fields) + encoded
        self.parts.append(header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4))

    def directory(self, name):
        """A directory and those above it, once each."""
        if not name or name in self.names:
            return
        self.directory(os.path.dirname(name))
        self.names.add(name)
        self._entry(name, stat.S_IFDIR | 0o755, b'')

    def file(self, name, data, mode=0o755):
        """A file of these bytes; the name has no leading slash."""
        if name in self.names:
            raise ValueError(f'{name} is given twice')
        self.directory(os.path.dirname(name))
        self.names.add(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def copy(self, path, name):
        """A host file, or a directory with all that is in it, under this name."""
        if os.path.isdir(path):
            for child in sorted(os.listdir(path)):
                self.copy(os.path.join(path, child), f'{name}/{child}')
            return
        with open(path, 'rb') as f:
            self.file(name, f.read(), stat.S_IMODE(os.stat(path).st_mode))

    def bytes(self):
        """The finished archive."""
        self._entry('TRAILER!!!', 0, b'')
        return b''.join(self.parts)
