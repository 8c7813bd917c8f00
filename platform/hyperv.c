// SPDX-License-Identifier: GPL-2.0
/*
 * The leaves of CPUID that offer Hyper-V's interface: no more than works.
 */
#include <asm/hyperv-tlfs.h>

#include "platform/hyperv.h"

#define FIRST_LEAF HYPERV_CPUID_VENDOR_AND_MAX_FUNCTIONS
#define LAST_LEAF  HYPERV_CPUID_NESTED_FEATURES
static_assert(LAST_LEAF - FIRST_LEAF + 1 == HYPERV_CPUID_LEAVES);

/* Who waits for a spin lock need never tell. */
#define NEVER_NOTIFY 0xffffffffu

static void fill(struct kvm_cpuid_entry2 *entry, u32 vcpus, u16 evmcs)
{
	/* Who it is; a guest looks at the interface's leaf. */
	static const char vendor[12] = "Linux KVM Hv";

	switch (entry->function) {
	case HYPERV_CPUID_VENDOR_AND_MAX_FUNCTIONS:
		entry->eax = LAST_LEAF;
		memcpy(&entry->ebx, vendor, 4);
		memcpy(&entry->ecx, vendor + 4, 4);
		memcpy(&entry->edx, vendor + 8, 4);
		break;
	case HYPERV_CPUID_INTERFACE:
		entry->eax = HYPERV_SIGNATURE;
		break;
	case HYPERV_CPUID_FEATURES:
		entry->eax = HV_MSR_APIC_ACCESS_AVAILABLE | HV_MSR_HYPERCALL_AVAILABLE |
			     HV_MSR_VP_INDEX_AVAILABLE;
		break;
	case HYPERV_CPUID_ENLIGHTMENT_INFO:
		entry->eax = evmcs ? HV_X64_ENLIGHTENED_VMCS_RECOMMENDED : 0;
		entry->ebx = NEVER_NOTIFY;
		break;
	case HYPERV_CPUID_IMPLEMENT_LIMITS:
		entry->eax = vcpus;
		break;
	case HYPERV_CPUID_NESTED_FEATURES:
		entry->eax = evmcs ? evmcs | HV_X64_NESTED_MSR_BITMAP : 0;
		break;
	}
}

int hyperv_cpuid(struct kvm_cpuid_entry2 *entries, u32 max, u32 vcpus, u16 evmcs)
{
	u32 i;

	for (i = 0; i <= LAST_LEAF - FIRST_LEAF; i++) {
		if (i >= max)
			return -E2BIG;
		entries[i] = (struct kvm_cpuid_entry2){ .function = FIRST_LEAF + i };
		fill(&entries[i], vcpus, evmcs);
	}
	return i;
}
