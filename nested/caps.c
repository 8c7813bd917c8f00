// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest hypervisor is offered: one table of controls, and the MSRs made of it.
 */
#include <asm/msr-index.h>

#include "nested/caps.h"
#include "nested/vmcs12.h"

/* clang-format off */

/*
 * Controls that L1 may set where the CPU has them.  What stands here is merged into
 * vmcs02 and its exits are handed to L1; what does not, L1 cannot set.
 */
#define PINBASED \
	(PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS | \
	 PIN_BASED_VMX_PREEMPTION_TIMER)
#define PROCBASED \
	(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING | \
	 CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_HLT_EXITING | CPU_BASED_INVLPG_EXITING | \
	 CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING | \
	 CPU_BASED_RDTSC_EXITING | CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING | \
	 CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING | CPU_BASED_MOV_DR_EXITING | \
	 CPU_BASED_UNCOND_IO_EXITING | CPU_BASED_USE_IO_BITMAPS | CPU_BASED_USE_MSR_BITMAPS | \
	 CPU_BASED_PAUSE_EXITING | CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
#define PROCBASED2 \
	(SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID | \
	 SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_DESC | SECONDARY_EXEC_TSC_SCALING | \
	 SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES)
#define EXIT \
	(VM_EXIT_SAVE_DEBUG_CONTROLS | VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_ACK_INTR_ON_EXIT | \
	 VM_EXIT_SAVE_IA32_PAT | VM_EXIT_LOAD_IA32_PAT | VM_EXIT_SAVE_IA32_EFER | \
	 VM_EXIT_LOAD_IA32_EFER | VM_EXIT_SAVE_VMX_PREEMPTION_TIMER)
#define ENTRY \
	(VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_IA32E_MODE | VM_ENTRY_LOAD_IA32_PAT | \
	 VM_ENTRY_LOAD_IA32_EFER)

/* Those of them that need a field, or tables, that an enlightened VMCS does not have. */
#define EVMCS_LACKS_PINBASED PIN_BASED_VMX_PREEMPTION_TIMER
#define EVMCS_LACKS_PROCBASED2 \
	(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_ENABLE_PML | \
	 SECONDARY_EXEC_ENABLE_VMFUNC | SECONDARY_EXEC_SHADOW_VMCS | SECONDARY_EXEC_TSC_SCALING)
#define EVMCS_LACKS_EXIT VM_EXIT_SAVE_VMX_PREEMPTION_TIMER

/* The default1 controls that the true MSRs let be 0 (SDM 3D A.3.2, A.4, A.5). */
#define PROCBASED_FREE (CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING)
#define EXIT_FREE      VM_EXIT_SAVE_DEBUG_CONTROLS
#define ENTRY_FREE     VM_ENTRY_LOAD_DEBUG_CONTROLS

/* clang-format on */

/* VPID: INVVPID with its four types. */
#define VPID_CAPS \
	((VMX_VPID_INVVPID_BIT | VMX_VPID_EXTENT_INDIVIDUAL_ADDR_BIT | \
	  VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT | VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT | \
	  VMX_VPID_EXTENT_SINGLE_NON_GLOBAL_BIT) \
	 << 32)
/* EPT: what the walk knows.  Execute-only takes a CPU that has it. */
#define EPT_CAPS \
	(VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_2MB_PAGE_BIT | VMX_EPT_1GB_PAGE_BIT | \
	 VMX_EPT_INVEPT_BIT | VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT | \
	 VMX_EPT_AD_BIT)

/* IA32_VMX_BASIC (SDM 3D A.1); some of it asm/vmx.h has names for, by the kernel's version. */
#define BASIC_VMCS_SIZE(bytes) ((u64)(bytes) << 32)
#define BASIC_DUAL_MONITOR     BIT_ULL(49)
#define BASIC_MEM_TYPE_WB      (6ull << 50)

/* A capability MSR of controls: @must is 1, @may can be. */
static u64 word(u32 must, u32 may)
{
	return must | (u64)(must | may) << 32;
}

static u32 may_be_set(u64 host)
{
	return host >> 32;
}

static u64 offer_procbased2(const struct nested_caps *host, const struct nested_means *means)
{
	u32 may = PROCBASED2 & may_be_set(host->procbased2);

	/* These are kept by software, whatever the CPU has. */
	if (means->ept)
		may |= SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_PML;
	if (means->vmcs_shadowing)
		may |= SECONDARY_EXEC_SHADOW_VMCS;
	if (means->vpid)
		may |= SECONDARY_EXEC_ENABLE_VPID;
	if (means->ept && means->unrestricted_guest)
		may |= SECONDARY_EXEC_UNRESTRICTED_GUEST;
	/* So is this, but without the control VMFUNC would not exit. */
	if (means->ept)
		may |= SECONDARY_EXEC_ENABLE_VMFUNC & may_be_set(host->procbased2);
	return word(0, may);
}

/* Which functions the CPU itself has does not matter: vmcs02 enables none. */
static u64 offer_vmfunc(u64 procbased2)
{
	return may_be_set(procbased2) & SECONDARY_EXEC_ENABLE_VMFUNC ? VMX_VMFUNC_EPTP_SWITCHING :
								       0;
}

static u64 offer_ept_vpid(const struct nested_caps *host, const struct nested_means *means)
{
	u64 caps = means->vpid ? VPID_CAPS : 0;

	if (means->ept)
		caps |= EPT_CAPS | (host->ept_vpid & VMX_EPT_EXECUTE_ONLY_BIT);
	return caps;
}

struct nested_caps nested_caps_offer(const struct nested_caps *host,
				     const struct nested_means *means)
{
	return (struct nested_caps){
		.basic = VMCS12_REVISION | BASIC_VMCS_SIZE(VMCS12_SIZE) | BASIC_MEM_TYPE_WB |
			 VMX_BASIC_TRUE_CTLS | (host->basic & VMX_BASIC_INOUT),
		.pinbased = word(PIN_BASED_ALWAYSON_WITHOUT_TRUE_MSR,
				 PINBASED & may_be_set(host->pinbased)),
		.procbased = word(CPU_BASED_ALWAYSON_WITHOUT_TRUE_MSR & ~PROCBASED_FREE,
				  PROCBASED & may_be_set(host->procbased)),
		.procbased2 = offer_procbased2(host, means),
		.exit = word(VM_EXIT_ALWAYSON_WITHOUT_TRUE_MSR & ~EXIT_FREE,
			     EXIT & may_be_set(host->exit)),
		.entry = word(VM_ENTRY_ALWAYSON_WITHOUT_TRUE_MSR & ~ENTRY_FREE,
			      ENTRY & may_be_set(host->entry)),
		.misc = MISC_TIMER_RATE((u64)means->timer_rate) | MISC_SAVE_EFER_LMA |
			MISC_ACTIVITY_HLT | MISC_VMWRITE_ALL | (host->misc & MISC_ZERO_LENGTH),
		.cr0_fixed0 = host->cr0_fixed0,
		.cr0_fixed1 = host->cr0_fixed1,
		.cr4_fixed0 = host->cr4_fixed0,
		.cr4_fixed1 = host->cr4_fixed1,
		.vmcs_enum = vmcs12_highest_index() << 1,
		.ept_vpid = offer_ept_vpid(host, means),
		.vmfunc = offer_vmfunc(offer_procbased2(host, means)),
	};
}

/* A capability MSR of controls without these: they cannot be 1. */
static u64 without(u64 cap, u32 controls)
{
	return cap & ~((u64)controls << 32);
}

void nested_caps_enlighten(struct nested_caps *caps)
{
	caps->pinbased = without(caps->pinbased, EVMCS_LACKS_PINBASED);
	caps->procbased2 = without(caps->procbased2, EVMCS_LACKS_PROCBASED2);
	caps->exit = without(caps->exit, EVMCS_LACKS_EXIT);
	caps->vmfunc = 0;
}

/* The controls without "true": the default1 ones must all be 1 (SDM 3D A.2). */
static u64 not_true(u64 cap, u32 default1)
{
	return cap | default1;
}

/* The member that is MSR @index as it stands, or NULL. */
static u64 *member(struct nested_caps *caps, u32 index)
{
	switch (index) {
	case MSR_IA32_VMX_BASIC:
		return &caps->basic;
	case MSR_IA32_VMX_TRUE_PINBASED_CTLS:
		return &caps->pinbased;
	case MSR_IA32_VMX_TRUE_PROCBASED_CTLS:
		return &caps->procbased;
	case MSR_IA32_VMX_PROCBASED_CTLS2:
		return &caps->procbased2;
	case MSR_IA32_VMX_TRUE_EXIT_CTLS:
		return &caps->exit;
	case MSR_IA32_VMX_TRUE_ENTRY_CTLS:
		return &caps->entry;
	case MSR_IA32_VMX_MISC:
		return &caps->misc;
	case MSR_IA32_VMX_CR0_FIXED0:
		return &caps->cr0_fixed0;
	case MSR_IA32_VMX_CR0_FIXED1:
		return &caps->cr0_fixed1;
	case MSR_IA32_VMX_CR4_FIXED0:
		return &caps->cr4_fixed0;
	case MSR_IA32_VMX_CR4_FIXED1:
		return &caps->cr4_fixed1;
	case MSR_IA32_VMX_VMCS_ENUM:
		return &caps->vmcs_enum;
	case MSR_IA32_VMX_EPT_VPID_CAP:
		return &caps->ept_vpid;
	case MSR_IA32_VMX_VMFUNC:
		return &caps->vmfunc;
	}
	return NULL;
}

int nested_caps_get(const struct nested_caps *caps, u32 index, u64 *value)
{
	const u64 *found = member((struct nested_caps *)caps, index);

	switch (index) {
	case MSR_IA32_VMX_PINBASED_CTLS:
		*value = not_true(caps->pinbased, PIN_BASED_ALWAYSON_WITHOUT_TRUE_MSR);
		return 0;
	case MSR_IA32_VMX_PROCBASED_CTLS:
		*value = not_true(caps->procbased, CPU_BASED_ALWAYSON_WITHOUT_TRUE_MSR);
		return 0;
	case MSR_IA32_VMX_EXIT_CTLS:
		*value = not_true(caps->exit, VM_EXIT_ALWAYSON_WITHOUT_TRUE_MSR);
		return 0;
	case MSR_IA32_VMX_ENTRY_CTLS:
		*value = not_true(caps->entry, VM_ENTRY_ALWAYSON_WITHOUT_TRUE_MSR);
		return 0;
	}
	if (!found)
		return -ENOENT;
	*value = *found;
	return 0;
}

/* Of the bits in @mask @value has none that @offer lacks; all others are as they were. */
static bool takes_away(u64 value, u64 offer, u64 mask)
{
	return !(value & ~offer & mask) && !((value ^ offer) & ~mask);
}

static bool may_set_misc(u64 value, u64 offer)
{
	const u64 features = MISC_SAVE_EFER_LMA | MISC_ACTIVITY_HLT | MISC_ACTIVITY_SHUTDOWN |
			     MISC_ACTIVITY_SIPI | BIT_ULL(14) | BIT_ULL(15) | BIT_ULL(28) |
			     MISC_VMWRITE_ALL | MISC_ZERO_LENGTH;
	const u64 numbers = GENMASK_ULL(24, 16) | GENMASK_ULL(27, 25);

	/* Numbers may become smaller. */
	return takes_away(value & ~numbers, offer & ~numbers, features) &&
	       MISC_CR3_TARGETS(value) <= MISC_CR3_TARGETS(offer) &&
	       MISC_LIST_MAX(value) <= MISC_LIST_MAX(offer);
}

static bool may_set(u32 index, u64 value, u64 offer)
{
	switch (index) {
	case MSR_IA32_VMX_BASIC:
		return takes_away(value, offer,
				  BASIC_DUAL_MONITOR | VMX_BASIC_INOUT | VMX_BASIC_TRUE_CTLS);
	case MSR_IA32_VMX_TRUE_PINBASED_CTLS:
	case MSR_IA32_VMX_TRUE_PROCBASED_CTLS:
	case MSR_IA32_VMX_PROCBASED_CTLS2:
	case MSR_IA32_VMX_TRUE_EXIT_CTLS:
	case MSR_IA32_VMX_TRUE_ENTRY_CTLS:
		return !((u32)offer & ~value) && !(value >> 32 & ~(offer >> 32));
	case MSR_IA32_VMX_MISC:
		return may_set_misc(value, offer);
	case MSR_IA32_VMX_CR0_FIXED0:
	case MSR_IA32_VMX_CR4_FIXED0:
		return !(offer & ~value);
	case MSR_IA32_VMX_VMCS_ENUM:
		return true; /* a number for L1 to look at */
	case MSR_IA32_VMX_EPT_VPID_CAP:
	case MSR_IA32_VMX_VMFUNC:
		return takes_away(value, offer, ~0ull);
	}
	/* CR0_FIXED1 and CR4_FIXED1 are CPUID's; the controls that are not true follow. */
	return false;
}

int nested_caps_set(struct nested_caps *caps, const struct nested_caps *offer, u32 index, u64 value)
{
	u64 *changed = member(caps, index), offered;

	if (nested_caps_get(offer, index, &offered))
		return -ENOENT;
	if (!may_set(index, value, offered))
		return -EINVAL;
	*changed = value;
	return 0;
}
