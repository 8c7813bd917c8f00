# SPDX-License-Identifier: GPL-2.0
"""Reads what the guest sends through Bochs's standard output.

The stream is made of records (guest/init): a zero byte, the run's token, a word,
arguments, a newline, and then bytes up to the next record.  What stands before the
first one is Bochs's own.
"""


class Console:
    """Takes the stream in pieces of any size.

    start(word, args) is called for each record, data(word, bytes) for what follows
    it, as soon as it is there.
    """

    def __init__(self, token, start, data):
        self.mark = b'\0' + token.encode() + b' '
        self.start, self.data = start, data
        self.word = ''
        self.held = b''

    def feed(self, piece):
        """The next piece of the stream."""
        self.held += piece
        while True:
            at = self.held.find(self.mark)
            if at < 0:
                self._pass_on(self._sure())
                return
            end = self.held.find(b'\n', at)
            self._pass_on(at)
            if end < 0:
                return
            end -= at
            self.word, _, args = self.held[len(self.mark):end].decode(errors='replace').partition(' ')
            self.held = self.held[end + 1:]
            self.start(self.word, args)

    def finish(self):
        """The stream has ended."""
        self._pass_on(len(self.held))

    def _sure(self):
        """How many of the bytes held cannot be the beginning of a record."""
        at = self.held.rfind(b'\0', -len(self.mark))
        if at >= 0 and self.mark.startswith(self.held[at:]):
            return at
        return len(self.held)

    def _pass_on(self, count):
        if count:
            self.data(self.word, self.held[:count])
            self.held = self.held[count:]
