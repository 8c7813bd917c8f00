/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CPUID as a guest sees it: the table its owner gave, and what we support.
 */
#ifndef VELLUM_PLATFORM_CPUID_H
#define VELLUM_PLATFORM_CPUID_H

#include "types.h"

#define CPUID_1_ECX_VMX BIT(5)

#define CPUID_MAX_ENTRIES 256 /* KVM_MAX_CPUID_ENTRIES */

/* The words of CPUID that a vCPU's own state is judged by. */
struct cpuid_features {
	u32 ecx_1, edx_1;
	u32 ebx_7, ecx_7;
	u32 edx_80000001;
	u64 xcr0; /* components that XSAVE can be asked for; 0 without XSAVE */
};

struct cpuid_model {
	struct kvm_cpuid_entry2 *entries; /* owned */
	u32 nr;
	u8 maxphyaddr;	    /* of the guest; 36 without the leaf */
	u64 cr4_guest_bits; /* CR4 bits that a guest with it (or KVM_SET_SREGS) may set */
	u64 efer_bits;	    /* the same of EFER */
	u64 xcr0_bits;	    /* the same of XCR0 */
	/* Last leaf of the ranges at 0, 0x40000000, 0x80000000 and 0xc0000000; 0: none. */
	u32 limits[4];
};

/* What the answer to some leaves follows beside the table. */
struct cpuid_state {
	u64 cr4;
	u64 xcr0;
	bool apic;	/* IA32_APIC_BASE.EN */
	bool own_mwait; /* MONITOR's bit is IA32_MISC_ENABLE's, not the table's */
	bool mwait;
};

/*
 * A vCPU's model before KVM_SET_CPUID2: no entries, so the guest reads zeroes,
 * but its owner may already set every CR4 and EFER bit that is supported.
 */
void cpuid_init(struct cpuid_model *model);
/* From now on VMX is among what works in a guest.  Before there is a vCPU. */
void cpuid_offer_vmx(void);
/* What of this CPU works in a guest: KVM_GET_SUPPORTED_CPUID's words. */
void cpuid_host_features(struct cpuid_features *features);
/* KVM_GET_SUPPORTED_CPUID: fills at most @max entries; the number, or -E2BIG. */
int cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 max);
/* Takes a copy of @entries and derives the rest.  0, -EINVAL or -ENOMEM, then nothing changed. */
int cpuid_set(struct cpuid_model *model, const struct kvm_cpuid_entry2 *entries, u32 nr);
void cpuid_free(struct cpuid_model *model);
/* The same table, but for padding. */
bool cpuid_is_same(const struct cpuid_model *model, const struct kvm_cpuid_entry2 *entries, u32 nr);
/* The entry of @function, all zero when there is none; sub-leaf @index where it has them. */
const struct kvm_cpuid_entry2 *cpuid_entry(const struct cpuid_model *model, u32 function,
					   u32 index);
/*
 * What the CPUID instruction finds (SDM 2A): leaves beyond the maximum read as the
 * highest basic leaf; what is not in the table reads as zero.
 */
const struct kvm_cpuid_entry2 *cpuid_answer(const struct cpuid_model *model, u32 function,
					    u32 index);

/* Leaves whose answer is to go through cpuid_follow(). */
static inline bool cpuid_follows_state(u32 function)
{
	return function == 1 || function == 7 || function == 0xd;
}

/* @entry as it reads in @state: OSXSAVE, OSPKE, APIC, MONITOR, sizes of the XSAVE area. */
struct kvm_cpuid_entry2 cpuid_follow(const struct cpuid_model *model,
				     const struct kvm_cpuid_entry2 *entry,
				     const struct cpuid_state *state);

#endif
