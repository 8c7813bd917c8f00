// SPDX-License-Identifier: GPL-2.0
/*
 * Debug registers.  The guest's are kept in memory, its accesses exit, and #DB
 * exits too; so they are in the CPU only for a guest that has a breakpoint on.
 */
#include <linux/hw_breakpoint.h>
#include <asm/debugreg.h>

#include "vmx/vmx.h"

#define DR7_ENABLES  0xffu
#define DR7_GD	     BIT(13)
#define DR7_ALWAYS_1 BIT(10)
#define DR6_BD	     BIT(13)
#define DR6_CAUSES   0xe00full /* B0-B3, BD, BS, BT */

/* Bits that can be written (SDM 3B 18.2.3, 18.2.4); the others are 1 in DR6, 0 in DR7 but for bit 10. */
static u64 dr6_from(u64 value)
{
	return (value & DR6_CAUSES) | DR6_RESERVED;
}

static u64 dr7_from(u64 value)
{
	return (value & 0xffff2bffull) | DR7_ALWAYS_1;
}

void debug_load_guest(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (likely(!(vmx->dr7 & DR7_ENABLES)))
		return;
	set_debugreg(vmx->db[0], 0);
	set_debugreg(vmx->db[1], 1);
	set_debugreg(vmx->db[2], 2);
	set_debugreg(vmx->db[3], 3);
}

/* The exit cleared DR7: only if the host has a breakpoint do the registers matter. */
void debug_load_host(struct vcpu *vcpu)
{
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
}

/* CR4.DE makes DR4 and DR5 undefined; without it they are DR6 and DR7 (SDM 3B 18.2.2). */
static int debug_register(const struct vcpu *vcpu, unsigned int n)
{
	if (n < 4)
		return n;
	if (n < 6)
		return vmx_cr4(vcpu) & X86_CR4_DE ? -1 : n + 2;
	return n;
}

static u64 debug_read(const struct vcpu_vmx *vmx, int n)
{
	return n < 4 ? vmx->db[n] : n == 6 ? vmx->dr6 : vmx->dr7;
}

static bool debug_write(struct vcpu_vmx *vmx, int n, u64 value)
{
	if (n < 4) {
		vmx->db[n] = value;
		return true;
	}
	if (value >> 32)
		return false;
	if (n == 6) {
		vmx->dr6 = dr6_from(value);
		return true;
	}
	vmx->dr7 = dr7_from(value);
	vmwrite(GUEST_DR7, vmx->dr7);
	return true;
}

/* The breakpoint on debug registers themselves (SDM 3B 18.2.4). */
static bool general_detect(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (likely(!(vmx->dr7 & DR7_GD)))
		return false;
	vmx->dr6 |= DR6_BD;
	vmx->dr7 &= ~(u64)DR7_GD;
	vmwrite(GUEST_DR7, vmx->dr7);
	queue_exception(vcpu, DB_VECTOR);
	return true;
}

int exit_dr_access(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	unsigned int gpr = DR_ACCESS_GPR(qualification);
	int n = debug_register(vcpu, DR_ACCESS_REG(qualification));
	u64 value;

	if (n < 0) {
		queue_exception(vcpu, UD_VECTOR);
		return ENTER_AGAIN;
	}
	if ((vmread(GUEST_SS_AR_BYTES) >> SEG_AR_DPL_SHIFT) & 3) {
		queue_exception_error(vcpu, GP_VECTOR, 0);
		return ENTER_AGAIN;
	}
	if (general_detect(vcpu))
		return ENTER_AGAIN;
	if (qualification & DR_ACCESS_READ) {
		gpr_write(vcpu, gpr, debug_read(vcpu->vmx, n));
	} else {
		value = gpr_read(vcpu, gpr);
		if (!debug_write(vcpu->vmx, n, value)) {
			queue_exception_error(vcpu, GP_VECTOR, 0);
			return ENTER_AGAIN;
		}
	}
	skip_insn(vcpu);
	return ENTER_AGAIN;
}

/*
 * Intercepted so that DR6 is kept in memory, and so that a guest whose #DB
 * handler raises #DB for ever does not hold the CPU (SDM 3C 26.1, CVE-2015-8104).
 */
int exit_debug(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	struct vcpu_vmx *vmx = vcpu->vmx;

	vmx->dr6 = (vmx->dr6 & ~0xfull) | DR6_RESERVED | (qualification & DR6_CAUSES);
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	queue_exception(vcpu, DB_VECTOR);
	return ENTER_AGAIN;
}

void vcpu_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *regs)
{
	const struct vcpu_vmx *vmx = vcpu->vmx;

	*regs = (struct kvm_debugregs){ .dr6 = vmx->dr6, .dr7 = vmx->dr7 };
	memcpy(regs->db, vmx->db, sizeof(regs->db));
}

int vcpu_set_debugregs(struct vcpu *vcpu, const struct kvm_debugregs *regs)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (regs->flags || regs->dr6 >> 32 || regs->dr7 >> 32)
		return -EINVAL;
	memcpy(vmx->db, regs->db, sizeof(vmx->db));
	vmx->dr6 = dr6_from(regs->dr6);
	vmx->dr7 = dr7_from(regs->dr7);
	vcpu_load(vcpu);
	vmwrite(GUEST_DR7, vmx->dr7);
	vcpu_put(vcpu);
	return 0;
}
