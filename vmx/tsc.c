// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's time-stamp counter: what it reads, and how long its ticks are.
 */
#include <asm/tsc.h>

#include "vmx/vmx.h"

u64 tsc_guest(const struct vcpu *vcpu)
{
	return rdtsc() + vcpu->vmx->tsc_offset;
}

void tsc_set_guest(struct vcpu *vcpu, u64 value)
{
	vcpu->vmx->tsc_offset = value - rdtsc();
	vmwrite(TSC_OFFSET, vcpu->vmx->tsc_offset);
}
