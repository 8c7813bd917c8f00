// SPDX-License-Identifier: GPL-2.0
/*
 * What keeps a guest from learning the host's secrets by speculation, beyond
 * what entry.S does around the entry itself (return stack, branch history, CPU
 * buffers) and load.c at a change of vCPU (branch predictors).
 *
 * The policy is the kernel's own, as its command line and the CPU's bugs set
 * it (Documentation/admin-guide/hw-vuln).
 */
#define pr_fmt(fmt) "vellum: " fmt

#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>

#include "vmx/vmx.h"

DEFINE_STATIC_KEY_FALSE(mitigate_l1d_flush);

/* L1TF: a guest's page tables can make it read what is in the L1 data cache. */
static enum vmx_l1d_flush_state choose_l1d_flush(void)
{
	u64 capabilities = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, capabilities);
	if (!boot_cpu_has_bug(X86_BUG_L1TF) || (capabilities & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH))
		return VMENTER_L1D_FLUSH_NOT_REQUIRED;
	if (l1tf_mitigation == L1TF_MITIGATION_OFF)
		return VMENTER_L1D_FLUSH_NEVER;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		pr_warn("this CPU has L1TF and no L1D flush command: do not run untrusted guests\n");
		return VMENTER_L1D_FLUSH_NEVER;
	}
	return VMENTER_L1D_FLUSH_COND;
}

void mitigate_init(void)
{
	/* What /sys/devices/system/cpu/vulnerabilities/l1tf tells. */
	l1tf_vmx_mitigation = choose_l1d_flush();
	if (l1tf_vmx_mitigation == VMENTER_L1D_FLUSH_COND)
		static_branch_enable(&mitigate_l1d_flush);
}

void mitigate_exit(void)
{
	static_branch_disable(&mitigate_l1d_flush);
	l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_AUTO;
}
