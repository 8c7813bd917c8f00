// SPDX-License-Identifier: GPL-2.0
/*
 * Which vCPU's state is in the CPU: the VMCS, and what VM entry and exit do
 * not switch by themselves - the MSRs of SYSCALL and SWAPGS, and the user
 * segments of the thread that runs the vCPU.
 */
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/mmu_context.h>
#include <asm/nospec-branch.h>

#include "compat.h"
#include "vmx/vmx.h"

static DEFINE_PER_CPU(struct vcpu *, last_loaded);

static noinline void switch_to(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (vmcs_load(vmx)) {
		rdmsrl_safe(MSR_TSC_AUX, &vmx->host.tsc_aux);
		/* What this CPU remembers of the guest is from an earlier visit. */
		tlb_flush_vpids(vcpu);
		tlb_flush_ept(vcpu);
		clock_cpu_changed(vcpu);
	}
	vmcs_set_host_cpu(vmx->vmcs);
	if (__this_cpu_read(last_loaded) != vcpu) {
		/* Another guest's branch history is not this one's to feel. */
		__this_cpu_write(last_loaded, vcpu);
		indirect_branch_prediction_barrier();
	}
}

/* If the VMCS is the current one still, nobody else was here since. */
static __always_inline void load_here(struct vcpu *vcpu)
{
	if (unlikely(vmcs_current() != vcpu->vmx))
		switch_to(vcpu);
}

void vcpu_forget(struct vcpu *vcpu)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cmpxchg(per_cpu_ptr(&last_loaded, cpu), vcpu, NULL);
}

static void sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct vcpu_vmx *vmx = container_of(notifier, struct vcpu_vmx, notifier);

	load_here(vmx->vcpu);
	if (vmx->steal.shown)
		vcpu_request(vmx->vcpu, VCPU_REQ_STEAL);
}

static void sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct vcpu_vmx *vmx = container_of(notifier, struct vcpu_vmx, notifier);

	guest_state_put(vmx->vcpu);
	if (vmx->steal.shown)
		steal_switched_out(vmx->vcpu);
}

static struct preempt_ops preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

void vcpu_load(struct vcpu *vcpu)
{
	struct preempt_notifier *notifier = &vcpu->vmx->notifier;

	preempt_disable();
	preempt_notifier_init(notifier, &preempt_ops);
	preempt_notifier_register(notifier);
	load_here(vcpu);
	preempt_enable();
}

void vcpu_put(struct vcpu *vcpu)
{
	preempt_disable();
	guest_state_put(vcpu);
	preempt_notifier_unregister(&vcpu->vmx->notifier);
	preempt_enable();
}

/* Host state that follows the thread, not the CPU; only what changed is written. */
static void write_host_task(struct vcpu_vmx *vmx)
{
	struct host_task *host = &vmx->host;

	savesegment(ds, host->ds);
	savesegment(es, host->es);
	store_ldt(host->ldt);
	current_save_fsgs();
	host->fs = current->thread.fsindex;
	host->gs = current->thread.gsindex;
	host->kernel_gs_base = current->thread.gsbase;
	if (vmx->vmcs->host_fs_base != current->thread.fsbase) {
		vmx->vmcs->host_fs_base = current->thread.fsbase;
		vmwrite(HOST_FS_BASE, vmx->vmcs->host_fs_base);
	}
}

void guest_state_load(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (vmx->host.guest_loaded)
		return;
	write_host_task(vmx);
	native_wrmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	if (msrs_to_switch(vcpu))
		msrs_switch_to_guest(vcpu);
	vmx->host.guest_loaded = true;
}

/* What a VM exit left null. */
static noinline void restore_selectors(const struct host_task *host)
{
	asm volatile("lldt %0" : : "m"(host->ldt));
	if (host->gs)
		load_gs_index(host->gs);
	if (host->fs)
		loadsegment(fs, host->fs);
	loadsegment(ds, host->ds);
	loadsegment(es, host->es);
}

/* A VM exit leaves FS, GS, DS, ES and LDTR null and the descriptor tables' limits at 64K. */
void guest_state_put(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct host_task *host = &vmx->host;

	if (!host->guest_loaded)
		return;
	host->guest_loaded = false;
	vmx->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	if (unlikely(host->selectors || host->ldt))
		restore_selectors(host);
	native_wrmsrl(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
	if (msrs_to_switch(vcpu))
		msrs_switch_to_host(vcpu);
	load_fixmap_gdt(smp_processor_id());
	invalidate_tss_limit();
}
