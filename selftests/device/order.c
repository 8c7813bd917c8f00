// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 1, order: a vCPU's ring lists its pages in the order in which the
 * CPU logged them, at every fill level of the log, across the ring's wrap, and
 * when some of the pages are logged by software (first touch, write protection).
 *
 * kvm_intel up to 6.12 drains each log backwards and fails this where PML is on.
 */
#include <kselftest_harness.h>

#include "vm.h"

#define RING_ENTRIES	2048
#define SMALL_RING	1024		/* full before all pages are in it */
#define PAGES		1024
#define LOG_ENTRIES	512		/* of the CPU's page-modification log */

static uint32_t list[SCRIPT_MAX];

FIXTURE(order)
{
	struct bench bench;
	struct rng rng;
};

static int open_writer(struct bench *bench, uint32_t ring_entries)
{
	const struct bench_config config = {
		.vcpus = 1, .ring_entries = ring_entries, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	int ret = bench_open(bench, &config);

	if (ret)
		return ret;
	BENCH_LOAD(bench, writer);
	return bench_start(bench, 0);
}

FIXTURE_SETUP(order)
{
	self->rng.state = bench_seed();
	ASSERT_EQ(0, open_writer(&self->bench, RING_ENTRIES));
}

FIXTURE_TEARDOWN(order)
{
	bench_close(&self->bench);
}

/* All pages, in random order. */
static void shuffle_pages(struct rng *rng)
{
	uint32_t i;

	for (i = 0; i < PAGES; i++)
		list[i] = i;
	rng_shuffle(rng, list, PAGES);
}

/*
 * Harvest, and compare with the next pages of the list. Returns how many
 * entries there were, or -1 - (place of the first that is wrong).
 */
static int harvest_in_order(struct bench *bench, const uint32_t *pages, int count)
{
	struct kvm_dirty_gfn entry;
	int n = 0, wrong = 0;

	for (; ring_next(&bench->vcpu[0], &entry); n++) {
		bool good = n < count && entry.slot == bench->data.id && entry.offset == pages[n];

		if (!good && !wrong) {
			printf("# entry %d: slot %u page %llu, not page %d\n", n, entry.slot,
			       (unsigned long long)entry.offset, n < count ? (int)pages[n] : -1);
			fflush(stdout);
			wrong = -1 - n;
		}
	}
	return wrong ?: n;
}

/* Write the first count pages of the list; they are reported in that order. */
static int write_and_compare(struct bench *bench, int count)
{
	int n;

	if (bench_touch(bench, list, count, 0) != KVM_EXIT_IO || !bench_done(bench, 0)) {
		printf("# the guest did not finish: exit reason %u\n",
		       bench->vcpu[0].run->exit_reason);
		fflush(stdout);
		return -1000000;
	}
	n = harvest_in_order(bench, list, count);
	if (n >= 0 && vm_reset_rings(&bench->vm) != n)
		n = -2000000;
	return n;
}

/* From 0 to 513 pages: an empty log, a full one, one more; the ring wraps often. */
TEST_F(order, every_fill_level)
{
	uint32_t levels[LOG_ENTRIES + 2];
	uint32_t i;

	for (i = 0; i < LOG_ENTRIES + 2; i++)
		levels[i] = i;
	rng_shuffle(&self->rng, levels, LOG_ENTRIES + 2);
	/* First touches are software's; they have a test of their own. */
	shuffle_pages(&self->rng);
	ASSERT_EQ(PAGES, write_and_compare(&self->bench, PAGES));
	for (i = 0; i < LOG_ENTRIES + 2; i++) {
		shuffle_pages(&self->rng);
		ASSERT_EQ((int)levels[i], write_and_compare(&self->bench, levels[i])) {
			TH_LOG("fill level %u, round %u", levels[i], i);
		}
	}
}

/* Pages that were never mapped among pages that are only clean. */
TEST_F(order, first_touch_among_logged)
{
	uint32_t known = PAGES / 2;
	uint32_t i;

	for (i = 0; i < known; i++)
		list[i] = 2 * i;
	rng_shuffle(&self->rng, list, known);
	ASSERT_EQ((int)known, write_and_compare(&self->bench, known));
	shuffle_pages(&self->rng);
	ASSERT_EQ(PAGES, write_and_compare(&self->bench, PAGES));
}

/* Reads in between, some of them first touches, neither appear nor disturb. */
TEST_F(order, reads_in_between)
{
	uint32_t *script = bench_script_list(&self->bench);
	uint32_t i;

	shuffle_pages(&self->rng);
	for (i = 0; i < PAGES; i++) {
		script[2 * i] = (DATA_GPA + rng_below(&self->rng, PAGES) * PAGE_SIZE) | SCRIPT_READ;
		script[2 * i + 1] = DATA_GPA + list[i] * PAGE_SIZE;
	}
	ASSERT_EQ(KVM_EXIT_IO, bench_script(&self->bench, 2 * PAGES));
	ASSERT_TRUE(bench_done(&self->bench, 0));
	ASSERT_EQ(PAGES, harvest_in_order(&self->bench, list, PAGES));
	ASSERT_EQ(PAGES, vm_reset_rings(&self->bench.vm));
}

/* Exits to userspace in the middle: the log is drained at any fill level. */
TEST_F(order, exits_in_between)
{
	uint32_t from = 0, count;

	shuffle_pages(&self->rng);
	while (from < PAGES) {
		count = rng_below(&self->rng, 40);
		if (count > PAGES - from)
			count = PAGES - from;
		ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list + from, count, 0));
		ASSERT_TRUE(bench_done(&self->bench, 0));
		from += count;
	}
	ASSERT_EQ(PAGES, harvest_in_order(&self->bench, list, PAGES));
	ASSERT_EQ(PAGES, vm_reset_rings(&self->bench.vm));
}

/*
 * Twelve laps over all pages with a ring that holds less than one lap: it is
 * harvested and reset whenever it is full, and after each lap. A write that
 * faulted and was logged, but had to wait for room in the ring, comes again
 * after the reset: so the first entry may repeat the last one.
 */
static int harvest_lap(struct bench *bench, int seen)
{
	struct vcpu *vcpu = &bench->vcpu[0];
	struct kvm_dirty_gfn *first = &vcpu->ring[vcpu->ring_next % vcpu->ring_entries];
	int again = 0, n;

	if (seen && first->flags == KVM_DIRTY_GFN_F_DIRTY && first->offset == list[seen - 1])
		again = 1;
	n = harvest_in_order(bench, list + seen - again, PAGES - seen + again);
	if (n >= 0 && vm_reset_rings(&bench->vm) != n)
		return -2000000;
	return n < 0 ? n : n - again;
}

TEST_F(order, across_full_rings)
{
	const int laps = 12;
	int lap, seen, n, reason, full = 0;

	bench_close(&self->bench);
	ASSERT_EQ(0, open_writer(&self->bench, SMALL_RING));
	for (lap = 0; lap < laps; lap++) {
		shuffle_pages(&self->rng);
		reason = bench_touch(&self->bench, list, PAGES, 0);
		for (seen = 0;; reason = bench_run(&self->bench, 0)) {
			n = harvest_lap(&self->bench, seen);
			ASSERT_LE(0, n) TH_LOG("lap %d, after %d entries", lap, seen);
			seen += n;
			if (reason != KVM_EXIT_DIRTY_RING_FULL)
				break;
			full++;
		}
		ASSERT_EQ(KVM_EXIT_IO, reason);
		ASSERT_TRUE(bench_done(&self->bench, 0));
		ASSERT_EQ(PAGES, seen);
	}
	ASSERT_LE(laps, full) TH_LOG("the ring was full %d times only", full);
}

TEST_HARNESS_MAIN
