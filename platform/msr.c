// SPDX-License-Identifier: GPL-2.0
/*
 * MSRs that are only numbers to us (SDM 4 for their layout).
 */
#include <asm/msr-index.h>

#include "platform/msr.h"

#define APIC_BASE_BSP	  BIT_ULL(8)
#define APIC_BASE_ENABLE  BIT_ULL(11)
#define APIC_BASE_DEFAULT 0xfee00000ull

/* The MTRRs (SDM 4 table 2-2). */
#define MTRR_CAP	   0xfe
#define MTRR_PHYS_BASE0	   0x200
#define MTRR_PHYS_LAST	   (MTRR_PHYS_BASE0 + 2 * MTRR_VARIABLE - 1)
#define MTRR_FIXED_64K	   0x250
#define MTRR_FIXED_16K	   0x258 /* two of them */
#define MTRR_FIXED_4K	   0x268 /* eight */
#define MTRR_FIXED_4K_LAST 0x26f
#define MTRR_DEF_TYPE	   0x2ff

#define MTRR_VARIABLE 8
/* Write combining, fixed ranges, eight variable ones. */
#define MTRR_CAP_VALUE	   (BIT_ULL(10) | BIT_ULL(8) | MTRR_VARIABLE)
#define MTRR_DEF_TYPE_BITS (BIT_ULL(11) | BIT_ULL(10) | 0xff)
#define MTRR_MASK_VALID	   BIT_ULL(11)

/* The PAT after reset (SDM 3A 11.12.4): WB, WT, UC-, UC, twice. */
#define PAT_RESET 0x0007040600070406ull

/* Fast strings, and: no BTS, no PEBS. */
#define MISC_ENABLE_RESET	(BIT_ULL(0) | BIT_ULL(11) | BIT_ULL(12))
#define MISC_ENABLE_FAST_STRING BIT_ULL(0)
/* What an owner may give back: what some CPU reports, and nothing we would have to act upon. */
#define MISC_ENABLE_HOST (MISC_ENABLE_RESET | BIT_ULL(3) | BIT_ULL(7) | BIT_ULL(16) | BIT_ULL(18))

/* clang-format off */
const u32 msr_index_list[] = {
	/* vmx/msrs.c */
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_IA32_TSC, MSR_IA32_TSC_ADJUST,
	/* This file. */
	MSR_IA32_APICBASE, MSR_IA32_CR_PAT, MSR_IA32_MISC_ENABLE, MSR_TSC_AUX,
	MSR_IA32_MCG_CAP, MSR_IA32_MCG_STATUS, MSR_PLATFORM_INFO,
	MTRR_CAP, MTRR_DEF_TYPE, MTRR_FIXED_64K, MTRR_FIXED_16K, MTRR_FIXED_16K + 1,
	MTRR_FIXED_4K, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, MTRR_FIXED_4K_LAST,
	MTRR_PHYS_BASE0, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207,
	0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, MTRR_PHYS_LAST,
};

/* clang-format on */
const unsigned int msr_index_count = ARRAY_SIZE(msr_index_list);

void msr_reset(struct msr_model *model, bool bsp)
{
	*model = (struct msr_model){
		.apic_base = APIC_BASE_DEFAULT | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0),
		.pat = PAT_RESET,
		.misc_enable = MISC_ENABLE_RESET,
	};
}

/* A memory type: UC, WC, WT, WP or WB. */
static bool memory_type_valid(u8 type)
{
	return type <= 6 && type != 2 && type != 3;
}

bool msr_pat_valid(u64 value)
{
	int i;

	for (i = 0; i < 8; i++, value >>= 8)
		if (!memory_type_valid(value & 0xff) && (value & 0xff) != 7) /* UC- */
			return false;
	return true;
}

static u64 guest_physical_mask(const struct cpuid_model *cpuid)
{
	return (1ull << cpuid->maxphyaddr) - 1;
}

/* The index in mtrr_fixed, or -1. */
static int mtrr_fixed_index(u32 index)
{
	switch (index) {
	case MTRR_FIXED_64K:
		return 0;
	case MTRR_FIXED_16K ... MTRR_FIXED_16K + 1:
		return 1 + index - MTRR_FIXED_16K;
	case MTRR_FIXED_4K ... MTRR_FIXED_4K_LAST:
		return 3 + index - MTRR_FIXED_4K;
	default:
		return -1;
	}
}

static bool mtrr_fixed_valid(u64 value)
{
	int i;

	for (i = 0; i < 8; i++, value >>= 8)
		if (!memory_type_valid(value & 0xff))
			return false;
	return true;
}

static bool mtrr_variable_valid(const struct cpuid_model *cpuid, u32 index, u64 value)
{
	u64 reserved = ~guest_physical_mask(cpuid);

	if (index & 1) /* PHYSMASK */
		return !(value & (reserved | (MTRR_MASK_VALID - 1)));
	return !(value & (reserved | GENMASK_ULL(11, 8))) && memory_type_valid(value & 0xff);
}

static bool mtrr_def_type_valid(u64 value)
{
	return !(value & ~MTRR_DEF_TYPE_BITS) && memory_type_valid(value & 0xff);
}

/* xAPIC mode only, within the guest's physical addresses. */
static bool apic_base_valid(const struct cpuid_model *cpuid, u64 value)
{
	u64 address = guest_physical_mask(cpuid) & PAGE_MASK;

	return !(value & ~(address | APIC_BASE_BSP | APIC_BASE_ENABLE));
}

static bool misc_enable_valid(u64 old, u64 value, bool host)
{
	if (host)
		return !(value & ~MISC_ENABLE_HOST);
	return !((old ^ value) & ~MISC_ENABLE_FAST_STRING);
}

int msr_get(const struct msr_model *model, u32 index, u64 *value)
{
	switch (index) {
	case MSR_IA32_APICBASE:
		*value = model->apic_base;
		return 0;
	case MSR_IA32_CR_PAT:
		*value = model->pat;
		return 0;
	case MSR_IA32_MISC_ENABLE:
		*value = model->misc_enable;
		return 0;
	case MSR_TSC_AUX:
		*value = model->tsc_aux;
		return 0;
	case MSR_IA32_MCG_CAP: /* no banks */
		*value = 0;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*value = model->mcg_status;
		return 0;
	case MSR_PLATFORM_INFO:
		*value = model->platform_info;
		return 0;
	case MTRR_CAP:
		*value = MTRR_CAP_VALUE;
		return 0;
	case MTRR_DEF_TYPE:
		*value = model->mtrr_def_type;
		return 0;
	}
	if (mtrr_fixed_index(index) >= 0)
		*value = model->mtrr_fixed[mtrr_fixed_index(index)];
	else if (index >= MTRR_PHYS_BASE0 && index <= MTRR_PHYS_LAST)
		*value = model->mtrr_var[index - MTRR_PHYS_BASE0];
	else
		return -EINVAL;
	return 0;
}

/* Where @index is kept, when @value may be written there; NULL when not. */
static u64 *writable(struct msr_model *model, const struct cpuid_model *cpuid, u32 index, u64 value,
		     bool host)
{
	switch (index) {
	case MSR_IA32_APICBASE:
		return apic_base_valid(cpuid, value) ? &model->apic_base : NULL;
	case MSR_IA32_CR_PAT:
		return msr_pat_valid(value) ? &model->pat : NULL;
	case MSR_IA32_MISC_ENABLE:
		return misc_enable_valid(model->misc_enable, value, host) ? &model->misc_enable :
									    NULL;
	case MSR_TSC_AUX: /* bits 63:32 are reserved */
		return value >> 32 ? NULL : &model->tsc_aux;
	case MSR_IA32_MCG_STATUS: /* WRMSR takes nothing but 0 */
		return host || !value ? &model->mcg_status : NULL;
	case MSR_PLATFORM_INFO: /* CPUID faulting, bit 31, is not there */
		return host && !(value & BIT_ULL(31)) ? &model->platform_info : NULL;
	case MTRR_DEF_TYPE:
		return mtrr_def_type_valid(value) ? &model->mtrr_def_type : NULL;
	}
	if (mtrr_fixed_index(index) >= 0)
		return mtrr_fixed_valid(value) ? &model->mtrr_fixed[mtrr_fixed_index(index)] : NULL;
	if (index >= MTRR_PHYS_BASE0 && index <= MTRR_PHYS_LAST)
		return mtrr_variable_valid(cpuid, index, value) ?
			       &model->mtrr_var[index - MTRR_PHYS_BASE0] :
			       NULL;
	return NULL;
}

/* Read-only ones take the value they have, so that a saved list can be restored whole. */
static bool host_restores(const struct msr_model *model, u32 index, u64 value)
{
	u64 now;

	return !msr_get(model, index, &now) && now == value;
}

int msr_set(struct msr_model *model, const struct cpuid_model *cpuid, u32 index, u64 value,
	    bool host)
{
	u64 *where = writable(model, cpuid, index, value, host);

	if (where) {
		*where = value;
		return 0;
	}
	return host && host_restores(model, index, value) ? 0 : -EINVAL;
}
