// SPDX-License-Identifier: GPL-2.0
/*
 * What L1 changes between two entries of L2 has effect, however little of its VMCS is
 * looked at again; and whether an MSR of L2's exits follows L1's bitmap as it is when
 * L2 accesses it.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "l1.h"

FIXTURE(nested_state)
{
	struct l1 l1;
};

FIXTURE_SETUP(nested_state)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = 8 };

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(&self->l1, &config));
}

FIXTURE_TEARDOWN(nested_state)
{
	l1_close(&self->l1);
}

/* Code of an L2. */
static const uint8_t load_fs[] = { 0x64, 0x48, 0x8b, 0x03, 0x0f, 0x01, 0xc1 }; /* %fs:(%rbx) */
static const uint8_t rdmsr[] = { 0x0f, 0x32, 0x0f, 0x01, 0xc1 };

/* Entered once more, from its beginning: the reason of its exit. */
static uint64_t again(struct __test_metadata *_metadata, struct l1 *l1, unsigned int i, bool launch)
{
	unsigned int enter, reason;

	l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA + i * 256);
	enter = l1_add(l1, L1_ENTER, !launch, 0);
	reason = l1_read(l1, F_REASON);
	EXPECT_EQ(0, l1_run(l1));
	EXPECT_EQ(L1_EXITED, l1_result(l1, enter));
	return l1_value(l1, reason);
}

/* Two L2s by turns, of which one has another FS each time, and the other's stays. */
TEST_F(nested_state, fields_that_l1_changes)
{
	struct l1 *l1 = &self->l1;
	unsigned int i, round;

	for (i = 0; i < 8; i++)
		bench_page(&l1->bench, i)[0] = 100 + i;
	*l1_reg(l1, L1_RBX) = 0;
	for (i = 0; i < 2; i++) {
		l1_vmcs(l1, i, load_fs, sizeof(load_fs));
		l1_write(l1, F_GUEST_FS_BASE, DATA_GPA);
		ASSERT_EQ(R_VMCALL, again(_metadata, l1, i, true));
		ASSERT_EQ(100, *l1_reg(l1, L1_RAX));
	}
	for (round = 0; round < 8; round++) {
		l1_add(l1, L1_VMPTRLD, L1_VMCS_GPA, 0);
		l1_write(l1, F_GUEST_FS_BASE, DATA_GPA + round * PAGE_SIZE);
		ASSERT_EQ(R_VMCALL, again(_metadata, l1, 0, false));
		ASSERT_EQ(100 + round, *l1_reg(l1, L1_RAX));
		/* The same VMCS, which is current still. */
		l1_write(l1, F_GUEST_FS_BASE, DATA_GPA + (7 - round) * PAGE_SIZE);
		ASSERT_EQ(R_VMCALL, again(_metadata, l1, 0, false));
		ASSERT_EQ(107 - round, *l1_reg(l1, L1_RAX));
		l1_add(l1, L1_VMPTRLD, L1_VMCS_GPA + PAGE_SIZE, 0);
		ASSERT_EQ(R_VMCALL, again(_metadata, l1, 1, false));
		ASSERT_EQ(100, *l1_reg(l1, L1_RAX));
	}
}

#define MSR_TSC_ADJUST		0x3b	/* L0 has it exit */
#define MSR_SYSENTER_ESP	0x175	/* and lets it and FS_BASE pass, which are words apart */

TEST_F(nested_state, msrs_that_l1_wants)
{
	static const struct {
		uint32_t index, bit;
		uint64_t value;
	} msrs[] = {
		{ MSR_TSC_ADJUST, MSR_TSC_ADJUST, 0 },
		{ MSR_SYSENTER_ESP, MSR_SYSENTER_ESP, 0x1234 },
		{ MSR_FS_BASE, 0x2000 + (MSR_FS_BASE & 0x1fff), 0x5678 },
	};
	struct l1 *l1 = &self->l1;
	uint8_t *bitmap = bench_low(&l1->bench, L1_BITMAP_GPA);
	unsigned int round, i;
	bool first = true;

	l1_vmcs(l1, 0, rdmsr, sizeof(rdmsr));
	l1_write(l1, F_MSR_BITMAP, L1_BITMAP_GPA);
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, C_PROC_HLT | C_PROC_MSR_BITMAP));
	l1_write(l1, F_GUEST_SYSENTER_ESP, 0x1234);
	l1_write(l1, F_GUEST_FS_BASE, 0x5678);
	for (round = 0; round < 8; round++) {
		for (i = 0; i < ARRAY_SIZE(msrs); i++) {
			bool wanted = round >> i & 1;
			uint8_t bit = 1 << msrs[i].bit % 8;

			bitmap[msrs[i].bit / 8] = wanted ? bit : (uint8_t)~bit;
			*l1_reg(l1, L1_RCX) = msrs[i].index;
			*l1_reg(l1, L1_RAX) = ~0ULL;
			ASSERT_EQ(wanted ? R_RDMSR : R_VMCALL, again(_metadata, l1, 0, first))
				TH_LOG("MSR %x, round %u", msrs[i].index, round);
			first = false;
			if (!wanted)
				ASSERT_EQ(msrs[i].value, *l1_reg(l1, L1_RAX));
		}
	}
}

TEST_HARNESS_MAIN
