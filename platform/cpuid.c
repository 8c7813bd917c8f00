// SPDX-License-Identifier: GPL-2.0
/*
 * One vCPU's CPUID: the table its owner gave, what follows from it, and the
 * instruction.  Pure; what this machine supports is cpuid_host.c's.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "platform/cpuid.h"
#include "platform/xsave.h"

#define CPUID_1_ECX_MWAIT	   BIT(3)
#define CPUID_1_ECX_PCID	   BIT(17)
#define CPUID_1_ECX_XSAVE	   BIT(26)
#define CPUID_1_ECX_OSXSAVE	   BIT(27)
#define CPUID_1_EDX_APIC	   BIT(9)
#define CPUID_7_EBX_FSGSBASE	   BIT(0)
#define CPUID_7_EBX_SMEP	   BIT(7)
#define CPUID_7_EBX_SMAP	   BIT(20)
#define CPUID_7_ECX_UMIP	   BIT(2)
#define CPUID_7_ECX_PKU		   BIT(3)
#define CPUID_7_ECX_OSPKE	   BIT(4)
#define CPUID_80000001_EDX_SYSCALL BIT(11)
#define CPUID_80000001_EDX_NX	   BIT(20)
#define CPUID_80000001_EDX_LM	   BIT(29)

#define MAXPHYADDR_DEFAULT 36
#define LEAF_EXTENDED	   0x80000000u

/* Every CPU that has EPT has these. */
#define CR4_ALWAYS \
	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | \
	 X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

static u64 cr4_bits(const struct cpuid_features *features)
{
	u64 cr4 = CR4_ALWAYS;

	if (features->ebx_7 & CPUID_7_EBX_FSGSBASE)
		cr4 |= X86_CR4_FSGSBASE;
	if (features->ebx_7 & CPUID_7_EBX_SMEP)
		cr4 |= X86_CR4_SMEP;
	if (features->ebx_7 & CPUID_7_EBX_SMAP)
		cr4 |= X86_CR4_SMAP;
	if (features->ecx_7 & CPUID_7_ECX_UMIP)
		cr4 |= X86_CR4_UMIP;
	if (features->ecx_7 & CPUID_7_ECX_PKU)
		cr4 |= X86_CR4_PKE;
	if (features->ecx_1 & CPUID_1_ECX_PCID)
		cr4 |= X86_CR4_PCIDE;
	if (features->ecx_1 & CPUID_1_ECX_XSAVE)
		cr4 |= X86_CR4_OSXSAVE;
	if (features->ecx_1 & CPUID_1_ECX_VMX)
		cr4 |= X86_CR4_VMXE;
	return cr4;
}

static u64 efer_bits(const struct cpuid_features *features)
{
	u64 efer = 0;

	if (features->edx_80000001 & CPUID_80000001_EDX_SYSCALL)
		efer |= EFER_SCE;
	if (features->edx_80000001 & CPUID_80000001_EDX_NX)
		efer |= EFER_NX;
	if (features->edx_80000001 & CPUID_80000001_EDX_LM)
		efer |= EFER_LME | EFER_LMA;
	return efer;
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid_entry2 *entries, u32 nr,
					   u32 function, u32 index)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		const struct kvm_cpuid_entry2 *entry = &entries[i];

		if (entry->function == function &&
		    (!(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || entry->index == index))
			return entry;
	}
	return NULL;
}

static const struct kvm_cpuid_entry2 zero_entry;

/* The entry of @function, all zero when there is none. */
static const struct kvm_cpuid_entry2 *find_or_zero(const struct kvm_cpuid_entry2 *entries, u32 nr,
						   u32 function)
{
	return find(entries, nr, function, 0) ?: &zero_entry;
}

/* Of @entries, less what this machine does not support. */
static void table_features(const struct kvm_cpuid_entry2 *entries, u32 nr,
			   struct cpuid_features *features)
{
	const struct kvm_cpuid_entry2 *leaf1 = find_or_zero(entries, nr, 1);
	const struct kvm_cpuid_entry2 *leaf7 = find_or_zero(entries, nr, 7);
	const struct kvm_cpuid_entry2 *leafd = find_or_zero(entries, nr, 0xd);
	const struct kvm_cpuid_entry2 *leaf81 = find_or_zero(entries, nr, 0x80000001);

	cpuid_host_features(features);
	features->ecx_1 &= leaf1->ecx;
	features->edx_1 &= leaf1->edx;
	features->ebx_7 &= leaf7->ebx;
	features->ecx_7 &= leaf7->ecx;
	features->edx_80000001 &= leaf81->edx;
	features->xcr0 &= leafd->eax | (u64)leafd->edx << 32;
	if (!(features->ecx_1 & CPUID_1_ECX_XSAVE))
		features->xcr0 = 0;
}

static u8 table_maxphyaddr(const struct kvm_cpuid_entry2 *entries, u32 nr)
{
	if (find_or_zero(entries, nr, LEAF_EXTENDED)->eax < 0x80000008)
		return MAXPHYADDR_DEFAULT;
	return find_or_zero(entries, nr, 0x80000008)->eax & 0xff;
}

/* 48-bit linear addresses or none told; no more physical bits than a page table can hold. */
static bool table_is_valid(const struct kvm_cpuid_entry2 *entries, u32 nr)
{
	const struct kvm_cpuid_entry2 *sizes = find(entries, nr, 0x80000008, 0);
	u32 linear = sizes ? sizes->eax >> 8 & 0xff : 0;

	return (!linear || linear == 48 || linear == 57) && table_maxphyaddr(entries, nr) <= 52;
}

static void set_bits(struct cpuid_model *model, const struct cpuid_features *features)
{
	model->cr4_guest_bits = cr4_bits(features);
	model->efer_bits = efer_bits(features);
	model->xcr0_bits = features->xcr0;
}

void cpuid_init(struct cpuid_model *model)
{
	struct cpuid_features features;

	cpuid_host_features(&features);
	*model = (struct cpuid_model){ .maxphyaddr = MAXPHYADDR_DEFAULT };
	set_bits(model, &features);
}

int cpuid_set(struct cpuid_model *model, const struct kvm_cpuid_entry2 *entries, u32 nr)
{
	struct cpuid_features features;
	struct kvm_cpuid_entry2 *copy = NULL;
	u32 i;

	if (nr > CPUID_MAX_ENTRIES || !table_is_valid(entries, nr))
		return -EINVAL;
	if (nr) {
		copy = kvmalloc_array(nr, sizeof(*copy), GFP_KERNEL_ACCOUNT);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, entries, nr * sizeof(*copy));
	}
	table_features(entries, nr, &features);
	cpuid_free(model);
	*model = (struct cpuid_model){
		.entries = copy,
		.nr = nr,
		.maxphyaddr = table_maxphyaddr(copy, nr),
	};
	set_bits(model, &features);
	for (i = 0; i < ARRAY_SIZE(model->limits); i++)
		model->limits[i] = find_or_zero(copy, nr, i << 30)->eax;
	return 0;
}

void cpuid_free(struct cpuid_model *model)
{
	kvfree(model->entries);
	model->entries = NULL;
	model->nr = 0;
}

bool cpuid_is_same(const struct cpuid_model *model, const struct kvm_cpuid_entry2 *entries, u32 nr)
{
	u32 i;

	if (nr != model->nr)
		return false;
	for (i = 0; i < nr; i++)
		if (memcmp(&entries[i], &model->entries[i],
			   offsetof(struct kvm_cpuid_entry2, padding)))
			return false;
	return true;
}

const struct kvm_cpuid_entry2 *cpuid_entry(const struct cpuid_model *model, u32 function, u32 index)
{
	return find(model->entries, model->nr, function, index) ?: &zero_entry;
}

const struct kvm_cpuid_entry2 *cpuid_answer(const struct cpuid_model *model, u32 function,
					    u32 index)
{
	if (unlikely(function > model->limits[function >> 30]))
		function = model->limits[0];
	return cpuid_entry(model, function, index);
}

static void put_bit(u32 *word, u32 bit, bool on)
{
	*word = on ? *word | bit : *word & ~bit;
}

/* Sub-leaf 0: the standard format; sub-leaf 1: the compacted one, where XSAVEC is told. */
static void follow_xcr0(const struct cpuid_model *model, struct kvm_cpuid_entry2 *entry, u64 xcr0)
{
	if (entry->index == 0)
		entry->ebx = xsave_size(model->entries, model->nr, xcr0, false);
	else if (entry->index == 1 && entry->ebx)
		entry->ebx = xsave_size(model->entries, model->nr, xcr0, true);
}

struct kvm_cpuid_entry2 cpuid_follow(const struct cpuid_model *model,
				     const struct kvm_cpuid_entry2 *entry,
				     const struct cpuid_state *state)
{
	struct kvm_cpuid_entry2 now = *entry;

	switch (entry->function) {
	case 1:
		put_bit(&now.ecx, CPUID_1_ECX_OSXSAVE,
			(entry->ecx & CPUID_1_ECX_XSAVE) && (state->cr4 & X86_CR4_OSXSAVE));
		if (!state->apic)
			now.edx &= ~(u32)CPUID_1_EDX_APIC;
		if (state->own_mwait)
			put_bit(&now.ecx, CPUID_1_ECX_MWAIT, state->mwait);
		break;
	case 7:
		if (!entry->index)
			put_bit(&now.ecx, CPUID_7_ECX_OSPKE,
				(entry->ecx & CPUID_7_ECX_PKU) && (state->cr4 & X86_CR4_PKE));
		break;
	case 0xd:
		if (model->xcr0_bits)
			follow_xcr0(model, &now, state->xcr0);
		break;
	}
	return now;
}
