// SPDX-License-Identifier: GPL-2.0
/*
 * Guests on a CPU without unrestricted guest, where VMX operation wants CR0.PE and
 * CR0.PG to be 1 (SDM 3C 27.3.1.1).
 *
 * A guest that does not page runs with paging that changes nothing: 4M pages, each
 * at its own address, in a page table of the VM's own (uapi/memory.c).  Its CR3,
 * CR4 and EFER are then not the CPU's, and its accesses to CR3 exit.  A guest in
 * real mode would need an emulator, and is refused.
 */
#define pr_fmt(fmt) "vellum: " fmt

#include "vmx/vmx.h"

/* What would make the CPU read that page table in another way, or refuse its user pages. */
#define CR4_PAGING \
	((u64)(X86_CR4_PAE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE | \
	       X86_CR4_LA57))

u64 vmx_cr3(const struct vcpu *vcpu)
{
	return vcpu->vmx->no_paging ? vcpu->vmx->flat_cr3 : vmread(GUEST_CR3);
}

void vmx_put_cr3(struct vcpu *vcpu, u64 cr3)
{
	vcpu->vmx->flat_cr3 = cr3;
	vmwrite(GUEST_CR3, vcpu->vmx->no_paging ? vcpu->vm->identity_map : cr3);
}

u64 restricted_cr4(const struct vcpu *vcpu, u64 cr4)
{
	return vcpu->vmx->no_paging ? (cr4 & ~CR4_PAGING) | X86_CR4_PSE : cr4;
}

/* With paging LME and LMA are the same (SDM 3C 27.3.1.1), and LMA is clear. */
u64 restricted_efer(const struct vcpu *vcpu, u64 efer)
{
	return vcpu->vmx->no_paging ? efer & ~(u64)EFER_LME : efer;
}

void restricted_follow(struct vcpu *vcpu, u64 cr0)
{
	u64 cr3 = vmx_cr3(vcpu), cr4 = vmx_cr4(vcpu);
	bool no_paging = !(cr0 & X86_CR0_PG);
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (!(cr0 & X86_CR0_PE))
		vcpu_request(vcpu, VCPU_REQ_REAL_MODE);
	if (no_paging == vmx->no_paging)
		return;
	vmx->no_paging = no_paging;
	vmcs_set_primary(vmx, CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING, no_paging);
	vmx_put_cr3(vcpu, cr3);
	vmx_put_cr4(vcpu, cr4);
	vmwrite(GUEST_IA32_EFER, restricted_efer(vcpu, vmx->efer));
}

int restricted_check(struct vcpu *vcpu)
{
	if (vmx_cr0(vcpu) & X86_CR0_PE)
		return 0;
	vcpu_request(vcpu, VCPU_REQ_REAL_MODE); /* KVM_RUN says it again */
	pr_info_ratelimited("a guest is in real mode, which needs unrestricted guest: refused\n");
	return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
}
