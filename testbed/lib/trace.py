# SPDX-License-Identifier: GPL-2.0
"""Reads instruction traces of Bochs's debugger and counts what was executed where.

A line of a trace:
  (0).[285958242] [0x000005c6b5da] 0010:ffffffffc02075da (unk. ctxt): vmread rax, r14   ; 440f78f0
The first number is the time in ticks, which only REP iterations advance by more
than one; the second the physical address; what follows is the same each time.
"""
import bisect
import collections
import os
import re
import subprocess

KERNEL_HALF = 1 << 63
# How far back the value of a register is looked for, and how often for one place in
# the code before the values seen there are taken for all there are.
HISTORY, LOOKS = 6000, 40
SYMBOL = re.compile(r'^([0-9a-f]+) [tTwWvViu] (\S+)', re.M)
DEFINE = re.compile(r'^\s*#define\s+MSR_(\w+)\s+(0x[0-9a-fA-F]+)\s', re.M)
FIELD = re.compile(r'^\s+(\w+)\s*=\s*(0x[0-9a-fA-F]+),', re.M)
# Instructions that a CPU needs long for; the others count by their number only.
COSTLY = re.compile(r'vm(read|write|resume|launch|ptrld|clear|call)|invept|invvpid|invpcid|invlpg|'
                    r'rdmsr|wrmsr|rdpmc|cpuid|iret|syscall|sysret|swapgs|lfence|mfence|verw|'
                    r'f?x(save|rstor)\w*|fnsave|frstor|xsetbv|sti|cli|popf|l[gi]dt|ltr|lldt|'
                    r'[rw]d?[fg]sbase|wrpkru|rdpkru|hlt|int')
READS_ONLY = {'cmp', 'test', 'push', 'bt', 'call', 'jmp', 'vmwrite', 'nop', 'ret', 'prefetchw'}
ATOMIC = re.compile(r'(cmpxchg|cmpxchg8b|cmpxchg16b|xadd|add|sub|or|and|xor|inc|dec|bts|btr|btc|not|neg) ')
REGISTERS = {}
for _letter in 'abcd':
    REGISTERS.update({f'{p}{_letter}{s}': f'r{_letter}x' for p, s in
                      (('r', 'x'), ('e', 'x'), ('', 'x'), ('', 'l'), ('', 'h'))})
for _name in ('si', 'di', 'bp', 'sp'):
    REGISTERS.update({p + _name + s: f'r{_name}' for p, s in (('r', ''), ('e', ''), ('', ''), ('', 'l'))})
for _number in range(8, 16):
    REGISTERS.update({f'r{_number}{s}': f'r{_number}' for s in ('', 'd', 'w', 'b', 'l')})
IMPLIED = {'rdmsr': ('rax', 'rdx'), 'cpuid': ('rax', 'rbx', 'rcx', 'rdx'), 'rdtsc': ('rax', 'rdx'),
           'syscall': ('rcx', 'r11'), 'mul': ('rax', 'rdx'), 'div': ('rax', 'rdx')}


class Symbols:
    """Which function an address belongs to."""

    def __init__(self):
        self.at, self.names = [], []
        self.ends = {}

    def add(self, pairs, end=None):
        """(address, name) pairs; the last reaches to end."""
        pairs = sorted(set(pairs))
        if end is not None:
            pairs.append((end, '?'))
        merged = sorted(list(zip(self.at, self.names)) + pairs, key=lambda p: p[0])
        self.at, self.names = [p[0] for p in merged], [p[1] for p in merged]

    def find(self, address):
        """(name, first address)."""
        i = bisect.bisect_right(self.at, address) - 1
        return (self.names[i], self.at[i]) if i >= 0 else ('?', 0)

    def add_kernel(self, kallsyms):
        """The text of /proc/kallsyms, modules left out."""
        lines = ''.join(line + '\n' for line in kallsyms.splitlines() if '[' not in line)
        self.add((int(at, 16), name) for at, name in SYMBOL.findall(lines))

    def add_program(self, path):
        """A static program that is loaded where it was linked."""
        out = subprocess.run(['nm', path], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.add([(int(at, 16), f'{os.path.basename(path)}: {name}') for at, name in SYMBOL.findall(out)],
                 KERNEL_HALF - 1)

    def add_module(self, path, sections):
        """A module file; sections is name → address in the running kernel."""
        read = subprocess.run(['readelf', '-SsW', path], stdout=subprocess.PIPE, text=True, check=True).stdout
        headers = re.findall(r'^\s+\[\s*(\d+)\] (\S+)\s+\S+\s+[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+)', read, re.M)
        base = {number: (sections[name], int(size, 16), name) for number, name, size in headers if name in sections}
        found = collections.defaultdict(list)
        for value, kind, number, name in re.findall(
                r'^\s+\d+: ([0-9a-f]{16})\s+\d+ (FUNC|NOTYPE)\s+\S+\s+\S+\s+(\d+) (\S+)', read, re.M):
            if number in base and not name.startswith('.'):
                found[number].append((base[number][0] + int(value, 16), kind, name))
        module = os.path.basename(path)[:-len('.ko')]
        for number, (start, size, name) in base.items():
            have = {at: name for at, kind, name in sorted(found[number], key=lambda f: (f[0], f[1] == 'FUNC'))}
            have.setdefault(start, name)
            self.add([(at, f'{name} [{module}]') for at, name in have.items()], start + size)


class Names:
    """Names of VMCS fields and MSRs, from the kernel's source."""

    def __init__(self, source):
        self.fields, self.msrs = {}, {}
        for into, path, pattern in ((self.fields, 'vmx.h', FIELD), (self.msrs, 'msr-index.h', DEFINE)):
            try:
                with open(f'{source}/arch/x86/include/asm/{path}', encoding='utf-8') as f:
                    text = f.read()
            except FileNotFoundError:
                continue
            for name, value in pattern.findall(text):
                into.setdefault(int(value, 16), name)

    def of(self, instruction, value):
        """What an operand means, or its number."""
        if value is None:
            return '(from memory)'
        return (self.fields if instruction.startswith('vm') else self.msrs).get(value, hex(value))


class Insn:
    """One instruction of the code, and how often it ran."""

    def __init__(self, text, symbols):
        address, _, rest = text.partition(' ')
        self.user = address.startswith('0033')
        self.address = int(address[5:], 16)
        code, _, encoding = rest[rest.index('):') + 3:].rpartition(';')
        code = code.strip()
        self.guest = False
        self.function, start = symbols.find(self.address)
        self.first = start == self.address
        self.count = self.ticks = 0
        self.seen = collections.Counter()
        self.rep = code.startswith('rep')
        name, _, operands = code.removeprefix('lock ').partition(' ')
        self.name = name
        self.operands = [o.strip() for o in operands.split(',')]
        self.kind = self._kind(code, encoding.strip())
        self.writes = self._writes()
        # what names the field or the MSR
        self.key = {'vmread': self.operands[-1], 'vmwrite': self.operands[0],
                    'rdmsr': 'rcx', 'wrmsr': 'rcx'}.get(name)
        self.key = REGISTERS.get(self.key)
        self.enters = name in ('vmresume', 'vmlaunch')

    def _kind(self, code, encoding):
        """The heading that it is counted under, or ''."""
        if code.startswith('lock ') or (self.name == 'xchg' and '[' in code) or \
           (encoding.startswith('3e') and '[' in code and ATOMIC.match(code)):
            return 'locked' # a one-CPU kernel writes a DS prefix over LOCK
        if self.name == 'mov':
            for operand in self.operands:
                if re.fullmatch(r'[cd]r\d|[defgs]s', operand):
                    return 'mov ' + re.sub(r'\d', '', operand)
        return self.name if COSTLY.fullmatch(self.name) else ''

    def _writes(self):
        """The registers that it changes."""
        if self.name in READS_ONLY or self.name.startswith('j'):
            return ()
        out = [REGISTERS.get(o) for o in (self.operands if self.name in ('xchg', 'xadd')
                                          else self.operands[:1])]
        if self.name == 'cmpxchg':
            out.append('rax')
        return tuple(filter(None, out)) + IMPLIED.get(self.name, ())


def value_of(register, history):
    """The constant that was in a register after these instructions, or None."""
    depth = 0
    for insn in reversed(history):
        if depth:
            depth += (insn.name == 'pop') - (insn.name == 'push')
            if not depth:
                register = REGISTERS.get(insn.operands[0])
            continue
        if register not in insn.writes:
            continue
        source = insn.operands[-1]
        if insn.name == 'pop':
            depth = 1
        elif insn.name == 'mov' and source.startswith('0x'):
            return int(source, 16)
        elif insn.name == 'xor' and source == insn.operands[0]:
            return 0
        elif insn.name in ('mov', 'movzx') and source in REGISTERS:
            register = REGISTERS[source]
        else:
            return None
    return None


class Segment:
    """What ran between two marks."""

    def __init__(self, symbols):
        self.symbols = symbols
        self.insns = {}
        self.history = collections.deque(maxlen=HISTORY)
        self.guest = False
        self.last = None
        self.at = 0

    def line(self, line):
        """One line of the trace."""
        end = line.index(']', 5)
        at = int(line[5:end])
        text = line[end + 19:]
        insn = self.insns.get(text)
        if insn is None:
            insn = self.insns[text] = Insn(text, self.symbols)
        if self.last is not None:
            self.last.ticks += at - self.at
        self.last, self.at = insn, at
        insn.count += 1
        self.history.append(insn)
        if self.guest:
            if insn.address < KERNEL_HALF:
                insn.guest = True
                return
            self.guest = False
        if insn.enters:
            self.guest = True
        elif insn.key and (insn.count <= LOOKS or len(insn.seen) > 1):
            insn.seen[value_of(insn.key, list(self.history)[:-1])] += 1

    def ticks(self):
        """Of everything, the guest's own too."""
        return sum(i.ticks for i in self.insns.values())

    def guest_ticks(self):
        """What the guest's own instructions took."""
        return sum(i.ticks for i in self.insns.values() if i.guest)

    def functions(self):
        """name → (ticks, calls)."""
        out = collections.defaultdict(lambda: [0, 0])
        for insn in self.insns.values():
            row = out['(guest)' if insn.guest else insn.function]
            row[0] += insn.ticks
            if insn.first and not insn.guest:
                row[1] += insn.count
        return out

    def kinds(self):
        """Heading → number of instructions outside the guest."""
        out = collections.Counter()
        for insn in self.insns.values():
            if insn.kind and not insn.guest:
                out[insn.kind] += insn.count
        return out

    def operands(self, names):
        """(instruction, field or MSR) → number."""
        out = collections.Counter()
        for insn in self.insns.values():
            if not insn.key or insn.guest:
                continue
            known = {v: n for v, n in insn.seen.items() if v is not None} or {None: 1}
            total = sum(known.values())
            for value, seen in known.items():
                out[insn.name, names.of(insn.name, value)] += insn.count * seen / total
        return out
