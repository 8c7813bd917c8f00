// SPDX-License-Identifier: GPL-2.0
/*
 * VM entry's checks on the guest's state (SDM 3C 27.3.1).
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "nested/bits.h"

#define RFLAGS_RESERVED (GENMASK_ULL(63, 22) | BIT_ULL(15) | BIT_ULL(5) | BIT_ULL(3))

#define DEBUGCTL_BTF BIT_ULL(1)

/* Pending debug exceptions (SDM 3C table 25-4): B0 to B3, enabled breakpoint, BS, RTM. */
#define PENDING_BREAKPOINTS GENMASK_ULL(3, 0)
#define PENDING_ENABLED	    BIT_ULL(12)
#define PENDING_RTM	    BIT_ULL(16)
#define PENDING_ALL	    (PENDING_BREAKPOINTS | PENDING_ENABLED | PENDING_DEBUG_BS | PENDING_RTM)

#define INTR_STATE_RESERVED GENMASK(31, 4) /* with enclave interruption: no SGX */

/* A PDPTE of PAE paging (SDM 3A table 4-8). */
#define PDPTE_P	       BIT_ULL(0)
#define PDPTE_RESERVED (GENMASK_ULL(2, 1) | GENMASK_ULL(8, 5))

/* A segment register as it is in the VMCS. */
struct segment {
	u16 selector;
	u32 ar, limit;
	u64 base;
};

/* That of @v, which whoever asks has at hand. */
#define SEGMENT(name) \
	((struct segment){ v->guest_##name##_selector, v->guest_##name##_ar_bytes, \
			   v->guest_##name##_limit, v->guest_##name##_base })

static bool has_entry(const struct vmcs12 *v, u32 control)
{
	return v->vm_entry_controls & control;
}

static bool is_unrestricted(const struct vmcs12 *v)
{
	return has_secondary(v, SECONDARY_EXEC_UNRESTRICTED_GUEST);
}

static bool is_v8086(const struct vmcs12 *v)
{
	return v->guest_rflags & X86_EFLAGS_VM;
}

static bool is_usable(u32 ar)
{
	return !(ar & SEG_AR_UNUSABLE);
}

static u32 type_of(u32 ar)
{
	return ar & SEG_AR_TYPE;
}

static u32 dpl_of(u32 ar)
{
	return ar >> SEG_AR_DPL_SHIFT & 3;
}

static bool is_code(u32 ar)
{
	return ar & BIT(3);
}

/* Control registers: 27.3.1.1. */
static const char *check_control_registers(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	const struct nested_caps *caps = c->caps;
	/* Entry does not load CD and NW; unrestricted guests choose PE and PG. */
	u64 free = X86_CR0_CD | X86_CR0_NW, cr0 = v->guest_cr0;
	bool paging = cr0 & X86_CR0_PG;

	if (is_unrestricted(v))
		free |= X86_CR0_PE | X86_CR0_PG;
	if (!nested_is_fixed(cr0 | (free & caps->cr0_fixed0), caps->cr0_fixed0,
			     caps->cr0_fixed1 | free))
		return "CR0";
	if (paging && !(cr0 & X86_CR0_PE))
		return "CR0.PG without PE";
	if (!nested_is_fixed(v->guest_cr4, caps->cr4_fixed0, caps->cr4_fixed1))
		return "CR4";
	if (has_entry(v, VM_ENTRY_IA32E_MODE) && !(paging && (v->guest_cr4 & X86_CR4_PAE)))
		return "IA-32e mode without PG and PAE";
	if (!has_entry(v, VM_ENTRY_IA32E_MODE) && (v->guest_cr4 & X86_CR4_PCIDE))
		return "PCIDs outside IA-32e mode";
	return fits(v->guest_cr3, c->maxphyaddr) ? NULL : "CR3";
}

/* Debug registers and MSRs: 27.3.1.1. */
static const char *check_msrs(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	u64 efer = v->guest_ia32_efer;

	if (has_entry(v, VM_ENTRY_LOAD_DEBUG_CONTROLS)) {
		if (v->guest_ia32_debugctl & ~c->debugctl)
			return "DEBUGCTL";
		if (v->guest_dr7 >> 32)
			return "DR7";
	}
	if (!gva_is_canonical(v->guest_sysenter_esp) || !gva_is_canonical(v->guest_sysenter_eip))
		return "SYSENTER";
	if (has_entry(v, VM_ENTRY_LOAD_IA32_PAT) && !is_pat(v->guest_ia32_pat))
		return "PAT";
	if (!has_entry(v, VM_ENTRY_LOAD_IA32_EFER))
		return NULL;
	if (efer & ~c->efer)
		return "EFER";
	if (!(efer & EFER_LMA) != !has_entry(v, VM_ENTRY_IA32E_MODE))
		return "EFER.LMA is not that of the guest's mode";
	if ((v->guest_cr0 & X86_CR0_PG) && !(efer & EFER_LMA) != !(efer & EFER_LME))
		return "EFER.LMA without LME, or LME without LMA";
	return NULL;
}

/* Limit and granularity, and the bits of access rights that no segment has. */
static bool is_plain(const struct segment *s)
{
	if (s->ar & (GENMASK(31, 17) | GENMASK(11, 8)))
		return false;
	return s->ar & SEG_AR_G ? (s->limit & 0xfff) == 0xfff : !(s->limit >> 20);
}

/* Virtual-8086 mode has one kind of segment: 27.3.1.2. */
static bool is_v8086_segment(const struct segment *s)
{
	return s->base == (u64)s->selector << 4 && s->limit == 0xffff && s->ar == 0xf3;
}

/* DS, ES, FS, GS, if they are usable. */
static bool is_data(const struct vmcs12 *v, const struct segment *s)
{
	u32 type = type_of(s->ar);

	if (!is_usable(s->ar))
		return true;
	if (!(s->ar & SEG_AR_S) || !(s->ar & SEG_AR_P) || !is_plain(s))
		return false;
	if (!(type & SEG_AR_TYPE_ACCESSED) || (is_code(s->ar) && !(type & BIT(1))))
		return false;
	/* Conforming code may have any DPL. */
	return is_unrestricted(v) || type > 11 || dpl_of(s->ar) >= (s->selector & SELECTOR_RPL);
}

static bool is_good_cs(const struct vmcs12 *v, const struct segment *cs, u32 ss_ar)
{
	u32 type = type_of(cs->ar), dpl = dpl_of(cs->ar);

	if (!(cs->ar & SEG_AR_S) || !(cs->ar & SEG_AR_P) || !is_plain(cs) || !is_usable(cs->ar))
		return false;
	if (has_entry(v, VM_ENTRY_IA32E_MODE) && (cs->ar & SEG_AR_L) && (cs->ar & SEG_AR_DB))
		return false;
	switch (type) {
	case 3: /* data, as after a reset */
		return is_unrestricted(v) && dpl == 0;
	case 9:
	case 11:
		return dpl == dpl_of(ss_ar);
	case 13:
	case 15: /* conforming */
		return dpl <= dpl_of(ss_ar);
	}
	return false;
}

static bool is_good_ss(const struct vmcs12 *v, const struct segment *ss, const struct segment *cs)
{
	u32 rpl = ss->selector & SELECTOR_RPL, dpl = dpl_of(ss->ar);

	if (!is_unrestricted(v) && (rpl != (cs->selector & SELECTOR_RPL) || rpl != dpl))
		return false;
	if (dpl && (type_of(cs->ar) == 3 || !(v->guest_cr0 & X86_CR0_PE)))
		return false;
	if (!is_usable(ss->ar))
		return true;
	return (type_of(ss->ar) == 3 || type_of(ss->ar) == 7) && (ss->ar & SEG_AR_S) &&
	       (ss->ar & SEG_AR_P) && is_plain(ss);
}

/* CS to GS: 27.3.1.2. */
static const char *check_segments(const struct vmcs12 *v)
{
	struct segment cs = SEGMENT(cs), ss = SEGMENT(ss), ds = SEGMENT(ds);
	struct segment es = SEGMENT(es), fs = SEGMENT(fs), gs = SEGMENT(gs);

	if (is_v8086(v))
		return is_v8086_segment(&cs) && is_v8086_segment(&ss) && is_v8086_segment(&ds) &&
				       is_v8086_segment(&es) && is_v8086_segment(&fs) &&
				       is_v8086_segment(&gs) ?
			       NULL :
			       "segment of virtual-8086 mode";
	if (!is_good_ss(v, &ss, &cs) || (is_usable(ss.ar) && ss.base >> 32))
		return "SS";
	if (!is_good_cs(v, &cs, ss.ar) || cs.base >> 32)
		return "CS";
	if (!is_data(v, &ds) || (is_usable(ds.ar) && ds.base >> 32))
		return "DS";
	if (!is_data(v, &es) || (is_usable(es.ar) && es.base >> 32))
		return "ES";
	if (!is_data(v, &fs) || !gva_is_canonical(fs.base))
		return "FS";
	if (!is_data(v, &gs) || !gva_is_canonical(gs.base))
		return "GS";
	return NULL;
}

/* TR, LDTR: 27.3.1.2; GDTR, IDTR: 27.3.1.3. */
static const char *check_system_segments(const struct vmcs12 *v)
{
	struct segment tr = SEGMENT(tr), ldtr = SEGMENT(ldtr);
	u32 type = type_of(tr.ar);

	if ((tr.selector & SELECTOR_TI) || !gva_is_canonical(tr.base) || !is_usable(tr.ar) ||
	    (tr.ar & SEG_AR_S) || !(tr.ar & SEG_AR_P) || !is_plain(&tr))
		return "TR";
	if (type != 11 && (type != 3 || has_entry(v, VM_ENTRY_IA32E_MODE)))
		return "type of TR";
	if (is_usable(ldtr.ar) && ((ldtr.selector & SELECTOR_TI) || !gva_is_canonical(ldtr.base) ||
				   type_of(ldtr.ar) != 2 || (ldtr.ar & SEG_AR_S) ||
				   !(ldtr.ar & SEG_AR_P) || !is_plain(&ldtr)))
		return "LDTR";
	if (!gva_is_canonical(v->guest_gdtr_base) || v->guest_gdtr_limit >> 16)
		return "GDTR";
	if (!gva_is_canonical(v->guest_idtr_base) || v->guest_idtr_limit >> 16)
		return "IDTR";
	return NULL;
}

/* 27.3.1.4. */
static const char *check_rip_and_rflags(const struct vmcs12 *v)
{
	bool long_mode = has_entry(v, VM_ENTRY_IA32E_MODE);
	u32 info = v->vm_entry_intr_info_field;

	if (long_mode && (v->guest_cs_ar_bytes & SEG_AR_L)) {
		if (!gva_is_canonical(v->guest_rip))
			return "RIP";
	} else if (v->guest_rip >> 32) {
		return "RIP";
	}
	if ((v->guest_rflags & RFLAGS_RESERVED) || !(v->guest_rflags & X86_EFLAGS_FIXED))
		return "reserved bits of RFLAGS";
	if (is_v8086(v) && (long_mode || !(v->guest_cr0 & X86_CR0_PE)))
		return "RFLAGS.VM";
	if ((info & INTR_INFO_VALID_MASK) &&
	    (info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_EXT_INTR &&
	    !(v->guest_rflags & X86_EFLAGS_IF))
		return "an interrupt is injected with RFLAGS.IF clear";
	return NULL;
}

/* May this event be injected into a CPU that sleeps? */
static bool wakes(u32 info, u32 activity)
{
	u32 type = info & INTR_INFO_INTR_TYPE_MASK, vector = info & INTR_INFO_VECTOR_MASK;
	bool mce = type == INTR_TYPE_HARD_EXCEPTION && vector == 18;

	switch (activity) {
	case GUEST_ACTIVITY_HLT:
		return type == INTR_TYPE_EXT_INTR || type == INTR_TYPE_NMI_INTR || mce ||
		       (type == INTR_TYPE_HARD_EXCEPTION && vector == 1) || type == EVENT_OTHER;
	case GUEST_ACTIVITY_SHUTDOWN:
		return type == INTR_TYPE_NMI_INTR || mce;
	case GUEST_ACTIVITY_WAIT_SIPI:
		return false;
	}
	return true;
}

static bool is_offered(const struct nested_caps *caps, u32 activity)
{
	switch (activity) {
	case GUEST_ACTIVITY_ACTIVE:
		return true;
	case GUEST_ACTIVITY_HLT:
		return caps->misc & MISC_ACTIVITY_HLT;
	case GUEST_ACTIVITY_SHUTDOWN:
		return caps->misc & MISC_ACTIVITY_SHUTDOWN;
	case GUEST_ACTIVITY_WAIT_SIPI:
		return caps->misc & MISC_ACTIVITY_SIPI;
	}
	return false;
}

/* 27.3.1.5. */
static const char *check_activity(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	u32 activity = v->guest_activity_state;

	if (!is_offered(c->caps, activity))
		return "activity state";
	if (activity == GUEST_ACTIVITY_HLT && dpl_of(v->guest_ss_ar_bytes))
		return "HLT outside privilege level 0";
	if (activity != GUEST_ACTIVITY_ACTIVE &&
	    (v->guest_interruptibility_info & INTR_STATE_SHADOW))
		return "asleep in the shadow of STI or MOV SS";
	if ((v->vm_entry_intr_info_field & INTR_INFO_VALID_MASK) &&
	    !wakes(v->vm_entry_intr_info_field, activity))
		return "the injected event cannot wake the guest";
	return NULL;
}

/* 27.3.1.5. */
static const char *check_interruptibility(const struct vmcs12 *v, u64 *qualification)
{
	u32 state = v->guest_interruptibility_info, info = v->vm_entry_intr_info_field;
	u32 type = info & INTR_INFO_INTR_TYPE_MASK;
	bool sti = state & GUEST_INTR_STATE_STI, mov_ss = state & GUEST_INTR_STATE_MOV_SS;

	if (state & (INTR_STATE_RESERVED | GUEST_INTR_STATE_SMI))
		return "reserved bits of the interruptibility state, or SMM";
	if (sti && mov_ss)
		return "blocking by STI and by MOV SS";
	if (sti && !(v->guest_rflags & X86_EFLAGS_IF))
		return "blocking by STI with RFLAGS.IF clear";
	if (!(info & INTR_INFO_VALID_MASK))
		return NULL;
	if (type == INTR_TYPE_EXT_INTR && (sti || mov_ss))
		return "an interrupt is injected where it is blocked";
	if (type != INTR_TYPE_NMI_INTR)
		return NULL;
	if (mov_ss)
		return "an NMI is injected where MOV SS blocks it";
	if (sti) {
		/* A CPU may take it, and the one below might not. */
		*qualification = ENTRY_FAIL_NMI;
		return "an NMI is injected where STI blocks it";
	}
	if ((state & GUEST_INTR_STATE_NMI) &&
	    (v->pin_based_vm_exec_control & PIN_BASED_VIRTUAL_NMIS))
		return "an NMI is injected where NMIs are blocked";
	return NULL;
}

/* 27.3.1.5: BS tells of a single step that is still due. */
static const char *check_pending_debug(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	u64 pending = v->guest_pending_dbg_exceptions;
	bool stepping =
		(v->guest_rflags & X86_EFLAGS_TF) && !(v->guest_ia32_debugctl & DEBUGCTL_BTF);
	bool waits = (v->guest_interruptibility_info & INTR_STATE_SHADOW) ||
		     v->guest_activity_state == GUEST_ACTIVITY_HLT;

	if (pending & ~PENDING_ALL)
		return "reserved bits of the pending debug exceptions";
	if (waits && stepping != !!(pending & PENDING_DEBUG_BS))
		return "pending single step";
	if ((pending & PENDING_RTM) && (!c->rtm || (pending & ~PENDING_RTM) != PENDING_ENABLED ||
					(v->guest_interruptibility_info & GUEST_INTR_STATE_MOV_SS)))
		return "pending debug exception of a transaction";
	return NULL;
}

static const char *check_link_pointer(const struct check *c, u64 *qualification)
{
	gpa_t link = c->v->vmcs_link_pointer;

	if (link == ~0ull || (PAGE_ALIGNED(link) && fits(link, c->maxphyaddr)))
		return NULL;
	*qualification = ENTRY_FAIL_VMCS_LINK_PTR;
	return "VMCS link pointer";
}

const char *check_guest(const struct check *c, u64 *qualification)
{
	const char *broken;

	*qualification = ENTRY_FAIL_DEFAULT;
	broken = check_control_registers(c);
	broken = broken ?: check_msrs(c);
	broken = broken ?: check_segments(c->v);
	broken = broken ?: check_system_segments(c->v);
	broken = broken ?: check_rip_and_rflags(c->v);
	broken = broken ?: check_activity(c);
	broken = broken ?: check_interruptibility(c->v, qualification);
	broken = broken ?: check_pending_debug(c);
	return broken ?: check_link_pointer(c, qualification);
}

const char *check_link(const struct vmcs12 *v, u32 first)
{
	bool shadow = first & VMCS12_SHADOW;

	if ((first & ~VMCS12_SHADOW) != VMCS12_REVISION)
		return "revision behind the VMCS link pointer";
	if (shadow != has_secondary(v, SECONDARY_EXEC_SHADOW_VMCS))
		return "shadow VMCS behind the VMCS link pointer, or none";
	return NULL;
}

bool check_has_pdptes(const struct vmcs12 *v)
{
	return (v->guest_cr0 & X86_CR0_PG) && (v->guest_cr4 & X86_CR4_PAE) &&
	       !has_entry(v, VM_ENTRY_IA32E_MODE);
}

const char *check_pdptes(const u64 pdpte[4], u8 maxphyaddr)
{
	int i;

	for (i = 0; i < 4; i++)
		if ((pdpte[i] & PDPTE_P) &&
		    ((pdpte[i] & PDPTE_RESERVED) || !fits(pdpte[i], maxphyaddr)))
			return "PDPTE";
	return NULL;
}
