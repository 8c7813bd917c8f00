# SPDX-License-Identifier: GPL-2.0
"""What the bench measured: the rows, their shares of kvm_intel, the comparison with the record."""
import dataclasses

TOLERANCE = 0.03    # of a row's recorded figure
NOISE = 0.01        # where no more than kvm_intel's is wanted, for both are measured

# What is measured with the CPU's dirty log; where pages are write-protected; and where those
# of L2 alone are, as kvm_intel always has them.
LOG, PROTECT, L2_PROTECT = 'log', 'protect', 'l2_protect'
CONFIGURATIONS = {'kvm_intel': (LOG, L2_PROTECT), 'kvm_intel pml=0 eptad=0': (PROTECT,),
                  'vellum': (LOG,), 'vellum ept_ad=0': (PROTECT,),
                  'vellum nested_pml=0': (L2_PROTECT,)}
# (row, configuration, row of bench.c, title, share of kvm_intel's ticks that is wanted: 1/this)
ROWS = (
    ('cpuid', LOG, 'cpuid', 'CPUID exit and re-entry', 3),
    ('out', LOG, 'out', 'OUT exit to userspace and KVM_RUN again', 2),
    ('first_touch', LOG, 'first_touch', 'first touch of a page', 3),
    ('enable_logging', LOG, 'enable_logging', 'enabling logging, a page of the slot', 6),
    ('write_bitmap', LOG, 'write_bitmap', 'logged write into the bitmap, a page', 5),
    ('write_ring', LOG, 'write_ring', 'logged write into the ring, a page', 5),
    ('write_protected', PROTECT, 'write_bitmap', 'write to a write-protected page', 3),
    ('get_log', LOG, 'get_log', 'GET_DIRTY_LOG that re-arms, a dirty page', 8),
    ('clear_log', LOG, 'clear_log', 'CLEAR_DIRTY_LOG, a dirty page', 8),
    ('reset_ring', LOG, 'reset_ring', 'RESET_DIRTY_RINGS, an entry', 8),
    ('get_log_manual', LOG, 'get_log_manual', 'GET_DIRTY_LOG, manual protect, 1 of 4096 dirty', None),
    ('get_sparse', LOG, 'get_sparse', 'GET_DIRTY_LOG, 1% of 1 GiB dirty, a dirty page', 5),
    ('get_small', LOG, 'get_small', 'GET_DIRTY_LOG, 10 pages of 64 MiB dirty', None),
    ('get_large', LOG, 'get_large', 'GET_DIRTY_LOG, 10 pages of 64 GiB dirty', None),
    ('enable_thp', LOG, 'enable_thp', 'enabling logging, 64 MiB of 2M pages, per 4K', 2),
    ('populate_thp', LOG, 'populate_thp', '64 MiB populated with 2M pages, per 4K', 1),
    ('aged', PROTECT, 'aged', 'access after ageing, 4 MiB, a page', 2),
    ('table_kib', LOG, 'table_kib', 'page tables of 1 GiB mapped by 4K, KiB', 1),
    ('l2_vmcall', LOG, 'l2_vmcall', 'L2 exits to L1 by VMCALL, and VMRESUME', 2),
    ('l2_handled', LOG, 'l2_handled', 'the same, L1 reads why and moves RIP', None),
    ('l2_rdmsr', LOG, 'l2_rdmsr', 'L2 exits by RDMSR, which is not for L1', 2),
    ('l2_first_touch', LOG, 'l2_first_touch', "L2's first touch of a page", 2),
    ('l2_write', LOG, 'l2_write', "L2's logged write, a page", 20),
    ('l2_write_protected', L2_PROTECT, 'l2_write', 'the same, nested_pml=0', 2),
    ('harvest', LOG, 'harvest', 'harvest in userspace, an entry', None),
    ('out_of_order', LOG, 'out_of_order', 'entries out of the order of the writes', None),
)


class FiguresError(Exception):
    """What was printed is not what a whole run prints."""


@dataclasses.dataclass
class Row:
    """One path: ticks of both modules, and 1/wanted of kvm_intel's that vellum may take."""
    name: str
    title: str
    kvm_intel: float
    vellum: float
    wanted: int = None

    @property
    def share(self):
        """vellum's part of kvm_intel's ticks; None where that makes no sense."""
        return self.vellum / self.kvm_intel if self.kvm_intel and self.vellum else None

    @property
    def met(self):
        """Whether the wanted share is reached; None where none is wanted."""
        if not self.wanted:
            return None
        return self.vellum * self.wanted <= self.kvm_intel * (1 + NOISE * (self.wanted == 1))


def parse(lines):
    """{configuration's name: {row of bench.c: ticks}} of what the guest printed."""
    told = {}
    for line in lines:
        words = line.split()
        if words[:1] == ['module']:
            now = told.setdefault(' '.join(words[1:]), {})
        elif len(words) == 2 and told:
            now[words[0]] = float(words[1])
    return told


def rows(told):
    """The rows of a run."""
    by = {(name.split()[0], how): values for name, values in told.items()
          for how in CONFIGURATIONS.get(name, ())}
    try:
        return [Row(name, title, by['kvm_intel', how][of], by['vellum', how][of], wanted)
                for name, how, of, title, wanted in ROWS]
    except KeyError as e:
        raise FiguresError(f'{e.args[0]} was not measured') from e


def table(all_rows):
    """Lines for people."""
    yield f'{"":48}{"kvm_intel":>10}{"vellum":>10}{"share":>8}{"wanted":>8}  met'
    for r in all_rows:
        share = '' if r.share is None else f'{r.share:.1%}'
        wanted, met = (f'1/{r.wanted}', 'yes' if r.met else 'NO') if r.wanted else ('', '')
        yield f'{r.title:48}{r.kvm_intel:10.2f}{r.vellum:10.2f}{share:>8}{wanted:>8}  {met}'.rstrip()


def compare(all_rows, recorded):
    """Yields (row's name, verdict, sentence) for each row of the run and of the record.

    The verdicts: same, better (by more than TOLERANCE), worse (the same), missed (more than
    the share of kvm_intel's that is wanted), new, gone.
    """
    measured = {r.name: r.vellum for r in all_rows}
    missed = {r.name: r for r in all_rows if r.met is False}
    for name, now in measured.items():
        if name in missed:
            r = missed[name]
            yield name, 'missed', f'{now:.2f} ticks, more than 1/{r.wanted} of {r.kvm_intel:.2f}'
            continue
        if name not in recorded:
            yield name, 'new', f'{now:.2f} ticks, no record of it'
            continue
        was = recorded[name]
        verdict = 'same'
        if now > was * (1 + TOLERANCE):
            verdict = 'worse'
        elif now < was * (1 - TOLERANCE):
            verdict = 'better'
        change = f'{now / was - 1:+.1%}' if was else f'{now - was:+.2f}'
        yield name, verdict, f'{now:.2f} ticks, {was:.2f} on record ({change})'
    for name in sorted(recorded.keys() - measured.keys()):
        yield name, 'gone', 'on record and not measured'
