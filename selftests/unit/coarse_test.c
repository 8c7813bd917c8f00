// SPDX-License-Identifier: GPL-2.0
/* Slots that are tracked by ranges of 2M: what each harvest tells, and what it arms. */
#include "fixture.h"
#include "flat.h"
#include "mmu/coarse.h"

#define BLOCK HOST_BLOCK
#define BASE  (8 * BLOCK)
#define TAIL  100 /* pages of the last range, which is not whole */
#define PAGES (3 * BLOCK + TAIL)

#define FOR_EACH_MODE(mode) for (enum fixture_mode mode = 0; mode < NR_FIX_MODES; mode++)

/* A logged coarse slot of PAGES; the host has huge pages for the first two ranges. */
static struct slot *begin(struct fixture *f, enum fixture_mode mode)
{
	struct slot *slot;

	fixture_init(f, mode);
	f->mmu.caps.level = 3;
	f->mmu.caps.eager_split = true;
	cpu_init(&f->cpu, &f->mmu);
	host_make_huge(0);
	host_make_huge(BLOCK);
	slot = fixture_slot(f, 0, BASE, PAGES, 0, 0);
	slot->coarse = true;
	slot = fixture_relog(f, slot, false);
	f->cpu.pml_on = f->mmu.caps.pml;
	return slot;
}

static void end(struct fixture *f)
{
	f->ring.tail = f->ring.head;
	fixture_exit(f);
}

static void write_page(struct fixture *f, u64 rel)
{
	CHECK(fixture_touch(f, BASE + rel, CPU_WRITE));
	fixture_drain(f);
}

/* GET tells of the ranges in @ranges, by bits, and of nothing else. */
static void check_get(struct fixture *f, struct slot *slot, unsigned int ranges)
{
	unsigned long out[BITS_TO_LONGS(PAGES)];
	struct tlb_batch batch = TLB_BATCH_INIT;
	u64 rel;

	flat_get(&f->mmu, slot, out, &batch);
	CHECK_EQ(batch.flush, !!ranges);
	fixture_discharge(f, &batch);
	for (rel = 0; rel < BITS_TO_LONGS(PAGES) * 64; rel++)
		CHECK_MSG(test_bit(rel, out) == (rel < PAGES && ranges >> rel / BLOCK & 1),
			  "page %#llx", rel);
}

static void clear(struct fixture *f, struct slot *slot, u64 first, u64 npages)
{
	unsigned long mask[BITS_TO_LONGS(PAGES)];
	struct tlb_batch batch = TLB_BATCH_INIT;

	memset(mask, 0xff, sizeof(mask));
	dirty_clear(&f->mmu, slot, first, npages, mask, &batch);
	fixture_discharge(f, &batch);
}

/* What GET tells under manual protect, of pages [first, end) alone: all, or none. */
static void check_peek(struct fixture *f, struct slot *slot, u64 first, u64 end, bool told)
{
	unsigned long out[BITS_TO_LONGS(PAGES)];

	dirty_peek(&f->mmu, slot);
	flat_shown(slot, out);
	for (; first < end; first++)
		CHECK_MSG(test_bit(first, out) == told, "page %#llx", first);
}

TEST(a_write_tells_of_its_range_and_of_no_other)
{
	FOR_EACH_MODE(mode) {
		struct fixture f;
		struct slot *slot = begin(&f, mode);

		write_page(&f, 7);
		write_page(&f, 3 * BLOCK + 5);
		check_get(&f, slot, 0x9);
		check_get(&f, slot, 0);
		/* Both were armed: another page of each is seen, too. */
		write_page(&f, BLOCK - 1);
		check_get(&f, slot, 0x1);
		write_page(&f, 3 * BLOCK + TAIL - 1);
		check_get(&f, slot, 0x8);
		/* Small leaves of one range are armed together. */
		write_page(&f, 2 * BLOCK + 1);
		write_page(&f, 2 * BLOCK + 400);
		check_get(&f, slot, 0x4);
		write_page(&f, 2 * BLOCK + 400);
		check_get(&f, slot, 0x4);
		end(&f);
	}
}

TEST(large_leaves_stay_under_logging)
{
	FOR_EACH_MODE(mode) {
		struct fixture f;
		struct slot *slot = begin(&f, mode);
		unsigned int i;

		for (i = 0; i < 3; i++) {
			write_page(&f, 7 + i);
			write_page(&f, BLOCK + i);
			CHECK_EQ(atomic_long_read(&f.mmu.nr_pages[1]), 2);
			check_get(&f, slot, 0x3);
		}
		CHECK_EQ(atomic_long_read(&f.mmu.nr_splits), 0);
		end(&f);
	}
}

TEST(logging_begins_without_a_split)
{
	FOR_EACH_MODE(mode) {
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot = begin(&f, mode);

		slot = fixture_unlog(&f, slot);
		write_page(&f, 7);
		slot = fixture_relog(&f, slot, false);
		dirty_start(&f.mmu, slot, &batch);
		CHECK(batch.flush);
		fixture_discharge(&f, &batch);
		CHECK_EQ(atomic_long_read(&f.mmu.nr_pages[1]), 1);
		check_get(&f, slot, 0);
		write_page(&f, 8);
		check_get(&f, slot, 0x1);
		end(&f);
	}
}

TEST(no_leaf_is_of_more_than_a_range)
{
	const struct kvm_userspace_memory_region region = {
		.memory_size = 4ull << 30,
	};
	struct slot *slot = slot_alloc(&region);

	REQUIRE(slot);
	CHECK_EQ(slot_level(slot, 0x40000, 3), 3);
	slot->coarse = true;
	CHECK_EQ(slot_level(slot, 0x40000, 3), 2);
	slot_free(slot);
}

TEST(clear_of_a_part_leaves_the_rest_a_record)
{
	FOR_EACH_MODE(mode) {
		struct fixture f;
		struct slot *slot = begin(&f, mode);

		write_page(&f, 7);
		check_peek(&f, slot, 0, BLOCK, true);
		clear(&f, slot, 0, 256);
		check_peek(&f, slot, 0, 256, false);
		check_peek(&f, slot, 256, BLOCK, true);
		/* Seen by nobody yet where D alone tells: CLEAR of the other half takes it. */
		write_page(&f, 9);
		clear(&f, slot, 256, 256);
		check_peek(&f, slot, 0, 256, true);
		clear(&f, slot, 0, 256);
		check_peek(&f, slot, 0, BLOCK, false);
		write_page(&f, 300);
		check_peek(&f, slot, 0, BLOCK, true);
		end(&f);
	}
}

/* CLEAR asks for pages that it was not told of: what it does not take stays owed. */
TEST(clear_does_not_take_what_it_was_not_told)
{
	FOR_EACH_MODE(mode) {
		struct fixture f;
		struct slot *slot = begin(&f, mode);

		write_page(&f, 7);
		check_peek(&f, slot, 0, BLOCK, true);
		clear(&f, slot, 64, BLOCK - 64);
		write_page(&f, 200);
		clear(&f, slot, 0, BLOCK);
		/* Where the CPU's log or a fault had told, it was the record that was taken. */
		check_peek(&f, slot, 64, BLOCK, mode == FIX_SCAN);
		end(&f);
	}
}

TEST(trackers_hear_of_what_clear_took)
{
	FOR_EACH_MODE(mode) {
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot = begin(&f, mode);

		REQUIRE(!view_add(slot, 0, false));
		write_page(&f, 7);
		check_peek(&f, slot, 0, BLOCK, true);
		dirty_share(&f.mmu, slot, pageset_all(&slot->dirty), &batch);
		fixture_discharge(&f, &batch);
		CHECK_EQ(view_take(slot, 0, pageset_all(&slot->dirty)), BLOCK);
		view_settle(slot, 0, pageset_all(&slot->dirty), NULL, false);
		write_page(&f, 8);
		clear(&f, slot, 0, BLOCK);
		/* It asks for a part of the range alone. */
		dirty_share(&f.mmu, slot, (struct word_range){ 2, 4 }, &batch);
		fixture_discharge(&f, &batch);
		CHECK_EQ(view_take(slot, 0, (struct word_range){ 2, 4 }), 128);
		end(&f);
	}
}

TEST(a_ring_names_the_first_page)
{
	FOR_EACH_MODE(mode) {
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot = begin(&f, mode);
		u32 i;

		if (mode == FIX_SCAN) {
			end(&f);
			continue; /* has no ring */
		}
		for (i = 0; i < 3; i++) {
			write_page(&f, BLOCK + 77 + i);
			REQUIRE(f.ring.head == i + 1);
			CHECK_EQ(f.ring.entries[i].offset, BLOCK);
			write_page(&f, BLOCK + 90); /* is written already */
			CHECK_EQ(f.ring.head, i + 1);
			f.ring.entries[i].flags = KVM_DIRTY_GFN_F_RESET;
			CHECK_EQ(dirty_reset(&f.mmu, fixture_slots(&f), &f.ring, &batch), 1);
			fixture_discharge(&f, &batch);
		}
		/* What userspace says it wrote: one entry a range. */
		CHECK_EQ(dirty_mark(slot, BLOCK - 1, BLOCK + 2, NULL, &f.ring), BLOCK + 2);
		CHECK_EQ(f.ring.head, i + 3);
		CHECK_EQ(f.ring.entries[i].offset, 0);
		CHECK_EQ(f.ring.entries[i + 1].offset, BLOCK);
		CHECK_EQ(f.ring.entries[i + 2].offset, 2 * BLOCK);
		end(&f);
	}
}

/* How many there were, from page *@next on, which becomes where to go on. */
static unsigned int take(struct fixture *f, u64 *next, struct coarse_range *range, unsigned int max)
{
	struct coarse_taken taken = { .to = range, .max = max, .next = *next };
	struct slot *slot = fixture_slots(f)->slot[0];
	struct tlb_batch batch = TLB_BATCH_INIT;

	coarse_take_ranges(&f->mmu, slot, &taken, &batch);
	/* Whoever gave it to the ABI for a tracker's sake has flushed. */
	if (!slot->views)
		CHECK_EQ(batch.flush, !!taken.n);
	fixture_discharge(f, &batch);
	*next = taken.next;
	return taken.n;
}

static void check_range(const struct coarse_range *range, u64 first, u64 npages)
{
	CHECK_EQ(range->first, first);
	CHECK_EQ(range->npages, npages);
}

/* @tracker: beside one, which takes the records first. */
static void take_ranges(enum fixture_mode mode, bool tracker)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct coarse_range range[4];
	struct fixture f;
	struct slot *slot = begin(&f, mode);
	u64 next = 0;

	if (tracker)
		REQUIRE(!view_add(slot, 0, false));
	write_page(&f, 7);
	write_page(&f, BLOCK + 7);
	write_page(&f, 3 * BLOCK);
	if (tracker)
		dirty_share(&f.mmu, slot, pageset_all(&slot->dirty), &batch);
	fixture_discharge(&f, &batch);
	/* One at a time; what touches is one. */
	CHECK_EQ(take(&f, &next, range, 1), 1);
	check_range(range, 0, 2 * BLOCK);
	CHECK_EQ(next, 3 * BLOCK);
	CHECK_EQ(take(&f, &next, range, 1), 1);
	check_range(range, 3 * BLOCK, TAIL);
	CHECK_EQ(next, PAGES);
	CHECK_EQ(take(&f, &next, range, 1), 0);
	check_get(&f, slot, 0);
	/* Taken is armed; what could not be handed over is told again. */
	write_page(&f, 2 * BLOCK);
	next = 0;
	CHECK_EQ(take(&f, &next, range, 4), 1);
	check_range(range, 2 * BLOCK, BLOCK);
	CHECK_EQ(next, PAGES);
	coarse_put_back(slot, range);
	next = 0;
	CHECK_EQ(take(&f, &next, range, 4), 1);
	check_range(range, 2 * BLOCK, BLOCK);
	if (tracker)
		CHECK_EQ(view_take(slot, 0, pageset_all(&slot->dirty)), 3 * BLOCK + TAIL);
	end(&f);
}

TEST(ranges_are_taken_some_at_a_time)
{
	FOR_EACH_MODE(mode)
		take_ranges(mode, false);
}

TEST(ranges_are_taken_beside_a_tracker)
{
	FOR_EACH_MODE(mode)
		take_ranges(mode, true);
}

TEST(a_leaf_that_goes_leaves_its_range_a_record)
{
	FOR_EACH_MODE(mode) {
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot = begin(&f, mode);

		write_page(&f, 7);
		write_page(&f, 2 * BLOCK + 7);
		write_lock(&f.mmu.lock);
		ept_zap(&f.mmu, slot, BASE, BASE + PAGES, &batch);
		write_unlock(&f.mmu.lock);
		fixture_discharge(&f, &batch);
		CHECK_EQ(mmu_mapped(&f.mmu), 0);
		check_get(&f, slot, 0x5);
		end(&f);
	}
}

/* Where W tells, the page of a leaf without X that is fetched from loses it: not what it told. */
TEST(a_fetch_keeps_what_the_host_has_to_hear)
{
	FOR_EACH_MODE(mode) {
		struct fixture f;
		struct slot *slot = begin(&f, mode);

		f.mmu.caps.large_nx = true;
		write_page(&f, 7);
		CHECK_EQ(atomic_long_read(&f.mmu.nr_pages[1]), 1);
		CHECK(fixture_touch(&f, BASE + 7, CPU_FETCH));
		CHECK_EQ(atomic_long_read(&f.mmu.nr_splits), 1);
		CHECK(!host_is_dirty(fake_host.pte[7].hfn));
		host_notify_begin(7, 1);
		CHECK(host_is_dirty(fake_host.pte[7].hfn));
		host_notify_end(7, 1);
		check_get(&f, slot, 0x1);
		end(&f);
	}
}

TEST(it_moves_by_2m)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = (BASE + 1) << PAGE_SHIFT,
		.memory_size = PAGES << PAGE_SHIFT,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	struct fixture f;
	struct slot *slot = begin(&f, FIX_SOFT);

	region.userspace_addr = slot->hva;
	CHECK_EQ(slots_classify(fixture_slots(&f), &region, EPT_MAX_GFN), -EINVAL);
	region.guest_phys_addr = (BASE + BLOCK) << PAGE_SHIFT;
	CHECK_EQ(slots_classify(fixture_slots(&f), &region, EPT_MAX_GFN), SLOT_MOVE);
	end(&f);
}
