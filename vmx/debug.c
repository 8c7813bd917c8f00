// SPDX-License-Identifier: GPL-2.0
/*
 * Debug registers.  The guest's are kept in memory, its accesses exit, and #DB
 * exits too; so they are in the CPU only for a guest that has a breakpoint on.
 *
 * Userspace that debugs a guest (KVM_SET_GUEST_DEBUG) has its own breakpoints in
 * their place, hears of every #DB, and steps by RFLAGS.TF, which it does not see.
 */
#include <linux/sched.h>
#include <asm/debugreg.h>

#include "vmx/vmx.h"

#define DR7_GD	     BIT(13)
#define DR7_ALWAYS_1 BIT(10)
#define DR6_BD	     BIT(13)
#define DR6_CAUSES   0xe00full /* B0-B3, BD, BS, BT */

/* Bits that can be written (SDM 3B 18.2.3, 18.2.4); the others are fixed. */
static u64 dr6_from(u64 value)
{
	return (value & DR6_CAUSES) | DR6_RESERVED;
}

static u64 dr7_from(u64 value)
{
	return (value & 0xffff2bffull) | DR7_ALWAYS_1;
}

static bool own_breakpoints(const struct vcpu_vmx *vmx)
{
	return vmx->guest_debug & KVM_GUESTDBG_USE_HW_BP;
}

/* DR7 as the CPU has it in the guest. */
static u64 active_dr7(const struct vcpu_vmx *vmx)
{
	return own_breakpoints(vmx) ? vmx->debug_dr7 : vmx->dr7;
}

void debug_load_guest(const struct vcpu_vmx *vmx)
{
	const u64 *db = own_breakpoints(vmx) ? vmx->debug_db : vmx->db;

	/* The host's breakpoints must not be at the guest's addresses, not even until the entry. */
	set_debugreg(0UL, 7);
	set_debugreg(db[0], 0);
	set_debugreg(db[1], 1);
	set_debugreg(db[2], 2);
	set_debugreg(db[3], 3);
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
	vmwrite(GUEST_DR7, active_dr7(vmx));
	return true;
}

void debug_put_dr7(struct vcpu *vcpu, u64 dr7)
{
	vcpu->vmx->dr7 = dr7_from(dr7);
	vmwrite(GUEST_DR7, active_dr7(vcpu->vmx));
}

/* Userspace hears of it instead of the guest. */
static int tell_debug(struct vcpu *vcpu, u8 vector, u64 causes)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch = (struct kvm_debug_exit_arch){
		.exception = vector,
		.pc = vmx_linear_rip(vcpu),
		.dr6 = causes | DR6_RESERVED,
		.dr7 = active_dr7(vcpu->vmx),
	};
	return EXIT_TO_USER;
}

/* The breakpoint on debug registers themselves (SDM 3B 18.2.4). */
static int general_detect(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (own_breakpoints(vmx))
		return tell_debug(vcpu, DB_VECTOR, DR6_BD);
	vmx->dr6 |= DR6_BD;
	vmx->dr7 &= ~(u64)DR7_GD;
	vmwrite(GUEST_DR7, vmx->dr7);
	queue_exception(vcpu, DB_VECTOR);
	return ENTER_AGAIN;
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
	if (unlikely(active_dr7(vcpu->vmx) & DR7_GD))
		return general_detect(vcpu);
	if (qualification & DR_ACCESS_READ) {
		gpr_write(vcpu, gpr, debug_read(vcpu->vmx, n));
	} else {
		value = gpr_read(vcpu, gpr);
		if (!debug_write(vcpu->vmx, n, value)) {
			queue_exception_error(vcpu, GP_VECTOR, 0);
			return ENTER_AGAIN;
		}
	}
	/* The guest goes on in the same burst. */
	if (unlikely(debug_in_use(vcpu->vmx)))
		debug_load_guest(vcpu->vmx);
	skip_insn(vcpu);
	return ENTER_AGAIN;
}

void debug_payload(struct vcpu *vcpu, u64 causes)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	vmx->dr6 = (vmx->dr6 & ~0xfull) | DR6_RESERVED | (causes & DR6_CAUSES);
}

/*
 * TF behind STI or MOV SS would have VM entry ask for a trap that is pending
 * (SDM 3C 27.3.1.5), and so for a step before the instruction.
 */
static void drop_shadow(const struct vcpu_vmx *vmx)
{
	if (debug_is_stepping(vmx))
		vmwrite(GUEST_INTERRUPTIBILITY_INFO,
			vmread(GUEST_INTERRUPTIBILITY_INFO) & ~INTR_STATE_SHADOW);
}

/*
 * Intercepted so that DR6 is kept in memory, and so that a guest whose #DB
 * handler raises #DB for ever does not hold the CPU (SDM 3C 26.1, CVE-2015-8104).
 */
int exit_debug(struct vcpu *vcpu)
{
	u64 causes = vmread(EXIT_QUALIFICATION) & DR6_CAUSES;
	struct vcpu_vmx *vmx = vcpu->vmx;

	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	if (vmx->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP)) {
		drop_shadow(vmx);
		return tell_debug(vcpu, DB_VECTOR, causes);
	}
	/* INT1 exits on itself, although what it raises is a trap. */
	if ((vmread(VM_EXIT_INTR_INFO) & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION)
		skip_insn(vcpu);
	debug_payload(vcpu, causes);
	queue_exception(vcpu, DB_VECTOR);
	return ENTER_AGAIN;
}

int exit_breakpoint(struct vcpu *vcpu)
{
	return tell_debug(vcpu, BP_VECTOR, 0);
}

/* INT3's #BP has the length of INT3, and comes back behind it. */
static int inject(struct vcpu_vmx *vmx, u32 control)
{
	bool db = control & KVM_GUESTDBG_INJECT_DB;

	if (vmx->event.info)
		return -EBUSY;
	if (db)
		queue_exception(vmx->vcpu, DB_VECTOR);
	else
		vmx->event = (struct vmx_event){
			.info = INTR_INFO_VALID_MASK | INTR_TYPE_SOFT_EXCEPTION | BP_VECTOR,
			.len = 1,
		};
	return 0;
}

/* They seldom change: not at all where neither side wishes a page fault. */
static void write_pf_codes(struct vmcs *vmcs, const struct pf_wish *wish)
{
	if (likely(vmcs->pf_mask == wish->mask && vmcs->pf_match == wish->match))
		return;
	vmcs->pf_mask = wish->mask;
	vmcs->pf_match = wish->match;
	vmwrite(PAGE_FAULT_ERROR_CODE_MASK, wish->mask);
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, wish->match);
}

void exceptions_write(struct vcpu_vmx *vmx)
{
	const struct pf_wish *page_faults = &vmx->l1.page_faults;
	struct pf_wish both;

	if (unlikely(vmx_is_narrow(vmx->vcpu))) {
		both = pf_both(&narrow_wish, page_faults);
		page_faults = &both;
	}
	write_pf_codes(vmx->vmcs, page_faults);
	vmwrite(EXCEPTION_BITMAP,
		EXCEPTIONS_OURS | vmx->l1.exceptions | (page_faults->bit ? BIT(PF_VECTOR) : 0) |
			(vmx->guest_debug & KVM_GUESTDBG_USE_SW_BP ? BIT(BP_VECTOR) : 0));
}

/* Between load and put: what the VMCS holds of vmx->guest_debug. */
static void write_guest_debug(struct vcpu_vmx *vmx, u64 rflags)
{
	vmwrite(GUEST_RFLAGS, rflags | (debug_is_stepping(vmx) ? X86_EFLAGS_TF : 0));
	vmwrite(GUEST_DR7, active_dr7(vmx));
	exceptions_write(vmx);
	drop_shadow(vmx);
}

void debug_reset(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	memset(vmx->db, 0, sizeof(vmx->db));
	vmx->dr6 = DR6_RESERVED;
	vmx->dr7 = DR7_ALWAYS_1;
	write_guest_debug(vmx, vmread(GUEST_RFLAGS));
}

int vcpu_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *debug)
{
	const u32 injects = KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP;
	struct vcpu_vmx *vmx = vcpu->vmx;
	u64 rflags;
	int ret = 0;

	if (debug->control & ~(u32)GUEST_DEBUG_FLAGS)
		return -EINVAL;
	vcpu_load(vcpu);
	if (debug->control & injects)
		ret = inject(vmx, debug->control);
	if (!ret) {
		rflags = vmread(GUEST_RFLAGS);
		/* The step that an emulated instruction owes is the debugger's too. */
		if (debug_is_stepping(vmx)) {
			rflags &= ~(u64)X86_EFLAGS_TF;
			vmwrite(GUEST_PENDING_DBG_EXCEPTIONS,
				vmread(GUEST_PENDING_DBG_EXCEPTIONS) & ~(u64)PENDING_DEBUG_BS);
		}
		vmx->guest_debug =
			debug->control & KVM_GUESTDBG_ENABLE ? debug->control & ~injects : 0;
		memcpy(vmx->debug_db, debug->arch.debugreg, sizeof(vmx->debug_db));
		vmx->debug_dr7 = dr7_from(debug->arch.debugreg[7]);
		write_guest_debug(vmx, rflags);
		vcpu_request(vcpu, VCPU_REQ_EVENT); /* what was blocked, or will be */
	}
	vcpu_put(vcpu);
	return ret;
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
	vmwrite(GUEST_DR7, active_dr7(vmx));
	vcpu_put(vcpu);
	return 0;
}
