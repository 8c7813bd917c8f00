/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMX for guests, as the CPU layer asks for it.  nested/ stands above vmx/, so it
 * is reached through these functions, which uapi/ sets when the module is loaded.
 *
 * The vCPU's thread, between vcpu_load() and vcpu_put(), unless it says otherwise.
 */
#ifndef VELLUM_VMX_NESTED_OPS_H
#define VELLUM_VMX_NESTED_OPS_H

#include "types.h"

struct slots;
struct vcpu;
struct vcpu_exception;

/* Of exit(): the exit is L0's to handle, as if L1 had caused it. */
#define NESTED_L0 3

struct nested_ops {
	/* A vCPU is made: 0 or -ENOMEM; and goes.  Not loaded. */
	int (*create)(struct vcpu *vcpu);
	void (*destroy)(struct vcpu *vcpu);

	/* The guest executed a VMX instruction outside L2.  As exit_handle(). */
	int (*insn)(struct vcpu *vcpu);
	/* L2 exited: NESTED_L0, or as exit_handle(). */
	int (*exit)(struct vcpu *vcpu);
	/*
	 * In a burst: is the exit L0's for certain, to be handled with interrupts off?  Then
	 * exit_handle() is next, and another entry may be.  If not, exit() tells.
	 */
	bool (*is_quick)(struct vcpu *vcpu);

	/* Does L1 take this exception of L2's?  No sleep. */
	bool (*wants_exception)(const struct vcpu *vcpu, const struct vcpu_exception *e);
	/*
	 * Does something that waits for its turn make L2 exit to L1?  No sleep, interrupts
	 * on or off.  settle() then does it.
	 */
	bool (*exit_is_due)(const struct vcpu *vcpu);
	/* L2 runs, and VCPU_REQ_NESTED was taken.  As exit_handle().  May sleep. */
	int (*settle)(struct vcpu *vcpu);
	/* L2 met a triple fault.  As exit_handle().  May sleep. */
	int (*triple_fault)(struct vcpu *vcpu);
	/* Just before L2 is entered, interrupts off. */
	void (*before_entry)(struct vcpu *vcpu);

	/* shadow_drain() of the vCPU's log, in the burst. */
	unsigned int (*drain)(struct vcpu *vcpu, const u64 *log, u16 index,
			      const struct slots *slots);

	/*
	 * Of an address that L2 calls physical, under L1's EPT, L1's: 0, -EAGAIN, -EOPNOTSUPP.
	 * @gva: what L2's instruction called it; where L1 does not let it through, L1 has an
	 * exit when the guest tries again, -EAGAIN.  NULL: -EOPNOTSUPP then.
	 */
	int (*translate)(struct vcpu *vcpu, gpa_t *gpa, u32 access, const gva_t *gva);
	/* L2 runs: ns until L1's preemption timer ends; U64_MAX: it does not run. */
	u64 (*timer_ns)(const struct vcpu *vcpu);

	/* VMX capability MSRs: as vmx_get_msr() and vmx_set_msr(). */
	bool (*has_msr)(u32 index);
	int (*get_msr)(struct vcpu *vcpu, u32 index, u64 *value);
	int (*set_msr)(struct vcpu *vcpu, u32 index, u64 value, bool host);
};

/* NULL: no guest has VMX.  Set once, before there is a vCPU. */
extern const struct nested_ops *nested_ops;

#endif
