// SPDX-License-Identifier: GPL-2.0
/*
 * Steal time (MSR_KVM_STEAL_TIME): how long the vCPU's thread was ready to run
 * and did not, and whether it runs now.
 *
 * "Runs" is written before an entry, "does not" when the thread is switched out
 * or KVM_RUN ends.  In the scheduler nothing may sleep, and the dirty ring may be
 * in the thread's hands just now: there the byte alone is written.  Its record
 * follows by the same thread, before it enters the guest again or KVM_RUN
 * returns, so before a harvest that could be the last.
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

	steal->delay = delay;
	/* Another thread runs the vCPU now: what it waited for before is not the guest's. */
	if (steal->thread != current || delay < since)
		since = delay;
	steal->thread = current;
	return delay - since;
}

void steal_begin(struct vcpu *vcpu)
{
	if (vcpu->vmx->steal.msr & KVM_MSR_ENABLED)
		vcpu_request(vcpu, VCPU_REQ_STEAL);
}

void steal_update(struct vcpu *vcpu)
{
	struct vcpu_steal *steal = &vcpu->vmx->steal;
	struct kvm_steal_time page;

	if (!(steal->msr & KVM_MSR_ENABLED) ||
	    guest_read(vcpu, steal_gpa(vcpu), &page, sizeof(page)))
		return;
	/* It goes on from what stands there: so it comes along when the VM moves. */
	page.steal += take_delay(steal);
	page.preempted = 0;
	steal->shown = true;
	guest_write_versioned(vcpu, steal_gpa(vcpu), &page, sizeof(page), &page.version);
}

void steal_switched_out(struct vcpu *vcpu)
{
	const u8 preempted = KVM_VCPU_PREEMPTED;

	guest_poke(vcpu, steal_gpa(vcpu) + offsetof(struct kvm_steal_time, preempted), preempted);
}

void steal_end(struct vcpu *vcpu)
{
	const u8 preempted = KVM_VCPU_PREEMPTED;

	/* First: what the scheduler writes from here on would have no record. */
	vcpu->vmx->steal.shown = false;
	barrier();
	guest_write(vcpu, steal_gpa(vcpu) + offsetof(struct kvm_steal_time, preempted), &preempted,
		    sizeof(preempted));
}

int steal_set_msr(struct vcpu *vcpu, u64 value)
{
	if (!sched_info_on() || (value & KVM_STEAL_RESERVED_MASK) ||
	    value >> vcpu->cpuid.maxphyaddr)
		return -EINVAL;
	/* The old page was last told that the vCPU runs: nothing more is said there. */
	vcpu->vmx->steal.shown = false;
	vcpu->vmx->steal.msr = value;
	steal_begin(vcpu);
	return 0;
}
