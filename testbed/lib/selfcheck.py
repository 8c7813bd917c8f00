# SPDX-License-Identifier: GPL-2.0
"""Runs the test_ functions of a file that tests the test tools, and prints TAP."""
import sys


def main(names):
    """names: globals() of the file.  Ends with 1 if a test raised something."""
    tests = sorted((name, f) for name, f in names.items() if name.startswith('test_'))
    print('TAP version 13')
    print(f'1..{len(tests)}')
    bad = 0
    for number, (name, function) in enumerate(tests, 1):
        try:
            function()
            print(f'ok {number} {name}')
        except Exception as e:  # pylint: disable=broad-except
            bad = 1
            print(f'# {type(e).__name__}: {e} (line {e.__traceback__.tb_next.tb_lineno})')
            print(f'not ok {number} {name}')
    sys.exit(bad)
