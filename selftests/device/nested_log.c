// SPDX-License-Identifier: GPL-2.0
/*
 * Invariants 4 and 13: logging that goes on and off while the guest of a guest
 * hypervisor runs and writes. L1 is never entered between two of these calls: what
 * logging changes has to reach L2 where it is. In one test L2 stops after each write,
 * so that what is to be reported is known to the page; in the other it never stops.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../../tools/lib/page.h"
#include "l1.h"

DECLARE_GUEST(l2_list);
DECLARE_GUEST(l2_fill);

#define PAGES		64
#define WRITES		3000
#define LIST_GPA	0xb0000
#define TOGGLES		30

FIXTURE(nested_log)
{
	struct l1 l1;
	struct rng rng;
	bool logged;
};

FIXTURE_VARIANT(nested_log)
{
	bool ept;
};

FIXTURE_VARIANT_ADD(nested_log, with_ept)
{
	.ept = true,
};

FIXTURE_VARIANT_ADD(nested_log, without_ept)
{
	.ept = false,
};

FIXTURE_SETUP(nested_log)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = PAGES };

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	self->rng.state = bench_seed();
	ASSERT_EQ(0, l1_open(&self->l1, &config));
	if (variant->ept && !self->l1.ept)
		SKIP_IN_SETUP("L1 has no EPT here");
}

FIXTURE_TEARDOWN(nested_log)
{
	l1_close(&self->l1);
}

/* The script that enters L2 with this code; IF is set so that the host's interrupts come. */
static unsigned int l2_script(struct l1 *l1, bool ept, const char *code, const char *end)
{
	unsigned int reason;

	l1_vmcs(l1, 0, code, end - code);
	if (ept)
		l1_use_ept(l1);
	l1_write(l1, F_GUEST_RFLAGS, 0x202);
	l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	return reason;
}

static void toggle(struct __test_metadata *_metadata, FIXTURE_DATA(nested_log) *self)
{
	self->logged = !self->logged;
	ASSERT_EQ(0, bench_set_flags(&self->l1.bench,
				     self->logged ? KVM_MEM_LOG_DIRTY_PAGES : 0));
}

/* L2 is at the OUT behind its @i-th write; it goes on to the next one. */
static uint64_t next_write(struct __test_metadata *_metadata, struct l1 *l1, const uint32_t *list,
			   unsigned int i)
{
	ASSERT_EQ(KVM_EXIT_IO, i ? l1_go_on(l1) : l1_run(l1));
	ASSERT_EQ(PORT_TICK, l1->bench.vcpu[0].run->io.port);
	return 1ULL << (list[i] - DATA_GPA) / PAGE_SIZE;
}

TEST_F(nested_log, each_write_is_reported_once)
{
	struct l1 *l1 = &self->l1;
	uint32_t *list = bench_low(&l1->bench, LIST_GPA);
	uint64_t expected = 0, bitmap;
	unsigned int i, reason, harvests = 0;

	for (i = 0; i < WRITES; i++)
		list[i] = DATA_GPA + rng_below(&self->rng, PAGES) * PAGE_SIZE;
	list[i] = 0;
	*l1_reg(l1, L1_RBX) = LIST_GPA;
	reason = l2_script(l1, variant->ept, guest_l2_list, guest_l2_list_end);
	for (i = 0; i < WRITES; i++) {
		uint64_t written = next_write(_metadata, l1, list, i);

		if (self->logged)
			expected |= written;
		switch (rng_below(&self->rng, 16)) {
		case 0:
			toggle(_metadata, self);
			expected = 0;
			break;
		case 1 ... 3:
			if (!self->logged)
				break;
			bitmap = 0;
			ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, &bitmap));
			ASSERT_EQ(expected, bitmap) TH_LOG("after %u writes", i + 1);
			expected = 0;
			harvests++;
			break;
		}
	}
	ASSERT_EQ(0, l1_go_on(l1));
	ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
	ASSERT_LT(WRITES / 20, harvests);
}

/* What was written since the copy was made is in the log: the copy is made whole by it. */
static void follow(struct __test_metadata *_metadata, struct l1 *l1, char *copy)
{
	uint64_t bitmap = 0;
	unsigned int i;

	ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, &bitmap));
	for (i = 0; i < PAGES; i++)
		if (bitmap >> i & 1)
			page_copy(copy + i * PAGE_SIZE,
				  (char *)l1->bench.data.host + i * PAGE_SIZE);
}

TEST_F(nested_log, nothing_is_lost_while_it_runs)
{
	struct l1 *l1 = &self->l1;
	struct runner runner;
	char *copy = mem_alloc(PAGES * PAGE_SIZE);
	unsigned int i, harvest, reason;

	MBOX(&l1->bench, 0, STOP) = 0;
	*l1_reg(l1, L1_RAX) = rng_next(&self->rng);
	*l1_reg(l1, L1_RBX) = DATA_GPA;
	*l1_reg(l1, L1_RCX) = PAGES;
	*l1_reg(l1, L1_RDX) = 0;	/* rounds without end */
	reason = l2_script(l1, variant->ept, guest_l2_fill, guest_l2_fill_end);
	l1->commands = 0;
	ASSERT_EQ(0, runner_start(&runner, &l1->bench, 0));
	for (i = 0; i < TOGGLES; i++) {
		toggle(_metadata, self);
		ASSERT_TRUE(self->logged);
		memcpy(copy, l1->bench.data.host, PAGES * PAGE_SIZE);
		for (harvest = 0; harvest < 4; harvest++) {
			usleep(rng_below(&self->rng, 2000));
			follow(_metadata, l1, copy);
		}
		if (i + 1 < TOGGLES)
			toggle(_metadata, self);
	}
	ASSERT_FALSE(runner.finished);
	MBOX(&l1->bench, 0, STOP) = 1;
	ASSERT_EQ(0, runner_join(&runner));
	ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
	follow(_metadata, l1, copy);
	ASSERT_EQ(0, memcmp(copy, l1->bench.data.host, PAGES * PAGE_SIZE));
	mem_free(copy, PAGES * PAGE_SIZE);
}

TEST_HARNESS_MAIN
