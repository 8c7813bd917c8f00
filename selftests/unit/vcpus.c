// SPDX-License-Identifier: GPL-2.0
/* The vCPUs of world.h: accesses, exits and faults, and what each may have recorded. */
#include "world.h"

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

bool vcpu_restore(struct world *w, struct vcpu *v, struct fault *fault)
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
	if (why == CPU_VIOLATION && w->rnd(8) && vcpu_restore(w, v, fault))
		return true;
	idx = srcu_read_lock(&w->host.srcu);
	if (why == CPU_MISCONFIG && mmu_is_mmio(&w->mmu, world_slots(w), fault->gpa)) {
		ret = FAULT_MMIO;
		if (oracle_slot(w, fault->gpa >> PAGE_SHIFT))
			world_fail(w, 9, "a stale MMIO entry is believed at %#llx", fault->gpa);
	} else {
		int level = ept_level(&w->mmu, fault->gpa >> PAGE_SHIFT);

		head = v->ring.head;
		ret = mmu_fault(&w->mmu, world_slots(w), fault, &v->tables, world_ring(w, v));
		check_fault_record(w, v, fault, head);
		w->stats.giant_splits += level == 3 && !ret && fault->kind == FAULT_SPLIT;
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
