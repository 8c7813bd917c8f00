/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CPUID as a guest sees it: the table its owner gave, and what we support.
 */
#ifndef VELLUM_PLATFORM_CPUID_H
#define VELLUM_PLATFORM_CPUID_H

#include "types.h"

#define CPUID_MAX_ENTRIES 256 /* KVM_MAX_CPUID_ENTRIES */

/* The words of CPUID that a vCPU's own state is judged by. */
struct cpuid_features {
	u32 ecx_1, edx_1;
	u32 ebx_7, ecx_7;
	u32 edx_80000001;
};

struct cpuid_model {
	struct kvm_cpuid_entry2 *entries; /* owned */
	u32 nr;
	u8 maxphyaddr;	    /* of the guest; 36 without the leaf */
	u64 cr4_guest_bits; /* CR4 bits that a guest with it (or KVM_SET_SREGS) may set */
	u64 efer_bits;	    /* the same of EFER */
};

/*
 * A vCPU's model before KVM_SET_CPUID2: no entries, so the guest reads zeroes,
 * but its owner may already set every CR4 and EFER bit that is supported.
 */
void cpuid_init(struct cpuid_model *model);
/* What of this CPU works in a guest: KVM_GET_SUPPORTED_CPUID's words. */
void cpuid_host_features(struct cpuid_features *features);
/* KVM_GET_SUPPORTED_CPUID: fills at most @max entries; the number, or -E2BIG. */
int cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 max);
/* Takes a copy of @entries and derives the rest.  0, -EINVAL or -ENOMEM, then nothing changed. */
int cpuid_set(struct cpuid_model *model, const struct kvm_cpuid_entry2 *entries, u32 nr);
void cpuid_free(struct cpuid_model *model);
/*
 * The CPUID instruction (SDM 2A): leaves beyond the maximum read as the
 * highest basic leaf; what is not in the table reads as zero.  @cr4 and
 * @apic_enabled set the bits that follow run time state (OSXSAVE, OSPKE, APIC).
 */
void cpuid_exec(const struct cpuid_model *model, u64 cr4, bool apic_enabled, u32 *eax, u32 *ebx,
		u32 *ecx, u32 *edx);

#endif
