/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMCSs that are good, and how they are broken in one place at a time.  A row says
 * which rule that breaks, or that it breaks none.  For check_test.c and
 * check_guest_test.c alone.
 */
#ifndef VELLUM_UNIT_CHECK_VMCS_H
#define VELLUM_UNIT_CHECK_VMCS_H

#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "nested/check.h"
#include "tap.h"

#define MAXPHYADDR 46
#define BEYOND	   (1ull << MAXPHYADDR)
#define NONCANON   0x800000000000ull

/* Everything that a CPU could have, so that every rule is reached. */
static const struct nested_caps all = {
	.basic = VMCS12_REVISION,
	.pinbased = 0xff00000016,
	.procbased = 0xffffffff04006172,
	.procbased2 = 0xffffffff00000000,
	.exit = 0xffffff00036dfb,
	.entry = 0xfffff000011fb,
	.misc = 4 << 16 | MISC_ACTIVITY_HLT | MISC_ACTIVITY_SHUTDOWN | MISC_ACTIVITY_SIPI,
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = X86_CR4_VMXE,
	.cr4_fixed1 = 0x7727ff,
	.ept_vpid = VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_AD_BIT,
	.vmfunc = VMX_VMFUNC_EPTP_SWITCHING,
};

static struct nested_caps caps;
static struct vmcs12 v;
static struct check check;

#define PIN	(0x16 | PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS)
#define PRIMARY (0x04006172 | CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
#define ON2	SECONDARY_VM_EXEC_CONTROL
#define EXIT	(0x36dfb | VM_EXIT_HOST_ADDR_SPACE_SIZE)
#define ENTRY	(0x11fb | VM_ENTRY_IA32E_MODE)
#define EPT	SECONDARY_EXEC_ENABLE_EPT
#define EPTP	(0x1000 | 6 | 3 << 3)

static void good_host(void)
{
	v.host_cr0 = 0x80050033;
	v.host_cr4 = X86_CR4_VMXE | X86_CR4_PAE;
	v.host_cr3 = 0x5000;
	v.host_cs_selector = 0x10;
	v.host_tr_selector = 0x40;
	v.host_rip = 0xffffffff81000000;
}

static void segments(u32 cs_ar, u32 data_ar, u32 limit)
{
	v.guest_cs_ar_bytes = cs_ar;
	v.guest_ss_ar_bytes = data_ar;
	v.guest_ds_ar_bytes = data_ar;
	v.guest_es_ar_bytes = data_ar;
	v.guest_fs_ar_bytes = data_ar;
	v.guest_gs_ar_bytes = data_ar;
	v.guest_cs_limit = limit;
	v.guest_ss_limit = limit;
	v.guest_ds_limit = limit;
	v.guest_es_limit = limit;
	v.guest_fs_limit = limit;
	v.guest_gs_limit = limit;
}

/* A kernel in 64-bit mode; EPT is off. */
static void good_64(void)
{
	caps = all;
	memset(&v, 0, sizeof(v));
	v.pin_based_vm_exec_control = PIN;
	v.cpu_based_vm_exec_control = PRIMARY;
	v.vm_exit_controls = EXIT;
	v.vm_entry_controls = ENTRY;
	v.vmcs_link_pointer = ~0ull;
	good_host();
	v.guest_cr0 = 0x80050033;
	v.guest_cr4 = X86_CR4_VMXE | X86_CR4_PAE;
	v.guest_cr3 = 0x5000;
	v.guest_rflags = X86_EFLAGS_FIXED;
	v.guest_rip = 0xffffffff81000000;
	segments(0xa09b, 0xc093, ~0u);
	v.guest_tr_ar_bytes = 0x8b;
	v.guest_tr_limit = 0x67;
	v.guest_ldtr_ar_bytes = SEG_AR_UNUSABLE;
	v.guest_gdtr_limit = 0xffff;
	v.guest_idtr_limit = 0xfff;
	check = (struct check){
		.v = &v,
		.caps = &caps,
		.maxphyaddr = MAXPHYADDR,
		.long_mode = true,
		.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX,
		.debugctl = 3,
	};
}

/* A 32-bit kernel with PAE. */
static void good_32(void)
{
	good_64();
	v.vm_entry_controls = ENTRY & ~VM_ENTRY_IA32E_MODE;
	v.guest_rip = 0xc0100000;
	segments(0xc09b, 0xc093, ~0u);
}

/* Real mode, by an unrestricted guest. */
static void good_real(void)
{
	good_32();
	v.secondary_vm_exec_control = EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST;
	v.ept_pointer = EPTP;
	v.guest_cr0 = X86_CR0_NE | X86_CR0_ET;
	v.guest_rip = 0xfff0;
	segments(0x93, 0x93, 0xffff);
}

static void good_v8086(void)
{
	good_32();
	v.guest_rflags |= X86_EFLAGS_VM;
	segments(0xf3, 0xf3, 0xffff);
}

static const char *first_broken(u64 *qualification)
{
	const char *broken = check_controls(&check);

	*qualification = 0;
	broken = broken ?: check_host(&check);
	return broken ?: check_guest(&check, qualification);
}

#define INFO(value) \
	{ \
		VM_ENTRY_INTR_INFO_FIELD, 0x80000000 | (value) \
	}

/* Fields to be set, up to one that is 0, and what is then broken, or NULL. */
struct row {
	const char *broken;
	struct {
		u32 field;
		u64 value;
	} set[5];
};

static void try_row(void (*good)(void), const struct row *row, int number)
{
	const char *broken;
	u64 qualification;

	good();
	for (int i = 0; i < ARRAY_SIZE(row->set); i++) {
		if (i && !row->set[i].field)
			break; /* VPID, which is 0, comes first where it comes at all */
		CHECK(vmcs12_write(&v, row->set[i].field, row->set[i].value));
	}
	broken = first_broken(&qualification);
	CHECK_MSG(broken == row->broken || (broken && row->broken && !strcmp(broken, row->broken)),
		  "row %d: \"%s\", not \"%s\"", number, broken ?: "good", row->broken ?: "good");
}

#define CHECK_BROKEN(want) \
	do { \
		u64 to; \
		const char *broken_now = first_broken(&to), *wanted = (want); \
		CHECK_MSG(wanted ? broken_now && !strcmp(broken_now, wanted) : !broken_now, "%s", \
			  broken_now ?: "good"); \
	} while (0)
#define TRY(good, rows) \
	do { \
		for (int row = 0; row < ARRAY_SIZE(rows); row++) \
			try_row(good, &(rows)[row], row); \
	} while (0)

#endif
