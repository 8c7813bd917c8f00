// SPDX-License-Identifier: GPL-2.0
/*
 * The enlightened VMCS to struct vmcs12 and back: each field goes where it belongs,
 * unless its clean field says that it may stay, and nothing else is touched.
 */
#include "nested/evmcs.h"
#include "tap.h"

#define IN   1
#define OUT  2
#define BOTH 3

static const struct row {
	const char *name;
	u16 evmcs, vmcs12, bytes, group, way;
} rows[] = {
#define EVMCS_FIELD(name, group, way) \
	{ #name, offsetof(struct hv_enlightened_vmcs, name), offsetof(struct vmcs12, name), \
	  sizeof_field(struct vmcs12, name), HV_VMX_ENLIGHTENED_CLEAN_FIELD_##group, way },
#include "nested/evmcs_fields.h"
};

/* The ABI, at what stands behind each odd pad (TLFS, HV_VMX_ENLIGHTENED_VMCS). */
TEST(layout_is_hypervs)
{
	CHECK_EQ(offsetof(struct hv_enlightened_vmcs, host_ia32_pat), 24);
	CHECK_EQ(offsetof(struct hv_enlightened_vmcs, io_bitmap_a), 104);
	CHECK_EQ(offsetof(struct hv_enlightened_vmcs, vm_exit_msr_store_addr), 320);
	CHECK_EQ(sizeof(struct hv_enlightened_vmcs), 1024);
}

/* The clean field of one of each group, from the TLFS and not from the table. */
TEST(groups)
{
	static const struct {
		u16 at;
		u16 group;
	} known[] = {
#define AT(name, bit) { offsetof(struct hv_enlightened_vmcs, name), 1u << (bit) }
		AT(io_bitmap_b, 0),	       AT(msr_bitmap, 1),	 AT(tsc_offset, 2),
		AT(pin_based_vm_exec_control, 3), AT(cpu_based_vm_exec_control, 4),
		AT(vm_entry_intr_info_field, 5), AT(vm_entry_controls, 6),
		AT(exception_bitmap, 7),       AT(guest_cr3, 8),	 AT(ept_pointer, 9),
		AT(guest_rsp, 10),	       AT(guest_ia32_pat, 11),	 AT(guest_cs_base, 12),
		AT(host_rsp, 13),	       AT(host_rip, 14),
	};

	for (int i = 0; i < ARRAY_SIZE(known); i++) {
		int found = 0;

		for (int k = 0; k < ARRAY_SIZE(rows); k++) {
			if (rows[k].evmcs != known[i].at)
				continue;
			found++;
			CHECK_EQ(rows[k].group, known[i].group);
		}
		CHECK_EQ(found, 1);
	}
}

static void fill(void *p, size_t n, u8 seed)
{
	for (size_t i = 0; i < n; i++)
		((u8 *)p)[i] = seed + i * 7;
}

/* One row and one set of clean fields: is its value the one that is wanted afterwards? */
static void check_read(const struct row *row, u32 clean)
{
	bool read = (row->way & IN) && (!row->group || (row->group & ~clean));
	struct hv_enlightened_vmcs e;
	struct vmcs12 v;
	u8 want[8];

	fill(&e, sizeof(e), 3);
	fill(&v, sizeof(v), 100);
	memset((u8 *)&e + row->evmcs, 0xa5, row->bytes);
	memset((u8 *)&v + row->vmcs12, 0x5a, row->bytes);
	memset(want, read ? 0xa5 : 0x5a, sizeof(want));
	evmcs_to_vmcs12(&v, &e, clean);
	CHECK_MSG(!memcmp((u8 *)&v + row->vmcs12, want, row->bytes), "%s, clean %#x", row->name,
		  clean);
}

/* Nothing is clean; all is; all but one. */
TEST(read_each_field)
{
	const u32 all = HV_VMX_ENLIGHTENED_CLEAN_FIELD_ALL;

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		check_read(&rows[i], 0);
		for (int bit = 0; bit <= 16; bit++)
			check_read(&rows[i], all & ~(1u << bit));
	}
}

/* What an exit leaves; and all bytes that no OUT row has are L1's. */
TEST(write_only_what_is_ours)
{
	struct hv_enlightened_vmcs e, want;
	struct vmcs12 v;

	fill(&e, sizeof(e), 3);
	fill(&v, sizeof(v), 100);
	want = e;
	for (int i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].way & OUT)
			memcpy((u8 *)&want + rows[i].evmcs, (u8 *)&v + rows[i].vmcs12,
			       rows[i].bytes);
	evmcs_from_vmcs12(&e, &v);
	CHECK(!memcmp(&e, &want, sizeof(e)));
	CHECK_EQ(e.vm_exit_reason, v.vm_exit_reason);
	CHECK_EQ(e.guest_rip, v.guest_rip);
	CHECK(e.host_rip != v.host_rip);
}

/* The runs are the OUT rows' bytes, all of them and no other, each once. */
TEST(runs)
{
	u8 want[sizeof(struct hv_enlightened_vmcs)] = {}, found[sizeof(want)] = {};

	for (int i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].way & OUT)
			memset(want + rows[i].evmcs, 1, rows[i].bytes);
	for (int i = 0; i < EVMCS_RUNS; i++)
		for (int k = 0; k < evmcs_runs[i].bytes; k++)
			found[evmcs_runs[i].from + k]++;
	CHECK(!memcmp(want, found, sizeof(want)));
}

/* Bytes of struct vmcs12 that the enlightened one does not have stay as they were. */
TEST(read_nothing_else)
{
	struct vmcs12 v = { .apic_access_addr = 1, .pml_address = 2, .vm_function_control = 3,
			    .launch_state = VMCS12_LAUNCHED, .vm_exit_reason = 4 };
	struct hv_enlightened_vmcs e;

	memset(&e, 0xff, sizeof(e));
	evmcs_to_vmcs12(&v, &e, 0);
	CHECK_EQ(v.apic_access_addr, 1);
	CHECK_EQ(v.pml_address, 2);
	CHECK_EQ(v.vm_function_control, 3);
	CHECK_EQ(v.launch_state, VMCS12_LAUNCHED);
	CHECK_EQ(v.vm_exit_reason, 4);
	CHECK_EQ(v.revision, 0);
	CHECK_EQ(v.guest_rip, ~0ull);
}
