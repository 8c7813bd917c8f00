// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_MSR_FEATURE_INDEX_LIST: MSRs that tell what a vCPU can be, as this
 * host has them.
 */
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "platform/msr.h"

const u32 msr_feature_list[] = { MSR_IA32_UCODE_REV, MSR_IA32_ARCH_CAPABILITIES };
const unsigned int msr_feature_count = ARRAY_SIZE(msr_feature_list);

/*
 * What of the host's is true in a guest, too.  Not that IBRS is always on, and
 * nothing that has a control with it (TSX, GDS, FB_CLEAR): those are not offered.
 */
#define HOST_ARCH_CAP \
	(ARCH_CAP_RDCL_NO | ARCH_CAP_RSBA | ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | ARCH_CAP_SSB_NO | \
	 ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | \
	 ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | \
	 ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR | \
	 ARCH_CAP_BHI_NO | ARCH_CAP_ITS_NO)

/* What the kernel knows of CPUs that are too old to say so themselves. */
static u64 known_immune(void)
{
	return (boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN) ? 0 : ARCH_CAP_RDCL_NO) |
	       (boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS) ? 0 : ARCH_CAP_SSB_NO) |
	       (boot_cpu_has_bug(X86_BUG_MDS) ? 0 : ARCH_CAP_MDS_NO) |
	       (boot_cpu_has_bug(X86_BUG_RFDS) ? 0 : ARCH_CAP_RFDS_NO) |
	       (boot_cpu_has_bug(X86_BUG_ITS) ? 0 : ARCH_CAP_ITS_NO);
}

static u64 arch_capabilities(void)
{
	u64 value = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES)) {
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, value);
		value &= HOST_ARCH_CAP;
	}
	/* EPT leaves are 4K: no page of the guest's changes its size under an instruction fetch. */
	return value | known_immune() | ARCH_CAP_PSCHANGE_MC_NO;
}

int msr_feature(u32 index, u64 *value)
{
	switch (index) {
	case MSR_IA32_UCODE_REV:
		return rdmsrl_safe(MSR_IA32_UCODE_REV, value) ? -EINVAL : 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		*value = arch_capabilities();
		return 0;
	}
	return -ENOENT;
}
