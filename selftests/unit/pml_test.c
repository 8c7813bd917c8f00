// SPDX-License-Identifier: GPL-2.0
/* The page-modification log: order, fill, and what its entries may hold (invariants 1, 6). */
#include "fixture.h"
#include "mmu/pml.h"

static u64 log[PML_ENTRIES];

/* The log of a CPU that wrote @n pages, page(i) the i-th. */
static u16 fill(unsigned int n, gfn_t (*page)(unsigned int i))
{
	u16 index = PML_INDEX_EMPTY;
	unsigned int i;

	memset(log, 0xee, sizeof(log));
	for (i = 0; i < n; i++)
		log[index--] = page(i) << PAGE_SHIFT;
	return index;
}

static gfn_t shuffled(unsigned int i)
{
	return 0x1000 + i * 197 % 521; /* 521 is a prime: no two alike */
}

TEST(count_at_every_index)
{
	unsigned int index;

	for (index = 0; index < PML_ENTRIES; index++)
		CHECK_EQ(pml_count(index), PML_ENTRIES - 1 - index);
	for (; index <= 0xffff; index++)
		CHECK_EQ(pml_count(index), PML_ENTRIES);
}

TEST(order_at_every_fill_level)
{
	unsigned int n, i, bits;

	for (n = 0; n <= PML_ENTRIES; n++) {
		struct fixture f;
		struct slot *slot;
		u16 index = fill(n, shuffled);

		fixture_init(&f, FIX_PML);
		slot = fixture_slot(&f, 3, 0x1000, 600, 0, KVM_MEM_LOG_DIRTY_PAGES);
		if (n == PML_ENTRIES)
			CHECK_EQ(index, 0xffff);
		CHECK_EQ(pml_drain(log, index, fixture_slots(&f), &f.ring), n);
		CHECK_EQ(ring_used(&f.ring), n);
		for (i = 0; i < n; i++) {
			CHECK_EQ(f.ring.entries[i].slot, 3);
			CHECK_EQ(f.ring.entries[i].offset, shuffled(i) - 0x1000);
			CHECK(test_bit(shuffled(i) - 0x1000, slot->dirty.word));
		}
		for (bits = 0, i = 0; i < slot_bitmap_words(slot); i++)
			bits += hweight64(slot->dirty.word[i]);
		CHECK_EQ(bits, n);
		fixture_exit(&f);
	}
}

TEST(low_twelve_bits_are_masked)
{
	struct fixture f;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 0, 0x1000, 600, 0, KVM_MEM_LOG_DIRTY_PAGES);
	fill(3, shuffled);
	log[511] |= 0xfff;
	log[510] |= 0x8;
	log[509] |= 0x800;
	CHECK_EQ(pml_drain(log, 508, fixture_slots(&f), &f.ring), 3);
	CHECK_EQ(ring_used(&f.ring), 3);
	CHECK_EQ(f.ring.entries[0].offset, shuffled(0) - 0x1000);
	CHECK_EQ(f.ring.entries[1].offset, shuffled(1) - 0x1000);
	CHECK_EQ(f.ring.entries[2].offset, shuffled(2) - 0x1000);
	fixture_exit(&f);
}

/* Neighbouring slots, one that is not logged, and addresses in none. */
static gfn_t scattered(unsigned int i)
{
	static const gfn_t gfns[] = {
		100, 109, 110, 119, 99, 120, 129, 130, 110, 0, 5000, 109, 115
	};

	return gfns[i % ARRAY_SIZE(gfns)];
}

TEST(runs_over_several_slots_and_addresses_in_none)
{
	static const struct {
		u32 slot;
		u64 rel;
	} expected[] = { { 1, 0 }, { 1, 9 }, { 2, 0 }, { 2, 9 }, { 2, 0 }, { 1, 9 }, { 2, 5 } };
	struct fixture f;
	unsigned int i;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 1, 100, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
	fixture_slot(&f, 2, 110, 10, 10, KVM_MEM_LOG_DIRTY_PAGES);
	fixture_slot(&f, 3, 120, 10, 20, 0);
	CHECK_EQ(pml_drain(log, fill(13, scattered), fixture_slots(&f), &f.ring), 13);
	CHECK_EQ(ring_used(&f.ring), ARRAY_SIZE(expected));
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		CHECK_EQ(f.ring.entries[i].slot, expected[i].slot);
		CHECK_EQ(f.ring.entries[i].offset, expected[i].rel);
	}
	fixture_exit(&f);
}

TEST(without_a_ring_the_bitmap_alone)
{
	struct fixture f;
	struct slot *slot;
	unsigned int i;

	fixture_init(&f, FIX_PML);
	slot = fixture_slot(&f, 1, 0x1000, 600, 0, KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(pml_drain(log, fill(512, shuffled), fixture_slots(&f), NULL), 512);
	for (i = 0; i < 512; i++)
		CHECK(test_bit(shuffled(i) - 0x1000, slot->dirty.word));
	CHECK_EQ(ring_used(&f.ring), 0);
	fixture_exit(&f);
}

TEST(no_slot_at_all)
{
	struct fixture f;

	fixture_init(&f, FIX_PML);
	CHECK_EQ(pml_drain(log, fill(512, shuffled), fixture_slots(&f), &f.ring), 512);
	CHECK_EQ(ring_used(&f.ring), 0);
	fixture_exit(&f);
}

/* The whole way: a guest fills the log, exits, and goes on, over the ring's wrap. */
TEST(order_from_the_guest_to_the_ring)
{
	u32 checked = 0, slot_id, taken;
	unsigned int round, i, n = 600;
	struct tlb_batch batch;
	struct fixture f;
	u64 rel;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 0, 0x1000, n, 0, KVM_MEM_LOG_DIRTY_PAGES);
	for (round = 0; round < 6; round++) {
		for (i = 0; i < n; i++)
			CHECK(fixture_touch(&f, 0x1000 + (i * 7 + round) % n, CPU_WRITE));
		fixture_drain(&f);
		CHECK_EQ(ring_used(&f.ring), n);
		for (i = 0; i < n; i++)
			f.ring.entries[(checked + i) % f.ring.size].flags = KVM_DIRTY_GFN_F_RESET;
		for (taken = 0; taken < n; taken++) {
			struct kvm_dirty_gfn *e = &f.ring.entries[(checked + taken) % f.ring.size];

			CHECK_EQ(e->offset, (taken * 7 + round) % n);
		}
		batch = TLB_BATCH_INIT;
		CHECK_EQ(dirty_reset(&f.mmu, fixture_slots(&f), &f.ring, &batch), n);
		fixture_discharge(&f, &batch);
		checked += n;
	}
	CHECK(!ring_take_harvested(&f.ring, &slot_id, &rel));
	fixture_exit(&f);
}
