// SPDX-License-Identifier: GPL-2.0
/*
 * A VM whose guest hypervisor has a guest of its own running is moved in mid-run: its
 * memory, all state of the vCPU, and the nested state, to a new VM. There L2 goes on and
 * L1 has its exit, and in the end all memory is what it is where nothing was moved.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../../tools/lib/page.h"
#include "l1.h"

DECLARE_GUEST(l2_fill);

#define PAGES		64
#define L2_ROUNDS	20000
#define MOVES		6
#define ALARM_US	2000

static const struct bench_config config = { .vcpus = 1, .data_pages = PAGES };

/* What the last command of the script reads: each moved L1 has to find it. */
struct story {
	unsigned int reason, rip, cr3;
};

FIXTURE(nested_move)
{
	struct l1 l1;
	struct story story;
	unsigned int moves;
};

FIXTURE_VARIANT(nested_move)
{
	bool ept;
	bool nested_first;	/* KVM_SET_NESTED_STATE comes before the registers, or after */
};

FIXTURE_VARIANT_ADD(nested_move, with_ept)
{
	.ept = true,
};

FIXTURE_VARIANT_ADD(nested_move, with_ept_nested_state_first)
{
	.ept = true,
	.nested_first = true,
};

FIXTURE_VARIANT_ADD(nested_move, without_ept)
{
	.ept = false,
};

FIXTURE_SETUP(nested_move)
{
	struct l1 *l1 = &self->l1;

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(l1, &config));
	if (variant->ept && !l1->ept)
		SKIP_IN_SETUP("L1 has no EPT here");
	MBOX(&l1->bench, 0, STOP) = 0;
	*l1_reg(l1, L1_RAX) = 1;
	*l1_reg(l1, L1_RBX) = DATA_GPA;
	*l1_reg(l1, L1_RCX) = PAGES;
	*l1_reg(l1, L1_RDX) = L2_ROUNDS;
	l1_vmcs(l1, 1, guest_l2_fill, guest_l2_fill_end - guest_l2_fill);
	if (variant->ept)
		l1_use_ept(l1);
	l1_write(l1, F_GUEST_RFLAGS, 0x202);
	l1_add(l1, L1_ENTER, 0, 0);
	self->story.reason = l1_read(l1, F_REASON);
	self->story.rip = l1_read(l1, F_GUEST_RIP);
	self->story.cr3 = l1_read(l1, F_GUEST_CR3);
}

FIXTURE_TEARDOWN(nested_move)
{
	l1_close(&self->l1);
}

/* The alarm may come before L1 has entered it. */
static bool in_l2(struct bench *bench)
{
	static struct l1_nested_state nested;

	return !l1_get_nested_state(&bench->vcpu[0], &nested) &&
	       nested.head.flags & KVM_STATE_NESTED_GUEST_MODE;
}

/* The vCPU of @from is in L2; @to has the same memory, and takes all state. */
static void move_vcpu(struct __test_metadata *_metadata, struct bench *from, struct bench *to,
		      bool nested_first)
{
	static struct l1_nested_state nested;
	static struct cpu_state state;
	int refused;

	ASSERT_EQ(0, cpu_save(&from->vm, &from->vcpu[0], &state));
	ASSERT_EQ(0, l1_get_nested_state(&from->vcpu[0], &nested));
	ASSERT_TRUE(nested.head.flags & KVM_STATE_NESTED_GUEST_MODE);
	/* KVM 6.1 refuses one of the MSRs that it lists itself. */
	refused = cpu_restore(&to->vcpu[0], &state);
	ASSERT_TRUE(!refused || (refused == 1 && kvm_device_is_kvm()));
	ASSERT_EQ(0, l1_set_nested_state(&to->vcpu[0], &nested));
	if (nested_first) {
		ASSERT_EQ(0, kvm_ioctl(to->vcpu[0].fd, KVM_SET_SREGS, &state.sregs));
		ASSERT_EQ(0, kvm_ioctl(to->vcpu[0].fd, KVM_SET_REGS, &state.regs));
	}
}

static void copy_memory(struct bench *from, struct bench *to)
{
	memcpy(to->low.host, from->low.host, from->low.size);
	memcpy(to->data.host, from->data.host, from->data.size);
}

/* Into a new VM; the old one goes, unless @keep takes it. */
static void move(struct __test_metadata *_metadata, struct l1 *l1, bool nested_first,
		 struct bench *keep)
{
	struct bench to;

	ASSERT_EQ(0, bench_open(&to, &config));
	copy_memory(&l1->bench, &to);
	move_vcpu(_metadata, &l1->bench, &to, nested_first);
	if (keep)
		*keep = l1->bench;
	else
		bench_close(&l1->bench);
	l1->bench = to;
}

/* L1 has had its exit by VMCALL, behind all of L2's code. */
static void check_story(struct __test_metadata *_metadata, struct l1 *l1, const struct story *story)
{
	const unsigned int vmcall = guest_l2_fill_end - guest_l2_fill - 3;

	ASSERT_EQ(R_VMCALL, l1_value(l1, story->reason));
	ASSERT_EQ(L1_L2_CODE_GPA + 256 + vmcall, l1_value(l1, story->rip));
	ASSERT_EQ(l1_l2_cr3(1), l1_value(l1, story->cr3));
	ASSERT_EQ(0, (uint32_t)*l1_reg(l1, L1_RDX));
}

TEST_F(nested_move, l2_goes_on_where_it_was)
{
	struct l1 *l1 = &self->l1, stayed;
	unsigned int page;
	int ret;

	l1->commands = 0;
	stayed = *l1;
	while ((ret = bench_run_alarmed(&l1->bench, 0, ALARM_US)) == -EINTR) {
		if (self->moves == MOVES || !in_l2(&l1->bench))
			continue;
		move(_metadata, l1, variant->nested_first, self->moves ? NULL : &stayed.bench);
		self->moves++;
	}
	ASSERT_EQ(KVM_EXIT_IO, ret);
	ASSERT_TRUE(bench_done(&l1->bench, 0));
	ASSERT_EQ(MOVES, self->moves);
	check_story(_metadata, l1, &self->story);

	/* And the first VM, which was only looked at. */
	ASSERT_EQ(0, l1_go_on(&stayed));
	check_story(_metadata, &stayed, &self->story);
	ASSERT_EQ(*l1_reg(&stayed, L1_RAX), *l1_reg(l1, L1_RAX));
	for (page = 0; page < PAGES; page++)
		ASSERT_TRUE(page_same(bench_page(&stayed.bench, page),
				      bench_page(&l1->bench, page)))
			TH_LOG("page %u", page);
	l1_close(&stayed);
}

TEST_HARNESS_MAIN
