// SPDX-License-Identifier: GPL-2.0
/*
 * L1's preemption timer for L2 (SDM 3C 26.5.1).  It is the CPU's own, which each
 * entry starts with what is left; the end is kept in L1's TSC, and so is the same
 * however often L2 is interrupted, and on another host.
 */
#include "nested/nested.h"

static u64 ticks_now(const struct vcpu *vcpu)
{
	return tsc_guest(vcpu) >> TIMER_RATE;
}

void timer_start(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	struct nested *n = nested_of(vcpu);

	n->timed = v->pin_based_vm_exec_control & PIN_BASED_VMX_PREEMPTION_TIMER;
	if (n->timed)
		n->deadline = ticks_now(vcpu) + v->vmx_preemption_timer_value;
}

bool timer_is_over(const struct vcpu *vcpu)
{
	const struct nested *n = nested_of(vcpu);

	return n->timed && (s64)(n->deadline - ticks_now(vcpu)) <= 0;
}

u32 timer_value(const struct vcpu *vcpu)
{
	s64 left = nested_of(vcpu)->deadline - ticks_now(vcpu);

	return left > 0 ? left : 0;
}

u64 timer_ns(const struct vcpu *vcpu)
{
	const struct nested *n = nested_of(vcpu);
	s64 left = (n->deadline << TIMER_RATE) - tsc_guest(vcpu);

	if (!n->timed)
		return U64_MAX;
	return left > 0 ? tsc_ticks_to_ns(vcpu, left) : 0;
}

/* L1's TSC ticks in those of the CPU's timer, rounded up so that it is never early. */
static u64 host_ticks(const struct vcpu *vcpu, u64 ticks)
{
	u64 ratio = vcpu->vmx->tsc.ratio;

	if (ratio != TSC_RATIO_ONE)
		ticks = mul_u64_u64_div_u64(ticks, TSC_RATIO_ONE, ratio) + 1;
	return (ticks >> vmx_caps.timer_rate) + 1;
}

void timer_write(struct vcpu *vcpu)
{
	const struct nested *n = nested_of(vcpu);
	u64 end, now, value;

	if (likely(!n->timed))
		return;
	end = n->deadline << TIMER_RATE;
	now = tsc_guest(vcpu);
	value = (s64)(end - now) > 0 ? host_ticks(vcpu, end - now) : 0;
	if (vmx_caps.slice)
		value = min_t(u64, value, vmx_caps.slice);
	vmwrite(VMX_PREEMPTION_TIMER_VALUE, min_t(u64, value, U32_MAX));
}
