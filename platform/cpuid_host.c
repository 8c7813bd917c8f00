// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_SUPPORTED_CPUID: what this CPU has, less what a guest of this module
 * cannot use.  One mask per word of feature bits, by name.
 *
 * XSAVE and what builds on it is there only where the kernel uses it.  Not here,
 * because the state behind it is not kept: XSAVES, AMX, protection keys, performance
 * counters, speculation controls, SMX, MONITOR.  TSC deadline is there with
 * KVM_CREATE_IRQCHIP alone: KVM_CAP_TSC_DEADLINE_TIMER says so instead.
 */
#include <uapi/asm/kvm_para.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "platform/cpuid.h"
#include "platform/xsave.h"

#include <asm/fpu/xcr.h> /* needs the types */

/* Bit @feature of its own word. */
#define F(feature) BIT(X86_FEATURE_##feature & 31)

#define LEAF_1_ECX \
	(F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(CX16) | F(PCID) | F(XMM4_1) | F(XMM4_2) | \
	 F(MOVBE) | F(POPCNT) | F(AES) | F(RDRAND))
#define LEAF_1_ECX_OURS (F(HYPERVISOR) | F(X2APIC))
#define LEAF_1_EDX \
	(F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | \
	 F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFLUSH) | F(MMX) | \
	 F(FXSR) | F(XMM) | F(XMM2))
#define LEAF_7_EBX \
	(F(FSGSBASE) | F(BMI1) | F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) | F(RDSEED) | F(ADX) | \
	 F(SMAP) | F(CLFLUSHOPT) | F(CLWB) | F(SHA_NI))
/* Works whatever the CPU has: accesses to the MSR exit. */
#define LEAF_7_EBX_OURS F(TSC_ADJUST)
#define LEAF_7_ECX	(F(UMIP) | F(RDPID))
#define LEAF_7_EDX	F(FSRM)
/* What is here whatever the CPU has. */
#define LEAF_7_EDX_OURS	  F(ARCH_CAPABILITIES)
#define LEAF_80000001_ECX (F(LAHF_LM) | F(ABM) | F(3DNOWPREFETCH))
#define LEAF_80000001_EDX (F(SYSCALL) | F(NX) | F(GBPAGES) | F(RDTSCP) | F(LM))
#define LEAF_80000007_EDX F(CONSTANT_TSC)

/* With the AVX component of XCR0, and with those of AVX-512. */
#define AVX_1_ECX (F(FMA) | F(AVX) | F(F16C))
#define AVX_7_EBX F(AVX2)
#define AVX_7_ECX (F(VAES) | F(VPCLMULQDQ))
#define AVX512_7_EBX \
	(F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) | F(AVX512CD) | F(AVX512BW) | F(AVX512VL))
#define AVX512_7_ECX \
	(F(AVX512VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ))
#define AVX512_7_EDX (F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(AVX512_VP2INTERSECT))
/* Sub-leaf 1 of the XSAVE leaf. */
#define LEAF_D_1_EAX (F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1))

/* Paravirtual features: each with the code behind it. */
#define PV_FEATURES \
	(BIT(KVM_FEATURE_NOP_IO_DELAY) | /* a port access is a call, and long enough */ \
	 BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) | \
	 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) | BIT(KVM_FEATURE_STEAL_TIME) | \
	 BIT(KVM_FEATURE_PV_SCHED_YIELD))

#define LEAF_XSAVE    0xd
#define BASIC_MAX     LEAF_XSAVE
#define EXTENDED_LEAF 0x80000000u
#define EXTENDED_MAX  0x80000008u
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

/* What of @features can be given with the host's XCR0. */
static u32 with_xsave(u32 always, u32 xsave, u32 avx, u32 avx512)
{
	u64 xcr0 = xsave_supported_xcr0();

	return always | (xcr0 ? xsave : 0) | (xcr0 & XCR0_AVX ? avx : 0) |
	       ((xcr0 & XCR0_AVX512) == XCR0_AVX512 ? avx512 : 0);
}

static u32 vmx __ro_after_init; /* F(VMX), if nested/ offers it */

void __init cpuid_offer_vmx(void)
{
	vmx = F(VMX);
}

static u32 leaf_1_ecx(u32 host)
{
	return (host & with_xsave(LEAF_1_ECX, F(XSAVE), AVX_1_ECX, 0)) | LEAF_1_ECX_OURS | vmx;
}

static u32 leaf_7_ebx(u32 host)
{
	return (host & with_xsave(LEAF_7_EBX, 0, AVX_7_EBX, AVX512_7_EBX)) | LEAF_7_EBX_OURS;
}

static u32 leaf_7_ecx(u32 host)
{
	return host & with_xsave(LEAF_7_ECX, 0, AVX_7_ECX, AVX512_7_ECX);
}

static void mask_leaf_1(struct kvm_cpuid_entry2 *entry)
{
	entry->ebx &= 0x0000ff00; /* the cache line for CLFLUSH; ids are the owner's to give */
	entry->ecx = leaf_1_ecx(entry->ecx);
	entry->edx &= LEAF_1_EDX;
}

static void mask_leaf_7(struct kvm_cpuid_entry2 *entry)
{
	entry->eax = 0; /* one sub-leaf */
	entry->ebx = leaf_7_ebx(entry->ebx);
	entry->ecx = leaf_7_ecx(entry->ecx);
	entry->edx &= with_xsave(LEAF_7_EDX, 0, 0, AVX512_7_EDX);
	entry->edx |= LEAF_7_EDX_OURS;
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

/* Nothing that is offered stands between the feature leaf and that of XSAVE. */
static u32 basic_max(void)
{
	return min_t(u32, cpuid_eax(0), xsave_supported_xcr0() ? BASIC_MAX : 7);
}

/* What of the CPU's answer a guest gets.  Cache descriptions and names stay as they are. */
static void mask_entry(struct kvm_cpuid_entry2 *entry)
{
	switch (entry->function) {
	case 0:
		entry->eax = basic_max();
		break;
	case 1:
		mask_leaf_1(entry);
		break;
	case 3:
	case 5:
	case 6:
	case 8 ... 0xc:
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

/* Sub-leaf 0 and 1, and one for each component that the guest can have. */
static bool append_xsave(struct list *list)
{
	u64 xcr0 = xsave_supported_xcr0();
	struct kvm_cpuid_entry2 *entry;
	u32 i;

	entry = append(list, LEAF_XSAVE, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	if (!entry)
		return false;
	entry->eax = xcr0;
	entry->edx = xcr0 >> 32;
	entry = append(list, LEAF_XSAVE, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	if (!entry)
		return false;
	entry->eax &= LEAF_D_1_EAX;
	entry->ecx = 0; /* no supervisor state */
	entry->edx = 0;
	for (i = 2; i < 63; i++)
		if ((xcr0 & BIT_ULL(i)) &&
		    !append(list, LEAF_XSAVE, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX))
			return false;
	return true;
}

/* EBX and ECX of sub-leaf 0: for what is enabled in @entries, all that can be. */
static void set_xsave_sizes(struct list *list)
{
	u64 xcr0 = xsave_supported_xcr0();
	struct kvm_cpuid_entry2 *entry;
	u32 i;

	for (i = 0; i < list->nr; i++) {
		entry = &list->entries[i];
		if (entry->function != LEAF_XSAVE || entry->index > 1)
			continue;
		if (entry->index == 0) {
			entry->ebx = xsave_size(list->entries, list->nr, XCR0_X87, false);
			entry->ecx = xsave_size(list->entries, list->nr, xcr0, false);
		} else if (entry->eax & F(XSAVEC)) {
			entry->ebx = xsave_size(list->entries, list->nr, XCR0_X87, true);
		} else {
			entry->ebx = 0;
		}
	}
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
		if (function == LEAF_XSAVE) {
			if (!append_xsave(list))
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

/* The signature of the paravirtual interface that is spoken here, which is KVM's. */
static bool append_paravirtual(struct list *list)
{
	static const char signature[12] = KVM_SIGNATURE;
	struct kvm_cpuid_entry2 *entry = append(list, KVM_CPUID_SIGNATURE, 0, 0);

	if (!entry)
		return false;
	entry->eax = KVM_CPUID_FEATURES;
	memcpy(&entry->ebx, signature, 4);
	memcpy(&entry->ecx, signature + 4, 4);
	memcpy(&entry->edx, signature + 8, 4);
	entry = append(list, KVM_CPUID_FEATURES, 0, 0);
	if (!entry)
		return false;
	entry->eax = PV_FEATURES;
	entry->ebx = 0;
	entry->ecx = 0;
	entry->edx = 0; /* no hints */
	return true;
}

int cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 max)
{
	struct list list = { .entries = entries, .max = max };
	u32 basic = basic_max();
	u32 extended = min_t(u32, cpuid_eax(EXTENDED_LEAF), EXTENDED_MAX);

	if (!append_range(&list, 0, basic) || !append_paravirtual(&list) ||
	    !append_range(&list, EXTENDED_LEAF, extended))
		return -E2BIG;
	set_xsave_sizes(&list);
	return list.nr;
}

u64 xsave_supported_xcr0(void)
{
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	return xgetbv(XCR_XFEATURE_ENABLED_MASK) & (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512);
}

void cpuid_host_features(struct cpuid_features *features)
{
	*features = (struct cpuid_features){
		.ecx_1 = leaf_1_ecx(cpuid_ecx(1)),
		.edx_1 = cpuid_edx(1) & LEAF_1_EDX,
		.edx_80000001 = cpuid_edx(0x80000001) & LEAF_80000001_EDX,
		.xcr0 = xsave_supported_xcr0(),
	};
	if (cpuid_eax(0) >= 7) {
		features->ebx_7 = leaf_7_ebx(cpuid_ebx(7));
		features->ecx_7 = leaf_7_ecx(cpuid_ecx(7));
	}
}
