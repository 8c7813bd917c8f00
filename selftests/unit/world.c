// SPDX-License-Identifier: GPL-2.0
/* The VM of world.h: vCPUs, exits, faults, and what races with them. */
#include <stdarg.h>

#include "tap.h"
#include "world.h"

const char *const world_mode_names[NR_MODES] = { "pml", "d-scan", "wrprot", "soft" };

/* Whose trace to print; there is one world at a time. */
static struct world *current_world;

void world_fail(struct world *w, int invariant, const char *fmt, ...)
{
	char what[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	env_die("invariant %d (%s): %s", invariant, world_mode_names[w->mode], what);
}

void world_trace(struct world *w, const char *name, u64 a, u64 b, u64 c)
{
	w->trace[w->nr_trace++ % TRACE_OPS] = (struct world_op){ name, a, b, c };
}

void world_print_trace(const struct world *w)
{
	unsigned int i = w->nr_trace > TRACE_OPS ? w->nr_trace - TRACE_OPS : 0;

	printf("# %s%s%s%s%s, clock %u; the last operations of %u:\n", world_mode_names[w->mode],
	       w->ring ? ", ring" : "", w->manual ? ", manual" : "", w->hostile ? ", hostile" : "",
	       w->racy ? ", racy" : "", w->clock, w->nr_trace);
	for (; i < w->nr_trace; i++) {
		const struct world_op *op = &w->trace[i % TRACE_OPS];

		printf("#   %s %#llx %#llx %#llx\n", op->name, op->a, op->b, op->c);
	}
}

static void on_abort(void)
{
	if (current_world)
		world_print_trace(current_world);
}

struct vcpu *world_idle_vcpu(struct world *w)
{
	struct vcpu *v = &w->vcpu[w->rnd(NR_VCPUS)];

	return v->busy ? NULL : v;
}

gfn_t world_pick_gfn(struct world *w)
{
	struct oslot *os = w->oslot[w->rnd(NR_SLOT_IDS)];
	u64 n, first;

	if (!os)
		os = oracle_slot(w, w->hot);
	if (!os)
		return w->rnd(4) ? w->hot : w->rnd(0x10000);
	/* Most accesses fall into a window, so that pages are met again; of 1G into one of four. */
	n = os->slot->npages;
	first = n > MAX_SLOT_PAGES ? n / 4 * w->rnd(4) : 0;
	if (n > 24 && w->rnd(4))
		n = 24;
	return os->slot->base + first + w->rnd(min(n, os->slot->npages - first));
}

void world_forget_accesses(struct world *w, unsigned int index, unsigned int n)
{
	unsigned int first, end, pages;

	/* A large leaf has one access bit. */
	first = host_entry(index, &pages);
	end = host_entry(index + n - 1, &pages);
	end += pages;
	memset(w->accessed + first, 0, (end - first) * sizeof(w->accessed[0]));
}

void world_forget_all_accesses(struct world *w)
{
	memset(w->accessed, 0, (w->giant ? HOST_ALL_PAGES : HOST_PAGES) * sizeof(w->accessed[0]));
}

/* A notifier has zapped, and asks for its flush. */
static void discharge(struct host *host, struct tlb_batch *batch)
{
	struct world *w = container_of(host, struct world, host);

	if (w->zap_n)
		world_forget_accesses(w, w->zap_index, w->zap_n);
	w->zap_n = 0;
	world_discharge(w, batch);
}

/* What the host has to begin with. */
static void init_host(struct world *w)
{
	unsigned int i;

	fake_host_reset();
	for (i = 0; i < HOST_PAGES; i += HOST_BLOCK)
		if (w->rnd(w->large ? 8 : 2))
			host_make_huge(i);
	if (!w->giant)
		return;
	fake_host_add_giant();
	host_make_giant();
}

void world_init(struct world *w, enum world_mode mode, bool giant, u32 (*rnd)(u32 n))
{
	const struct mmu_caps caps = {
		.ad = mode != MODE_SOFT,
		.pml = mode == MODE_PML,
		.l2_pml = rnd(2),
		.level = giant ? 3 : 1 + (rnd(4) > 0),
		.large_nx = !rnd(3),
		.eager_split = rnd(2),
	};
	struct world_stats stats = w->stats;
	unsigned int i;

	memset(w, 0, sizeof(*w));
	w->stats = stats;
	w->rnd = rnd;
	w->mode = mode;
	w->ring = mode == MODE_WRPROT || (mode != MODE_SCAN && rnd(2));
	w->manual = rnd(2);
	w->initially_set = w->manual && !rnd(3);
	w->hostile = w->ring && !rnd(4);
	w->racy = rnd(2);
	w->giant = giant;
	w->large = giant || (caps.level > 1 && rnd(2));
	w->clock = 1;
	current_world = w;
	tap_on_abort = on_abort;
	init_host(w);

	rwlock_init(&w->mmu.lock);
	w->mmu.caps = caps;
	w->mmu.kind = mmu_choose_kind(caps, w->ring);
	w->mmu.logs_l2 = mmu_choose_logs_l2(caps, w->ring);
	if (ept_init(&w->mmu) || host_init(&w->host, &w->mmu, discharge))
		env_die("world_init: no memory");
	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &w->vcpu[i];

		cpu_init(&v->cpu, &w->mmu);
		v->cpu.low_bits = i == 1 ? 0xabc : 0;
		if (w->ring && ring_init(&v->ring, RING_SIZE))
			env_die("world_init: no memory for a ring");
	}
	l2_init(w);
	races_begin(w);
	if (giant)
		world_add_giant(w);
}

void world_exit(struct world *w)
{
	struct kvm_userspace_memory_region region = {};
	unsigned int i;

	races_end(w);
	w->slots_locked = true;
	oracle_audit(w);
	for (i = 0; i < NR_SLOT_IDS; i++) {
		if (!w->oslot[i])
			continue;
		region.slot = w->oslot[i]->slot->id;
		world_set_region(w, &region);
	}
	if (mmu_mapped(&w->mmu))
		world_fail(w, 9, "%ld pages are mapped and no slot is left", mmu_mapped(&w->mmu));
	host_exit(&w->host);
	l2_exit(w);
	w->stats.splits += atomic_long_read(&w->mmu.nr_splits);
	ept_destroy(&w->mmu);
	for (i = 0; i < NR_VCPUS; i++) {
		table_cache_drain(&w->vcpu[i].tables);
		w->stats.large += w->vcpu[i].cpu.large_walks;
		w->stats.giant += w->vcpu[i].cpu.giant_walks;
		if (w->ring)
			ring_destroy(&w->vcpu[i].ring);
	}
	if (atomic_long_read(&w->mmu.nr_tables) || atomic_long_read(&mmu_tables_alive))
		env_die("%ld tables are left", atomic_long_read(&mmu_tables_alive));
	if (host_lost_dirt() >= 0)
		world_fail(w, 10, "the host was never told of a write to page %#x",
			   host_lost_dirt());
	if (!host_no_refs())
		env_die("a reference to a host page is left");
	current_world = NULL;
}

void world_exit_all(struct world *w)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		vcpu_exit(w, &w->vcpu[i]);
}

/* No fault is under way: whoever changes slots waits for those (SRCU). */
bool world_all_idle(const struct world *w)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		if (w->vcpu[i].busy)
			return false;
	return true;
}

void world_interleave(struct world *w)
{
	struct vcpu *v;
	unsigned int n;

	if (w->depth > 1 || w->rnd(3))
		return;
	w->depth++;
	if (w->windows && world_all_idle(w) && !w->rnd(8))
		world_locked_op(w);
	else if (world_all_idle(w) && !w->rnd(8))
		world_host_op(w);
	for (n = w->rnd(4); n; n--) {
		v = world_idle_vcpu(w);
		if (v && w->nested && w->rnd(2))
			l2_access(w, v, w->rnd(4) ? CPU_WRITE : CPU_READ);
		else if (v)
			vcpu_access(w, v, world_pick_gfn(w), w->rnd(4) ? CPU_WRITE : CPU_READ);
	}
	w->depth--;
}

void world_discharge(struct world *w, struct tlb_batch *batch)
{
	unsigned int i, first = w->rnd(NR_VCPUS);

	if (!batch->flush) {
		if (batch->dead_tables)
			world_fail(w, 2, "tables died and no flush was asked for");
		return;
	}
	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &w->vcpu[(first + i) % NR_VCPUS];

		world_interleave(w);
		vcpu_exit(w, v);
		cpu_flush(&v->cpu);
		l2_flush(w, v);
	}
	ept_free_dead(batch);
}
