// SPDX-License-Identifier: GPL-2.0
/* The dirty ring (invariant 7), and a userspace that means no good. */
#include "mmu/ring.h"
#include "tap.h"

#define SIZE 1024u

static u32 flags_of(const struct ring *ring, u32 index)
{
	return smp_load_acquire(&ring->entries[index % ring->size].flags);
}

static void harvest(struct ring *ring, u32 index)
{
	smp_store_release(&ring->entries[index % ring->size].flags, KVM_DIRTY_GFN_F_RESET);
}

TEST(sizes_are_powers_of_two_with_room_for_the_reserve)
{
	const u64 entry = sizeof(struct kvm_dirty_gfn);
	u64 n;

	CHECK_EQ(entry, 16);
	for (n = 1; n <= 4 * RING_MAX_ENTRIES; n *= 2) {
		int expected = n > RING_MAX_ENTRIES ? -E2BIG : n <= RING_RESERVE ? -EINVAL : n;

		CHECK_EQ(ring_entries(n * entry), expected);
		CHECK_EQ(ring_entries(n * entry + entry), -EINVAL);
		CHECK_EQ(ring_entries(n * entry - 1), -EINVAL);
	}
	CHECK_EQ(ring_entries(0), -EINVAL);
	CHECK_EQ(ring_entries(1), -EINVAL);
	CHECK_EQ(ring_entries(1ull << 63), -E2BIG);
	CHECK_EQ(ring_entries(~0ull), -EINVAL);
	/* What a size must have: soft full is not full before the first entry. */
	CHECK((int)SIZE > RING_RESERVE);
}

/* The event comes at the watermark, once; again after entries were given back. */
TEST(one_event_for_each_time_the_watermark_is_reached)
{
	struct ring ring;
	u32 i, slot_id;
	u64 rel;

	REQUIRE(!ring_init(&ring, SIZE));
	ring_push(&ring, 1, 0);
	CHECK(!ring_take_event(&ring)); /* nobody asked */
	ring.watermark = 3;
	ring_arm_event(&ring);
	CHECK(!ring_event_waits(&ring));
	ring_push(&ring, 1, 1);
	CHECK(!ring_take_event(&ring));
	for (i = 2; i < 8; i++) {
		ring_push(&ring, 1, i);
		CHECK_EQ(ring_event_waits(&ring), i == 2);
		CHECK_EQ(ring_take_event(&ring), i == 2);
		CHECK(!ring_event_waits(&ring));
	}
	/* Eight, seven ... three are left, and the watermark is reached each time; two, and not. */
	for (i = 0; i < 6; i++) {
		harvest(&ring, i);
		REQUIRE(ring_take_harvested(&ring, &slot_id, &rel));
		CHECK(!ring_event_waits(&ring));
		ring_arm_event(&ring);
		CHECK_EQ(ring_take_event(&ring), i < 5);
	}
	CHECK_EQ(ring_used(&ring), 2);
	ring_push(&ring, 1, 8);
	CHECK(ring_take_event(&ring));
	ring_destroy(&ring);
}

TEST(no_memory_no_ring)
{
	struct ring ring;

	env_fail_at(1);
	CHECK_EQ(ring_init(&ring, SIZE), -ENOMEM);
	CHECK(!ring.entries);
	CHECK(!ring_is_soft_full(&ring));
	ring_destroy(&ring);
}

TEST(soft_full_leaves_the_reserve_and_full_overwrites_nothing)
{
	struct ring ring;
	u32 i;

	REQUIRE(!ring_init(&ring, SIZE));
	for (i = 0; i < SIZE; i++) {
		CHECK_EQ(ring_used(&ring), i);
		CHECK_EQ(ring_is_soft_full(&ring), i >= SIZE - RING_RESERVE);
		CHECK_EQ(flags_of(&ring, i), 0);
		ring_push(&ring, 7, 1000 + i);
		CHECK_EQ(flags_of(&ring, i), KVM_DIRTY_GFN_F_DIRTY);
		CHECK(!ring.lost);
	}
	ring_push(&ring, 9, 9);
	CHECK(ring.lost);
	CHECK_EQ(ring_used(&ring), SIZE);
	for (i = 0; i < SIZE; i++) {
		CHECK_EQ(ring.entries[i].slot, 7);
		CHECK_EQ(ring.entries[i].offset, 1000 + i);
	}
	ring_destroy(&ring);
}

TEST(order_holds_over_many_wraps_and_over_2_to_the_32)
{
	u32 pushed = 0, taken = 0, fetch, slot, i;
	struct ring ring;
	u64 rel;

	REQUIRE(!ring_init(&ring, SIZE));
	ring.head = ring.tail = fetch = -3 * (int)SIZE - 5u;
	while (taken < 8 * SIZE) {
		for (i = 0; i < 1 + pushed % 300 && !ring_is_soft_full(&ring); i++, pushed++)
			ring_push(&ring, pushed % 5, pushed);
		/* Userspace walks along what is dirty. */
		for (i = 0; i < 200 && fetch != ring.head; i++, fetch++) {
			CHECK_EQ(flags_of(&ring, fetch), KVM_DIRTY_GFN_F_DIRTY);
			harvest(&ring, fetch);
		}
		while (ring_take_harvested(&ring, &slot, &rel)) {
			CHECK_EQ(slot, taken % 5);
			CHECK_EQ(rel, taken);
			taken++;
		}
		CHECK_EQ(ring.tail, fetch);
		CHECK(!ring.lost);
	}
	ring_destroy(&ring);
}

TEST(nothing_is_given_back_out_of_order_or_unharvested)
{
	struct ring ring;
	u32 slot;
	u64 rel;

	REQUIRE(!ring_init(&ring, SIZE));
	CHECK(!ring_take_harvested(&ring, &slot, &rel));
	ring_push(&ring, 1, 10);
	ring_push(&ring, 1, 11);
	CHECK(!ring_take_harvested(&ring, &slot, &rel));
	/* The second only: the first blocks it. */
	harvest(&ring, 1);
	CHECK(!ring_take_harvested(&ring, &slot, &rel));
	harvest(&ring, 0);
	CHECK(ring_take_harvested(&ring, &slot, &rel) && rel == 10);
	CHECK_EQ(flags_of(&ring, 0), 0);
	CHECK(ring_take_harvested(&ring, &slot, &rel) && rel == 11);
	CHECK(!ring_take_harvested(&ring, &slot, &rel));
	CHECK_EQ(ring_used(&ring), 0);
	ring_destroy(&ring);
}

TEST(entries_that_were_never_produced_are_not_taken)
{
	struct ring ring;
	u32 slot, i;
	u64 rel;

	REQUIRE(!ring_init(&ring, SIZE));
	for (i = 0; i < SIZE; i++)
		ring.entries[i] = (struct kvm_dirty_gfn){ ~0u, ~0u, ~0ull };
	CHECK(!ring_take_harvested(&ring, &slot, &rel));
	CHECK_EQ(ring_used(&ring), 0);

	/* A push makes the entry what it must be, whatever stood there. */
	ring_push(&ring, 3, 4);
	CHECK_EQ(ring.entries[0].flags, KVM_DIRTY_GFN_F_DIRTY);
	CHECK_EQ(ring.entries[0].slot, 3);
	CHECK_EQ(ring.entries[0].offset, 4);
	CHECK(!ring_take_harvested(&ring, &slot, &rel));

	/* All flags at once count as harvested, once. */
	ring.entries[0].flags = ~0u;
	CHECK(ring_take_harvested(&ring, &slot, &rel));
	CHECK(!ring_take_harvested(&ring, &slot, &rel));
	CHECK_EQ(ring_used(&ring), 0);
	ring_destroy(&ring);
}

/* A userspace that sets RESET in every entry at every moment. */
TEST(giving_back_ends_whatever_userspace_does)
{
	u32 slot, i, taken = 0;
	struct ring ring;
	u64 rel;

	REQUIRE(!ring_init(&ring, SIZE));
	for (i = 0; i < 100; i++)
		ring_push(&ring, 1, i);
	for (i = 0; i < SIZE; i++)
		harvest(&ring, i);
	while (ring_take_harvested(&ring, &slot, &rel)) {
		for (i = 0; i < SIZE; i++)
			harvest(&ring, i);
		if (++taken > SIZE)
			break;
	}
	CHECK_EQ(taken, 100);
	ring_destroy(&ring);
}

/* A ring of SIZE entries in a larger array: whoever goes beyond it is seen. */
static void run_ring(struct ring *ring, struct kvm_dirty_gfn *entries, u32 at, u32 n)
{
	u32 i;

	memset(entries, 0, 2 * SIZE * sizeof(*entries));
	*ring = (struct ring){ .entries = entries, .size = SIZE, .head = at, .tail = at };
	for (i = 0; i < n; i++)
		ring_push(ring, 1, 64 + i);
	/* Userspace marks everything, also beyond the end, as harvested and in the run. */
	for (i = 0; i < 2 * SIZE; i++)
		entries[i].flags = KVM_DIRTY_GFN_F_RESET;
	for (i = SIZE; i < 2 * SIZE; i++)
		entries[i] = (struct kvm_dirty_gfn){ KVM_DIRTY_GFN_F_RESET, 1, 64 + i % 64 };
}

static void add_page(void *mask, u64 page)
{
	*(u64 *)mask |= BIT_ULL(page);
}

/* Takes a run, and gives its pages to @mask, too. */
static u32 take_run(struct ring *ring, u32 max, const struct ring_run *run, u64 *mask)
{
	return ring_take_run(ring, max, run, add_page, mask);
}

TEST(a_run_ends_where_the_ring_says)
{
	static struct kvm_dirty_gfn entries[2 * SIZE];
	struct ring_run run = { .slot_id = 1, .first = 64, .width = 64 };
	struct ring ring;
	u64 mask = 0;
	u32 i;

	/* At what was produced. */
	run_ring(&ring, entries, 0, 5);
	for (i = 5; i < SIZE; i++)
		entries[i] = entries[4];
	CHECK_EQ(take_run(&ring, SIZE, &run, &mask), 5);
	CHECK_EQ(mask, 0x1f);
	CHECK_EQ(ring_used(&ring), 0);
	for (i = 0; i < 5; i++)
		CHECK_EQ(flags_of(&ring, i), 0);

	/* At the array's end: the rest is the next run's. */
	run_ring(&ring, entries, SIZE - 3, 5);
	mask = 0;
	CHECK_EQ(take_run(&ring, SIZE, &run, &mask), 3);
	CHECK_EQ(mask, 0x7);
	CHECK_EQ(ring_used(&ring), 2);
	CHECK_EQ(take_run(&ring, SIZE, &run, &mask), 2);
	CHECK_EQ(mask, 0x1f);

	/* At the caller's bound. */
	run_ring(&ring, entries, 0, 5);
	mask = 0;
	CHECK_EQ(take_run(&ring, 2, &run, &mask), 2);
	CHECK_EQ(ring_used(&ring), 3);
	CHECK_EQ(take_run(&ring, 0, &run, &mask), 0);
}

TEST(a_run_ends_where_another_begins)
{
	static struct kvm_dirty_gfn entries[2 * SIZE];
	struct ring_run run = { .slot_id = 1, .first = 64, .width = 10 };
	struct ring ring;
	u64 mask = 0;

	/* A page beyond the width, one before the first, another slot, one not harvested. */
	run_ring(&ring, entries, 0, 20);
	CHECK_EQ(take_run(&ring, SIZE, &run, &mask), 10);
	CHECK_EQ(mask, 0x3ff);
	run_ring(&ring, entries, 0, 20);
	entries[2].offset = 63;
	CHECK_EQ(take_run(&ring, SIZE, &run, &mask), 2);
	run_ring(&ring, entries, 0, 20);
	entries[3].slot = 2;
	CHECK_EQ(take_run(&ring, SIZE, &run, &mask), 3);
	run_ring(&ring, entries, 0, 20);
	entries[4].flags = KVM_DIRTY_GFN_F_DIRTY;
	CHECK_EQ(take_run(&ring, SIZE, &run, &mask), 4);
	CHECK_EQ(flags_of(&ring, 4), KVM_DIRTY_GFN_F_DIRTY);
}
