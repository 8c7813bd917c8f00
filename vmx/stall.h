/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long a vCPU is kept from running, by cause.
 *
 * What is over within the burst is measured where it happens: stall_count().
 * Else a stall begins at the exit and ends when the guest is entered again, one
 * at a time: whatever delays that, delays it for this cause.
 */
#ifndef VELLUM_VMX_STALL_H
#define VELLUM_VMX_STALL_H

#include <asm/msr.h>

#include "vmx/vmx.h"

/* @since: rdtsc() when it began, with interrupts off since: its lower half tells. */
static inline void stall_count(struct vcpu *vcpu, enum stall_cause cause, u32 since)
{
	vcpu->stats.stalled[cause] += (u32)rdtsc() - since;
}

/* Its thread may be on another CPU by now, whose TSC shows less. */
static inline void stall_end(struct vcpu *vcpu)
{
	struct stall *stall = &vcpu->vmx->stall;
	u64 now = rdtsc();

	if (now > stall->since)
		vcpu->stats.stalled[stall->cause] += now - stall->since;
	stall->cause = STALL_NONE;
}

static inline bool stall_lasts(const struct vcpu *vcpu)
{
	return vcpu->vmx->stall.cause != STALL_NONE;
}

static inline void stall_begin(struct vcpu *vcpu, enum stall_cause cause, u64 since)
{
	if (unlikely(stall_lasts(vcpu)))
		stall_end(vcpu);
	vcpu->vmx->stall = (struct stall){ cause, since };
}

/* An interrupt ended the burst: was it sent to have that? */
static inline void stall_by_kick(struct vcpu *vcpu)
{
	int cause = READ_ONCE(vcpu->kicked);

	if (cause)
		stall_begin(vcpu, cause, rdtsc());
}

/* KVM_RUN returns: what userspace does then is its own, but for a ring that is full. */
static inline void stall_leave(struct vcpu *vcpu)
{
	if (stall_lasts(vcpu) && vcpu->vmx->stall.cause != STALL_RING_FULL)
		stall_end(vcpu);
}

#endif
