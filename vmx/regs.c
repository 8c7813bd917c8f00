// SPDX-License-Identifier: GPL-2.0
/*
 * Registers for userspace: KVM_GET/SET_REGS, _SREGS and _SREGS2.  What is set here
 * is checked so far as KVM checks it; the rest VM entry judges (KVM_EXIT_FAIL_ENTRY).
 */
#include "vmx/vmx.h"

enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR };

/* clang-format off */
void vcpu_get_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	const u64 *r = vcpu->regs;

	*regs = (struct kvm_regs){
		.rax = r[GPR_RAX], .rbx = r[GPR_RBX], .rcx = r[GPR_RCX], .rdx = r[GPR_RDX],
		.rsi = r[GPR_RSI], .rdi = r[GPR_RDI], .rbp = r[GPR_RBP],
		.r8 = r[GPR_R8],   .r9 = r[GPR_R9],   .r10 = r[GPR_R10], .r11 = r[GPR_R11],
		.r12 = r[GPR_R12], .r13 = r[GPR_R13], .r14 = r[GPR_R14], .r15 = r[GPR_R15],
	};
	vcpu_load(vcpu);
	regs->rsp = vmread(GUEST_RSP);
	regs->rip = vmread(GUEST_RIP);
	regs->rflags = vmread(GUEST_RFLAGS);
	if (debug_is_stepping(vcpu->vmx))
		regs->rflags &= ~(u64)X86_EFLAGS_TF;
	vcpu_put(vcpu);
}

void vcpu_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs)
{
	const u64 gprs[GPR_COUNT] = {
		regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp,
		regs->rsi, regs->rdi, regs->r8,	 regs->r9,  regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15,
	};
	struct vmx_event *event = &vcpu->vmx->event;

	memcpy(vcpu->regs, gprs, sizeof(gprs));
	vcpu_load(vcpu);
	vmwrite(GUEST_RSP, regs->rsp);
	vmwrite(GUEST_RIP, regs->rip);
	vmwrite(GUEST_RFLAGS, regs->rflags | X86_EFLAGS_FIXED |
				      (debug_is_stepping(vcpu->vmx) ? X86_EFLAGS_TF : 0));
	/* A new place to go on: what the old one was about to raise is void. */
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	if ((event->info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_HARD_EXCEPTION)
		event->info = 0;
	/* VM entry refuses the shadow of an STI without IF, and an interrupt without IF. */
	if (!(regs->rflags & X86_EFLAGS_IF)) {
		vmwrite(GUEST_INTERRUPTIBILITY_INFO,
			vmread(GUEST_INTERRUPTIBILITY_INFO) & ~(u64)GUEST_INTR_STATE_STI);
		event_unmake_interrupt(vcpu);
	}
	vcpu_put(vcpu);
}

/* clang-format on */

static void get_segment(struct kvm_segment *s, enum segment seg)
{
	u32 ar = vmread(SEGMENT_FIELD(GUEST_ES_AR_BYTES, seg));

	*s = (struct kvm_segment){
		.selector = vmread(SEGMENT_FIELD(GUEST_ES_SELECTOR, seg)),
		.base = vmread(SEGMENT_FIELD(GUEST_ES_BASE, seg)),
		.limit = vmread(SEGMENT_FIELD(GUEST_ES_LIMIT, seg)),
		.type = ar & SEG_AR_TYPE,
		.s = !!(ar & SEG_AR_S),
		.dpl = (ar >> SEG_AR_DPL_SHIFT) & 3,
		/* An unusable segment's P is whatever; "not present" is what KVM's users know. */
		.present = !(ar & SEG_AR_UNUSABLE),
		.avl = !!(ar & SEG_AR_AVL),
		.l = !!(ar & SEG_AR_L),
		.db = !!(ar & SEG_AR_DB),
		.g = !!(ar & SEG_AR_G),
		.unusable = !!(ar & SEG_AR_UNUSABLE),
	};
}

static u32 access_rights(const struct kvm_segment *s, enum segment seg)
{
	if (s->unusable || !s->present)
		return SEG_AR_UNUSABLE;
	/* VM entry wants code and data segments accessed, which they are once loaded. */
	return (s->type & SEG_AR_TYPE) | (seg == SEG_LDTR ? 0 : SEG_AR_TYPE_ACCESSED) |
	       (s->s ? SEG_AR_S : 0) | (s->dpl & 3) << SEG_AR_DPL_SHIFT | SEG_AR_P |
	       (s->avl ? SEG_AR_AVL : 0) | (s->l ? SEG_AR_L : 0) | (s->db ? SEG_AR_DB : 0) |
	       (s->g ? SEG_AR_G : 0);
}

static void put_segment(const struct kvm_segment *s, enum segment seg)
{
	vmwrite(SEGMENT_FIELD(GUEST_ES_SELECTOR, seg), s->selector);
	vmwrite(SEGMENT_FIELD(GUEST_ES_BASE, seg), s->base);
	vmwrite(SEGMENT_FIELD(GUEST_ES_LIMIT, seg), s->limit);
	vmwrite(SEGMENT_FIELD(GUEST_ES_AR_BYTES, seg), access_rights(s, seg));
}

/* SREGS2 is SREGS with another end; all that both have is in the same place. */
#define SREGS_COMMON offsetof(struct kvm_sregs, interrupt_bitmap)

static_assert(offsetof(struct kvm_sregs, apic_base) == offsetof(struct kvm_sregs2, apic_base));
static_assert(offsetof(struct kvm_sregs2, flags) == SREGS_COMMON);

static void get_segments(struct kvm_sregs2 *sregs)
{
	get_segment(&sregs->es, SEG_ES);
	get_segment(&sregs->cs, SEG_CS);
	get_segment(&sregs->ss, SEG_SS);
	get_segment(&sregs->ds, SEG_DS);
	get_segment(&sregs->fs, SEG_FS);
	get_segment(&sregs->gs, SEG_GS);
	get_segment(&sregs->ldt, SEG_LDTR);
	get_segment(&sregs->tr, SEG_TR);
	sregs->gdt.base = vmread(GUEST_GDTR_BASE);
	sregs->gdt.limit = vmread(GUEST_GDTR_LIMIT);
	sregs->idt.base = vmread(GUEST_IDTR_BASE);
	sregs->idt.limit = vmread(GUEST_IDTR_LIMIT);
}

static void put_segments(const struct kvm_sregs2 *sregs)
{
	put_segment(&sregs->es, SEG_ES);
	put_segment(&sregs->cs, SEG_CS);
	put_segment(&sregs->ss, SEG_SS);
	put_segment(&sregs->ds, SEG_DS);
	put_segment(&sregs->fs, SEG_FS);
	put_segment(&sregs->gs, SEG_GS);
	put_segment(&sregs->ldt, SEG_LDTR);
	put_segment(&sregs->tr, SEG_TR);
	vmwrite(GUEST_GDTR_BASE, sregs->gdt.base);
	vmwrite(GUEST_GDTR_LIMIT, sregs->gdt.limit);
	vmwrite(GUEST_IDTR_BASE, sregs->idt.base);
	vmwrite(GUEST_IDTR_LIMIT, sregs->idt.limit);
}

/* Between load and put, all but what the flags stand for. */
static void get_common(struct vcpu *vcpu, struct kvm_sregs2 *sregs)
{
	get_segments(sregs);
	sregs->cr0 = vmx_cr0(vcpu);
	sregs->cr2 = vcpu->vmx->cr2;
	sregs->cr3 = vmx_cr3(vcpu);
	sregs->cr4 = vmx_cr4(vcpu);
	sregs->cr8 = vmx_cr8(vcpu);
	sregs->efer = vcpu->vmx->efer;
	sregs->apic_base = vcpu->msrs.apic_base;
}

/* An external interrupt that is on its way to the guest: KVM's interrupt_bitmap. */
static int pending_interrupt(const struct vcpu_vmx *vmx)
{
	if (vmx->event.info && (vmx->event.info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_EXT_INTR)
		return vmx->event.info & INTR_INFO_VECTOR_MASK;
	return vmx->interrupt;
}

void vcpu_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	int vector = pending_interrupt(vcpu->vmx);
	struct kvm_sregs2 common = {};

	vcpu_load(vcpu);
	get_common(vcpu, &common);
	vcpu_put(vcpu);
	memcpy(sregs, &common, SREGS_COMMON);
	memset(sregs->interrupt_bitmap, 0, sizeof(sregs->interrupt_bitmap));
	if (vector >= 0)
		sregs->interrupt_bitmap[vector / 64] |= 1ull << (vector % 64);
}

/* Translation goes through the four PDPTEs, which the CPU has loaded (SDM 3A 4.4). */
static bool uses_pdptes(const struct kvm_sregs2 *sregs)
{
	return (sregs->cr0 & X86_CR0_PG) && (sregs->cr4 & X86_CR4_PAE) && !(sregs->efer & EFER_LMA);
}

void vcpu_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs)
{
	memset(sregs, 0, sizeof(*sregs));
	vcpu_load(vcpu);
	get_common(vcpu, sregs);
	if (uses_pdptes(sregs)) {
		sregs->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
		sregs->pdptrs[0] = vmread(GUEST_PDPTR0);
		sregs->pdptrs[1] = vmread(GUEST_PDPTR1);
		sregs->pdptrs[2] = vmread(GUEST_PDPTR2);
		sregs->pdptrs[3] = vmread(GUEST_PDPTR3);
	}
	vcpu_put(vcpu);
}

/* Long mode wants PAE and LMA, all other modes want neither LMA nor CS.L (SDM 3A 2.2). */
static bool mode_is_consistent(const struct vcpu *vcpu, const struct kvm_sregs2 *sregs)
{
	if ((sregs->efer & EFER_LME) && (sregs->cr0 & X86_CR0_PG))
		return (sregs->cr4 & X86_CR4_PAE) && (sregs->efer & EFER_LMA) &&
		       !(sregs->cr3 >> vcpu->cpuid.maxphyaddr);
	return !(sregs->efer & EFER_LMA) && !sregs->cs.l;
}

/* The one vector in the bitmap, -1 for none, -2 for more than one. */
static int bitmap_vector(const struct kvm_sregs *sregs)
{
	int i, vector = -1;

	for (i = 0; i < ARRAY_SIZE(sregs->interrupt_bitmap); i++) {
		u64 word = sregs->interrupt_bitmap[i];

		if (!word)
			continue;
		if (vector >= 0 || (word & (word - 1)))
			return -2;
		vector = i * 64 + __ffs64(word);
	}
	return vector;
}

static bool sregs_are_valid(struct vcpu *vcpu, const struct kvm_sregs2 *sregs)
{
	return cr0_is_valid(sregs->cr0) && cr4_is_valid(vcpu, sregs->cr4) &&
	       efer_is_valid(vcpu, sregs->efer) && mode_is_consistent(vcpu, sregs) &&
	       sregs->cr8 <= 15;
}

/* Checked and set in one go, the only part of KVM_SET_SREGS that another layer judges. */
static int set_apic_base(struct vcpu *vcpu, u64 value)
{
	if (value == vcpu->msrs.apic_base)
		return 0;
	return apic_set_base(vcpu, value, true);
}

/* An interrupt that was injected already, or on its way, is replaced by the caller's. */
static void put_interrupt(struct vcpu_vmx *vmx, int vector)
{
	if ((vmx->event.info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_EXT_INTR)
		vmx->event.info = 0;
	vmx->interrupt = vector;
	vcpu_request(vmx->vcpu, VCPU_REQ_EVENT);
}

/* Between load and put, after sregs_are_valid(). */
static void put_common(struct vcpu *vcpu, const struct kvm_sregs2 *sregs)
{
	put_segments(sregs);
	vmx_put_efer(vcpu, sregs->efer);
	vmx_put_cr0(vcpu, sregs->cr0);
	vmx_put_cr4(vcpu, sregs->cr4);
	vmx_put_cr3(vcpu, sregs->cr3);
	vmx_set_cr8(vcpu, sregs->cr8);
	vcpu->vmx->cr2 = sregs->cr2;
}

int vcpu_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	int vector = bitmap_vector(sregs);
	struct kvm_sregs2 common = {};

	memcpy(&common, sregs, SREGS_COMMON);
	if (vector == -2 || !sregs_are_valid(vcpu, &common) ||
	    set_apic_base(vcpu, sregs->apic_base))
		return -EINVAL;
	vcpu_load(vcpu);
	put_common(vcpu, &common);
	/* Memory may come later: then VM entry finds PDPTEs of zero, and the guest faults. */
	if (uses_pdptes(&common))
		vmx_load_pdptes(vcpu, common.cr3);
	put_interrupt(vcpu->vmx, vector);
	vcpu_put(vcpu);
	return 0;
}

void vcpu_init_reset(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	u64 caching = vmx_cr0(vcpu) & (X86_CR0_CD | X86_CR0_NW); /* the caches stay as they are */

	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[GPR_RDX] = VCPU_RESET_RDX;
	vmx->cr2 = 0;
	vmx->cr8 = 0;
	vmx->event.info = 0;
	vmx->pending.valid = false;
	vmx->nmi_pending = 0;
	vmx->interrupt = -1;
	vmx->io.complete = NULL;
	vmcs_reset_guest(vcpu);
	debug_reset(vcpu);
	vmx_put_cr0(vcpu, X86_CR0_ET | caching);
	if (!vcpu->apic)
		return;
	apic_timer_stop(vcpu);
	lapic_init(vcpu->apic);
	vcpu_request(vcpu, VCPU_REQ_EVENT);
}

void vcpu_sipi_start(struct vcpu *vcpu, u8 vector)
{
	vmwrite(GUEST_CS_SELECTOR, vector << 8);
	vmwrite(GUEST_CS_BASE, vector << 12);
	vmwrite(GUEST_RIP, 0);
}

int vcpu_set_sregs2(struct vcpu *vcpu, const struct kvm_sregs2 *sregs)
{
	bool pdptrs = sregs->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;

	if ((sregs->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID) || (pdptrs && !uses_pdptes(sregs)))
		return -EINVAL;
	if (!sregs_are_valid(vcpu, sregs) || set_apic_base(vcpu, sregs->apic_base))
		return -EINVAL;
	vcpu_load(vcpu);
	put_common(vcpu, sregs);
	if (pdptrs)
		vmx_put_pdptes(sregs->pdptrs);
	else if (uses_pdptes(sregs))
		vmx_load_pdptes(vcpu, sregs->cr3);
	vcpu_put(vcpu);
	return 0;
}
