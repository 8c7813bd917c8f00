// SPDX-License-Identifier: GPL-2.0
/*
 * VM entry's checks on guest state.
 */
#include "check_vmcs.h"

static const struct row registers[] = {
	{ "CR0", { { GUEST_CR0, 0x80050013 } } }, /* NE */
	{ "CR0", { { GUEST_CR0, 0x180050033 } } },
	{ "CR0", { { GUEST_CR0, 0x50033 } } },
	{ NULL, { { GUEST_CR0, 0xe0050033 } } }, /* CD and NW are not looked at */
	{ NULL, { { GUEST_CR0, 0xa0050033 } } },
	{ "CR4", { { GUEST_CR4, X86_CR4_PAE } } },
	{ "CR4", { { GUEST_CR4, X86_CR4_VMXE | X86_CR4_PAE | 1ull << 40 } } },
	{ "IA-32e mode without PG and PAE", { { GUEST_CR4, X86_CR4_VMXE } } },
	{ "CR3", { { GUEST_CR3, BEYOND } } },
	{ "CR3", { { GUEST_CR3, 1ull << 63 } } },
	{ NULL,
	  { { GUEST_IA32_DEBUGCTL, ~0ull },
	    { GUEST_IA32_PAT, 2 },
	    { GUEST_IA32_EFER, ~0ull },
	    { GUEST_DR7, ~0ull } } },
	{ NULL,
	  { { VM_ENTRY_CONTROLS, ENTRY | VM_ENTRY_LOAD_DEBUG_CONTROLS },
	    { GUEST_IA32_DEBUGCTL, 3 },
	    { GUEST_DR7, 0xffffffff } } },
	{ "DEBUGCTL",
	  { { VM_ENTRY_CONTROLS, ENTRY | VM_ENTRY_LOAD_DEBUG_CONTROLS },
	    { GUEST_IA32_DEBUGCTL, 4 } } },
	{ "DR7",
	  { { VM_ENTRY_CONTROLS, ENTRY | VM_ENTRY_LOAD_DEBUG_CONTROLS },
	    { GUEST_DR7, 1ull << 32 } } },
	{ "SYSENTER", { { GUEST_SYSENTER_ESP, NONCANON } } },
	{ "SYSENTER", { { GUEST_SYSENTER_EIP, NONCANON } } },
	{ "PAT", { { VM_ENTRY_CONTROLS, ENTRY | VM_ENTRY_LOAD_IA32_PAT }, { GUEST_IA32_PAT, 2 } } },
	{ NULL,
	  { { VM_ENTRY_CONTROLS, ENTRY | VM_ENTRY_LOAD_IA32_EFER },
	    { GUEST_IA32_EFER, EFER_LMA | EFER_LME } } },
	{ "EFER",
	  { { VM_ENTRY_CONTROLS, ENTRY | VM_ENTRY_LOAD_IA32_EFER },
	    { GUEST_IA32_EFER, EFER_LMA | EFER_LME | 1 << 13 } } },
	{ "EFER.LMA is not that of the guest's mode",
	  { { VM_ENTRY_CONTROLS, ENTRY | VM_ENTRY_LOAD_IA32_EFER }, { GUEST_IA32_EFER, 0 } } },
	{ "EFER.LMA without LME, or LME without LMA",
	  { { VM_ENTRY_CONTROLS, ENTRY | VM_ENTRY_LOAD_IA32_EFER },
	    { GUEST_IA32_EFER, EFER_LMA } } },
	{ "RIP", { { GUEST_RIP, NONCANON } } },
	{ "RIP", { { GUEST_CS_AR_BYTES, 0xc09b } } }, /* compatibility mode */
	{ "reserved bits of RFLAGS", { { GUEST_RFLAGS, 0 } } },
	{ "reserved bits of RFLAGS", { { GUEST_RFLAGS, 2 | 1 << 3 } } },
	{ "reserved bits of RFLAGS", { { GUEST_RFLAGS, 2 | 1 << 5 } } },
	{ "reserved bits of RFLAGS", { { GUEST_RFLAGS, 2 | 1 << 15 } } },
	{ "reserved bits of RFLAGS", { { GUEST_RFLAGS, 2 | 1 << 22 } } },
	{ "reserved bits of RFLAGS", { { GUEST_RFLAGS, 2 | 1ull << 63 } } },
	{ "an interrupt is injected with RFLAGS.IF clear", { INFO(0x20) } },
};

static const struct row registers_32[] = {
	{ NULL, { { GUEST_RIP, 0xffffffff } } },
	{ "RIP", { { GUEST_RIP, 1ull << 32 } } },
	{ "PCIDs outside IA-32e mode", { { GUEST_CR4, X86_CR4_VMXE | X86_CR4_PCIDE } } },
};

static const struct row registers_real[] = {
	{ "CR0.PG without PE", { { GUEST_CR0, 0x80000030 } } },
	{ "CR0", { { GUEST_CR0, X86_CR0_ET } } }, /* NE stays fixed */
};

static const struct row registers_v8086[] = {
	{ "RFLAGS.VM", { { VM_ENTRY_CONTROLS, ENTRY } } },
};

TEST(guest_registers)
{
	TRY(good_64, registers);
	TRY(good_32, registers_32);
	TRY(good_real, registers_real);
	TRY(good_v8086, registers_v8086);
	good_v8086();
	v.secondary_vm_exec_control = EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST;
	v.ept_pointer = EPTP;
	v.guest_cr0 = X86_CR0_NE;
	CHECK_BROKEN("RFLAGS.VM");
}

/* Unusable, and with that almost free. */
#define U SEG_AR_UNUSABLE

static const struct row segments_64[] = {
	{ NULL, { { GUEST_CS_AR_BYTES, 0xa099 } } }, /* execute-only */
	{ "CS", { { GUEST_CS_AR_BYTES, 0xa093 } } }, /* data */
	{ "CS", { { GUEST_CS_AR_BYTES, 0xa09a } } }, /* not accessed */
	{ "CS", { { GUEST_CS_AR_BYTES, 0xa08b } } }, /* a system segment */
	{ "CS", { { GUEST_CS_AR_BYTES, 0xa01b } } }, /* not present */
	{ "CS", { { GUEST_CS_AR_BYTES, 0xa0fb } } }, /* DPL 3, SS has 0 */
	{ "CS", { { GUEST_CS_AR_BYTES, 0xa0bf } } }, /* conforming, above SS */
	{ NULL, { { GUEST_CS_AR_BYTES, 0xa09f } } },
	{ "CS", { { GUEST_CS_AR_BYTES, 0xa19b } } }, /* reserved */
	{ "CS", { { GUEST_CS_AR_BYTES, 0x2a09b } } },
	{ "CS", { { GUEST_CS_AR_BYTES, 0xa09b | U } } },
	{ "CS", { { GUEST_CS_AR_BYTES, 0xe09b } } }, /* L and D */
	{ "CS", { { GUEST_CS_AR_BYTES, 0x209b } } }, /* the limit wants G */
	{ "CS", { { GUEST_CS_LIMIT, 0xfffffffe } } },
	{ "CS", { { GUEST_CS_BASE, 1ull << 32 } } },
	{ NULL, { { GUEST_SS_AR_BYTES, U }, { GUEST_SS_BASE, ~0ull }, { GUEST_SS_LIMIT, 5 } } },
	{ NULL, { { GUEST_SS_AR_BYTES, 0xc097 } } }, /* expands down */
	{ "SS", { { GUEST_SS_AR_BYTES, 0xc091 } } }, /* read-only */
	{ "SS", { { GUEST_SS_AR_BYTES, 0xc083 } } },
	{ "SS", { { GUEST_SS_AR_BYTES, 0xc013 } } },
	{ "SS", { { GUEST_SS_AR_BYTES, 0xc193 } } },
	{ "SS", { { GUEST_SS_BASE, 1ull << 32 } } },
	{ "SS", { { GUEST_SS_SELECTOR, 3 } } },	     /* not CS's RPL */
	{ "SS", { { GUEST_SS_AR_BYTES, 0xc0f3 } } }, /* DPL is not RPL */
	{ "SS", { { GUEST_SS_AR_BYTES, U | 0x60 } } },
	{ NULL,
	  { { GUEST_SS_SELECTOR, 3 },
	    { GUEST_CS_SELECTOR, 3 },
	    { GUEST_SS_AR_BYTES, 0xc0f3 },
	    { GUEST_CS_AR_BYTES, 0xa0fb } } },
	{ "DS", { { GUEST_DS_AR_BYTES, 0xc092 } } }, /* not accessed */
	{ "DS", { { GUEST_DS_AR_BYTES, 0xc099 } } }, /* code that cannot be read */
	{ NULL, { { GUEST_DS_AR_BYTES, 0xc09b } } },
	{ "DS", { { GUEST_DS_AR_BYTES, 0xc083 } } },
	{ "DS", { { GUEST_DS_AR_BYTES, 0xc013 } } },
	{ "DS", { { GUEST_DS_AR_BYTES, 0x4093 } } },
	{ "DS", { { GUEST_DS_SELECTOR, 3 } } },				       /* DPL 0 */
	{ NULL, { { GUEST_DS_SELECTOR, 3 }, { GUEST_DS_AR_BYTES, 0xc09f } } }, /* conforming */
	{ NULL, { { GUEST_DS_SELECTOR, 3 }, { GUEST_DS_AR_BYTES, U } } },
	{ "DS", { { GUEST_DS_BASE, 1ull << 32 } } },
	{ NULL, { { GUEST_DS_AR_BYTES, U }, { GUEST_DS_BASE, 1ull << 32 } } },
	{ "ES", { { GUEST_ES_AR_BYTES, 0xc092 } } },
	{ "ES", { { GUEST_ES_BASE, 1ull << 32 } } },
	{ "FS", { { GUEST_FS_AR_BYTES, 0xc092 } } },
	{ NULL, { { GUEST_FS_BASE, 0xffff800000000000 } } },
	{ "FS", { { GUEST_FS_AR_BYTES, U }, { GUEST_FS_BASE, NONCANON } } },
	{ "GS", { { GUEST_GS_AR_BYTES, 0xc092 } } },
	{ "GS", { { GUEST_GS_AR_BYTES, U }, { GUEST_GS_BASE, NONCANON } } },
};

static const struct row system_segments[] = {
	{ "TR", { { GUEST_TR_SELECTOR, 4 } } },
	{ NULL, { { GUEST_TR_SELECTOR, 3 } } },
	{ "TR", { { GUEST_TR_BASE, NONCANON } } },
	{ "TR", { { GUEST_TR_AR_BYTES, 0x8b | U } } },
	{ "TR", { { GUEST_TR_AR_BYTES, 0x9b } } },
	{ "TR", { { GUEST_TR_AR_BYTES, 0x0b } } },
	{ "TR", { { GUEST_TR_AR_BYTES, 0x18b } } },
	{ "TR", { { GUEST_TR_AR_BYTES, 0x808b } } },
	{ "TR", { { GUEST_TR_LIMIT, 0x100000 } } },
	{ "type of TR", { { GUEST_TR_AR_BYTES, 0x83 } } },
	{ "type of TR", { { GUEST_TR_AR_BYTES, 0x89 } } },
	{ NULL, { { GUEST_LDTR_AR_BYTES, 0x82 } } },
	{ NULL, { { GUEST_LDTR_SELECTOR, 4 }, { GUEST_LDTR_BASE, NONCANON } } },
	{ "LDTR", { { GUEST_LDTR_AR_BYTES, 0x82 }, { GUEST_LDTR_SELECTOR, 4 } } },
	{ "LDTR", { { GUEST_LDTR_AR_BYTES, 0x82 }, { GUEST_LDTR_BASE, NONCANON } } },
	{ "LDTR", { { GUEST_LDTR_AR_BYTES, 0x83 } } },
	{ "LDTR", { { GUEST_LDTR_AR_BYTES, 0x92 } } },
	{ "LDTR", { { GUEST_LDTR_AR_BYTES, 0x02 } } },
	{ "LDTR", { { GUEST_LDTR_AR_BYTES, 0x8082 } } },
	{ "GDTR", { { GUEST_GDTR_BASE, NONCANON } } },
	{ "GDTR", { { GUEST_GDTR_LIMIT, 0x10000 } } },
	{ "IDTR", { { GUEST_IDTR_BASE, NONCANON } } },
	{ "IDTR", { { GUEST_IDTR_LIMIT, 0x10000 } } },
};

static const struct row system_segments_32[] = {
	{ NULL, { { GUEST_TR_AR_BYTES, 0x83 } } },
};

static const struct row segments_real[] = {
	{ NULL, { { GUEST_CS_AR_BYTES, 0x9b } } },
	{ NULL, { { GUEST_SS_SELECTOR, 3 }, { GUEST_DS_SELECTOR, 3 } } },
	{ "SS", { { GUEST_SS_AR_BYTES, 0xf3 } } }, /* there is no other level */
	{ "CS", { { GUEST_CS_AR_BYTES, 0xf3 } } },
	{ "SS", { { GUEST_CR0, X86_CR0_NE | X86_CR0_PE }, { GUEST_SS_AR_BYTES, 0xf3 } } },
};

static const struct row segments_v8086[] = {
	{ NULL, { { GUEST_ES_SELECTOR, 0xffff }, { GUEST_ES_BASE, 0xffff0 } } },
	{ "segment of virtual-8086 mode", { { GUEST_CS_BASE, 0x10 } } },
	{ "segment of virtual-8086 mode", { { GUEST_SS_LIMIT, 0xfffe } } },
	{ "segment of virtual-8086 mode", { { GUEST_DS_AR_BYTES, 0x93 } } },
	{ "segment of virtual-8086 mode", { { GUEST_ES_SELECTOR, 1 } } },
	{ "segment of virtual-8086 mode", { { GUEST_FS_BASE, 0x20 } } },
	{ "segment of virtual-8086 mode", { { GUEST_GS_AR_BYTES, U | 0xf3 } } },
};

TEST(guest_segments)
{
	TRY(good_64, segments_64);
	TRY(good_64, system_segments);
	TRY(good_32, system_segments_32);
	TRY(good_real, segments_real);
	TRY(good_v8086, segments_v8086);
}

#define SHADOW_STI \
	{ GUEST_INTERRUPTIBILITY_INFO, 1 }, \
	{ \
		GUEST_RFLAGS, 0x202 \
	}
#define SHADOW_MOV_SS \
	{ \
		GUEST_INTERRUPTIBILITY_INFO, 2 \
	}
#define STATE(n) \
	{ \
		GUEST_ACTIVITY_STATE, n \
	}

static const struct row activity[] = {
	{ NULL, { STATE(1) } },
	{ NULL, { STATE(2) } },
	{ NULL, { STATE(3) } },
	{ "activity state", { STATE(4) } },
	{ "activity state", { STATE(0x80000000) } },
	{ "HLT outside privilege level 0",
	  { STATE(1),
	    { GUEST_SS_SELECTOR, 3 },
	    { GUEST_CS_SELECTOR, 3 },
	    { GUEST_SS_AR_BYTES, 0xc0f3 },
	    { GUEST_CS_AR_BYTES, 0xa0fb } } },
	{ "asleep in the shadow of STI or MOV SS", { STATE(1), SHADOW_STI } },
	{ "asleep in the shadow of STI or MOV SS", { STATE(2), SHADOW_MOV_SS } },
	{ NULL, { STATE(1), INFO(0x20), { GUEST_RFLAGS, 0x202 } } },
	{ NULL, { STATE(1), INFO(2 << 8 | 2) } },
	{ NULL, { STATE(1), INFO(3 << 8 | 1) } },
	{ NULL, { STATE(1), INFO(3 << 8 | 18) } },
	{ NULL, { STATE(1), INFO(7 << 8) } },
	{ "the injected event cannot wake the guest", { STATE(1), INFO(3 << 8 | 6) } },
	{ NULL, { STATE(2), INFO(2 << 8 | 2) } },
	{ NULL, { STATE(2), INFO(3 << 8 | 18) } },
	{ "the injected event cannot wake the guest",
	  { STATE(2), INFO(0x20), { GUEST_RFLAGS, 0x202 } } },
	{ "the injected event cannot wake the guest", { STATE(3), INFO(2 << 8 | 2) } },
};

static const struct row interruptibility[] = {
	{ NULL, { SHADOW_STI } },
	{ NULL, { SHADOW_MOV_SS } },
	{ NULL, { { GUEST_INTERRUPTIBILITY_INFO, 8 } } },
	{ "reserved bits of the interruptibility state, or SMM",
	  { { GUEST_INTERRUPTIBILITY_INFO, 4 } } },
	{ "reserved bits of the interruptibility state, or SMM",
	  { { GUEST_INTERRUPTIBILITY_INFO, 16 } } },
	{ "reserved bits of the interruptibility state, or SMM",
	  { { GUEST_INTERRUPTIBILITY_INFO, 1u << 31 } } },
	{ "blocking by STI and by MOV SS",
	  { { GUEST_INTERRUPTIBILITY_INFO, 3 }, { GUEST_RFLAGS, 0x202 } } },
	{ "blocking by STI with RFLAGS.IF clear", { { GUEST_INTERRUPTIBILITY_INFO, 1 } } },
	{ "an interrupt is injected where it is blocked", { SHADOW_STI, INFO(0x20) } },
	{ "an interrupt is injected where it is blocked",
	  { SHADOW_MOV_SS, INFO(0x20), { GUEST_RFLAGS, 0x202 } } },
	{ "an NMI is injected where MOV SS blocks it", { SHADOW_MOV_SS, INFO(2 << 8 | 2) } },
	{ "an NMI is injected where STI blocks it", { SHADOW_STI, INFO(2 << 8 | 2) } },
	{ "an NMI is injected where NMIs are blocked",
	  { { GUEST_INTERRUPTIBILITY_INFO, 8 }, INFO(2 << 8 | 2) } },
	{ NULL,
	  { { GUEST_INTERRUPTIBILITY_INFO, 8 },
	    INFO(2 << 8 | 2),
	    { PIN_BASED_VM_EXEC_CONTROL, PIN & ~PIN_BASED_VIRTUAL_NMIS } } },
	{ NULL, { SHADOW_STI, INFO(3 << 8 | 6) } },
};

#define PENDING(x) \
	{ \
		GUEST_PENDING_DBG_EXCEPTIONS, x \
	}
#define STEPPING \
	{ \
		GUEST_RFLAGS, 0x302 \
	}

static const struct row pending_debug[] = {
	{ NULL, { PENDING(0x500f) } },
	{ "reserved bits of the pending debug exceptions", { PENDING(0x10) } },
	{ "reserved bits of the pending debug exceptions", { PENDING(0x800) } },
	{ "reserved bits of the pending debug exceptions", { PENDING(0x2000) } },
	{ "reserved bits of the pending debug exceptions", { PENDING(0x8000) } },
	{ "reserved bits of the pending debug exceptions", { PENDING(1ull << 17) } },
	{ NULL, { STEPPING } },
	{ "pending single step", { SHADOW_MOV_SS, STEPPING } },
	{ NULL, { SHADOW_MOV_SS, STEPPING, PENDING(0x4000) } },
	{ "pending single step", { STATE(1), STEPPING } },
	{ "pending single step", { STATE(1), PENDING(0x4000) } },
	{ "pending single step", { SHADOW_STI, PENDING(0x4000) } },
	{ "pending single step",
	  { STATE(1), STEPPING, PENDING(0x4000), { GUEST_IA32_DEBUGCTL, 2 } } },
	{ NULL, { STATE(1), STEPPING, { GUEST_IA32_DEBUGCTL, 2 } } },
	{ "pending debug exception of a transaction", { PENDING(0x11000) } },
};

TEST(guest_states)
{
	TRY(good_64, activity);
	TRY(good_64, interruptibility);
	TRY(good_64, pending_debug);
	for (int state = 1; state <= 3; state++) {
		good_64();
		caps.misc &= ~(MISC_ACTIVITY_HLT << (state - 1));
		v.guest_activity_state = state;
		CHECK_BROKEN("activity state");
	}
	good_64();
	check.rtm = true;
	v.guest_pending_dbg_exceptions = 0x11000;
	CHECK_BROKEN(NULL);
	v.guest_pending_dbg_exceptions = 0x10000;
	CHECK_BROKEN("pending debug exception of a transaction");
	v.guest_pending_dbg_exceptions = 0x11000;
	v.guest_interruptibility_info = 2;
	CHECK_BROKEN("pending debug exception of a transaction");
}

TEST(qualifications)
{
	u64 qualification = 42;

	good_64();
	CHECK(!check_guest(&check, &qualification));
	CHECK_EQ(qualification, 0);
	v.guest_cr3 = ~0ull;
	CHECK(check_guest(&check, &qualification));
	CHECK_EQ(qualification, ENTRY_FAIL_DEFAULT);
	good_64();
	v.vm_entry_intr_info_field = 0x80000202;
	v.guest_interruptibility_info = 1;
	v.guest_rflags |= X86_EFLAGS_IF;
	CHECK(check_guest(&check, &qualification));
	CHECK_EQ(qualification, ENTRY_FAIL_NMI);
	good_64();
	v.vmcs_link_pointer = 0x1008;
	CHECK(check_guest(&check, &qualification));
	CHECK_EQ(qualification, ENTRY_FAIL_VMCS_LINK_PTR);
	v.vmcs_link_pointer = BEYOND;
	CHECK(check_guest(&check, &qualification));
	CHECK_EQ(qualification, ENTRY_FAIL_VMCS_LINK_PTR);
	v.vmcs_link_pointer = 0x1000;
	CHECK(!check_guest(&check, &qualification));
}

TEST(what_the_link_pointer_points_to)
{
	good_64();
	CHECK(!check_link(&v, VMCS12_REVISION));
	CHECK(check_link(&v, VMCS12_REVISION ^ 1));
	CHECK(check_link(&v, VMCS12_REVISION | VMCS12_SHADOW));
	v.secondary_vm_exec_control = SECONDARY_EXEC_SHADOW_VMCS;
	CHECK(check_link(&v, VMCS12_REVISION));
	CHECK(!check_link(&v, VMCS12_REVISION | VMCS12_SHADOW));
}

TEST(pdptes)
{
	u64 pdpte[4] = { 0x1001, ~1ull, 0x2001 | 0xe18, 0 };

	good_64();
	CHECK(!check_has_pdptes(&v));
	good_32();
	CHECK(check_has_pdptes(&v));
	v.guest_cr4 &= ~X86_CR4_PAE;
	CHECK(!check_has_pdptes(&v));
	good_real();
	CHECK(!check_has_pdptes(&v));

	CHECK(!check_pdptes(pdpte, MAXPHYADDR));
	for (int bit = 1; bit < 64; bit++) {
		bool reserved = bit <= 2 || (bit >= 5 && bit <= 8) || bit >= MAXPHYADDR;

		pdpte[3] = 1 | 1ull << bit;
		CHECK_EQ(!!check_pdptes(pdpte, MAXPHYADDR), reserved);
	}
}
