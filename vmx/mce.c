// SPDX-License-Identifier: GPL-2.0
/*
 * Machine checks that userspace reports: whom they interrupt, and how.
 */
#include "vmx/vmx.h"

u64 mce_supported(void)
{
	return MCE_CAP_CTL_P | MCE_CAP_SER_P | MCE_CAP_CMCI_P;
}

int vcpu_setup_mce(struct vcpu *vcpu, u64 cap)
{
	int ret = mce_setup(&vcpu->mce, cap, mce_supported());

	if (!ret && vcpu->apic)
		lapic_set_cmci(vcpu->apic, cap & MCE_CAP_CMCI_P);
	return ret;
}

int vcpu_set_mce(struct vcpu *vcpu, const struct kvm_x86_mce *error)
{
	int effect;

	vcpu_load(vcpu);
	effect = mce_report(&vcpu->mce, error, vmx_cr4(vcpu) & X86_CR4_MCE);
	if (effect == MCE_EXCEPTION)
		queue_exception(vcpu, MC_VECTOR);
	else if (effect == MCE_INTERRUPT && vcpu->apic)
		apic_local(vcpu, LAPIC_LVT_CMCI);
	else if (effect == MCE_SHUTDOWN)
		vcpu_request(vcpu, VCPU_REQ_TRIPLE_FAULT);
	vcpu_put(vcpu);
	return effect < 0 ? effect : 0;
}
