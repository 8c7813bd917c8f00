# SPDX-License-Identifier: GPL-2.0
"""Joins the user's terminal and the guest's serial line, for --shell."""
import os
import sys
import termios
import tty


class NoTerminal:
    """Nothing to join."""
    inputs = []
    device = None

    def pump(self, ready):
        """Nothing to carry."""

    def close(self):
        """Nothing to restore."""


class Terminal:
    """A pseudo-terminal for Bochs to open, and the user's, set to pass on every key."""

    def __init__(self):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.device = os.ttyname(self.slave)
        self.saved = None
        if sys.stdin.isatty():
            self.saved = termios.tcgetattr(sys.stdin)
            tty.setraw(sys.stdin)
        self.inputs = [self.master, sys.stdin.fileno()]

    def pump(self, ready):
        """Carries what is there to the other side."""
        if self.master in ready:
            data = os.read(self.master, 4096)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        if len(self.inputs) > 1 and self.inputs[1] in ready:
            data = os.read(self.inputs[1], 4096)
            if data:
                os.write(self.master, data)
            else:
                self.inputs.pop()

    def close(self):
        """Gives the user's terminal back as it was; once."""
        if self.saved:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.saved)
            self.saved = None
