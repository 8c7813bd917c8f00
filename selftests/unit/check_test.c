// SPDX-License-Identifier: GPL-2.0
/*
 * VM entry's checks on controls, host state and MSR areas.
 */
#include "check_vmcs.h"

TEST(good_ones)
{
	void (*const good[])(void) = { good_64, good_32, good_real, good_v8086 };

	for (int i = 0; i < ARRAY_SIZE(good); i++) {
		const char *broken;
		u64 qualification;

		good[i]();
		broken = first_broken(&qualification);
		CHECK_MSG(!broken, "%d: %s", i, broken);
	}
}

/* Each bit of each word of controls, against every MSR that may forbid it. */
TEST(words_of_controls)
{
	static const struct {
		u32 field, good;
		size_t cap;
		const char *broken;
	} words[] = {
		{ PIN_BASED_VM_EXEC_CONTROL, PIN, offsetof(struct nested_caps, pinbased),
		  "reserved pin-based controls" },
		{ CPU_BASED_VM_EXEC_CONTROL, PRIMARY, offsetof(struct nested_caps, procbased),
		  "reserved processor-based controls" },
		{ SECONDARY_VM_EXEC_CONTROL, 0, offsetof(struct nested_caps, procbased2),
		  "reserved secondary controls" },
		{ VM_EXIT_CONTROLS, EXIT, offsetof(struct nested_caps, exit),
		  "reserved VM-exit controls" },
		{ VM_ENTRY_CONTROLS, ENTRY, offsetof(struct nested_caps, entry),
		  "reserved VM-entry controls" },
	};

	for (int w = 0; w < ARRAY_SIZE(words); w++) {
		for (int bit = 0; bit < 32; bit++) {
			bool on = words[w].good >> bit & 1;
			const char *broken;
			u64 *cap;

			good_64();
			cap = (u64 *)((u8 *)&caps + words[w].cap);
			/* Exactly what is set may be, and nothing must. */
			*cap = (u64)words[w].good << 32;
			CHECK(!check_controls(&check));
			vmcs12_write(&v, words[w].field, words[w].good ^ 1u << bit);
			if (on)
				*cap |= 1u << bit; /* must be 1, and is not */
			broken = check_controls(&check);
			/* Without the control the secondary word does not count. */
			CHECK_MSG(broken && !strcmp(broken, words[w].broken), "word %d, bit %d: %s",
				  w, bit, broken ?: "good");
		}
	}
}

#define S(control) \
	{ \
		ON2, control \
	}

static const struct row controls[] = {
	{ NULL, { { CR3_TARGET_COUNT, 4 } } },
	{ "too many CR3-target values", { { CR3_TARGET_COUNT, 5 } } },
	{ NULL,
	  { { CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_USE_IO_BITMAPS },
	    { IO_BITMAP_A, 0x1000 },
	    { IO_BITMAP_B, BEYOND - 4096 } } },
	{ NULL, { { IO_BITMAP_A, 1 }, { IO_BITMAP_B, 1 }, { MSR_BITMAP, 1 } } },
	{ "I/O bitmap address",
	  { { CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_USE_IO_BITMAPS },
	    { IO_BITMAP_A, 0x1800 } } },
	{ "I/O bitmap address",
	  { { CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_USE_IO_BITMAPS },
	    { IO_BITMAP_B, 1 } } },
	{ "I/O bitmap address",
	  { { CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_USE_IO_BITMAPS },
	    { IO_BITMAP_A, BEYOND } } },
	{ "MSR bitmap address",
	  { { CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_USE_MSR_BITMAPS },
	    { MSR_BITMAP, 0x10 } } },
	{ "MSR bitmap address",
	  { { CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_USE_MSR_BITMAPS },
	    { MSR_BITMAP, BEYOND } } },
	{ "virtual NMIs without NMI exiting",
	  { { PIN_BASED_VM_EXEC_CONTROL, PIN & ~PIN_BASED_NMI_EXITING } } },
	{ "NMI-window exiting without virtual NMIs",
	  { { PIN_BASED_VM_EXEC_CONTROL, PIN & ~PIN_BASED_VIRTUAL_NMIS },
	    { CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_NMI_WINDOW_EXITING } } },
	{ NULL, { { CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_NMI_WINDOW_EXITING } } },
	/* What the secondary word says does not count unless it is switched on. */
	{ NULL,
	  { S(EPT),
	    { CPU_BASED_VM_EXEC_CONTROL, PRIMARY & ~CPU_BASED_ACTIVATE_SECONDARY_CONTROLS } } },
};

#define TPR \
	{ \
		CPU_BASED_VM_EXEC_CONTROL, PRIMARY | CPU_BASED_TPR_SHADOW \
	}

static const struct row apic[] = {
	{ NULL, { TPR, { TPR_THRESHOLD, 15 } } },
	{ "virtual-APIC address", { TPR, { VIRTUAL_APIC_PAGE_ADDR, 0x1008 } } },
	{ "virtual-APIC address", { TPR, { VIRTUAL_APIC_PAGE_ADDR, BEYOND } } },
	{ "TPR threshold", { TPR, { TPR_THRESHOLD, 16 } } },
	{ NULL, { TPR, { TPR_THRESHOLD, 16 }, S(SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) } },
	{ "APIC virtualization without TPR shadow", { S(SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE) } },
	{ "APIC virtualization without TPR shadow", { S(SECONDARY_EXEC_APIC_REGISTER_VIRT) } },
	{ "APIC virtualization without TPR shadow", { S(SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) } },
	{ NULL, { TPR, S(SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE) } },
	{ NULL, { S(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES), { APIC_ACCESS_ADDR, 0x1000 } } },
	{ "APIC-access address",
	  { S(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES), { APIC_ACCESS_ADDR, 0x1001 } } },
	{ "APIC-access address",
	  { S(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES), { APIC_ACCESS_ADDR, BEYOND } } },
	{ "APIC accesses and x2APIC mode, both virtualized",
	  { TPR,
	    S(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE) } },
	{ "virtual interrupts without external-interrupt exiting",
	  { TPR,
	    S(SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY),
	    { PIN_BASED_VM_EXEC_CONTROL, PIN & ~PIN_BASED_EXT_INTR_MASK } } },
	{ "posted interrupts", { { PIN_BASED_VM_EXEC_CONTROL, PIN | PIN_BASED_POSTED_INTR } } },
	{ NULL,
	  { { PIN_BASED_VM_EXEC_CONTROL, PIN | PIN_BASED_POSTED_INTR },
	    TPR,
	    S(SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY),
	    { VM_EXIT_CONTROLS, EXIT | VM_EXIT_ACK_INTR_ON_EXIT } } },
	{ "posted interrupts",
	  { { PIN_BASED_VM_EXEC_CONTROL, PIN | PIN_BASED_POSTED_INTR },
	    TPR,
	    S(SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY),
	    { VM_EXIT_CONTROLS, EXIT | VM_EXIT_ACK_INTR_ON_EXIT },
	    { POSTED_INTR_NV, 256 } } },
	{ "posted interrupts",
	  { { PIN_BASED_VM_EXEC_CONTROL, PIN | PIN_BASED_POSTED_INTR },
	    TPR,
	    S(SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY),
	    { VM_EXIT_CONTROLS, EXIT | VM_EXIT_ACK_INTR_ON_EXIT },
	    { POSTED_INTR_DESC_ADDR, 32 } } },
};

static const struct row secondary[] = {
	{ "VPID 0", { S(SECONDARY_EXEC_ENABLE_VPID) } },
	{ NULL, { { VIRTUAL_PROCESSOR_ID, 1 }, S(SECONDARY_EXEC_ENABLE_VPID) } },
	{ NULL, { S(EPT), { EPT_POINTER, EPTP } } },
	{ "EPT pointer", { S(EPT) } },
	{ "EPT pointer", { S(EPT), { EPT_POINTER, EPTP | BEYOND } } },
	{ "unrestricted guest or mode-based execute without EPT",
	  { S(SECONDARY_EXEC_UNRESTRICTED_GUEST) } },
	{ "unrestricted guest or mode-based execute without EPT",
	  { S(SECONDARY_EXEC_MODE_BASED_EPT_EXEC) } },
	{ "PML", { S(SECONDARY_EXEC_ENABLE_PML) } },
	{ "PML",
	  { S(EPT | SECONDARY_EXEC_ENABLE_PML), { EPT_POINTER, EPTP }, { PML_ADDRESS, 0x1008 } } },
	{ "PML",
	  { S(EPT | SECONDARY_EXEC_ENABLE_PML), { EPT_POINTER, EPTP }, { PML_ADDRESS, BEYOND } } },
	{ NULL, { S(EPT | SECONDARY_EXEC_ENABLE_PML), { EPT_POINTER, EPTP } } },
	{ "VMREAD or VMWRITE bitmap address",
	  { S(SECONDARY_EXEC_SHADOW_VMCS), { VMREAD_BITMAP, 1 } } },
	{ "VMREAD or VMWRITE bitmap address",
	  { S(SECONDARY_EXEC_SHADOW_VMCS), { VMWRITE_BITMAP, BEYOND } } },
	{ NULL, { S(SECONDARY_EXEC_SHADOW_VMCS) } },
	{ "reserved VM functions",
	  { S(SECONDARY_EXEC_ENABLE_VMFUNC), { VM_FUNCTION_CONTROL, 2 } } },
	{ "EPTP switching", { S(SECONDARY_EXEC_ENABLE_VMFUNC), { VM_FUNCTION_CONTROL, 1 } } },
	{ NULL, { S(SECONDARY_EXEC_ENABLE_VMFUNC) } },
	{ NULL,
	  { S(EPT | SECONDARY_EXEC_ENABLE_VMFUNC),
	    { EPT_POINTER, EPTP },
	    { VM_FUNCTION_CONTROL, 1 } } },
	{ "EPTP switching",
	  { S(EPT | SECONDARY_EXEC_ENABLE_VMFUNC),
	    { EPT_POINTER, EPTP },
	    { VM_FUNCTION_CONTROL, 1 },
	    { EPTP_LIST_ADDRESS, 8 } } },
	{ "EPTP switching",
	  { S(EPT | SECONDARY_EXEC_ENABLE_VMFUNC),
	    { EPT_POINTER, EPTP },
	    { VM_FUNCTION_CONTROL, 1 },
	    { EPTP_LIST_ADDRESS, BEYOND } } },
	{ NULL, /* nobody looks at it */
	  { S(EPT | SECONDARY_EXEC_ENABLE_VMFUNC),
	    { EPT_POINTER, EPTP },
	    { EPTP_LIST_ADDRESS, BEYOND } } },
};

static const struct row areas[] = {
	{ "save preemption timer without the timer",
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_SAVE_VMX_PREEMPTION_TIMER } } },
	{ NULL,
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_SAVE_VMX_PREEMPTION_TIMER },
	    { PIN_BASED_VM_EXEC_CONTROL, PIN | PIN_BASED_VMX_PREEMPTION_TIMER } } },
	{ NULL,
	  { { VM_EXIT_MSR_STORE_ADDR, 1 },
	    { VM_EXIT_MSR_LOAD_ADDR, 1 },
	    { VM_ENTRY_MSR_LOAD_ADDR, 1 } } },
	{ NULL, { { VM_EXIT_MSR_STORE_COUNT, 2 }, { VM_EXIT_MSR_STORE_ADDR, BEYOND - 32 } } },
	{ "VM-exit MSR-store area",
	  { { VM_EXIT_MSR_STORE_COUNT, 1 }, { VM_EXIT_MSR_STORE_ADDR, 8 } } },
	{ "VM-exit MSR-store area",
	  { { VM_EXIT_MSR_STORE_COUNT, 3 }, { VM_EXIT_MSR_STORE_ADDR, BEYOND - 32 } } },
	{ "VM-exit MSR-load area",
	  { { VM_EXIT_MSR_LOAD_COUNT, ~0u }, { VM_EXIT_MSR_LOAD_ADDR, ~0xfull } } },
	{ "VM-exit MSR-load area",
	  { { VM_EXIT_MSR_LOAD_COUNT, 1 }, { VM_EXIT_MSR_LOAD_ADDR, 4 } } },
	{ "VM-entry MSR-load area",
	  { { VM_ENTRY_MSR_LOAD_COUNT, 1 }, { VM_ENTRY_MSR_LOAD_ADDR, BEYOND } } },
	{ "VM-entry MSR-load area",
	  { { VM_ENTRY_MSR_LOAD_COUNT, 1 }, { VM_ENTRY_MSR_LOAD_ADDR, 2 } } },
};

#define CODE 0x800

static const struct row events[] = {
	{ NULL, { { VM_ENTRY_INTR_INFO_FIELD, 0x7fffffff } } }, /* not valid */
	{ NULL, { INFO(0x20), { GUEST_RFLAGS, 0x202 } } },
	{ "type of the injected event", { INFO(1 << 8) } },
	{ NULL, { INFO(7 << 8) } },
	{ "vector of the injected event", { INFO(7 << 8 | 1) } },
	{ NULL, { INFO(2 << 8 | 2) } },
	{ "vector of the injected event", { INFO(2 << 8 | 3) } },
	{ "vector of the injected event", { INFO(3 << 8 | 32) } },
	{ NULL, { INFO(3 << 8 | CODE | 13) } },
	{ "error code with the injected event, or none", { INFO(3 << 8 | 13) } },
	{ "error code with the injected event, or none", { INFO(3 << 8 | CODE | 6) } },
	{ "error code with the injected event, or none", { INFO(2 << 8 | CODE | 2) } },
	{ "error code with the injected event, or none", { INFO(6 << 8 | CODE | 13) } },
	{ "reserved bits of the injected event", { INFO(3 << 8 | 6 | 1 << 12) } },
	{ "reserved bits of the injected event", { INFO(3 << 8 | 6 | 1 << 30) } },
	{ NULL, { INFO(3 << 8 | CODE | 13), { VM_ENTRY_EXCEPTION_ERROR_CODE, 0x7fff } } },
	{ "error code of the injected event",
	  { INFO(3 << 8 | CODE | 13), { VM_ENTRY_EXCEPTION_ERROR_CODE, 0x8000 } } },
	{ NULL, { INFO(4 << 8 | 0x80), { VM_ENTRY_INSTRUCTION_LEN, 15 } } },
	{ "length of the injected event's instruction",
	  { INFO(4 << 8 | 0x80), { VM_ENTRY_INSTRUCTION_LEN, 16 } } },
	{ "length of the injected event's instruction", { INFO(5 << 8 | 1) } },
	{ "length of the injected event's instruction", { INFO(6 << 8 | 3) } },
};

/* In real mode no error code is pushed. */
static const struct row real_events[] = {
	{ NULL, { INFO(3 << 8 | 13) } },
	{ "error code with the injected event, or none", { INFO(3 << 8 | CODE | 13) } },
	/* Protected mode of an unrestricted guest. */
	{ NULL, { INFO(3 << 8 | CODE | 13), { GUEST_CR0, X86_CR0_NE | X86_CR0_PE } } },
};

TEST(execution_controls)
{
	TRY(good_64, controls);
	TRY(good_64, apic);
	TRY(good_64, secondary);
	TRY(good_64, areas);
}

TEST(injected_events)
{
	TRY(good_64, events);
	TRY(good_real, real_events);
	good_64();
	caps.misc |= MISC_ZERO_LENGTH;
	v.vm_entry_intr_info_field = 0x80000000 | 4 << 8 | 0x80;
	CHECK(!check_controls(&check));
	caps.procbased &= ~((u64)CPU_BASED_MONITOR_TRAP_FLAG << 32);
	v.vm_entry_intr_info_field = 0x80000000 | 7 << 8;
	CHECK(check_controls(&check)); /* without MTF there is no such event */
}

static const struct row host[] = {
	{ "host CR0", { { HOST_CR0, 0x80000020 } } },
	{ "host CR0", { { HOST_CR0, 0x180050033 } } },
	{ "host CR4", { { HOST_CR4, X86_CR4_PAE } } },
	{ "host CR4", { { HOST_CR4, X86_CR4_VMXE | X86_CR4_PAE | 1 << 11 } } },
	{ "host CR3", { { HOST_CR3, BEYOND } } },
	{ "host CR3", { { HOST_CR3, 1ull << 63 } } },
	{ "host SYSENTER", { { HOST_IA32_SYSENTER_ESP, NONCANON } } },
	{ "host SYSENTER", { { HOST_IA32_SYSENTER_EIP, NONCANON } } },
	{ NULL, { { HOST_IA32_PAT, 2 }, { HOST_IA32_EFER, ~0ull } } }, /* they are not loaded */
	{ NULL,
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_LOAD_IA32_PAT },
	    { HOST_IA32_PAT, 0x0007040600010506 } } },
	{ "host PAT",
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_LOAD_IA32_PAT }, { HOST_IA32_PAT, 2 } } },
	{ "host PAT",
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_LOAD_IA32_PAT }, { HOST_IA32_PAT, 3ull << 56 } } },
	{ "host PAT",
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_LOAD_IA32_PAT }, { HOST_IA32_PAT, 8ull << 32 } } },
	{ NULL,
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_LOAD_IA32_EFER },
	    { HOST_IA32_EFER, EFER_LMA | EFER_LME | EFER_NX } } },
	{ "host EFER",
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_LOAD_IA32_EFER },
	    { HOST_IA32_EFER, EFER_LMA | EFER_LME | 2 } } },
	{ "host EFER",
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_LOAD_IA32_EFER }, { HOST_IA32_EFER, EFER_LME } } },
	{ "host EFER",
	  { { VM_EXIT_CONTROLS, EXIT | VM_EXIT_LOAD_IA32_EFER }, { HOST_IA32_EFER, EFER_LMA } } },
	{ "RPL or TI of a host selector", { { HOST_CS_SELECTOR, 0x11 } } },
	{ "RPL or TI of a host selector", { { HOST_SS_SELECTOR, 0x1a } } },
	{ "RPL or TI of a host selector", { { HOST_DS_SELECTOR, 4 } } },
	{ "RPL or TI of a host selector", { { HOST_ES_SELECTOR, 1 } } },
	{ "RPL or TI of a host selector", { { HOST_FS_SELECTOR, 2 } } },
	{ "RPL or TI of a host selector", { { HOST_GS_SELECTOR, 3 } } },
	{ "RPL or TI of a host selector", { { HOST_TR_SELECTOR, 0x44 } } },
	{ "null host CS or TR", { { HOST_CS_SELECTOR, 0 } } },
	{ "null host CS or TR", { { HOST_TR_SELECTOR, 0 } } },
	{ "base of a host segment", { { HOST_FS_BASE, NONCANON } } },
	{ "base of a host segment", { { HOST_GS_BASE, NONCANON } } },
	{ "base of a host segment", { { HOST_GDTR_BASE, NONCANON } } },
	{ "base of a host segment", { { HOST_IDTR_BASE, NONCANON } } },
	{ "base of a host segment", { { HOST_TR_BASE, NONCANON } } },
	{ "host RIP", { { HOST_RIP, NONCANON } } },
	{ "64-bit host without PAE", { { HOST_CR4, X86_CR4_VMXE } } },
	{ "host address-space size is not that of the mode",
	  { { VM_EXIT_CONTROLS, EXIT & ~VM_EXIT_HOST_ADDR_SPACE_SIZE }, { HOST_SS_SELECTOR, 8 } } },
	{ "null host SS", { { VM_EXIT_CONTROLS, EXIT & ~VM_EXIT_HOST_ADDR_SPACE_SIZE } } },
};

/* A 32-bit hypervisor. */
static void good_l1_32(void)
{
	good_32();
	check.long_mode = false;
	v.vm_exit_controls = EXIT & ~VM_EXIT_HOST_ADDR_SPACE_SIZE;
	v.host_ss_selector = 8;
	v.host_rip = 0xc0000000;
}

static const struct row host_32[] = {
	{ NULL, { { HOST_RIP, 0xffffffff } } },
	{ "host RIP", { { HOST_RIP, 1ull << 32 } } },
	{ "32-bit host with PCIDs", { { HOST_CR4, X86_CR4_VMXE | X86_CR4_PCIDE } } },
	{ "IA-32e mode guest of a 32-bit host", { { VM_ENTRY_CONTROLS, ENTRY } } },
	{ "host address-space size is not that of the mode", { { VM_EXIT_CONTROLS, EXIT } } },
};

TEST(host_state)
{
	TRY(good_64, host);
	TRY(good_l1_32, host_32);
}

TEST(vtpr)
{
	good_64();
	v.tpr_threshold = 5;
	CHECK(!check_reads_vtpr(&v));
	v.cpu_based_vm_exec_control |= CPU_BASED_TPR_SHADOW;
	CHECK(check_reads_vtpr(&v));
	v.secondary_vm_exec_control = SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
	CHECK(!check_reads_vtpr(&v));
	v.secondary_vm_exec_control = SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	CHECK(!check_reads_vtpr(&v));
	CHECK(!check_vtpr(&v, 0x50));
	CHECK(!check_vtpr(&v, 0xf0));
	CHECK(check_vtpr(&v, 0x4f));
}

TEST(msr_areas)
{
	CHECK(check_may_load_msr(MSR_EFER) && check_may_store_msr(MSR_EFER));
	CHECK(!check_may_load_msr(MSR_FS_BASE) && check_may_store_msr(MSR_FS_BASE));
	CHECK(!check_may_load_msr(MSR_GS_BASE) && check_may_store_msr(MSR_GS_BASE));
	CHECK(!check_may_load_msr(MSR_IA32_UCODE_WRITE) && !check_may_load_msr(MSR_IA32_UCODE_REV));
	CHECK(!check_may_load_msr(0x9b) && !check_may_store_msr(0x9b));
	CHECK(!check_may_load_msr(0x9e) && !check_may_store_msr(0x9e));
	CHECK(!check_may_load_msr(1ull << 32 | MSR_EFER) &&
	      !check_may_store_msr(1ull << 63 | MSR_EFER));
	for (u32 index = 0x7ff; index <= 0x900; index++) {
		bool x2apic = index != 0x7ff && index != 0x900;

		CHECK_EQ(!check_may_load_msr(index), x2apic);
		CHECK_EQ(!check_may_store_msr(index), x2apic);
	}
}
