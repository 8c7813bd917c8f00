// SPDX-License-Identifier: GPL-2.0
/*
 * VM functions for L2 (SDM 3C 26.5.6).  vmcs02 has the control and enables no function,
 * so that the CPU exits for each: what L1 enabled is done here, all else is its exit.
 */
#include "nested/ept12.h"
#include "nested/nested.h"

#define VM_FUNCTIONS	  64
#define EPTP_SWITCHING	  0
#define EPTP_LIST_ENTRIES (PAGE_SIZE / sizeof(u64))

/* The EPTP at @index of L1's list, if VM entry would take it (SDM 3C 26.5.6.3). */
static bool find_eptp(struct vcpu *vcpu, u32 index, u64 *eptp)
{
	if (index >= EPTP_LIST_ENTRIES ||
	    guest_read(vcpu, vmcs12_of(vcpu)->eptp_list_address + index * sizeof(*eptp), eptp,
		       sizeof(*eptp)))
		return false;
	return ept12_eptp_is_valid(*eptp, nested_of(vcpu)->caps.ept_vpid, vcpu->cpuid.maxphyaddr);
}

int nested_vmfunc(struct vcpu *vcpu)
{
	u32 function = vcpu->regs[GPR_RAX];
	struct l2_exit exit;
	u64 eptp;
	int ret;

	if (function >= VM_FUNCTIONS) /* the CPU does so itself */
		return exit_undefined(vcpu);
	if (function == EPTP_SWITCHING &&
	    (vmcs12_of(vcpu)->vm_function_control & BIT_ULL(EPTP_SWITCHING)) &&
	    find_eptp(vcpu, vcpu->regs[GPR_RCX], &eptp)) {
		ret = ept_switch(vcpu, eptp);
		if (ret)
			return ret;
		skip_insn(vcpu);
		return ENTER_AGAIN;
	}
	exit = read_exit(EXIT_REASON_VMFUNC);
	leave_l2(vcpu, &exit);
	return ENTER_AGAIN;
}
