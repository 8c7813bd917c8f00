// SPDX-License-Identifier: GPL-2.0
/*
 * struct vmcs12's layout and its fields by encoding: what L1 writes it reads
 * again, and nothing else changes.
 */
#include <strings.h>

#include "nested/vmcs12.h"
#include "tap.h"

struct row {
	const char *name, *encoding_name;
	u16 offset, bytes;
	u32 encoding;
};

static const struct row rows[] = {
#define VMCS12_FIELD(at, type, name, encoding) \
	{ #name, #encoding, at, sizeof(type), encoding },
#define VMCS12_GAP(at, bytes)
#include "nested/vmcs12_fields.h"
};

/*
 * KVM's layout (arch/x86/kvm/vmx/vmcs12.h of 6.1), at the first and last field of each
 * width and beside each gap.  With the sizes all others follow.
 */
TEST(layout_is_kvms)
{
	CHECK_EQ(offsetof(struct vmcs12, revision), 0);
	CHECK_EQ(offsetof(struct vmcs12, abort), 4);
	CHECK_EQ(offsetof(struct vmcs12, launch_state), 8);
	CHECK_EQ(offsetof(struct vmcs12, io_bitmap_a), 40);
	CHECK_EQ(offsetof(struct vmcs12, ept_pointer), 120);
	CHECK_EQ(offsetof(struct vmcs12, vmcs_link_pointer), 176);
	CHECK_EQ(offsetof(struct vmcs12, tsc_multiplier), 328);
	CHECK_EQ(offsetof(struct vmcs12, cr0_guest_host_mask), 344);
	CHECK_EQ(offsetof(struct vmcs12, cr4_read_shadow), 368);
	CHECK_EQ(offsetof(struct vmcs12, exit_qualification), 408);
	CHECK_EQ(offsetof(struct vmcs12, guest_rip), 544);
	CHECK_EQ(offsetof(struct vmcs12, host_rip), 672);
	CHECK_EQ(offsetof(struct vmcs12, pin_based_vm_exec_control), 744);
	CHECK_EQ(offsetof(struct vmcs12, vm_exit_reason), 812);
	CHECK_EQ(offsetof(struct vmcs12, vmx_preemption_timer_value), 928);
	CHECK_EQ(offsetof(struct vmcs12, virtual_processor_id), 960);
	CHECK_EQ(offsetof(struct vmcs12, host_tr_selector), 994);
	CHECK_EQ(offsetof(struct vmcs12, guest_pml_index), 996);
	CHECK(sizeof(struct vmcs12) <= VMCS12_SIZE);
}

/* A field has the name of its encoding, so that no two rows are mixed up. */
TEST(names_and_encodings)
{
	for (int i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_MSG(!strcasecmp(rows[i].name, rows[i].encoding_name), "%s", rows[i].name);
}

/* Each field alone: only its own bytes change, and what is read is what fits. */
TEST(write_and_read_each_field)
{
	const u64 value = 0x8877665544332211;

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 fits = rows[i].bytes == 8 ? ~0ull : (1ull << rows[i].bytes * 8) - 1, got = 0;
		struct vmcs12 v = {}, want = {};

		memcpy((u8 *)&want + rows[i].offset, &value, rows[i].bytes);
		CHECK(vmcs12_write(&v, rows[i].encoding, value));
		CHECK_MSG(!memcmp(&v, &want, sizeof(v)), "%s", rows[i].name);
		CHECK(vmcs12_read(&v, rows[i].encoding, &got));
		CHECK_EQ(got, value & fits);
	}
}

/* Encodings that nobody has, and the upper halves of the 64-bit fields alone. */
TEST(which_fields_are_there)
{
	unsigned int there = 0, high = 0;

	for (u32 encoding = 0; encoding < 0x10000; encoding++) {
		struct vmcs12_place place = vmcs12_find(encoding);
		u32 full = encoding & ~VMCS_HIGH;
		const struct row *row = NULL;

		for (int i = 0; i < ARRAY_SIZE(rows); i++)
			if (rows[i].encoding == full)
				row = &rows[i];
		if (row && encoding != full && VMCS_WIDTH(full) != VMCS_64)
			row = NULL;
		CHECK_EQ(!!place.bytes, !!row);
		if (!row)
			continue;
		if (encoding == full) {
			there++;
			CHECK_EQ(place.offset, row->offset);
			CHECK_EQ(place.bytes, row->bytes);
		} else {
			high++;
			CHECK_EQ(place.offset, row->offset + 4);
			CHECK_EQ(place.bytes, 4);
		}
	}
	CHECK_EQ(there, ARRAY_SIZE(rows));
	CHECK_EQ(high, 37);
}

TEST(upper_half)
{
	struct vmcs12 v = { .tsc_offset = 0x1111111122222222 };
	u64 value = 0;

	CHECK(vmcs12_read(&v, TSC_OFFSET_HIGH, &value));
	CHECK_EQ(value, 0x11111111);
	CHECK(vmcs12_write(&v, TSC_OFFSET_HIGH, 0x9999999933333333));
	CHECK_EQ(v.tsc_offset, 0x3333333322222222);
	CHECK(vmcs12_write(&v, TSC_OFFSET, 5));
	CHECK_EQ(v.tsc_offset, 5);
}

/* Beyond the 15 bits of an encoding: L1 may ask for anything. */
TEST(rubbish)
{
	struct vmcs12 v = {};
	u64 value = 42;

	for (int bit = 15; bit < 64; bit++) {
		CHECK(!vmcs12_read(&v, GUEST_RIP | 1ull << bit, &value));
		CHECK(!vmcs12_write(&v, GUEST_RIP | 1ull << bit, 1));
	}
	CHECK(!vmcs12_read(&v, GUEST_RIP | 1 << 12, &value));
	CHECK(!vmcs12_read(&v, GUEST_RIP | 1, &value));
	CHECK(!vmcs12_read(&v, CR3_TARGET_VALUE0, &value));
	CHECK_EQ(value, 42);
	CHECK_EQ(v.guest_rip, 0);
}

TEST(read_only_fields)
{
	CHECK(vmcs12_is_read_only(VM_EXIT_REASON));
	CHECK(vmcs12_is_read_only(GUEST_PHYSICAL_ADDRESS_HIGH));
	CHECK(vmcs12_is_read_only(EXIT_QUALIFICATION));
	CHECK(!vmcs12_is_read_only(GUEST_RIP));
	CHECK(!vmcs12_is_read_only(EPT_POINTER));
	CHECK(!vmcs12_is_read_only(HOST_CR3));
	CHECK(!vmcs12_is_read_only(GUEST_PML_INDEX));
}

TEST(highest_index)
{
	CHECK_EQ(vmcs12_highest_index(), VMCS_INDEX(TSC_MULTIPLIER));
}
