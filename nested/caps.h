/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMX capability MSRs (SDM 3D appendix A) that a guest hypervisor finds, what
 * is offered in them at most, and what KVM_SET_MSRS may make of them.
 */
#ifndef VELLUM_NESTED_CAPS_H
#define VELLUM_NESTED_CAPS_H

#include "types.h"
#include "vmcs_fields.h"

/*
 * Controls are the "true" ones: bits 31:0 must be 1 where set, bits 63:32 may be 1
 * where set.  The others are made of them.
 */
struct nested_caps {
	u64 basic;
	u64 pinbased, procbased, procbased2, exit, entry;
	u64 misc;
	u64 cr0_fixed0, cr0_fixed1; /* must be 1 where set; must be 0 where clear */
	u64 cr4_fixed0, cr4_fixed1;
	u64 vmcs_enum;
	u64 ept_vpid;
	u64 vmfunc;
};

/* What vellum can do for L1 of that which some hosts, parameters or kernels lack. */
struct nested_means {
	bool ept; /* L1's EPT is walked and shadowed, with its A and D bits and PML */
	bool vpid;
	bool unrestricted_guest;
	bool vmcs_shadowing; /* L2's VMREAD and VMWRITE can reach a VMCS of L1's choice */
	u8 timer_rate;	     /* L1's preemption timer counts once in 2^this ticks of its TSC */
};

/* The most that is offered where the CPU's own MSRs are @host. */
struct nested_caps nested_caps_offer(const struct nested_caps *host,
				     const struct nested_means *means);

/* Takes away what an enlightened VMCS (version 1) has no fields for. */
void nested_caps_enlighten(struct nested_caps *caps);

/* 0, or -ENOENT: @index is no VMX capability MSR. */
int nested_caps_get(const struct nested_caps *caps, u32 index, u64 *value);

/*
 * Userspace sets one of them: it may take away from @offer, never add.  0, -ENOENT
 * as above, or -EINVAL, and nothing is changed.
 */
int nested_caps_set(struct nested_caps *caps, const struct nested_caps *offer, u32 index,
		    u64 value);

/* Does a word of controls keep to its capability MSR?  SDM 3D A.2. */
static inline bool nested_allows(u64 cap, u32 controls)
{
	return !(~controls & (u32)cap) && !(controls & ~(cap >> 32));
}

/* A register that VMX operation fixes bits of (SDM 3D A.7, A.8). */
static inline bool nested_is_fixed(u64 value, u64 fixed0, u64 fixed1)
{
	return !(fixed0 & ~value) && !(value & ~fixed1);
}

/* IA32_VMX_MISC (SDM 3D A.6). */
#define MISC_TIMER_RATE(misc)  ((misc)&0x1f)
#define MISC_CR3_TARGETS(misc) ((misc) >> 16 & 0x1ff)
#define MISC_LIST_MAX(misc)    (512 * (((misc) >> 25 & 7) + 1)) /* MSRs in a list */
#define MISC_SAVE_EFER_LMA     BIT_ULL(5)
#define MISC_ACTIVITY_HLT      BIT_ULL(6)
#define MISC_ACTIVITY_SHUTDOWN BIT_ULL(7)
#define MISC_ACTIVITY_SIPI     BIT_ULL(8)
#define MISC_VMWRITE_ALL       BIT_ULL(29) /* read-only fields, too */
#define MISC_ZERO_LENGTH       BIT_ULL(30) /* software events of length 0 may be injected */

#endif
