// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest hypervisor (L1) reads of its current VMCS without an exit is what that VMCS
 * has: after an exit of L2's, after a VMWRITE, after another VMCS became current, and
 * after nested state was set.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../../tools/lib/stats.h"
#include "l1.h"

/* Fields that the module mirrors where the CPU lets it. */
#define F_IDT_INFO		0x4408
#define F_IDT_ERROR		0x440a
#define F_INSN_INFO		0x440e
#define F_GUEST_SS_AR		0x4818
#define F_GUEST_CS_BASE		0x6808

static const uint32_t fields[] = {
	F_QUALIFICATION, F_GUEST_LINEAR, F_GUEST_PHYSICAL, F_GUEST_RIP, F_GUEST_RSP,
	F_GUEST_RFLAGS, F_GUEST_CS_BASE, F_GUEST_CR0, F_GUEST_CR3, F_GUEST_CR4,
	F_REASON, F_INTR_INFO, F_INTR_ERROR, F_IDT_INFO, F_IDT_ERROR, F_INSN_LEN,
	F_INSN_INFO, F_INTERRUPTIBILITY, F_GUEST_CS_AR, F_GUEST_SS_AR,
};

#define FIELDS		ARRAY_SIZE(fields)

/* vmcall; mov %rsp, %rdx; vmcall */
static const uint8_t code[] = { 0x0f, 0x01, 0xc1, 0x48, 0x89, 0xe2, 0x0f, 0x01, 0xc1 };

FIXTURE(nested_mirror)
{
	struct l1 l1;
	struct stats stats;
	unsigned int command[FIELDS];
};

FIXTURE_SETUP(nested_mirror)
{
	const struct bench_config config = { .vcpus = 1 };
	struct l1 *l1 = &self->l1;
	unsigned int enter;

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(l1, &config));
	ASSERT_EQ(0, stats_open(&self->stats, l1->bench.vcpu[0].fd));
	l1_vmcs(l1, 0, code, sizeof(code));
	enter = l1_add(l1, L1_ENTER, 0, 0);
	ASSERT_EQ(0, l1_run(l1));
	ASSERT_EQ(L1_EXITED, l1_result(l1, enter));
}

FIXTURE_TEARDOWN(nested_mirror)
{
	stats_close(&self->stats);
	l1_close(&self->l1);
}

static void add_reads(struct l1 *l1, unsigned int *command)
{
	unsigned int i;

	for (i = 0; i < FIELDS; i++)
		command[i] = l1_read(l1, fields[i]);
}

/* L1 reads all, and finds @want. */
static void check(struct __test_metadata *_metadata, struct l1 *l1, const uint64_t *want)
{
	unsigned int command[FIELDS], i;

	add_reads(l1, command);
	ASSERT_EQ(0, l1_run(l1));
	for (i = 0; i < FIELDS; i++) {
		EXPECT_FALSE(l1_failed(l1, command[i]));
		EXPECT_EQ(want[i], l1_value(l1, command[i])) TH_LOG("field %#x", fields[i]);
	}
}

/* What any of them holds: no more than 32 bits, and of no other field. */
static uint64_t token(unsigned int round, unsigned int i)
{
	return 0x1000 * (round + 1) + i;
}

static void write_all(struct __test_metadata *_metadata, struct l1 *l1, unsigned int round,
		      uint64_t *want)
{
	unsigned int i;

	for (i = 0; i < FIELDS; i++) {
		want[i] = token(round, i);
		l1_write(l1, fields[i], want[i]);
	}
	ASSERT_EQ(0, l1_run(l1));
}

/* Each by itself, while all others are as they were. */
TEST_F(nested_mirror, written)
{
	struct l1 *l1 = &self->l1;
	uint64_t want[FIELDS];
	unsigned int i;

	write_all(_metadata, l1, 0, want);
	check(_metadata, l1, want);
	for (i = 0; i < FIELDS; i++) {
		want[i] = token(1, i);
		l1_write(l1, fields[i], want[i]);
		check(_metadata, l1, want);
	}
	/* The upper half of a 64-bit field is a field to L1. */
	l1_write(l1, F_GUEST_PHYSICAL + 1, 0x12);
	want[2] |= 0x1200000000;
	check(_metadata, l1, want);
}

/* By memory operands, too. */
TEST_F(nested_mirror, memory_operands)
{
	struct l1 *l1 = &self->l1;
	unsigned int first, again;

	l1_add(l1, L1_VMWRITE_M, F_GUEST_RSP, 0x1234);
	first = l1_add(l1, L1_VMREAD_M, F_GUEST_RSP, 0);
	l1_add(l1, L1_VMWRITE_M, F_GUEST_RSP, 0x5678);
	again = l1_add(l1, L1_VMREAD_M, F_GUEST_RSP, 0);
	ASSERT_EQ(0, l1_run(l1));
	EXPECT_EQ(0x1234, l1_value(l1, first));
	EXPECT_EQ(0x5678, l1_value(l1, again));
}

/* What an exit leaves, when the mirror was there before. */
TEST_F(nested_mirror, exits)
{
	struct l1 *l1 = &self->l1;
	unsigned int rip, reason, rsp;

	l1_read(l1, F_REASON);
	l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA + 3);
	l1_write(l1, F_GUEST_RSP, 0x7f00);
	l1_add(l1, L1_ENTER, 1, 0);
	rip = l1_read(l1, F_GUEST_RIP);
	reason = l1_read(l1, F_REASON);
	rsp = l1_read(l1, F_GUEST_RSP);
	ASSERT_EQ(0, l1_run(l1));
	EXPECT_EQ(0x7f00, *l1_reg(l1, L1_RDX));
	EXPECT_EQ(L1_L2_CODE_GPA + 6, l1_value(l1, rip));
	EXPECT_EQ(R_VMCALL, l1_value(l1, reason));
	EXPECT_EQ(0x7f00, l1_value(l1, rsp));
	/* And an entry that fails. */
	l1_write(l1, F_GUEST_RFLAGS, 0);
	l1_add(l1, L1_ENTER, 1, 0);
	reason = l1_read(l1, F_REASON);
	ASSERT_EQ(0, l1_run(l1));
	EXPECT_EQ(R_INVALID_STATE, l1_value(l1, reason));
}

/* Two VMCSs by turns, and none. */
TEST_F(nested_mirror, current)
{
	const uint64_t other = L1_VMCS_GPA + PAGE_SIZE;
	uint64_t want[2][FIELDS];
	struct l1 *l1 = &self->l1;
	unsigned int read;

	write_all(_metadata, l1, 0, want[0]);
	check(_metadata, l1, want[0]);
	memcpy(bench_low(&l1->bench, other), &l1->revision, 4);
	l1_add(l1, L1_VMCLEAR, other, 0);
	l1_add(l1, L1_VMPTRLD, other, 0);
	write_all(_metadata, l1, 1, want[1]);
	check(_metadata, l1, want[1]);
	l1_add(l1, L1_VMPTRLD, L1_VMCS_GPA, 0);
	check(_metadata, l1, want[0]);
	l1_add(l1, L1_VMPTRLD, other, 0);
	check(_metadata, l1, want[1]);
	l1_add(l1, L1_VMCLEAR, other, 0);
	read = l1_read(l1, F_REASON);
	ASSERT_EQ(0, l1_run(l1));
	EXPECT_TRUE(l1_failed_invalid(l1, read)) TH_LOG("no VMCS is current");
	l1_add(l1, L1_VMXOFF, 0, 0);
	l1_read(l1, F_REASON);
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, l1_run(l1)) TH_LOG("#UD outside of VMX operation");
}

/* Nested state that is set in the middle, as a snapshot's is. */
TEST_F(nested_mirror, nested_state)
{
	static struct l1_nested_state before, none;
	struct vcpu *vcpu = &self->l1.bench.vcpu[0];
	struct l1 *l1 = &self->l1;
	uint64_t want[FIELDS], later[FIELDS];
	unsigned int read;

	write_all(_metadata, l1, 0, want);
	check(_metadata, l1, want);
	ASSERT_EQ(0, l1_get_nested_state(vcpu, &before));
	write_all(_metadata, l1, 1, later);
	check(_metadata, l1, later);
	ASSERT_EQ(0, l1_set_nested_state(vcpu, &before));
	check(_metadata, l1, want);
	/* In VMX operation, without a current VMCS. */
	none.head = before.head;
	none.head.size = sizeof(none.head);
	none.head.hdr.vmx.vmcs12_pa = -1;
	ASSERT_EQ(0, l1_set_nested_state(vcpu, &none));
	read = l1_read(l1, F_REASON);
	ASSERT_EQ(0, l1_run(l1));
	EXPECT_TRUE(l1_failed_invalid(l1, read));
}

/* The first read begins it: no other has an exit, whatever happens between. */
TEST_F(nested_mirror, takes_no_exit)
{
	uint64_t before = 0, after = 0;
	struct l1 *l1 = &self->l1;
	unsigned int i, round;

	if (!bench_module_param("shadow_vmcs"))
		SKIP(return, "the CPU reads nothing for L1 here");
	ASSERT_EQ(0, stats_read(&self->stats, "exits_vmx", &before));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < FIELDS; i++)
			l1_read(l1, fields[i]);
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
		l1_add(l1, L1_ENTER, 1, 0);
	}
	ASSERT_EQ(0, l1_run(l1));
	ASSERT_EQ(0, stats_read(&self->stats, "exits_vmx", &after));
	/* One VMREAD; a VMWRITE and a VMRESUME each time. */
	EXPECT_EQ(1 + 3 * 2, after - before);
}

TEST_HARNESS_MAIN
