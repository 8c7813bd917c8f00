// SPDX-License-Identifier: GPL-2.0
/*
 * How all vCPUs of a VM are reached at once.
 *
 * The one protocol for flushes, PML drains and requests:
 *
 *	asking CPU			vCPU's thread, interrupts off
 *	----------			-----------------------------
 *	tlb_gen++ or pending |= …	mode = VCPU_IN_GUEST
 *	smp_mb()			smp_mb()
 *	mode == VCPU_IN_GUEST?		look at pending and tlb_gen
 *	   → IPI and wait		enter, exit, drain the PML log
 *					mode = VCPU_OUTSIDE (release)
 *					interrupts on: the IPI is acknowledged
 *
 * Either the asker sees VCPU_IN_GUEST and sends the IPI, or the vCPU sees what
 * was asked.  The IPI's function is empty: that it ran means that the vCPU's
 * interrupts were on, so that it had left the guest and had drained its log.
 * An IPI that arrives between the vCPU's look and its entry stays pending, and
 * the entry is followed by a VM exit before the first instruction (SDM 3C 26.2,
 * external interrupts; an event that is injected is still delivered, and may
 * write through an old translation: that is before the acknowledgement, and so
 * a write like any other of the guest's that came before it).  A vCPU that is
 * seen outside has an empty log (acquire and release of mode), and looks at
 * tlb_gen before it enters again.
 *
 * What a vCPU's thread does in a burst beside entering the guest is waited for
 * in the same way.  A fault that is restored there walks the EPT without a lock:
 * it began before the asker's smp_mb() and is seen in VCPU_IN_GUEST, so no table
 * is freed and no drain ends before it is over; or it begins after, and finds
 * the tables without what was unlinked.
 */
#include <linux/cpumask.h>
#include <linux/smp.h>

#include "compat.h"
#include "vmx/vmx.h"

/* For one kick at a time on each CPU, preemption off. */
static DEFINE_PER_CPU(cpumask_var_t, kick_mask);

void tlb_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_cpumask_var(per_cpu(kick_mask, cpu));
}

int tlb_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		if (!zalloc_cpumask_var_node(per_cpu_ptr(&kick_mask, cpu), GFP_KERNEL,
					     cpu_to_node(cpu))) {
			tlb_exit();
			return -ENOMEM;
		}
	return 0;
}

void vcpu_request(struct vcpu *vcpu, unsigned long request)
{
	set_bit(__ffs(request), &vcpu->pending);
}

/* A vCPU whose thread is the caller is not in the guest: it looks before it enters. */
static void kick_out(struct vcpu *vcpu)
{
	int cpu, here = get_cpu();

	cpu = READ_ONCE(vcpu->cpu);
	if (READ_ONCE(vcpu->mode) == VCPU_IN_GUEST && cpu >= 0 && cpu != here)
		smp_send_reschedule(cpu);
	put_cpu();
}

void vcpu_kick(struct vcpu *vcpu)
{
	/* With a full barrier before its look at who waits: pairs with halt_wait()'s. */
	rcuwait_wake_up(&vcpu->wait);
	/* Pairs with the barrier after mode = VCPU_IN_GUEST in run.c. */
	smp_mb();
	kick_out(vcpu);
}

static void acknowledge(void *unused)
{
}

/* Every vCPU that is in the guest leaves it, for @why; returns when all have, logs drained. */
static void kick_all(struct vm *vm, enum stall_cause why)
{
	unsigned int n = smp_load_acquire(&vm->nr_vcpus); /* pairs with its publication */
	struct cpumask *mask;
	unsigned int i;
	int cpu;

	/* Pairs with the barrier after mode = VCPU_IN_GUEST in run.c. */
	smp_mb();
	preempt_disable();
	mask = this_cpu_cpumask_var_ptr(kick_mask);
	cpumask_clear(mask);
	for (i = 0; i < n; i++) {
		/* Pairs with the release of VCPU_OUTSIDE in run.c. */
		if (smp_load_acquire(&vm->vcpus[i]->mode) != VCPU_IN_GUEST)
			continue;
		/* It may have moved since: then it had left the guest, too. */
		cpu = READ_ONCE(vm->vcpus[i]->cpu);
		WRITE_ONCE(vm->vcpus[i]->kicked, why);
		if (cpu >= 0)
			cpumask_set_cpu(cpu, mask);
	}
	if (!cpumask_empty(mask)) {
		atomic64_inc(&vm->stats.kicks);
		smp_call_function_many(mask, acknowledge, NULL, true);
	}
	preempt_enable();
}

void tlb_discharge(struct vm *vm, struct tlb_batch *batch)
{
	if (batch->flush) {
		atomic64_inc(&vm->tlb_gen);
		kick_all(vm, STALL_FLUSH);
		batch->flush = false;
	}
	ept_free_dead(batch);
}

void vm_kick_all(struct vm *vm)
{
	kick_all(vm, STALL_REQUEST);
}

void vm_drain_writes(struct vm *vm)
{
	if (!mmu_scans_d(&vm->mmu))
		kick_all(vm, STALL_DRAIN);
}

void vm_request(struct vm *vm, unsigned long request)
{
	unsigned int n = smp_load_acquire(&vm->nr_vcpus); /* pairs with its publication */
	unsigned int i;

	for (i = 0; i < n; i++)
		vcpu_request(vm->vcpus[i], request);
	kick_all(vm, STALL_REQUEST);
}

void vm_update_pml(struct vm *vm)
{
	if (vm->mmu.caps.pml)
		vm_request(vm, VCPU_REQ_PML);
}

void vm_kill(struct vm *vm, const char *why)
{
	unsigned int n = smp_load_acquire(&vm->nr_vcpus); /* pairs with its publication */
	unsigned int i;

	if (xchg(&vm->dead, true))
		return;
	pr_err_ratelimited("vellum: a VM cannot go on: %s\n", why);
	/* No waiting: this may be any context. */
	for (i = 0; i < n; i++) {
		vcpu_request(vm->vcpus[i], VCPU_REQ_DEAD);
		vcpu_kick(vm->vcpus[i]);
	}
}

static void flush_vpid(u16 vpid)
{
	switch (vmx_caps.choice.invvpid) {
	case INV_ONE:
		invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vpid, 0);
		break;
	case INV_ALL:
		invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
		break;
	case INV_NONE: /* no VPID: the entry does it (SDM 3C 29.4.3.1) */
		break;
	}
}

void tlb_flush_vpid(struct vcpu *vcpu)
{
	flush_vpid(vcpu->vmx->vmcs->vpid);
}

void tlb_flush_vpids(struct vcpu *vcpu)
{
	const struct vcpu_vmx *vmx = vcpu->vmx;

	flush_vpid(vmx->vmcs01.vpid);
	if (vmx->vmcs02.region)
		flush_vpid(vmx->vmcs02.vpid);
}

void tlb_flush_ept(struct vcpu *vcpu)
{
	struct mmu *mmu = &vcpu->vm->mmu;

	vcpu->stats.tlb_flushes++;
	/* A CPU may know translations by each shadow of L1's EPTs, also by those in no use now. */
	if (vmx_caps.choice.invept == INV_ONE && !mmu_has_shadows(mmu))
		invept(VMX_EPT_EXTENT_CONTEXT, mmu_eptp(mmu, mmu->root), 0);
	else
		invept(VMX_EPT_EXTENT_GLOBAL, 0, 0);
}
