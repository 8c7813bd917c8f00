/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The end of an instruction that the CPU did not execute itself: one that
 * exited and is done, or one that was emulated.
 *
 * Between vcpu_load() and vcpu_put().
 */
#ifndef VELLUM_VMX_INSN_END_H
#define VELLUM_VMX_INSN_END_H

#include "vmx/vmx.h"

/* RIP moves on past an instruction of @len bytes, which is over. */
static inline void end_insn(struct vcpu *vcpu, u64 len)
{
	u64 old = vmread(GUEST_RIP), rip = old + len;
	u64 state = vmread(GUEST_INTERRUPTIBILITY_INFO);

	/* Only where it matters is it worth asking for the mode: RIP has 32 bits outside 64-bit. */
	if (unlikely((rip ^ old) >> 32) && !vmx_in_64bit(vcpu))
		rip = (u32)rip;
	vmwrite(GUEST_RIP, rip);
	/* What the instruction before it held back is due now. */
	if (unlikely(state & INTR_STATE_SHADOW))
		vmwrite(GUEST_INTERRUPTIBILITY_INFO, state & ~INTR_STATE_SHADOW);
}

/* TF: a trap behind an instruction, and behind each element of a string (SDM 3B 17.3.1.4). */
static inline void trap_if_stepped(u64 rflags)
{
	if (unlikely(rflags & X86_EFLAGS_TF))
		vmwrite(GUEST_PENDING_DBG_EXCEPTIONS,
			vmread(GUEST_PENDING_DBG_EXCEPTIONS) | PENDING_DEBUG_BS);
}

#endif
