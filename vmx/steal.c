// SPDX-License-Identifier: GPL-2.0
/*
 * Steal time (MSR_KVM_STEAL_TIME): how long the vCPU's thread was ready to run
 * and did not, and whether it runs now.
 *
 * "Preempted" is written when the thread is switched out and would rather run,
 * and taken back before the next entry.  In the scheduler nothing may sleep, and
 * the dirty ring may be in the thread's hands just now: there the byte alone is
 * written.  Its record follows by the same thread, before it enters the guest
 * again or KVM_RUN returns, so before a harvest that could be the last.
 */
#include <linux/sched/stat.h>
#include <uapi/asm/kvm_para.h>

#include "vmx/vmx.h"

static gpa_t steal_gpa(const struct vcpu *vcpu)
{
	return vcpu->vmx->steal.msr & ~(u64)KVM_MSR_ENABLED;
}

/* How long this thread has waited for a CPU since the last call for this vCPU. */
static u64 take_delay(struct vcpu_steal *steal)
{
	u64 delay = current->sched_info.run_delay, since = steal->delay;

	/* Another thread runs the vCPU now: what it waited for before is not the guest's. */
	if (steal->thread != current || delay < since)
		since = delay;
	steal->thread = current;
	steal->delay = delay;
	return delay - since;
}

void steal_update(struct vcpu *vcpu)
{
	struct vcpu_steal *steal = &vcpu->vmx->steal;
	struct kvm_steal_time page;

	if (!(steal->msr & KVM_MSR_ENABLED))
		return;
	steal->shown = true;
	/* Most runs: nothing happened, and a page that is not written is not dirty. */
	if (!steal->owed && steal->thread == current &&
	    steal->delay == current->sched_info.run_delay)
		return;
	/* First: who is switched out from here on owes again, and comes here again. */
	steal->owed = false;
	barrier();
	if (guest_read(vcpu, steal_gpa(vcpu), &page, sizeof(page)))
		return;
	/* It goes on from what stands there: so it comes along when the VM moves. */
	page.steal += take_delay(steal);
	page.preempted = 0;
	guest_write_versioned(vcpu, steal_gpa(vcpu), &page, sizeof(page), &page.version);
}

static gpa_t preempted_gpa(const struct vcpu *vcpu)
{
	return steal_gpa(vcpu) + offsetof(struct kvm_steal_time, preempted);
}

void steal_switched_out(struct vcpu *vcpu)
{
	/* It sleeps of its own will, with the guest. */
	if (!task_is_running(current))
		return;
	vcpu->vmx->steal.owed = true;
	guest_poke(vcpu, preempted_gpa(vcpu), KVM_VCPU_PREEMPTED);
}

void steal_end(struct vcpu *vcpu)
{
	struct vcpu_steal *steal = &vcpu->vmx->steal;
	const u8 preempted = KVM_VCPU_PREEMPTED;

	/* First: what the scheduler writes from here on would have no record. */
	steal->shown = false;
	barrier();
	if (steal->owed)
		guest_write(vcpu, preempted_gpa(vcpu), &preempted, sizeof(preempted));
	steal->owed = false;
}

int steal_set_msr(struct vcpu *vcpu, u64 value)
{
	struct vcpu_steal *steal = &vcpu->vmx->steal;

	if (!sched_info_on() || (value & KVM_STEAL_RESERVED_MASK) ||
	    value >> vcpu->cpuid.maxphyaddr)
		return -EINVAL;
	/* The old page has its record; the new one is written, whatever there is to tell. */
	steal_end(vcpu);
	steal->thread = NULL;
	steal->msr = value;
	steal_begin(vcpu);
	return 0;
}
