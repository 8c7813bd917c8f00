/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What entry.S and C must agree on.
 */
#ifndef VELLUM_VMX_ENTER_H
#define VELLUM_VMX_ENTER_H

#define VMCS_HOST_RSP 0x6c14

#define VMX_ENTER_FAIL	  1
#define VMX_ENTER_INVALID 2

/* Offsets into vcpu->regs, by enum vcpu_reg. */
#define VCPU_RAX (0 * 8)
#define VCPU_RCX (1 * 8)
#define VCPU_RDX (2 * 8)
#define VCPU_RBX (3 * 8)
#define VCPU_RBP (5 * 8)
#define VCPU_RSI (6 * 8)
#define VCPU_RDI (7 * 8)
#define VCPU_R8	 (8 * 8)
#define VCPU_R9	 (9 * 8)
#define VCPU_R10 (10 * 8)
#define VCPU_R11 (11 * 8)
#define VCPU_R12 (12 * 8)
#define VCPU_R13 (13 * 8)
#define VCPU_R14 (14 * 8)
#define VCPU_R15 (15 * 8)

#ifndef __ASSEMBLY__
int vmx_enter(u64 *regs, u64 *host_rsp, bool launched);
void vmx_exit_point(void); /* HOST_RIP; not to be called */
#endif

#endif
