# SPDX-License-Identifier: GPL-2.0
"""Reads a kernel log for what must not be in it."""
import re

# The beginnings of the kernel's own complaints.
REPORT = re.compile(
    r'WARNING: |BUG: |BUG\b.* at |Oops|general protection fault|kernel BUG|Kernel panic|'
    r'INFO: task .* blocked|rcu: INFO: |UBSAN: |KASAN: |KCSAN: |Unable to handle|'
    r'possible circular locking|possible recursive locking|suspicious RCU usage|'
    r'inconsistent lock state|bad unlock balance|held lock freed|'
    r'scheduling while atomic|sleeping function called|list_(?:add|del) corruption|refcount_t: |'
    r'Bad page|unreferenced object|stack-protector:|traps: .*\.ko|ODEBUG: |'
    r'irq \d+: nobody cared|Call Trace:|unchecked MSR access')

# Bochs's own, each by the one line that names it.  A report runs to its end mark;
# the second is a remark on the CPU model with mitigations on.
BENIGN = re.compile(
    # its XSAVE leaf disagrees with what the kernel adds up (6.1, 6.12)
    r'WARNING: CPU: 0 PID: 0 at arch/x86/kernel/fpu/xstate\.c:\d+ fpu__init_system_xstate\+|'
    # its CPUID shows hyper-threads and one logical processor (6.12; the debug kernel)
    r'WARNING: CPU: 0 PID: 0 at arch/x86/kernel/cpu/topology_common\.c:\d+ parse_legacy\+|'
    r'UBSAN: shift-out-of-bounds in (?:\S*/)?arch/x86/kernel/apic/apic_flat_64\.c:')
BENIGN_LINE = re.compile(r'RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable')
END = re.compile(r'---\[ end trace |\] ={80}$')

# Once a program has said that it makes allocations fail, or a process be killed for
# want of memory, the kernel's remark on that, which has a back-trace, is no report.
FAILING = re.compile(r'ioctl_fuzz: allocations fail on purpose$|swap: memory runs out on purpose$')
FAILED = re.compile(r': page allocation failure: order:|: vmalloc error: size \d+| invoked oom-killer: ')
FAILED_END = re.compile(r'\]  </TASK>$')

UNLOADED = re.compile(r'vellum: unloaded, objects:((?: \w+=\d+)+)\s*$')


def reports(log):
    """The lines of a kernel log that are reports, the known ones of Bochs left out."""
    found, until, failing = [], None, False
    for line in log.splitlines():
        failing = failing or FAILING.search(line)
        if until:
            until = None if until.search(line) else until
        elif BENIGN.search(line):
            until = END
        elif failing and FAILED.search(line):
            until = FAILED_END
        elif REPORT.search(line) and not BENIGN_LINE.search(line):
            found.append(line)
    return found


def excerpt(log, before=5, after=60):
    """The part of a kernel log to show: around its first report, or its end."""
    lines = log.splitlines()
    bad = reports(log)
    first = lines.index(bad[0]) if bad else len(lines) - after
    return lines[max(0, first - before):first + after]


def leaks(log):
    """What the module's last words say is wrong: a sentence, or '' if all is freed."""
    lines = [m for m in map(UNLOADED.search, log.splitlines()) if m]
    if not lines:
        return 'the module did not say "vellum: unloaded, objects: ..." in the kernel log'
    for line in lines:
        left = [c for c in line.group(1).split() if not c.endswith('=0')]
        if left:
            return 'the module left objects behind when it was unloaded: ' + ' '.join(left)
    return ''
