// SPDX-License-Identifier: GPL-2.0
/* The vCPUs of threads.h: bursts in the guest, exits and faults, as vmx/ has them. */
#include "threads.h"

enum { OUTSIDE, IN_BURST };

void threads_kick(void)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &threads.vcpu[i];
		u32 exits = __atomic_load_n(&v->exits, __ATOMIC_SEQ_CST);

		__atomic_store_n(&v->kick, true, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&v->mode, __ATOMIC_SEQ_CST) != OUTSIDE &&
		       __atomic_load_n(&v->exits, __ATOMIC_SEQ_CST) == exits)
			sched_yield();
	}
}

void threads_discharge(struct tlb_batch *batch)
{
	if (batch->flush) {
		__atomic_add_fetch(&threads.tlb_gen, 1, __ATOMIC_SEQ_CST);
		threads_kick();
	}
	ept_free_dead(batch);
}

static void vcpu_enter(struct vcpu *v)
{
	u64 gen;

	__atomic_store_n(&v->mode, IN_BURST, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->kick, false, __ATOMIC_SEQ_CST);
	/* After the store of the mode: who did not see it has raised the generation before. */
	gen = __atomic_load_n(&threads.tlb_gen, __ATOMIC_SEQ_CST);
	if (gen != v->seen_gen) {
		cpu_flush(&v->cpu);
		cpu_flush(&v->l2);
	}
	v->seen_gen = gen;
}

static void vcpu_leave(struct vcpu *v)
{
	__atomic_add_fetch(&v->exits, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->mode, OUTSIDE, __ATOMIC_SEQ_CST);
}

static struct ring *ring_of(struct vcpu *v)
{
	return threads.has_ring ? &v->ring : NULL;
}

static bool vcpu_is_full(const struct vcpu *v)
{
	return threads.has_ring && ring_is_soft_full(&v->ring);
}

static bool restore(struct vcpu *v, struct slots *slots, struct shadow_fault *fault)
{
	return fault->l2 ? shadow_restore(&v->shadow, slots, fault) :
			   mmu_restore(&threads.mmu, slots, &fault->l1, ring_of(v));
}

/* A VM exit, still in the burst.  True: the guest may go on. */
static bool vcpu_exit(struct vcpu *v, enum cpu_result why, struct shadow_fault *fault)
{
	struct srcu_struct *srcu = &threads.host.srcu;
	int idx = srcu_read_lock(srcu);
	struct slots *slots = srcu_dereference(threads.host.slots, srcu);
	bool restored;

	pml_drain(v->cpu.log, v->cpu.index, slots, ring_of(v));
	cpu_log_reset(&v->cpu);
	v->l2_logged += shadow_drain(&v->shadow, v->l2.log, v->l2.index, slots);
	cpu_log_reset(&v->l2);
	restored = why == CPU_VIOLATION && restore(v, slots, fault);
	srcu_read_unlock(srcu, idx);
	v->restored += restored;
	return restored && !vcpu_is_full(v);
}

/* By the host's index; of the large slot few, so that they are met again. */
static unsigned int pick_page(struct vcpu *v)
{
	u64 random = rnd(&v->random);

	return random % 4 ? (random >> 8) % NPAGES : BIG_INDEX + (random >> 8) % 128 * 8;
}

static struct shadow_fault pick_access(struct vcpu *v, unsigned int index)
{
	bool big = index >= BIG_INDEX;
	gfn_t gfn = big ? BIG_BASE + index - BIG_INDEX : BASE + index;
	gfn_t l2 = big ? L2_BIG_BASE + index - BIG_INDEX : L2_BASE + index * 3 % NPAGES;
	struct shadow_fault fault = {
		.l1.gpa = gfn << PAGE_SHIFT,
		.l1.write = rnd(&v->random) % 4,
		.rights = EPT_RWX,
		.level = big ? 2 : 1,
	};

	if (rnd(&v->random) % 3 == 0)
		fault.l2 = l2 << PAGE_SHIFT;
	return fault;
}

/* In the guest until a fault or a kick.  True: @fault is to be resolved. */
static bool vcpu_run(struct vcpu *v, struct shadow_fault *fault)
{
	enum cpu_result result = CPU_DONE;
	unsigned int n;
	hfn_t hfn;

	vcpu_enter(v);
	for (n = 0; n < 200 && !__atomic_load_n(&v->kick, __ATOMIC_RELAXED); n++) {
		unsigned int index = pick_page(v);
		bool write;

		*fault = pick_access(v, index);
		write = fault->l1.write;
		result = cpu_access(fault->l2 ? &v->l2 : &v->cpu,
				    (fault->l2 ?: fault->l1.gpa) >> PAGE_SHIFT,
				    write ? CPU_WRITE : CPU_READ, &hfn);
		if (result != CPU_DONE) {
			if (!vcpu_exit(v, result, fault))
				break;
			result = CPU_DONE;
			continue;
		}
		host_guest_access(hfn, write);
		if (!write)
			continue;
		__atomic_add_fetch(&threads.memory[hfn - HOST_FIRST_HFN], 1, __ATOMIC_RELAXED);
		v->writes[index]++;
		v->l2_writes += !!fault->l2;
		WRITE_ONCE(v->total, v->total + 1);
	}
	if (result == CPU_DONE)
		vcpu_exit(v, result, fault);
	vcpu_leave(v);
	return result != CPU_DONE && result != CPU_PML_FULL;
}

static int resolve(struct vcpu *v, struct shadow_fault *fault)
{
	struct srcu_struct *srcu = &threads.host.srcu;
	struct tlb_batch batch = TLB_BATCH_INIT;
	int idx = srcu_read_lock(srcu), ret;
	struct slots *slots = srcu_dereference(threads.host.slots, srcu);

	if (fault->l2)
		ret = shadow_fault(&v->shadow, slots, fault, &batch);
	else
		ret = mmu_fault(&threads.mmu, slots, &fault->l1, &v->tables, ring_of(v));
	srcu_read_unlock(srcu, idx);
	threads_discharge(&batch);
	return ret;
}

void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	struct shadow_fault fault;
	int ret;

	while (!stopped()) {
		if (vcpu_is_full(v)) {
			sched_yield();
			continue;
		}
		if (!vcpu_run(v, &fault)) {
			/* Few CPUs, many threads: who kicked has something to do. */
			sched_yield();
			continue;
		}
		ret = resolve(v, &fault);
		if (ret)
			env_die("a fault gives %d", ret);
	}
	return NULL;
}
