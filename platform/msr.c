// SPDX-License-Identifier: GPL-2.0
/*
 * MSRs that are only numbers to us (SDM 4 for their layout).
 */
#include <uapi/asm/kvm_para.h>
#include <asm/hyperv-tlfs.h>
#include <asm/msr-index.h>

#include "platform/msr.h"

#define APIC_BASE_BSP	  BIT_ULL(8)
#define APIC_BASE_X2APIC  BIT_ULL(10)
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
#define MISC_ENABLE_RESET (BIT_ULL(0) | BIT_ULL(11) | BIT_ULL(12))
/* Those that change nothing that we do: fast strings, TM1, SpeedStep, MONITOR. */
#define MISC_ENABLE_GUEST (BIT_ULL(0) | BIT_ULL(3) | BIT_ULL(16) | BIT_ULL(18))
/* What an owner may give back: what some CPU reports, and nothing we would have to act upon. */
#define MISC_ENABLE_HOST (MISC_ENABLE_RESET | BIT_ULL(3) | BIT_ULL(7) | BIT_ULL(16) | BIT_ULL(18))

#define PLATFORM_INFO_CPUID_FAULT BIT_ULL(31)
/* The revision is in the upper half; KVM's number for "some". */
#define UCODE_REV_RESET BIT_ULL(32)

/* clang-format off */
const u32 msr_index_list[] = {
	/* vmx/msrs.c */
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	/* vmx/tsc.c, clock.c, steal.c, mce.c; there is no saying how many banks a vCPU has */
	MSR_IA32_TSC, MSR_IA32_TSC_ADJUST, MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME,
	MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_STEAL_TIME,
	MSR_IA32_MCG_CAP, MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL,
	/* vmx/apic.c */
	MSR_IA32_TSC_DEADLINE,
	/* vmx/hyperv.c; the APIC's by these names are the APIC's state */
	HV_X64_MSR_GUEST_OS_ID, HV_X64_MSR_HYPERCALL, HV_X64_MSR_VP_INDEX,
	HV_X64_MSR_VP_ASSIST_PAGE,
	/* This file. */
	MSR_IA32_APICBASE, MSR_IA32_CR_PAT, MSR_IA32_MISC_ENABLE, MSR_TSC_AUX,
	MSR_PLATFORM_INFO,
	MSR_IA32_UCODE_REV, MSR_IA32_ARCH_CAPABILITIES, MSR_MISC_FEATURES_ENABLES,
	MSR_IA32_POWER_CTL, MSR_IA32_FEAT_CTL, MSR_SMI_COUNT,
	MTRR_CAP, MTRR_DEF_TYPE, MTRR_FIXED_64K, MTRR_FIXED_16K, MTRR_FIXED_16K + 1,
	MTRR_FIXED_4K, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, MTRR_FIXED_4K_LAST,
	MTRR_PHYS_BASE0, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207,
	0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, MTRR_PHYS_LAST,
};

/* clang-format on */
const unsigned int msr_index_count = ARRAY_SIZE(msr_index_list);

void msr_reset(struct msr_model *model, bool bsp)
{
	struct cpuid_features features;

	cpuid_host_features(&features);
	*model = (struct msr_model){
		.apic_base = APIC_BASE_DEFAULT | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0),
		.pat = PAT_RESET,
		.misc_enable = MISC_ENABLE_RESET,
		.platform_info = PLATFORM_INFO_CPUID_FAULT,
		.ucode_rev = UCODE_REV_RESET,
		/* Firmware locks it; where there is VMX, that is left to who asks for it. */
		.feature_control = features.ecx_1 & CPUID_1_ECX_VMX ? 0 : FEAT_CTL_LOCKED,
	};
	/* What the list names a guest has; without an answer it knows nothing of its CPU. */
	msr_feature(MSR_IA32_ARCH_CAPABILITIES, &model->arch_capabilities);
}

/*
 * MSRs that guests read and write early, by model number and not by CPUID, and
 * that hold nothing here: what KVM answers for them.
 */
struct msr_fact {
	u32 first, last;
	u64 reads; /* the value */
	u8 rights;
	u64 ignores; /* bits that may be written, to no effect */
};

#define RO BIT(0)
#define WO BIT(1)
#define RW (RO | WO)

static const struct msr_fact facts[] = {
	{ MSR_IA32_PLATFORM_ID, MSR_IA32_PLATFORM_ID, 0, RO },
	{ MSR_EBC_FREQUENCY_ID, MSR_EBC_FREQUENCY_ID, BIT_ULL(24), RO }, /* 133 MHz bus */
	{ MSR_IA32_EBL_CR_POWERON, MSR_IA32_EBL_CR_POWERON, 0, RO },
	{ MSR_IA32_UCODE_WRITE, MSR_IA32_UCODE_WRITE, 0, WO, ~0ull },
	{ MSR_P6_PERFCTR0, MSR_P6_PERFCTR1, 0, RW, ~0ull },
	{ MSR_FSB_FREQ, MSR_FSB_FREQ, 3, RO },
	{ MSR_IA32_BBL_CR_CTL3, MSR_IA32_BBL_CR_CTL3, 0xbe702111, RW, ~0ull },
	{ MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1, 0, RW, ~0ull },
	{ MSR_IA32_PERF_STATUS, MSR_IA32_PERF_STATUS, 1000, RO },
	{ MSR_IA32_PERF_CTL, MSR_IA32_PERF_CTL, 0, RO },
	/* Last branch records and single steps by branches are asked for in vain. */
	{ MSR_IA32_DEBUGCTLMSR, MSR_IA32_DEBUGCTLMSR, 0, RW, BIT_ULL(0) | BIT_ULL(1) },
	{ MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP, 0, RO },
	{ MSR_RAPL_POWER_UNIT, MSR_RAPL_POWER_UNIT, 0, RO },
	{ MSR_PKG_ENERGY_STATUS, MSR_PKG_ENERGY_STATUS, 0, RO },
	{ MSR_DRAM_ENERGY_STATUS, MSR_DRAM_ENERGY_STATUS, 0, RO },
	{ MSR_PP0_ENERGY_STATUS, MSR_PP0_ENERGY_STATUS, 0, RO },
	{ MSR_PP1_ENERGY_STATUS, MSR_PP1_ENERGY_STATUS, 0, RO },
};

static const struct msr_fact *find_fact(u32 index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(facts); i++)
		if (index >= facts[i].first && index <= facts[i].last)
			return &facts[i];
	return NULL;
}

static int fact_get(u32 index, u64 *value)
{
	const struct msr_fact *fact = find_fact(index);

	if (!fact)
		return -ENOENT;
	*value = fact->reads;
	return fact->rights & RO ? 0 : -EINVAL;
}

static int fact_set(u32 index, u64 value)
{
	const struct msr_fact *fact = find_fact(index);

	if (!fact)
		return -ENOENT;
	return fact->rights & WO && !(value & ~fact->ignores) ? 0 : -EINVAL;
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

/* Within the guest's physical addresses.  Which mode may follow which is lapic.c's to know. */
static bool apic_base_valid(const struct cpuid_model *cpuid, u64 value)
{
	u64 address = guest_physical_mask(cpuid) & PAGE_MASK;

	return !(value & ~(address | APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE));
}

static bool misc_enable_valid(u64 old, u64 value, bool host)
{
	if (host)
		return !(value & ~MISC_ENABLE_HOST);
	return !((old ^ value) & ~MISC_ENABLE_GUEST);
}

/* CPUID faulting can be offered as long as it is not in use. */
static bool platform_info_valid(const struct msr_model *model, u64 value)
{
	return (value & PLATFORM_INFO_CPUID_FAULT) || !model->misc_features;
}

static bool misc_features_valid(const struct msr_model *model, u64 value)
{
	return !value || (value == MSR_MISC_FEATURES_ENABLES_CPUID_FAULT &&
			  (model->platform_info & PLATFORM_INFO_CPUID_FAULT));
}

/* VMX may be there to be enabled; SMX, SGX and LMCE are not. */
static bool feature_control_valid(const struct msr_model *model, const struct cpuid_model *cpuid,
				  u64 value, bool host)
{
	u64 known = FEAT_CTL_LOCKED;

	if (cpuid_entry(cpuid, 1, 0)->ecx & CPUID_1_ECX_VMX)
		known |= FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;
	return (host || !(model->feature_control & FEAT_CTL_LOCKED)) && !(value & ~known);
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
	case MSR_PLATFORM_INFO:
		*value = model->platform_info;
		return 0;
	case MSR_IA32_UCODE_REV:
		*value = model->ucode_rev;
		return 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		*value = model->arch_capabilities;
		return 0;
	case MSR_MISC_FEATURES_ENABLES:
		*value = model->misc_features;
		return 0;
	case MSR_IA32_POWER_CTL:
		*value = model->power_ctl;
		return 0;
	case MSR_IA32_FEAT_CTL:
		*value = model->feature_control;
		return 0;
	case MSR_SMI_COUNT:
		*value = model->smi_count;
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
		return fact_get(index, value);
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
	case MSR_PLATFORM_INFO:
		return host && platform_info_valid(model, value) ? &model->platform_info : NULL;
	case MSR_IA32_UCODE_REV:
		return host ? &model->ucode_rev : NULL;
	case MSR_IA32_ARCH_CAPABILITIES:
		return host ? &model->arch_capabilities : NULL;
	case MSR_MISC_FEATURES_ENABLES:
		return misc_features_valid(model, value) ? &model->misc_features : NULL;
	case MSR_IA32_POWER_CTL:
		return &model->power_ctl;
	case MSR_IA32_FEAT_CTL:
		return feature_control_valid(model, cpuid, value, host) ? &model->feature_control :
									  NULL;
	case MSR_SMI_COUNT:
		return host ? &model->smi_count : NULL;
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

/* Not to be written so. */
static int refuse(const struct msr_model *model, u32 index, u64 value, bool host)
{
	u64 now;

	/* A guest writes 0 before it asks for the revision (SDM 3A 9.11.7). */
	if (index == MSR_IA32_UCODE_REV)
		return 0;
	if (find_fact(index))
		return fact_set(index, value);
	if (msr_get(model, index, &now))
		return -ENOENT;
	/* Read-only ones take the value they have, so that a saved list can be restored whole. */
	return host && now == value ? 0 : -EINVAL;
}

int msr_set(struct msr_model *model, const struct cpuid_model *cpuid, u32 index, u64 value,
	    bool host)
{
	u64 *where = writable(model, cpuid, index, value, host);

	if (where) {
		*where = value;
		return 0;
	}
	return refuse(model, index, value, host);
}
