// SPDX-License-Identifier: GPL-2.0
/* The VM of world.h: vCPUs, exits, faults, and what races with them. */
#include <stdarg.h>

#include "tap.h"
#include "world.h"

const char *const world_mode_names[NR_MODES] = { "pml", "d-scan", "wrprot", "soft" };

/* Hooks have no argument; there is one world at a time. */
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

static struct vcpu *pick_idle_vcpu(struct world *w)
{
	struct vcpu *v = &w->vcpu[w->rnd(NR_VCPUS)];

	return v->busy ? NULL : v;
}

gfn_t world_pick_gfn(struct world *w)
{
	struct oslot *os = w->oslot[w->rnd(NR_SLOT_IDS)];
	u64 n;

	if (!os)
		os = oracle_slot(w, w->hot);
	if (!os)
		return w->rnd(4) ? w->hot : w->rnd(0x10000);
	/* Most accesses fall into a window, so that pages are met again. */
	n = os->slot->npages;
	if (n > 24 && w->rnd(4))
		n = 24;
	return os->slot->base + w->rnd(n);
}

/* What a fault may have pushed: one entry, for this write, and not where PML logs. */
static void check_fault_record(struct world *w, struct vcpu *v, const struct fault *fault, u32 head)
{
	gfn_t gfn = fault->gpa >> PAGE_SHIFT;
	struct oslot *os = oracle_slot(w, gfn);
	u32 n = v->ring.head - head;

	if (os && slot_is_logged(os->slot) && fault->write && w->mmu.kind != SPTE_AD)
		oracle_touch(w, os, gfn - os->slot->base);
	if (!n)
		return;
	if (n > 1 || !os || !fault->write || w->mmu.kind == SPTE_AD)
		world_fail(w, 3, "a fault at gfn %#llx made %u ring entries", gfn, n);
	oracle_pushed(w, v, head, os, gfn - os->slot->base);
}

static struct ring *world_ring(struct world *w, struct vcpu *v)
{
	return w->ring ? &v->ring : NULL;
}

/* A violation at @fault, in a burst: true if that is all. */
static bool try_restore(struct world *w, struct vcpu *v, struct fault *fault)
{
	int idx = srcu_read_lock(&w->host.srcu);
	u32 head = v->ring.head;
	bool restored = mmu_restore(&w->mmu, world_slots(w), fault, world_ring(w, v));

	srcu_read_unlock(&w->host.srcu, idx);
	check_fault_record(w, v, fault, head);
	if (restored && fault->kind != FAULT_RESTORED)
		world_fail(w, 10, "restored, and fault kind %d", fault->kind);
	w->stats.restored += restored;
	w->stats.restored_large += restored && ept_level(&w->mmu, fault->gpa >> PAGE_SHIFT) > 1;
	return restored;
}

/*
 * Between the MMU's look at an entry and its write: another CPU uses the page,
 * as far as that needs no lock.
 */
static void race_hook(void)
{
	struct world *w = current_world;
	struct fault fault = {};
	enum cpu_result result;
	struct vcpu *v;
	hfn_t hfn;
	gfn_t gfn;

	if (!w->race_budget || w->rnd(4))
		return;
	w->race_budget--;
	v = pick_idle_vcpu(w);
	if (!v || (w->ring && ring_is_soft_full(&v->ring)))
		return;
	env_race_hook = NULL;
	if (!w->rnd(3)) {
		l2_race(w, v);
		env_race_hook = race_hook;
		return;
	}
	v->busy = true;
	gfn = w->rnd(2) ? w->hot : world_pick_gfn(w);
	fault.gpa = gfn << PAGE_SHIFT;
	fault.write = w->rnd(4);
	result = cpu_access(&v->cpu, gfn, fault.write ? CPU_WRITE : CPU_READ, &hfn);
	if (result == CPU_VIOLATION) {
		vcpu_exit(w, v);
		if (try_restore(w, v, &fault))
			result = cpu_access(&v->cpu, gfn, fault.write ? CPU_WRITE : CPU_READ, &hfn);
	}
	if (result == CPU_DONE) {
		oracle_access(w, gfn, hfn, fault.write);
		w->stats.races++;
	}
	v->busy = false;
	env_race_hook = race_hook;
}

/* The host found the page, the fault has not used it yet. */
static void after_lookup(void)
{
	struct world *w = current_world;
	unsigned int index;
	struct oslot *os;
	struct vcpu *v;

	if (!w->racy || !w->race_budget || w->depth > 2 || w->rnd(8))
		return;
	w->race_budget--;
	w->depth++;
	os = oracle_slot(w, w->hot);
	v = pick_idle_vcpu(w);
	if (w->rnd(2) && v) {
		vcpu_access(w, v, w->hot, w->rnd(2) ? CPU_WRITE : CPU_READ);
	} else if (os) {
		index = host_index(slot_hva(os->slot, w->hot));
		world_invalidate_begin(w, index, 1);
		host_split_huge(index);
		host_replace(index);
		world_invalidate_end(w, index, 1);
		w->stats.lost_races++;
	}
	w->depth--;
}

/* A page that the host shares is about to be written: the copy takes its place. */
static void before_copy(unsigned int index, bool begin)
{
	if (begin) {
		world_invalidate_begin(current_world, index, 1);
	} else {
		world_invalidate_end(current_world, index, 1);
		current_world->stats.copied++;
	}
}

static void on_walk(struct fake_cpu *cpu, gfn_t gfn)
{
	struct oslot *os = oracle_slot(current_world, gfn);

	if (os)
		current_world->accessed[host_index(slot_hva(os->slot, gfn))] = true;
}

/* A huge mapping of the host becomes 512: it tells of all of them. */
static void before_split(unsigned int index, bool begin)
{
	if (begin)
		world_invalidate_begin(current_world, index, HOST_BLOCK);
	else
		world_invalidate_end(current_world, index, HOST_BLOCK);
	current_world->stats.host_splits += begin;
}

void world_forget_accesses(struct world *w, unsigned int index, unsigned int n)
{
	unsigned int end = index + n;

	/* A large leaf has one access bit. */
	if (*host_huge(index))
		index = round_down(index, HOST_BLOCK);
	if (*host_huge(end - 1))
		end = round_up(end, HOST_BLOCK);
	memset(w->accessed + index, 0, (end - index) * sizeof(w->accessed[0]));
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

void world_init(struct world *w, enum world_mode mode, u32 (*rnd)(u32 n))
{
	const struct mmu_caps caps = {
		.ad = mode != MODE_SOFT,
		.pml = mode == MODE_PML,
		.l2_pml = rnd(2),
		.level = 1 + (rnd(4) > 0),
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
	w->large = caps.level > 1 && rnd(2);
	w->clock = 1;
	current_world = w;
	tap_on_abort = on_abort;
	fake_host_reset();
	fake_host.after_lookup = after_lookup;
	fake_host.before_copy = before_copy;
	fake_host.before_split = before_split;
	for (i = 0; i < HOST_PAGES; i += HOST_BLOCK)
		if (rnd(w->large ? 8 : 2))
			host_make_huge(i);

	rwlock_init(&w->mmu.lock);
	w->mmu.caps = caps;
	w->mmu.kind = mmu_choose_kind(caps, w->ring);
	w->mmu.logs_l2 = mmu_choose_logs_l2(caps, w->ring);
	if (ept_init(&w->mmu) || host_init(&w->host, &w->mmu, discharge))
		env_die("world_init: no memory");
	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &w->vcpu[i];

		cpu_init(&v->cpu, &w->mmu);
		v->cpu.on_walk = on_walk;
		v->cpu.low_bits = i == 1 ? 0xabc : 0;
		if (w->ring && ring_init(&v->ring, RING_SIZE))
			env_die("world_init: no memory for a ring");
	}
	l2_init(w);
	env_race_hook = w->racy ? race_hook : NULL;
}

void world_exit(struct world *w)
{
	struct kvm_userspace_memory_region region = {};
	unsigned int i;

	env_race_hook = NULL;
	w->racy = false;
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

void vcpu_exit(struct world *w, struct vcpu *v)
{
	struct fake_cpu *cpu = &v->cpu;
	struct ring *ring = &v->ring;
	bool was_busy = v->busy;
	u32 head = ring->head;
	unsigned int i, n;

	v->busy = true;
	n = pml_drain(cpu->log, cpu->index, world_slots(w), w->ring ? ring : NULL);
	if (n != cpu->nr_logged)
		world_fail(w, 6, "%u entries drained, the CPU logged %u", n, cpu->nr_logged);
	for (i = 0; i < n; i++) {
		gfn_t gfn = cpu->logged[i];
		struct oslot *os = oracle_slot(w, gfn);
		u64 rel;

		if (!os || !slot_is_logged(os->slot))
			continue;
		rel = gfn - os->slot->base;
		if (w->ring)
			oracle_pushed(w, v, head++, os, rel);
		if (!test_bit(rel, os->slot->dirty.word))
			world_fail(w, 1, "gfn %#llx was logged, its bit is not set", gfn);
		oracle_touch(w, os, rel);
	}
	if (head != ring->head)
		world_fail(w, 1, "a log of %u made %d entries too many", n, ring->head - head);
	w->stats.logged += n;
	cpu_log_reset(cpu);
	l2_drain(w, v);
	v->busy = was_busy;
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
		v = pick_idle_vcpu(w);
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

void world_check_error(struct world *w, const struct fault *fault, int error)
{
	struct oslot *os = oracle_slot(w, fault->gpa >> PAGE_SHIFT);
	const struct host_pte *pte;

	if (w->injected)
		return;
	if (error == -EFAULT && os) {
		pte = &fake_host.pte[host_index(slot_hva(os->slot, fault->gpa >> PAGE_SHIFT))];
		if (pte->no_mapping || (fault->write && !pte->may_write))
			return;
	}
	world_fail(w, 10, "a fault at %#llx gives %d without a reason", fault->gpa, error);
}

void world_check_mmio(struct world *w, const struct fault *fault)
{
	struct oslot *os = oracle_slot(w, fault->gpa >> PAGE_SHIFT);

	if (os && !(fault->write && (os->slot->flags & KVM_MEM_READONLY)))
		world_fail(w, 9, "gpa %#llx is memory and is taken for MMIO", fault->gpa);
}

/* An exit of @v at @fault.  True: enter again. */
static bool handle_exit(struct world *w, struct vcpu *v, struct fault *fault, enum cpu_result why,
			enum access_outcome *outcome)
{
	int ret, idx;
	u32 head;

	vcpu_exit(w, v);
	if (why == CPU_PML_FULL) {
		w->stats.log_full++;
		return true;
	}
	w->stats.faults++;
	/* Now and then the way with the lock has to do what this would have done. */
	if (why == CPU_VIOLATION && w->rnd(8) && try_restore(w, v, fault))
		return true;
	idx = srcu_read_lock(&w->host.srcu);
	if (why == CPU_MISCONFIG && mmu_is_mmio(&w->mmu, world_slots(w), fault->gpa)) {
		ret = FAULT_MMIO;
		if (oracle_slot(w, fault->gpa >> PAGE_SHIFT))
			world_fail(w, 9, "a stale MMIO entry is believed at %#llx", fault->gpa);
	} else {
		head = v->ring.head;
		ret = mmu_fault(&w->mmu, world_slots(w), fault, &v->tables, world_ring(w, v));
		check_fault_record(w, v, fault, head);
		if (ret == FAULT_MMIO ? fault->kind != FAULT_EMULATED :
		    ret < 0	      ? fault->kind != FAULT_RETRIED :
					fault->kind == FAULT_EMULATED)
			world_fail(w, 10, "result %d and fault kind %d", ret, fault->kind);
	}
	srcu_read_unlock(&w->host.srcu, idx);
	if (ret == FAULT_FIXED)
		return true;
	if (ret == FAULT_MMIO)
		world_check_mmio(w, fault);
	else
		world_check_error(w, fault, ret);
	*outcome = ret == FAULT_MMIO ? ACC_MMIO : ACC_ERROR;
	return false;
}

static enum access_outcome try_access(struct world *w, struct vcpu *v, struct fault *fault,
				      enum cpu_access access)
{
	gfn_t gfn = fault->gpa >> PAGE_SHIFT;
	enum access_outcome outcome;
	enum cpu_result result;
	struct oslot *os;
	unsigned int try;
	hfn_t hfn;

	for (try = 0; try < MAX_TRIES; try++) {
		if (w->ring && ring_is_soft_full(&v->ring)) {
			w->stats.ring_full++;
			return ACC_FULL;
		}
		result = cpu_access(&v->cpu, gfn, access, &hfn);
		if (result == CPU_DONE) {
			oracle_access(w, gfn, hfn, fault->write);
			return ACC_DONE;
		}
		v->busy = true;
		w->hot = gfn;
		if (!handle_exit(w, v, fault, result, &outcome))
			return outcome;
		v->busy = false;
		os = oracle_slot(w, gfn);
		if (w->windows || (os && os->slot->dying))
			break; /* comes back when that is over */
	}
	if (try == MAX_TRIES && !w->injected)
		world_fail(w, 10, "the guest makes no progress at gfn %#llx", gfn);
	return ACC_SPIN;
}

enum access_outcome vcpu_access(struct world *w, struct vcpu *v, gfn_t gfn, enum cpu_access access)
{
	struct fault fault = {
		.gpa = gfn << PAGE_SHIFT,
		.write = access == CPU_WRITE,
		.fetch = access == CPU_FETCH,
	};
	enum access_outcome outcome = try_access(w, v, &fault, access);

	v->busy = false;
	if (v->ring.lost)
		world_fail(w, 7, "the reserve was exceeded, a ring entry is lost");
	w->stats.mmio += outcome == ACC_MMIO;
	w->stats.errors += outcome == ACC_ERROR;
	w->stats.spins += outcome == ACC_SPIN;
	return outcome;
}
