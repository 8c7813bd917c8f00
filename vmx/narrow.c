// SPDX-License-Identifier: GPL-2.0
/*
 * Guests with fewer physical-address bits than the CPU has, where the module's
 * parameter allow_smaller_maxphyaddr allows them.  What is reserved in their page tables
 * is an address bit for the CPU: it goes where that leads, which is no memory of the
 * guest's (an EPT violation), or finds first that the access is not permitted (a #PF
 * whose error code lacks RSVD).  Both exit, and the guest has the #PF that a CPU of its
 * width would raise (SDM 3A 4.7).
 */
#include "platform/gva.h"
#include "vmx/vmx.h"

/* Nothing reserved is seen behind an entry that is not present. */
const struct pf_wish narrow_wish = {
	.bit = true,
	.mask = GVA_PRESENT | GVA_RESERVED,
	.match = GVA_PRESENT,
};

u32 vmx_exception_error(struct vcpu *vcpu)
{
	u32 info = vmread(VM_EXIT_INTR_INFO), error;

	if (!(info & INTR_INFO_DELIVER_CODE_MASK))
		return 0;
	error = vmread(VM_EXIT_INTR_ERROR_CODE);
	if (!vmx_is_narrow(vcpu) || (info & INTR_INFO_VECTOR_MASK) != PF_VECTOR ||
	    !pf_exits(&narrow_wish, error))
		return error;
	return error | (guest_fault(vcpu, vmread(EXIT_QUALIFICATION),
				    error & (GVA_WRITE | GVA_USER | GVA_FETCH)) &
			GVA_RESERVED);
}

int exit_page_fault(struct vcpu *vcpu)
{
	queue_page_fault(vcpu, vmread(EXIT_QUALIFICATION), vmx_exception_error(vcpu));
	return ENTER_AGAIN;
}

/*
 * The access that was to be translated is not told where a table was out of reach:
 * it is taken for a read then, in the error code.
 */
static u32 violated_access(u64 qualification)
{
	u32 access = guest_cpl() == 3 ? GVA_USER : 0;

	if (!(qualification & EPT_VIOLATION_GVA_TRANSLATED))
		return access;
	return access | (qualification & EPT_VIOLATION_WRITE ? GVA_WRITE : 0) |
	       (qualification & EPT_VIOLATION_FETCH ? GVA_FETCH : 0);
}

bool narrow_violation(struct vcpu *vcpu, u64 qualification)
{
	gva_t gva;
	u32 error;

	if (!(vmread(GUEST_PHYSICAL_ADDRESS) >> vcpu->cpuid.maxphyaddr) ||
	    !(qualification & EPT_VIOLATION_GVA_VALID))
		return false;
	gva = vmread(GUEST_LINEAR_ADDRESS);
	error = guest_fault(vcpu, gva, violated_access(qualification));
	if (!(error & GVA_RESERVED))
		return false;
	ept_before_retry(vcpu, qualification);
	queue_page_fault(vcpu, gva, error);
	return true;
}
