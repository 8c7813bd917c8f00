// SPDX-License-Identifier: GPL-2.0
/*
 * Control registers and EFER: what the guest sees, what the CPU holds, and the
 * guest's accesses to the bits that are not its own.
 *
 * A bit that the guest owns is in the VMCS's register and changes without an
 * exit; all others are in the read shadow (SDM 3C 25.6.6).
 */
#include <asm/msr.h>
#include <asm/tlbflush.h>

#include "vmx/vmx.h"

/* PG stays ours, because EFER.LMA follows it; PE is free for an unrestricted guest only. */
#define CR0_GUEST_OWNED \
	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_WP | X86_CR0_AM)
#define CR0_DEFINED \
	(CR0_GUEST_OWNED | X86_CR0_ET | X86_CR0_NE | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
/* Bits whose setting has no effect that we must know of. */
#define CR4_GUEST_OWNED \
	(X86_CR4_PVI | X86_CR4_DE | X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | \
	 X86_CR4_TSD | X86_CR4_FSGSBASE)
#define CR4_PDPTE_BITS (X86_CR4_PAE | X86_CR4_PSE | X86_CR4_PGE)

static u64 cr0_owned(const struct vcpu *vcpu)
{
	u64 owned = CR0_GUEST_OWNED & ~(vcpu->vmx->l1.cr0_mask | vcpu->vmx->cr0_must);

	return vmx_caps.choice.unrestricted_guest ? owned : owned & ~(u64)X86_CR0_PE;
}

/* CPUID lets the guest have it, and VMX operation does not forbid it. */
static u64 cr4_allowed(const struct vcpu *vcpu)
{
	return vcpu->cpuid.cr4_guest_bits & vmx_caps.cr4_fixed1;
}

static u64 cr4_owned(const struct vcpu *vcpu)
{
	return CR4_GUEST_OWNED & cr4_allowed(vcpu) & ~vcpu->vmx->l1.cr4_mask;
}

u64 vmx_cr0(const struct vcpu *vcpu)
{
	u64 owned = cr0_owned(vcpu);

	return (vmread(GUEST_CR0) & owned) | (vcpu->vmx->cr0_shadow & ~owned);
}

u64 vmx_cr4(const struct vcpu *vcpu)
{
	u64 owned = cr4_owned(vcpu);

	return (vmread(GUEST_CR4) & owned) | (vcpu->vmx->cr4_shadow & ~owned);
}

/* @value, as a guest sees it whose bits of @mask are L1's and read as @shadow. */
static u64 overlay(u64 value, u64 mask, u64 shadow)
{
	return (value & ~mask) | (shadow & mask);
}

bool vmx_in_64bit(const struct vcpu *vcpu)
{
	return (vcpu->vmx->efer & EFER_LMA) && (vmread(GUEST_CS_AR_BYTES) & SEG_AR_L);
}

gva_t vmx_linear_rip(const struct vcpu *vcpu)
{
	u64 rip = vmread(GUEST_RIP);

	return vmx_in_64bit(vcpu) ? rip : (u32)(vmread(GUEST_CS_BASE) + rip);
}

void vmx_put_cr0(struct vcpu *vcpu, u64 cr0)
{
	const struct l1_wish *l1 = &vcpu->vmx->l1;
	u64 must = vmx_caps.cr0_fixed0;
	u64 value = cr0 & ~(u64)(X86_CR0_CD | X86_CR0_NW);

	/* Unrestricted guest takes PE and PG out of what VMX fixes to 1 (SDM 3C 27.3.1.1). */
	if (likely(vmx_caps.choice.unrestricted_guest))
		must &= ~(u64)(X86_CR0_PE | X86_CR0_PG);
	else
		restricted_follow(vcpu, cr0);
	vmwrite(GUEST_CR0, (value | must) & vmx_caps.cr0_fixed1);
	vmwrite(CR0_READ_SHADOW, overlay(cr0, l1->cr0_mask, l1->cr0_shadow));
	vmwrite(CR0_GUEST_HOST_MASK, ~cr0_owned(vcpu));
	vcpu->vmx->cr0_shadow = cr0;
	vcpu_request(vcpu, VCPU_REQ_VPID);
}

void vmx_put_cr4(struct vcpu *vcpu, u64 cr4)
{
	const struct l1_wish *l1 = &vcpu->vmx->l1;
	/* A machine check in the guest is the host's: without MCE it would shut the CPU down. */
	u64 must = vmx_caps.cr4_fixed0 | (cr4_read_shadow() & X86_CR4_MCE);

	vmwrite(GUEST_CR4, restricted_cr4(vcpu, cr4) | must);
	vmwrite(CR4_READ_SHADOW, overlay(cr4, l1->cr4_mask, l1->cr4_shadow));
	vmwrite(CR4_GUEST_HOST_MASK, ~cr4_owned(vcpu));
	vcpu->vmx->cr4_shadow = cr4;
	vcpu_request(vcpu, VCPU_REQ_VPID);
}

void vmx_put_efer(struct vcpu *vcpu, u64 efer)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	/* Whether the SYSCALL MSRs in the CPU are the guest's follows EFER.SCE. */
	preempt_disable();
	guest_state_put(vcpu);
	vmx->efer = efer;
	preempt_enable();
	vmwrite(GUEST_IA32_EFER, restricted_efer(vcpu, efer));
	vmwrite(VM_ENTRY_CONTROLS, vmx_caps.entry | (efer & EFER_LMA ? VM_ENTRY_IA32E_MODE : 0));
	vcpu_request(vcpu, VCPU_REQ_VPID);
}

bool cr0_is_valid(u64 cr0)
{
	if (cr0 & ~(u64)CR0_DEFINED)
		return false;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE);
}

bool cr4_is_valid(const struct vcpu *vcpu, u64 cr4)
{
	return !(cr4 & ~cr4_allowed(vcpu));
}

bool efer_is_valid(const struct vcpu *vcpu, u64 efer)
{
	return !(efer & ~(vcpu->cpuid.efer_bits | EFER_LMA));
}

void vmx_put_pdptes(const u64 pdptes[4])
{
	vmwrite(GUEST_PDPTR0, pdptes[0]);
	vmwrite(GUEST_PDPTR1, pdptes[1]);
	vmwrite(GUEST_PDPTR2, pdptes[2]);
	vmwrite(GUEST_PDPTR3, pdptes[3]);
}

int vmx_load_pdptes(struct vcpu *vcpu, u64 cr3)
{
	/* Reserved in a present PDPTE: bits 2:1, 8:5 and what no GPA has (SDM 3A 4.4.1). */
	const u64 reserved = GENMASK_ULL(2, 1) | GENMASK_ULL(8, 5) | GENMASK_ULL(63, 52);
	u64 pdpte[4];
	gpa_t gpa;
	int i;

	gpa = cr3 & GENMASK_ULL(31, 5);
	if (guest_l1_gpa(vcpu, &gpa, 0, NULL) || guest_read(vcpu, gpa, pdpte, sizeof(pdpte)))
		return -EFAULT;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & 1) && (pdpte[i] & reserved))
			return -EFAULT;
	vmx_put_pdptes(pdpte);
	return 0;
}

/* Turning paging on activates long mode if EFER.LME asks for it (SDM 3A 10.8.5). */
static bool enter_long_mode(struct vcpu *vcpu)
{
	u64 ar = vmread(GUEST_TR_AR_BYTES);

	if (!(vmx_cr4(vcpu) & X86_CR4_PAE) || (vmread(GUEST_CS_AR_BYTES) & SEG_AR_L))
		return false;
	/* VM entry wants a 64-bit busy TSS; the CPU itself does not care before its next use. */
	if ((ar & SEG_AR_TYPE) != SEG_AR_TYPE_BUSY_TSS)
		vmwrite(GUEST_TR_AR_BYTES, (ar & ~(u64)SEG_AR_TYPE) | SEG_AR_TYPE_BUSY_TSS);
	vmx_put_efer(vcpu, vcpu->vmx->efer | EFER_LMA);
	return true;
}

/* MOV to CR0 and LMSW.  False: #GP. */
static bool guest_set_cr0(struct vcpu *vcpu, u64 cr0)
{
	u64 efer = vcpu->vmx->efer, old = vmx_cr0(vcpu), changed;

	/* What L1 owns stays, where it did not ask to hear of the change. */
	cr0 = overlay(cr0 | X86_CR0_ET, vcpu->vmx->l1.cr0_mask, old);
	changed = old ^ cr0;
	if (cr0 >> 32)
		return false;
	cr0 &= CR0_DEFINED; /* the other low bits are ignored */
	if (!cr0_is_valid(cr0) || (vcpu->vmx->cr0_must & ~cr0))
		return false;
	if ((changed & X86_CR0_PG) && (cr0 & X86_CR0_PG)) {
		if (efer & EFER_LME) {
			if (!enter_long_mode(vcpu))
				return false;
		} else if ((vmx_cr4(vcpu) & X86_CR4_PAE) && vmx_load_pdptes(vcpu, vmx_cr3(vcpu))) {
			return false;
		}
	}
	if ((changed & X86_CR0_PG) && !(cr0 & X86_CR0_PG)) {
		if (vmx_in_64bit(vcpu) || (vmx_cr4(vcpu) & X86_CR4_PCIDE))
			return false;
		if (efer & EFER_LMA)
			vmx_put_efer(vcpu, efer & ~(u64)EFER_LMA);
	}
	vmx_put_cr0(vcpu, cr0);
	return true;
}

static bool guest_set_cr4(struct vcpu *vcpu, u64 cr4)
{
	bool lma = vcpu->vmx->efer & EFER_LMA;
	u64 old = vmx_cr4(vcpu);

	cr4 = overlay(cr4, vcpu->vmx->l1.cr4_mask, old);
	if (!cr4_is_valid(vcpu, cr4) || (vcpu->vmx->cr4_must & ~cr4))
		return false;
	if (lma && (!(cr4 & X86_CR4_PAE) || ((cr4 ^ old) & X86_CR4_LA57)))
		return false;
	if ((cr4 & ~old & X86_CR4_PCIDE) && (!lma || (vmx_cr3(vcpu) & 0xfff)))
		return false;
	if (!lma && (vmx_cr0(vcpu) & X86_CR0_PG) && (cr4 & X86_CR4_PAE) &&
	    ((cr4 ^ old) & (CR4_PDPTE_BITS | X86_CR4_SMEP)) && vmx_load_pdptes(vcpu, vmx_cr3(vcpu)))
		return false;
	vmx_put_cr4(vcpu, cr4);
	return true;
}

/* As KVM does without an in-kernel APIC, userspace hears of a lower TPR. */
static int guest_set_cr8(struct vcpu *vcpu, u64 cr8)
{
	u64 old = vmx_cr8(vcpu);

	if (cr8 > 15) {
		queue_exception_error(vcpu, GP_VECTOR, 0);
		return ENTER_AGAIN;
	}
	vmx_set_cr8(vcpu, cr8);
	skip_insn(vcpu);
	if (vcpu->apic || old <= cr8)
		return ENTER_AGAIN;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return EXIT_TO_USER;
}

static int mov_to_cr(struct vcpu *vcpu, u64 qualification)
{
	u64 value = gpr_read(vcpu, CR_ACCESS_GPR(qualification));
	bool valid = false;

	if (!vmx_in_64bit(vcpu))
		value = (u32)value;
	switch (CR_ACCESS_REG(qualification)) {
	case 0:
		valid = guest_set_cr0(vcpu, value);
		break;
	case 3: /* exits without paging only: any value will do */
		vmx_put_cr3(vcpu, value);
		valid = true;
		break;
	case 4:
		valid = guest_set_cr4(vcpu, value);
		break;
	case 8:
		return guest_set_cr8(vcpu, value);
	}
	if (valid)
		skip_insn(vcpu);
	else
		queue_exception_error(vcpu, GP_VECTOR, 0);
	return ENTER_AGAIN;
}

int exit_cr_access(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	u64 cr0;

	switch (CR_ACCESS_TYPE(qualification)) {
	case CR_MOV_TO:
		return mov_to_cr(vcpu, qualification);
	case CR_MOV_FROM: /* CR0 and CR4 are read from the shadows */
		gpr_write(vcpu, CR_ACCESS_GPR(qualification),
			  CR_ACCESS_REG(qualification) == 3 ? vmx_cr3(vcpu) : vmx_cr8(vcpu));
		break;
	case CR_CLTS:
		cr0 = vmx_cr0(vcpu);
		vmx_put_cr0(vcpu, overlay(cr0 & ~(u64)X86_CR0_TS, vcpu->vmx->l1.cr0_mask, cr0));
		break;
	case CR_LMSW: /* writes PE (setting only), MP, EM and TS */
		cr0 = vmx_cr0(vcpu);
		cr0 = (cr0 & ~0xeull) | (CR_ACCESS_LMSW_SOURCE(qualification) & 0xf);
		if (!guest_set_cr0(vcpu, cr0)) {
			queue_exception_error(vcpu, GP_VECTOR, 0);
			return ENTER_AGAIN;
		}
		break;
	}
	skip_insn(vcpu);
	return ENTER_AGAIN;
}
