// SPDX-License-Identifier: GPL-2.0
/* The operations that a test strings together, one at a time. */
#include "ops.h"

static struct vcpu *pick_vcpu(struct world *w)
{
	return &w->vcpu[w->rnd(NR_VCPUS)];
}

static struct oslot *pick_logged(struct world *w)
{
	struct oslot *os = w->oslot[w->rnd(NR_SLOT_IDS)];

	return os && slot_is_logged(os->slot) ? os : NULL;
}

static void op_access(struct world *w)
{
	static const enum cpu_access kinds[] = { CPU_WRITE, CPU_WRITE, CPU_WRITE, CPU_READ,
						 CPU_FETCH };
	enum cpu_access access = kinds[w->rnd(ARRAY_SIZE(kinds))];
	struct vcpu *v = pick_vcpu(w);
	gfn_t gfn = world_pick_gfn(w);

	world_trace(w, "access", v - w->vcpu, gfn, access);
	if (vcpu_access(w, v, gfn, access) == ACC_ERROR && !w->rnd(4))
		mend_page(w, gfn);
}

static void sweep(struct world *w, const struct oslot *os, struct vcpu *v, u64 n)
{
	bool back = w->rnd(2);
	u64 i;

	world_trace(w, "sweep", v - w->vcpu, os->slot->base, n);
	for (i = 0; i < n; i++)
		vcpu_access(w, v, os->slot->base + (back ? n - 1 - i : i), CPU_WRITE);
}

/* All that @os is owed, by every way there is. */
static void harvest_all(struct world *w, struct oslot *os)
{
	unsigned int i;

	world_get(w, os);
	if (w->manual)
		world_clear(w, os);
	if (!w->ring)
		return;
	for (i = 0; i < NR_VCPUS; i++)
		world_collect(w, &w->vcpu[i], RING_SIZE);
	world_reset(w);
}

/* Writes a run of pages; then all is harvested, and a run without faults fills a whole log. */
static void op_sweep(struct world *w)
{
	struct oslot *os = w->oslot[w->rnd(NR_SLOT_IDS)];
	struct vcpu *v = pick_vcpu(w);
	u64 n;

	if (!os)
		return;
	n = min(os->slot->npages, 1ull + w->rnd(4 * PML_ENTRIES));
	sweep(w, os, v, n);
	if (!slot_is_logged(os->slot) || w->rnd(2))
		return;
	harvest_all(w, os);
	sweep(w, os, v, n);
}

static void op_exit(struct world *w)
{
	struct vcpu *v = pick_vcpu(w);

	world_trace(w, "exit", v - w->vcpu, 0, 0);
	vcpu_exit(w, v);
}

static void op_evict(struct world *w)
{
	unsigned int i, n = 1 + w->rnd(8);
	struct vcpu *v = pick_vcpu(w);

	world_trace(w, "evict", v - w->vcpu, n, 0);
	for (i = 0; i < n; i++)
		cpu_evict(&v->cpu, world_pick_gfn(w));
}

void age_all(struct world *w, const struct oslot *os)
{
	if (!w->rnd(3))
		world_age(w, host_index(os->slot->hva), os->slot->npages, true);
}

static void op_get(struct world *w)
{
	struct oslot *os = pick_logged(w);

	if (!os)
		return;
	age_all(w, os);
	world_trace(w, "get", os->slot->id, os->slot->base, os->slot->npages);
	world_get(w, os);
}

static void op_clear(struct world *w)
{
	struct oslot *os = pick_logged(w);

	if (!os || !w->manual)
		return;
	age_all(w, os);
	world_trace(w, "clear", os->slot->id, os->slot->base, os->slot->npages);
	world_clear(w, os);
}

static void op_collect(struct world *w)
{
	struct vcpu *v = pick_vcpu(w);
	u32 n = w->rnd(4) ? RING_SIZE : w->rnd(64);

	if (!w->ring || w->lazy)
		return;
	world_trace(w, "collect", v - w->vcpu, n, 0);
	world_collect(w, v, n);
}

static void op_lazy(struct world *w)
{
	w->lazy = !w->rnd(6);
	world_trace(w, "lazy", w->lazy, 0, 0);
}

static void op_reset(struct world *w)
{
	struct oslot *os = pick_logged(w);

	if (!w->ring || w->lazy)
		return;
	if (os)
		age_all(w, os);
	world_trace(w, "reset", 0, 0, 0);
	world_reset(w);
}

static bool host_may_write(struct world *w, gfn_t gfn)
{
	const struct oslot *os = oracle_slot(w, gfn);
	const struct host_pte *pte;

	if (!os || (os->slot->flags & KVM_MEM_READONLY))
		return false;
	pte = &fake_host.pte[host_index(slot_hva(os->slot, gfn))];
	return !pte->no_mapping && pte->may_write;
}

/* Each page of [gpa, gpa + len) that could be written has one record, in order. */
static void check_host_write(struct world *w, gpa_t gpa, size_t len, struct vcpu *v, u32 head,
			     int ret)
{
	gfn_t gfn, last = (gpa + len - 1) >> PAGE_SHIFT;

	for (gfn = gpa >> PAGE_SHIFT; gfn <= last && host_may_write(w, gfn); gfn++) {
		struct oslot *os = oracle_slot(w, gfn);
		u64 rel = gfn - os->slot->base;

		if (!slot_is_logged(os->slot))
			continue;
		oracle_written(w, os, rel, v);
		if (v && w->ring)
			oracle_pushed(w, v, head++, os, rel);
	}
	if (ret != (gfn <= last ? -EFAULT : 0))
		world_fail(w, 12, "a write to %#llx+%zu gives %d", gpa, len, ret);
	if (v && v->ring.head != head)
		world_fail(w, 12, "a write to %#llx made %d records too many", gpa,
			   v->ring.head - head);
}

/* The hypervisor writes to guest memory for the guest, in the vCPU's thread or not. */
static void op_host_write(struct world *w)
{
	struct vcpu *v = pick_vcpu(w);
	bool in_thread = w->rnd(2);
	gpa_t gpa = ((world_pick_gfn(w) + 1) << PAGE_SHIFT) - 1 - w->rnd(12);
	size_t len = 1 + w->rnd(16);
	u8 bytes[16] = {};
	int ret, idx;
	u32 head;

	if (w->ring && ring_is_soft_full(&v->ring))
		return;
	world_trace(w, "host write", v - w->vcpu, gpa, len);
	vcpu_exit(w, v);
	head = v->ring.head;
	v->busy = true;
	idx = srcu_read_lock(&w->host.srcu);
	ret = host_write_guest(world_slots(w), gpa, bytes, len,
			       in_thread && w->ring ? &v->ring : NULL);
	srcu_read_unlock(&w->host.srcu, idx);
	v->busy = false;
	check_host_write(w, gpa, len, in_thread ? v : NULL, head, ret);
}

static void op_tracker(struct world *w)
{
	unsigned int id = w->rnd(NR_VIEWS);

	world_trace(w, "tracker", id, w->trackers, 0);
	world_tracker_toggle(w, id);
}

static void op_take(struct world *w)
{
	unsigned int id = w->rnd(NR_VIEWS);
	struct oslot *os = pick_logged(w);

	if (!os || !(w->trackers & BIT(id)))
		return;
	age_all(w, os);
	world_trace(w, "take", id, os->slot->base, os->slot->npages);
	world_tracker_take(w, os, id);
}

static void op_settle(struct world *w)
{
	unsigned int id = w->rnd(NR_VIEWS);
	struct oslot *os = pick_logged(w);
	bool owed = w->rnd(2);

	if (!os || !(w->trackers & BIT(id)))
		return;
	world_trace(w, owed ? "give back" : "commit", id, os->slot->base, os->slot->npages);
	world_tracker_settle(w, os, id, owed);
}

static void op_take_ranges(struct world *w)
{
	struct oslot *os = pick_logged(w);

	if (!os || !os->slot->coarse)
		return;
	age_all(w, os);
	world_trace(w, "take ranges", os->slot->id, os->slot->base, os->slot->npages);
	world_take_ranges(w, os);
}

static void op_mark(struct world *w)
{
	struct oslot *os = pick_logged(w);
	struct vcpu *v = pick_vcpu(w);

	if (!os)
		return;
	world_trace(w, "mark", v - w->vcpu, os->slot->base, os->slot->npages);
	world_mark(w, os, w->rnd(2) ? v : NULL);
}

/* An access while memory is short, or while the host has bad news. */
static void op_trouble(struct world *w)
{
	static const int errors[] = { -EFAULT, -EHWPOISON, -EINTR };
	gfn_t gfn = world_pick_gfn(w);
	struct vcpu *v = pick_vcpu(w);
	unsigned int n = w->rnd(6);

	world_trace(w, "trouble", v - w->vcpu, gfn, n);
	w->injected = true;
	if (n < 4) {
		env_fail_at(1 + n);
	} else {
		fake_host.fail_next = errors[w->rnd(ARRAY_SIZE(errors))];
		current->killed = fake_host.fail_next == -EINTR;
	}
	vcpu_access(w, v, gfn, w->rnd(2) ? CPU_WRITE : CPU_READ);
	env_fail_at(0);
	fake_host.fail_next = 0;
	current->killed = false;
	w->injected = false;
}

static void op_l2_access(struct world *w)
{
	struct vcpu *v = pick_vcpu(w);

	world_trace(w, "L2 access", v - w->vcpu, 0, 0);
	l2_access(w, v, w->rnd(5) < 3 ? CPU_WRITE : w->rnd(2) ? CPU_READ : CPU_FETCH);
}

/* What L2 has written is harvested, and written again. */
static void op_l2_sweep(struct world *w)
{
	struct vcpu *v = pick_vcpu(w);
	struct oslot *os = pick_logged(w);

	world_trace(w, "L2 sweep", v - w->vcpu, 0, 0);
	l2_sweep(w, v);
	if (!os || !w->nested || w->rnd(2))
		return;
	harvest_all(w, os);
	l2_sweep(w, v);
}

static void op_l1_change(struct world *w)
{
	world_trace(w, "L1 change", 0, 0, 0);
	l1_change(w);
}

static void op_invept(struct world *w)
{
	unsigned int e = w->rnd(3) ? w->rnd(NR_EPTS) : NR_EPTS;

	world_trace(w, "INVEPT", e, 0, 0);
	l1_invept(w, e);
}

static const struct {
	void (*run)(struct world *w);
	unsigned int weight;
	bool locks_slots; /* a harvest or a change of slots: one at a time */
} ops[] = {
	{ op_access, 1500 },	 { op_sweep, 8, true },	   { op_exit, 30 },
	{ op_evict, 60 },	 { op_get, 20, true },	   { op_clear, 30, true },
	{ op_collect, 40 },	 { op_reset, 30, true },   { op_age, 60 },
	{ op_flags, 10, true },	 { op_invalidate, 40 },	   { op_slot, 12, true },
	{ op_trouble, 20 },	 { op_host_write, 20 },	   { op_lazy, 6 },
	{ oracle_audit, 1 },	 { op_tracker, 8, true },  { op_take, 40, true },
	{ op_settle, 40, true }, { op_mark, 20 },	   { op_huge, 20 },
	{ op_collapse, 10 },	 { op_coarse, 40, true },  { op_take_ranges, 20, true },
	{ op_l2_access, 700 },	 { op_l2_sweep, 8, true }, { op_l1_change, 30 },
	{ op_invept, 8 },
};

static void run_op(struct world *w, unsigned int i)
{
	w->slots_locked = ops[i].locks_slots;
	ops[i].run(w);
	w->slots_locked = false;
}

void world_locked_op(struct world *w)
{
	if (w->slots_locked)
		return;
	w->slots_locked = true;
	switch (w->rnd(6)) {
	case 5:
		op_take(w);
		break;
	case 0:
		op_get(w);
		break;
	case 1:
		op_clear(w);
		break;
	case 2:
		op_reset(w);
		break;
	case 3:
		op_flags(w);
		break;
	default:
		op_slot(w);
		break;
	}
	w->slots_locked = false;
	w->stats.overtaken++;
}

void world_host_op(struct world *w)
{
	op_invalidate(w);
}

void world_op(struct world *w)
{
	unsigned int i, total = 0, choice;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	choice = w->rnd(total);
	w->race_budget = w->racy ? 6 : 0;
	for (i = 0; choice >= ops[i].weight; i++)
		choice -= ops[i].weight;
	run_op(w, i);
}
