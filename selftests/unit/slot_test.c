// SPDX-License-Identifier: GPL-2.0
/* Slots: what is refused, what is found, what a change leaves alone. */
#include "mmu/slot.h"
#include "tap.h"
#include "ept_bits.h"
#include "fixture.h"

#define MAX_GFN 0xfffffull /* 4 GiB */
#define RO	KVM_MEM_READONLY
#define LOG	KVM_MEM_LOG_DIRTY_PAGES
#define P(n)	((n)*4096ull)

static struct slots *no_slots(void)
{
	return kvzalloc(sizeof(struct slots), GFP_KERNEL);
}

static void free_slots(struct slots *slots)
{
	unsigned int i;

	for (i = 0; i < slots->nr; i++)
		slot_free(slots->slot[i]);
	kvfree(slots);
}

static struct slots *add(struct slots *slots, u32 id, u64 base, u64 npages, u32 flags)
{
	const struct kvm_userspace_memory_region region = {
		id, flags, P(base), P(npages), 0x10000000 + P(base),
	};
	struct slots *next = slots_change(slots, NULL, slot_alloc(&region));

	kvfree(slots);
	return next;
}

struct classify_case {
	struct kvm_userspace_memory_region region; /* slot, flags, gpa, size, hva */
	int expected;
};

static void check_cases(const struct slots *slots, const struct classify_case *cases,
			unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		int got = slots_classify(slots, &cases[i].region, MAX_GFN);

		CHECK_MSG(got == cases[i].expected, "case %u gives %d, not %d", i, got,
			  cases[i].expected);
	}
}

TEST(bad_regions_are_refused)
{
	static const struct classify_case cases[] = {
		{ { 0, 0, P(1), P(1), P(1) }, SLOT_CREATE },
		{ { SLOTS_MAX - 1, 0, P(1), P(1), P(1) }, SLOT_CREATE },
		{ { SLOTS_MAX, 0, P(1), P(1), P(1) }, -EINVAL },
		{ { ~0u, 0, P(1), P(1), P(1) }, -EINVAL },
		{ { 1u << 16, 0, P(1), P(1), P(1) }, -EINVAL }, /* an address space that is not */
		{ { 0, LOG | RO, P(1), P(1), P(1) }, SLOT_CREATE },
		{ { 0, 4, P(1), P(1), P(1) }, -EINVAL },
		{ { 0, 1u << 31, P(1), P(1), P(1) }, -EINVAL },
		{ { 0, 0, P(1) + 1, P(1), P(1) }, -EINVAL },
		{ { 0, 0, P(1) + 2048, P(1), P(1) }, -EINVAL },
		{ { 0, 0, P(1), P(1) + 1, P(1) }, -EINVAL },
		{ { 0, 0, P(1), 4095, P(1) }, -EINVAL },
		{ { 0, 0, P(1), P(1), P(1) + 8 }, -EINVAL },
		{ { 0, 0, P(1), 0, P(1) }, -EINVAL }, /* deletes what is not there */
		{ { 0, 0, -P(1), P(1), P(1) }, -EINVAL },
		{ { 0, 0, -P(1), P(2), P(1) }, -EINVAL },
		{ { 0, 0, P(1), -P(1), P(1) }, -EINVAL },
		{ { 0, 0, P(2), -P(1), 0 }, -EINVAL },
		{ { 0, 0, P(1), P(2), -P(1) }, -EINVAL },
		{ { 0, 0, P(1), P(2), -P(2) }, -EINVAL }, /* ends at 2^64 */
		{ { 0, 0, 0, P(MAX_GFN + 1), 0 }, SLOT_CREATE },
		{ { 0, 0, 0, P(MAX_GFN + 2), 0 }, -EINVAL },
		{ { 0, 0, P(MAX_GFN), P(1), 0 }, SLOT_CREATE },
		{ { 0, 0, P(MAX_GFN), P(2), 0 }, -EINVAL },
		{ { 0, 0, P(MAX_GFN + 1), P(1), 0 }, -EINVAL },
	};
	struct slots *slots = no_slots();

	check_cases(slots, cases, ARRAY_SIZE(cases));
	free_slots(slots);
}

TEST(a_slot_of_more_than_31_bits_of_pages_is_refused)
{
	struct kvm_userspace_memory_region region = { .memory_size = P(SLOT_MAX_PAGES) };
	struct slots *slots = no_slots();

	CHECK(slots_classify(slots, &region, EPT_MAX_GFN) == SLOT_CREATE);
	region.memory_size += P(1);
	CHECK(slots_classify(slots, &region, EPT_MAX_GFN) == -EINVAL);
	free_slots(slots);
}

TEST(each_change_is_known)
{
	const u64 hva = 0x10000000 + P(100);
	const struct classify_case cases[] = {
		{ { 5, LOG, P(100), P(10), hva }, SLOT_NOTHING },
		{ { 5, 0, P(100), P(10), hva }, SLOT_FLAGS },
		{ { 5, LOG, P(101), P(10), hva }, SLOT_MOVE }, /* over itself */
		{ { 5, 0, P(300), P(10), hva }, SLOT_MOVE },
		{ { 5, LOG, P(195), P(10), hva }, -EEXIST },
		{ { 5, 0, 0, 0, 0 }, SLOT_DELETE },
		{ { 5, LOG, P(100), P(11), hva }, -EINVAL },
		{ { 5, LOG, P(100), P(9), hva }, -EINVAL },
		{ { 5, LOG, P(100), P(10), hva + P(1) }, -EINVAL },
		{ { 5, LOG | RO, P(100), P(10), hva }, -EINVAL },
		{ { 5, LOG | RO, P(300), P(10), hva }, -EINVAL },
		{ { 6, RO, P(200), P(10), 0x10000000 + P(200) }, SLOT_NOTHING },
		{ { 6, RO | LOG, P(200), P(10), 0x10000000 + P(200) }, SLOT_FLAGS },
		{ { 6, LOG, P(200), P(10), 0x10000000 + P(200) }, -EINVAL },
		{ { 7, 0, P(100), P(1), 0 }, -EEXIST },
	};
	struct slots *slots = add(add(no_slots(), 5, 100, 10, LOG), 6, 200, 10, RO);

	check_cases(slots, cases, ARRAY_SIZE(cases));
	free_slots(slots);
}

TEST(overlap_is_found_at_every_offset)
{
	struct slots *slots = add(add(no_slots(), 1, 20, 5, 0), 2, 25, 3, 0);
	u64 base, npages;

	for (base = 0; base < 40; base++) {
		for (npages = 1; npages < 40; npages++) {
			const struct kvm_userspace_memory_region region = {
				3, 0, P(base), P(npages), 0,
			};
			bool overlap = base < 28 && base + npages > 20;

			CHECK_EQ(slots_classify(slots, &region, MAX_GFN),
				 overlap ? -EEXIST : SLOT_CREATE);
		}
	}
	free_slots(slots);
}

TEST(find_is_a_linear_search)
{
	struct slots *slots = no_slots();
	struct slot *expected;
	unsigned int i, n, round;
	u64 base = 3;
	gfn_t gfn;

	CHECK(!slots_find(slots, 0));
	for (n = 0; n < 70; n++) {
		u64 npages = 1 + fixture_rnd() % 9;

		slots = add(slots, n, base, npages, 0);
		base += npages + fixture_rnd() % 3;
	}
	for (round = 0; round < 20000; round++) {
		gfn = round < 2000 ? round : fixture_rnd() % (base + 5);
		expected = NULL;
		for (i = 0; i < slots->nr; i++)
			if (gfn >= slots->slot[i]->base &&
			    gfn < slots->slot[i]->base + slots->slot[i]->npages)
				expected = slots->slot[i];
		CHECK(slots_find(slots, gfn) == expected);
	}
	CHECK(!slots_find(slots, ~0ull));
	CHECK(!slots_by_id(slots, SLOTS_MAX));
	CHECK(!slots_by_id(slots, ~0u));
	free_slots(slots);
}

/* How many slots map addresses of [start, end), by looking at all; each has to be told once. */
static void check_hva_range(const struct slots *slots, unsigned long start, unsigned long end)
{
	unsigned int i, at = slots_by_hva(slots, end), expected = 0, found = 0;
	unsigned long highest = ~0ul;
	struct slot *slot;

	for (i = 0; i < slots->nr; i++)
		expected += slots->slot[i]->hva < end &&
			    slots->slot[i]->hva + P(slots->slot[i]->npages) > start;
	while ((slot = slots_next_hva(slots, start, &at))) {
		CHECK(slot->hva < end && slot->hva + P(slot->npages) > start);
		CHECK(slot->hva <= highest);
		highest = slot->hva;
		found++;
	}
	CHECK_EQ(found, expected);
}

/* Slots whose addresses lie apart, touch, overlap and hold each other, as they come and go. */
TEST(by_host_address)
{
	struct slots *slots = no_slots(), *next;
	unsigned int round, i;

	check_hva_range(slots, 0, ~0ul);
	for (round = 0; round < 2000; round++) {
		u32 id = fixture_rnd() % 24;
		const struct kvm_userspace_memory_region region = {
			id, 0, P(id * 64), P(1 + fixture_rnd() % (round % 3 ? 4 : 60)),
			P(fixture_rnd() % 100),
		};
		struct slot *old = slots_by_id(slots, id);

		next = slots_change(slots, old, old ? NULL : slot_alloc(&region));
		REQUIRE(next);
		slot_free(old);
		kvfree(slots);
		slots = next;
		for (i = 0; i < 10; i++) {
			unsigned long start = P(fixture_rnd() % 170);

			check_hva_range(slots, start, start + 1 + fixture_rnd() % P(20));
		}
		check_hva_range(slots, 0, ~0ul);
	}
	free_slots(slots);
}

/* Random changes against a plain array; each old array stays what it was. */
TEST(change_keeps_order_ids_and_the_old_array)
{
	struct slots *slots = no_slots();
	struct slot *by_id[64] = {};
	unsigned int round, i;

	for (round = 0; round < 3000; round++) {
		u32 id = fixture_rnd() % 64;
		struct slot *old = by_id[id], *with = NULL;
		const struct kvm_userspace_memory_region region = {
			/* Each id has a place of its own, with room to move. */
			id, 0, P(id * 16 + fixture_rnd() % 8), P(1 + fixture_rnd() % 8), 0,
		};
		struct slots *next;
		unsigned int nr = 0;

		if (!old || fixture_rnd() % 2)
			with = slot_alloc(&region);
		next = slots_change(slots, old, with);
		REQUIRE(next);
		CHECK_EQ(next->generation, slots->generation + 1);
		CHECK(slots_by_id(slots, id) == old);
		by_id[id] = with;
		for (i = 0; i < 64; i++) {
			CHECK(slots_by_id(next, i) == by_id[i]);
			nr += !!by_id[i];
		}
		CHECK_EQ(next->nr, nr);
		for (i = 1; i < next->nr; i++)
			CHECK(next->slot[i - 1]->base < next->slot[i]->base);
		slot_free(old);
		kvfree(slots);
		slots = next;
	}
	free_slots(slots);
}

TEST(short_memory_is_told_and_changes_nothing)
{
	const struct kvm_userspace_memory_region region = { 1, 0, P(1), P(1), 0 };
	struct slots *slots = add(no_slots(), 0, 5, 5, 0);
	struct pageset set;

	env_fail_at(1);
	CHECK(!slots_change(slots, slots->slot[0], NULL));
	env_fail_at(1);
	CHECK(!slot_alloc(&region));
	env_fail_at(1);
	CHECK_EQ(pageset_init(&set, 100, true), -ENOMEM);
	CHECK(!set.word);
	env_fail_at(0);
	CHECK_EQ(slots->nr, 1);
	slot_free(NULL);
	free_slots(slots);
}

TEST(has_gfn_at_the_edges)
{
	const struct slot slot = { .base = 100, .npages = 10, .hva = 0x1000000 };

	CHECK(!slot_has_gfn(&slot, 0) && !slot_has_gfn(&slot, 99) && !slot_has_gfn(&slot, 110));
	CHECK(!slot_has_gfn(&slot, ~0ull));
	CHECK(slot_has_gfn(&slot, 100) && slot_has_gfn(&slot, 109));
	CHECK_EQ(slot_hva(&slot, 109), 0x1009000);
}
