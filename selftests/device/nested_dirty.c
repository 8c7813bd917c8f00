// SPDX-License-Identifier: GPL-2.0
/*
 * Invariants 1 and 13 under load: a guest's guest (L2) writes all the time, L1 moves its
 * pages about in its EPT, and the host copies what its harvests tell of. At the end the
 * copy is the memory. And, with nested_pml=1, what a write of L2's costs.
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <string.h>

#include "../../tools/lib/stats.h"
#include "l1.h"

#define DATA_PAGES	512	/* 2M, as the code has it */
#define ROUNDS		16	/* entries of L2 in one script */
#define SCRIPTS		3
#define EPT_RWX		7ULL
#define EPT_MT_WB	(6ULL << 3)
#define EPT_PS		(1ULL << 7)
#define EPTP		(L1_EPT_GPA | 6 | 3 << 3)
#define EPT_PTE_GPA(page) (L1_EPT_GPA + 3 * PAGE_SIZE + 8 * (page))
#define DESCRIPTOR_GPA	0xd9000

DECLARE_GUEST(l2_random);
DECLARE_GUEST(l2_all);

FIXTURE(nested_dirty)
{
	struct l1 l1;
	uint64_t entry[DATA_PAGES]; /* of L1's EPT, when it has done its script */
	char *copy;
};

FIXTURE_SETUP(nested_dirty)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = DATA_PAGES };

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(&self->l1, &config));
	if (!self->l1.ept)
		SKIP_IN_SETUP("L1 has no EPT here");
	self->copy = calloc(DATA_PAGES, PAGE_SIZE);
	ASSERT_NE(NULL, self->copy);
}

FIXTURE_TEARDOWN(nested_dirty)
{
	free(self->copy);
	l1_close(&self->l1);
}

/* An identity map; the data slot's pages have entries of their own. */
static void ept_tables(struct l1 *l1)
{
	uint64_t *pd = l1_ept(bench_low(&l1->bench, L1_EPT_GPA), L1_EPT_GPA, 0);
	uint64_t *pt = pd + 512, *descriptor = bench_low(&l1->bench, DESCRIPTOR_GPA);
	unsigned int i;

	pd[DATA_GPA >> 21] = (L1_EPT_GPA + 3 * PAGE_SIZE) | EPT_RWX;
	for (i = 0; i < 512; i++)
		pt[i] = (DATA_GPA + i * PAGE_SIZE) | EPT_RWX | EPT_MT_WB;
	descriptor[0] = EPTP;
	descriptor[1] = 0;
}

static void prepare(struct l1 *l1, const char *code, const char *end)
{
	ept_tables(l1);
	l1_vmcs(l1, 0, code, end - code);
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, C_PROC_HLT | C_PROC_SECONDARY));
	l1_write(l1, F_PROC2, l1_controls(l1, L1_PROC2, C_PROC2_EPT));
	l1_write(l1, F_EPTP, EPTP);
}

/* L1 lets two of L2's pages, which have @entry, change places. */
static void swap_pages(struct l1 *l1, uint64_t *entry, unsigned int a, unsigned int b)
{
	uint64_t was = entry[a];

	entry[a] = entry[b];
	entry[b] = was;
	l1_add(l1, L1_STORE, EPT_PTE_GPA(a), entry[a]);
	l1_add(l1, L1_STORE, EPT_PTE_GPA(b), entry[b]);
}

struct run {
	struct l1 *l1;
	int result;
	volatile bool finished;
};

static void *run_thread(void *arg)
{
	struct run *run = arg;

	run->result = l1_run(run->l1);
	run->finished = true;
	return NULL;
}

/* One harvest, and the pages that it tells of: how many. */
static unsigned int harvest(struct __test_metadata *_metadata, struct l1 *l1, char *copy)
{
	uint64_t bitmap[DATA_PAGES / 64] = { 0 };
	unsigned int i, n = 0;

	ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, bitmap));
	for (i = 0; i < DATA_PAGES; i++) {
		if (!(bitmap[i / 64] >> i % 64 & 1))
			continue;
		memcpy(copy + i * PAGE_SIZE, (void *)bench_page(&l1->bench, i), PAGE_SIZE);
		n++;
	}
	return n;
}

static void check_copy(struct __test_metadata *_metadata, struct l1 *l1, const char *copy)
{
	unsigned int i;

	for (i = 0; i < DATA_PAGES; i++)
		ASSERT_EQ(0, memcmp(copy + i * PAGE_SIZE, (void *)bench_page(&l1->bench, i),
				    PAGE_SIZE)) TH_LOG("page %u", i);
}

TEST_F(nested_dirty, copied_while_l2_writes)
{
	struct rng rng = { .state = bench_seed() };
	struct l1 *l1 = &self->l1;
	unsigned int script, round, k, enter = 0, reason = 0, harvests = 0, told = 0;

	prepare(l1, guest_l2_random, guest_l2_random_end);
	*l1_reg(l1, L1_RBX) = 12345;
	memcpy(self->entry, bench_low(&l1->bench, EPT_PTE_GPA(0)), sizeof(self->entry));
	ASSERT_EQ(0, bench_set_flags(&l1->bench, KVM_MEM_LOG_DIRTY_PAGES));
	memcpy(self->copy, (void *)bench_page(&l1->bench, 0), DATA_PAGES * PAGE_SIZE);
	for (script = 0; script < SCRIPTS; script++) {
		struct run run = { .l1 = l1 };
		pthread_t thread;

		for (round = 0; round < ROUNDS; round++) {
			for (k = 0; k < 8; k++)
				swap_pages(l1, self->entry, rng_below(&rng, DATA_PAGES),
					   rng_below(&rng, DATA_PAGES));
			l1_add(l1, L1_INVEPT, 1, DESCRIPTOR_GPA);
			l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
			enter = l1_add(l1, L1_ENTER, script || round, 0);
			reason = l1_read(l1, F_REASON);
		}
		ASSERT_EQ(0, pthread_create(&thread, NULL, run_thread, &run));
		while (!run.finished) {
			told += harvest(_metadata, l1, self->copy);
			harvests++;
			usleep(2000);
		}
		pthread_join(thread, NULL);
		ASSERT_EQ(0, run.result);
		ASSERT_EQ(L1_EXITED, l1_result(l1, enter));
		ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
		told += harvest(_metadata, l1, self->copy);
		check_copy(_metadata, l1, self->copy);
		ASSERT_EQ(0, harvest(_metadata, l1, self->copy));
	}
	TH_LOG("%u harvests told of %u pages", harvests, told);
	ASSERT_LT(DATA_PAGES, told);
}

/* 512 pages that L2 has, and writes after a harvest. */
TEST_F(nested_dirty, what_a_write_costs)
{
	bool logs = bench_module_param("nested_pml");
	uint64_t exits[2], entries[2];
	struct l1 *l1 = &self->l1;
	unsigned int round, enter;
	struct stats stats;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	ASSERT_EQ(0, stats_open(&stats, l1->bench.vcpu[0].fd));
	prepare(l1, guest_l2_all, guest_l2_all_end);
	ASSERT_EQ(0, bench_set_flags(&l1->bench, KVM_MEM_LOG_DIRTY_PAGES));
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, stats_read(&stats, "exits_ept_violation", &exits[0]));
		ASSERT_EQ(0, stats_read(&stats, "pml_entries", &entries[0]));
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
		enter = l1_add(l1, L1_ENTER, round, 0);
		ASSERT_EQ(0, l1_run(l1));
		ASSERT_EQ(L1_EXITED, l1_result(l1, enter));
		ASSERT_EQ(0, stats_read(&stats, "exits_ept_violation", &exits[1]));
		ASSERT_EQ(0, stats_read(&stats, "pml_entries", &entries[1]));
		ASSERT_EQ(DATA_PAGES, harvest(_metadata, l1, self->copy));
	}
	stats_close(&stats);
	/* The last round: nothing is new but the writes. */
	if (logs) {
		ASSERT_EQ(0, exits[1] - exits[0]);
		ASSERT_LE(DATA_PAGES, entries[1] - entries[0]);
	} else {
		ASSERT_EQ(DATA_PAGES, exits[1] - exits[0]);
	}
}

TEST_HARNESS_MAIN
