// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_SUPPORTED_CPUID: what this CPU has, less what a guest of this module
 * cannot use.  One mask per word of feature bits, by name.
 *
 * Not here, because the state behind it is not kept yet: XSAVE, AVX and all
 * that builds on them, TSC deadline, x2APIC, performance counters,
 * speculation controls, VMX, SMX, MONITOR.
 */
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "platform/cpuid.h"

/* Bit @feature of its own word. */
#define F(feature) BIT(X86_FEATURE_##feature & 31)

#define LEAF_1_ECX \
	(F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(CX16) | F(PCID) | F(XMM4_1) | F(XMM4_2) | \
	 F(MOVBE) | F(POPCNT) | F(AES) | F(RDRAND))
#define LEAF_1_EDX \
	(F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | \
	 F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFLUSH) | F(MMX) | \
	 F(FXSR) | F(XMM) | F(XMM2))
#define LEAF_7_EBX \
	(F(FSGSBASE) | F(BMI1) | F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) | F(RDSEED) | F(ADX) | \
	 F(SMAP) | F(CLFLUSHOPT) | F(CLWB) | F(SHA_NI))
/* Works whatever the CPU has: accesses to the MSR exit. */
#define LEAF_7_EBX_OURS	  F(TSC_ADJUST)
#define LEAF_7_ECX	  (F(UMIP) | F(RDPID))
#define LEAF_7_EDX	  F(FSRM)
#define LEAF_80000001_ECX (F(LAHF_LM) | F(ABM) | F(3DNOWPREFETCH))
#define LEAF_80000001_EDX (F(SYSCALL) | F(NX) | F(GBPAGES) | F(RDTSCP) | F(LM))
#define LEAF_80000007_EDX F(CONSTANT_TSC)

#define BASIC_MAX	7
#define HYPERVISOR_LEAF 0x40000000u
#define EXTENDED_LEAF	0x80000000u
#define EXTENDED_MAX	0x80000008u
/* Four EPT levels. */
#define PHYSICAL_BITS_MAX 48

/* Where the next entry goes. */
struct list {
	struct kvm_cpuid_entry2 *entries;
	u32 nr;
	u32 max;
};

/* The CPU's own answer, appended; NULL when the list is full. */
static struct kvm_cpuid_entry2 *append(struct list *list, u32 function, u32 index, u32 flags)
{
	struct kvm_cpuid_entry2 *entry;

	if (list->nr == list->max)
		return NULL;
	entry = &list->entries[list->nr++];
	*entry = (struct kvm_cpuid_entry2){ .function = function, .index = index, .flags = flags };
	cpuid_count(function, index, &entry->eax, &entry->ebx, &entry->ecx, &entry->edx);
	return entry;
}

static void mask_leaf_1(struct kvm_cpuid_entry2 *entry)
{
	entry->ebx &= 0x0000ff00; /* the cache line for CLFLUSH; ids are the owner's to give */
	entry->ecx = (entry->ecx & LEAF_1_ECX) | F(HYPERVISOR);
	entry->edx &= LEAF_1_EDX;
}

static void mask_leaf_7(struct kvm_cpuid_entry2 *entry)
{
	entry->eax = 0; /* one sub-leaf */
	entry->ebx = (entry->ebx & LEAF_7_EBX) | LEAF_7_EBX_OURS;
	entry->ecx &= LEAF_7_ECX;
	entry->edx &= LEAF_7_EDX;
}

static void mask_leaf_80000008(struct kvm_cpuid_entry2 *entry)
{
	u32 physical = min_t(u32, boot_cpu_data.x86_phys_bits, PHYSICAL_BITS_MAX);

	entry->eax = (entry->eax & 0xff00) | physical;
	if ((entry->eax & 0xff00) > 48 << 8)
		entry->eax = 48 << 8 | physical; /* no five-level paging */
	entry->ebx = 0;
	entry->ecx = 0;
	entry->edx = 0;
}

/* What of the CPU's answer a guest gets.  Cache descriptions and names stay as they are. */
static void mask_entry(struct kvm_cpuid_entry2 *entry)
{
	switch (entry->function) {
	case 0:
		entry->eax = min_t(u32, entry->eax, BASIC_MAX);
		break;
	case 1:
		mask_leaf_1(entry);
		break;
	case 3:
	case 5:
	case 6:
		entry->eax = 0;
		entry->ebx = 0;
		entry->ecx = 0;
		entry->edx = 0;
		break;
	case 7:
		mask_leaf_7(entry);
		break;
	case EXTENDED_LEAF:
		entry->eax = min_t(u32, entry->eax, EXTENDED_MAX);
		break;
	case 0x80000001:
		entry->ebx = 0;
		entry->ecx &= LEAF_80000001_ECX;
		entry->edx &= LEAF_80000001_EDX;
		break;
	case 0x80000007:
		entry->eax = 0;
		entry->ebx = 0;
		entry->ecx = 0;
		entry->edx &= LEAF_80000007_EDX;
		break;
	case 0x80000008:
		mask_leaf_80000008(entry);
		break;
	}
}

/* Leaf 4 has a sub-leaf per cache, the last of type 0. */
static bool append_caches(struct list *list)
{
	struct kvm_cpuid_entry2 *entry;
	u32 index = 0;

	do {
		entry = append(list, 4, index++, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
		if (!entry)
			return false;
		entry->eax &= 0x3fff; /* how many share it is the owner's to say */
	} while (entry->eax & 0x1f && index < 16);
	return true;
}

/* Leaves [first, last], without holes. */
static bool append_range(struct list *list, u32 first, u32 last)
{
	struct kvm_cpuid_entry2 *entry;
	u32 function;

	for (function = first; function <= last; function++) {
		if (function == 4) {
			if (!append_caches(list))
				return false;
			continue;
		}
		entry = append(list, function, 0,
			       function == 7 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0);
		if (!entry)
			return false;
		mask_entry(entry);
	}
	return true;
}

/* Who we are.  No paravirtual feature stands behind it. */
static bool append_signature(struct list *list)
{
	static const char signature[] = "VellumVellum";
	struct kvm_cpuid_entry2 *entry = append(list, HYPERVISOR_LEAF, 0, 0);

	if (!entry)
		return false;
	entry->eax = HYPERVISOR_LEAF;
	memcpy(&entry->ebx, signature, 4);
	memcpy(&entry->ecx, signature + 4, 4);
	memcpy(&entry->edx, signature + 8, 4);
	return true;
}

int cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 max)
{
	struct list list = { .entries = entries, .max = max };
	u32 basic = min_t(u32, cpuid_eax(0), BASIC_MAX);
	u32 extended = min_t(u32, cpuid_eax(EXTENDED_LEAF), EXTENDED_MAX);

	if (!append_range(&list, 0, basic) || !append_signature(&list) ||
	    !append_range(&list, EXTENDED_LEAF, extended))
		return -E2BIG;
	return list.nr;
}

void cpuid_host_features(struct cpuid_features *features)
{
	*features = (struct cpuid_features){
		.ecx_1 = (cpuid_ecx(1) & LEAF_1_ECX) | F(HYPERVISOR),
		.edx_1 = cpuid_edx(1) & LEAF_1_EDX,
		.edx_80000001 = cpuid_edx(0x80000001) & LEAF_80000001_EDX,
	};
	if (cpuid_eax(0) >= 7) {
		features->ebx_7 = (cpuid_ebx(7) & LEAF_7_EBX) | LEAF_7_EBX_OURS;
		features->ecx_7 = cpuid_ecx(7) & LEAF_7_ECX;
	}
}
