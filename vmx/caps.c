// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the VMX capability MSRs (SDM 3D appendix A) and decides which controls
 * every VMCS uses.  What we cannot do without is refused with its name.
 */
#define pr_fmt(fmt) "vellum: " fmt

#include <linux/cpu.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "vmcs_fields.h"
#include "vmx/caps.h"
#include "vmx/vcpu.h"

struct vmx_caps vmx_caps __ro_after_init;

static bool pml = true;
module_param(pml, bool, 0444);
MODULE_PARM_DESC(pml, "log writes by page-modification logging; needs ept_ad (default Y)");

static bool nested_pml = true;
module_param(nested_pml, bool, 0444);
MODULE_PARM_DESC(nested_pml, "log so what a guest's guest writes, too; needs pml (default Y)");

static bool ept_ad = true;
module_param(ept_ad, bool, 0444);
MODULE_PARM_DESC(ept_ad, "use the accessed and dirty bits of EPT (default Y)");

static bool vpid = true;
module_param(vpid, bool, 0444);
MODULE_PARM_DESC(vpid, "tag each guest's translations: entries and exits keep them (default Y)");

static bool large_pages = true;
module_param(large_pages, bool, 0444);
MODULE_PARM_DESC(large_pages, "map guest memory by 2M and 1G where the host does (default Y)");

static bool eager_split = true;
module_param(eager_split, bool, 0444);
MODULE_PARM_DESC(eager_split, "split large pages when logging begins, not at a write (default Y)");

static bool unrestricted_guest = true;
module_param(unrestricted_guest, bool, 0444);
MODULE_PARM_DESC(unrestricted_guest, "let guests run in real mode (default Y)");

static bool allow_smaller_maxphyaddr;
module_param(allow_smaller_maxphyaddr, bool, 0444);
MODULE_PARM_DESC(allow_smaller_maxphyaddr,
		 "exact page faults for guests with fewer physical-address bits (default N)");

static uint slice_us;
module_param(slice_us, uint, 0444);
MODULE_PARM_DESC(slice_us, "longest time in a guest without an exit, in us; 0: no bound (default)");

static int refuse_set(const char *value, const struct kernel_param *param)
{
	return -EPERM;
}

static int get_tracking(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", cpu_tracking_name(&vmx_caps.choice));
}

static int get_extent(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", inv_extent_name(*(const enum inv_extent *)param->arg));
}

/* To be read only: what the parameters and the CPU came to. */
static const struct kernel_param_ops tracking_ops = { .set = refuse_set, .get = get_tracking };
static const struct kernel_param_ops extent_ops = { .set = refuse_set, .get = get_extent };

module_param_cb(tracking, &tracking_ops, NULL, 0444);
MODULE_PARM_DESC(tracking, "read only: pml, dirty-bits or write-protection");
module_param_cb(invept, &extent_ops, &vmx_caps.choice.invept, 0444);
MODULE_PARM_DESC(invept, "read only: INVEPT invalidates one guest's translations, or all guests'");
module_param_cb(invvpid, &extent_ops, &vmx_caps.choice.invvpid, 0444);
MODULE_PARM_DESC(invvpid, "read only: the same of INVVPID; none: without VPID");

/* One control word: what we need, what we would like, and where the CPU tells what it allows. */
struct control {
	const char *name;
	u32 msr, true_msr; /* true_msr: instead of msr where IA32_VMX_BASIC[55] is set */
	u32 need;
	u32 want;
};

static const struct control pin_control = {
	.name = "pin-based",
	.msr = MSR_IA32_VMX_PINBASED_CTLS,
	.true_msr = MSR_IA32_VMX_TRUE_PINBASED_CTLS,
	.need = PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS,
};

static const struct control primary_control = {
	.name = "processor-based",
	.msr = MSR_IA32_VMX_PROCBASED_CTLS,
	.true_msr = MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
	.need = CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING |
		CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING | CPU_BASED_CR8_LOAD_EXITING |
		CPU_BASED_CR8_STORE_EXITING | CPU_BASED_MOV_DR_EXITING |
		CPU_BASED_UNCOND_IO_EXITING | CPU_BASED_USE_MSR_BITMAPS |
		CPU_BASED_ACTIVATE_SECONDARY_CONTROLS,
};

static const struct control secondary_control = {
	.name = "secondary processor-based",
	.msr = MSR_IA32_VMX_PROCBASED_CTLS2,
	.true_msr = MSR_IA32_VMX_PROCBASED_CTLS2,
	.need = SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_WBINVD_EXITING,
	/* Enclaves: a guest must not reach the host's, so their instructions exit. */
	.want = SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
		SECONDARY_EXEC_ENCLS_EXITING,
};

static const struct control exit_control = {
	.name = "VM-exit",
	.msr = MSR_IA32_VMX_EXIT_CTLS,
	.true_msr = MSR_IA32_VMX_TRUE_EXIT_CTLS,
	.need = VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_LOAD_IA32_EFER | VM_EXIT_LOAD_IA32_PAT,
};

static const struct control entry_control = {
	.name = "VM-entry",
	.msr = MSR_IA32_VMX_ENTRY_CTLS,
	.true_msr = MSR_IA32_VMX_TRUE_ENTRY_CTLS,
	.need = VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_LOAD_IA32_EFER | VM_ENTRY_LOAD_IA32_PAT |
		VM_ENTRY_IA32E_MODE,
};

/* The low half of a capability MSR must be 1, what is clear in the high half must be 0. */
static int settle(const struct control *control, u64 basic, u32 *word)
{
	u32 must, may;

	rdmsr(basic & BIT_ULL(55) ? control->true_msr : control->msr, must, may);
	if (control->need & ~may) {
		pr_err("this CPU lacks %s controls 0x%x that are needed\n", control->name,
		       control->need & ~may);
		return -EOPNOTSUPP;
	}
	*word = must | control->need | (control->want & may);
	return 0;
}

/* After this the parameters say what is in use. */
static int settle_choice(void)
{
	const struct cpu_wish wish = {
		.pml = pml,
		.ept_ad = ept_ad,
		.vpid = vpid,
		.unrestricted_guest = unrestricted_guest,
	};
	struct cpu_offer offer = {};
	u32 must, may;

	rdmsr(MSR_IA32_VMX_PROCBASED_CTLS2, must, may);
	vmx_caps.secondary_allowed = may;
	offer.ept = may & SECONDARY_EXEC_ENABLE_EPT;
	offer.vpid = may & SECONDARY_EXEC_ENABLE_VPID;
	offer.unrestricted_guest = may & SECONDARY_EXEC_UNRESTRICTED_GUEST;
	offer.pml = may & SECONDARY_EXEC_ENABLE_PML;
	if (offer.ept || offer.vpid) /* else there is no such MSR */
		rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, offer.ept_vpid);

	vmx_caps.choice = cpu_choose(&offer, &wish);
	if (vmx_caps.choice.refused) {
		pr_err("%s (0x%llx)\n", vmx_caps.choice.refused, offer.ept_vpid);
		return -EOPNOTSUPP;
	}
	pml = vmx_caps.choice.pml;
	nested_pml = nested_pml && pml;
	ept_ad = vmx_caps.choice.ept_ad;
	vpid = vmx_caps.choice.vpid;
	unrestricted_guest = vmx_caps.choice.unrestricted_guest;
	return 0;
}

/*
 * Secondary controls: PML is for when logging is on, the others of the mask
 * follow each vCPU's CPUID.
 */
static int settle_secondary(u64 basic)
{
	const u32 optional = SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID;
	u32 must, may;

	if (settle_choice())
		return -EOPNOTSUPP;
	if (settle(&secondary_control, basic, &vmx_caps.secondary))
		return -EOPNOTSUPP;
	rdmsr(MSR_IA32_VMX_PROCBASED_CTLS2, must, may);
	vmx_caps.secondary &= ~(optional & ~must);
	if (vmx_caps.choice.vpid)
		vmx_caps.secondary |= SECONDARY_EXEC_ENABLE_VPID;
	if (vmx_caps.choice.unrestricted_guest)
		vmx_caps.secondary |= SECONDARY_EXEC_UNRESTRICTED_GUEST;
	return 0;
}

/* The VMX-preemption timer counts down at a rate of the TSC's (SDM 3C 26.5.1). */
static int settle_slice(u64 basic)
{
	u64 misc, ticks;
	u32 must, may;

	rdmsrl(MSR_IA32_VMX_MISC, misc);
	vmx_caps.timer_rate = misc & 0x1f;
	if (!slice_us)
		return 0;
	rdmsr(basic & BIT_ULL(55) ? MSR_IA32_VMX_TRUE_PINBASED_CTLS : MSR_IA32_VMX_PINBASED_CTLS,
	      must, may);
	if (!(may & PIN_BASED_VMX_PREEMPTION_TIMER)) {
		pr_err("this CPU has no VMX-preemption timer for slice_us\n");
		return -EOPNOTSUPP;
	}
	ticks = ((u64)slice_us * tsc_khz / 1000) >> vmx_caps.timer_rate;
	vmx_caps.slice = clamp_t(u64, ticks, 1, U32_MAX);
	vmx_caps.pin |= PIN_BASED_VMX_PREEMPTION_TIMER;
	return 0;
}

static int settle_controls(u64 basic)
{
	int ret = settle(&pin_control, basic, &vmx_caps.pin);

	ret = ret ?: settle(&primary_control, basic, &vmx_caps.primary);
	ret = ret ?: settle_secondary(basic);
	ret = ret ?: settle(&exit_control, basic, &vmx_caps.exit);
	ret = ret ?: settle(&entry_control, basic, &vmx_caps.entry);
	ret = ret ?: settle_slice(basic);
	if (ret)
		return ret;
	/* Switched per vCPU, with its guest's mode. */
	vmx_caps.entry &= ~VM_ENTRY_IA32E_MODE;
	/* CR3 accesses and INVLPG need no exit with EPT, and all CPUs with EPT allow that. */
	if (vmx_caps.primary &
	    (CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING | CPU_BASED_INVLPG_EXITING)) {
		pr_err("this CPU has no true controls: CR3 accesses of the guest would exit\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

void vmx_caps_tell(void)
{
	const struct cpu_choice *choice = &vmx_caps.choice;

	/* clang-format off */
	pr_info("tracking writes by %s\n",
		choice->pml    ? "PML (page-modification logging)" :
		choice->ept_ad ? "EPT dirty bits, without PML" :
				 "write protection, without EPT accessed and dirty bits");
	/* clang-format on */
	pr_info("%s VPID; INVEPT of %s, INVVPID of %s\n", choice->vpid ? "with" : "without",
		inv_extent_name(choice->invept), inv_extent_name(choice->invvpid));
	if (!choice->unrestricted_guest)
		pr_info("no unrestricted guest: guests in real mode are refused\n");
}

/* The kernel hides the feature where IA32_FEATURE_CONTROL is locked without it. */
static bool cpu_allows_vmx(void)
{
	if (!(cpuid_ecx(1) & BIT(5))) {
		pr_err("this CPU has no VMX\n");
		return false;
	}
	if (!boot_cpu_has(X86_FEATURE_VMX)) {
		pr_err("VT-x is locked off in IA32_FEATURE_CONTROL: turn it on in the firmware\n");
		return false;
	}
#ifdef CONFIG_X86_FRED
	if (cpu_feature_enabled(X86_FEATURE_FRED)) {
		pr_err("this kernel delivers events by FRED: boot it with fred=off\n");
		return false;
	}
#endif
	return true;
}

int vmx_caps_init(void)
{
	u64 basic;
	int ret;

	if (!cpu_allows_vmx())
		return -EOPNOTSUPP;
	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	if (((basic >> 50) & 0xf) != 6 || ((basic >> 32) & 0x1fff) > PAGE_SIZE) {
		pr_err("a VMCS larger than a page, or not write-back (0x%llx)\n", basic);
		return -EOPNOTSUPP;
	}
	ret = settle_controls(basic);
	if (ret)
		return ret;
	vmx_caps.revision = basic & GENMASK(30, 0);
	vmx_caps.maxphyaddr = boot_cpu_data.x86_phys_bits;
	vmx_caps.narrow = allow_smaller_maxphyaddr;
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, vmx_caps.cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, vmx_caps.cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, vmx_caps.cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, vmx_caps.cr4_fixed1);
	return 0;
}

struct mmu_caps vmx_mmu_caps(void)
{
	return (struct mmu_caps){
		.ad = vmx_caps.choice.ept_ad,
		.pml = vmx_caps.choice.pml,
		.l2_pml = nested_pml,
		.level = large_pages ? vmx_caps.choice.ept_level : 1,
		/* A guest could stop such a machine by code in a large page (iTLB multihit). */
		.large_nx = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off(),
		.eager_split = eager_split,
	};
}

bool vmx_allows_narrow(void)
{
	return vmx_caps.narrow;
}

bool vmx_is_unrestricted(void)
{
	return vmx_caps.choice.unrestricted_guest;
}

gfn_t vmx_max_gfn(void)
{
	return min_t(u64, EPT_MAX_GFN, (1ull << (vmx_caps.maxphyaddr - PAGE_SHIFT)) - 1);
}
