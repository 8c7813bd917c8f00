// SPDX-License-Identifier: GPL-2.0
/*
 * nested/ as vmx/ and uapi/ see it: whether it is offered, and what a vCPU has
 * for it.
 */
#define pr_fmt(fmt) "vellum: " fmt

#include <linux/moduleparam.h>

#include "nested/init.h"
#include "nested/nested.h"

static bool nested = true;
module_param(nested, bool, 0444);
MODULE_PARM_DESC(nested, "offer VMX to guests; needs unrestricted_guest (default Y)");

struct nested_caps nested_offer __ro_after_init;

/* The host's MSRs, by the members of struct nested_caps that hold them. */
static void __init read_host(struct nested_caps *host)
{
	rdmsrl(MSR_IA32_VMX_BASIC, host->basic);
	rdmsrl(MSR_IA32_VMX_TRUE_PINBASED_CTLS, host->pinbased);
	rdmsrl(MSR_IA32_VMX_TRUE_PROCBASED_CTLS, host->procbased);
	rdmsrl(MSR_IA32_VMX_PROCBASED_CTLS2, host->procbased2);
	rdmsrl(MSR_IA32_VMX_TRUE_EXIT_CTLS, host->exit);
	rdmsrl(MSR_IA32_VMX_TRUE_ENTRY_CTLS, host->entry);
	rdmsrl(MSR_IA32_VMX_MISC, host->misc);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, host->cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, host->cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, host->cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, host->cr4_fixed1);
	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, host->ept_vpid);
}

static void __init settle_offer(void)
{
	const struct nested_means means = {
		.ept = true,
		.vpid = true,
		.unrestricted_guest = true,
		.vmcs_shadowing = true,
		.timer_rate = TIMER_RATE,
	};
	struct nested_caps host = {};

	read_host(&host);
	nested_offer = nested_caps_offer(&host, &means);
}

static int create(struct vcpu *vcpu)
{
	struct nested *n = kzalloc(sizeof(*n), GFP_KERNEL_ACCOUNT);

	if (!n)
		return -ENOMEM;
	n->caps = nested_offer;
	n->vmxon_ptr = NO_ADDRESS;
	n->current_ptr = NO_ADDRESS;
	n->evmcs_ptr = NO_ADDRESS;
	vcpu->vmx->nested = n;
	return 0;
}

static void destroy(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);

	apic_page_put(n);
	if (n->shadow.mmu)
		shadow_vcpu_exit(&n->shadow);
	free_page((unsigned long)n->vmcs12);
	free_page((unsigned long)n->shadow12);
	free_page((unsigned long)n->msr_bitmap);
	kfree(n->evmcs);
	kfree(n);
	vcpu->vmx->nested = NULL;
}

static const struct nested_ops ops = {
	.create = create,
	.destroy = destroy,
	.insn = nested_insn,
	.exit = nested_exit,
	.is_quick = nested_exit_is_quick,
	.wants_exception = nested_wants_exception,
	.exit_is_due = nested_exit_is_due,
	.settle = nested_settle,
	.triple_fault = nested_triple_fault,
	.before_entry = timer_write,
	.drain = nested_drain,
	.translate = nested_translate,
	.timer_ns = timer_ns,
	.has_msr = nested_has_msr,
	.get_msr = nested_get_msr,
	.set_msr = nested_set_msr,
};

void __init nested_init(void)
{
	nested = nested && vmx_caps.choice.unrestricted_guest;
	mirror_init(nested);
	if (!nested)
		return;
	settle_offer();
	cpuid_offer_vmx();
	nested_ops = &ops;
}

bool nested_is_offered(void)
{
	return nested;
}
