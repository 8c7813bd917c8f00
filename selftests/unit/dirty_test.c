// SPDX-License-Identifier: GPL-2.0
/* Harvests against the plainest model there is: an array of bools. */
#include "fixture.h"
#include "flat.h"

#define MAX_PAGES 4300
#define WORDS	  BITS_TO_LONGS(MAX_PAGES)
#define BASE	  0x1f3 /* 2 MiB aligned to nothing */

static const u64 sizes[] = { 1, 2, 63, 64, 65, 127, 128, 130, 4095, 4096, 4097, MAX_PAGES };

static bool written[MAX_PAGES];

/* Writes some pages, reads some, leaves some; the log is drained. */
static void use_pages(struct fixture *f, u64 npages)
{
	u64 rel;

	for (rel = 0; rel < npages; rel++) {
		unsigned int how = fixture_rnd() % 4;

		if (how == 0)
			continue;
		CHECK(fixture_touch(f, BASE + rel, how == 1 ? CPU_READ : CPU_WRITE));
		written[rel] |= how != 1;
	}
	fixture_drain(f);
	/* The ring is not what this is about. */
	f->ring.tail = f->ring.head;
}

static void check_words(const unsigned long *words, u64 npages)
{
	u64 rel;

	for (rel = 0; rel < ALIGN(npages, 64); rel++)
		CHECK_MSG(test_bit(rel, words) == (rel < npages && written[rel]), "page %llu", rel);
}

static struct slot *begin(struct fixture *f, enum fixture_mode mode, u64 npages)
{
	memset(written, 0, sizeof(written));
	fixture_init(f, mode);
	return fixture_slot(f, 0, BASE, npages, 0, KVM_MEM_LOG_DIRTY_PAGES);
}

#define FOR_EACH_CASE(mode, size) \
	for (enum fixture_mode mode = 0; mode < NR_FIX_MODES; mode++) \
		for (const u64 *size = sizes; size < sizes + ARRAY_SIZE(sizes); size++)

/* What KVM_GET_DIRTY_LOG tells under manual protect. */
static void peek(struct mmu *mmu, struct slot *slot, unsigned long *out)
{
	dirty_peek(mmu, slot);
	flat_shown(slot, out);
}

TEST(get_takes_all_and_the_next_one_is_empty)
{
	FOR_EACH_CASE(mode, size)
	{
		static unsigned long out[WORDS + 1];
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot = begin(&f, mode, *size);

		use_pages(&f, *size);
		out[slot_bitmap_words(slot)] = 0x1234;
		flat_get(&f.mmu, slot, out, &batch);
		CHECK_EQ(out[slot_bitmap_words(slot)], 0x1234);
		check_words(out, *size);
		fixture_discharge(&f, &batch);

		memset(written, 0, sizeof(written));
		batch = TLB_BATCH_INIT;
		flat_get(&f.mmu, slot, out, &batch);
		check_words(out, *size);
		CHECK(!batch.flush);
		use_pages(&f, *size);
		flat_get(&f.mmu, slot, out, &batch);
		check_words(out, *size);
		fixture_discharge(&f, &batch);
		fixture_exit(&f);
	}
}

TEST(get_without_taking_leaves_all)
{
	FOR_EACH_CASE(mode, size)
	{
		static unsigned long out[WORDS];
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot = begin(&f, mode, *size);

		use_pages(&f, *size);
		peek(&f.mmu, slot, out);
		check_words(out, *size);
		peek(&f.mmu, slot, out);
		check_words(out, *size);
		CHECK(!batch.flush);
		flat_get(&f.mmu, slot, out, &batch);
		check_words(out, *size);
		fixture_discharge(&f, &batch);
		fixture_exit(&f);
	}
}

static u64 spte_of(struct fixture *f, u64 rel)
{
	u64 spte;

	read_lock(&f->mmu.lock);
	spte = ept_get(&f->mmu, BASE + rel);
	read_unlock(&f->mmu.lock);
	return spte;
}

/* Invariant 8: bits asked for and set, and of the others neither bit nor SPTE. */
static void clear_once(struct fixture *f, struct slot *slot)
{
	static unsigned long mask[WORDS], out[WORDS], known[WORDS];
	static u64 before[MAX_PAGES];
	u64 words = slot_bitmap_words(slot), npages, rel, i;
	u64 first = fixture_rnd() % words * 64;
	struct tlb_batch batch = TLB_BATCH_INIT;
	bool taken = false;

	npages = min(slot->npages - first, 64 * (1 + fixture_rnd() % words));
	for (i = 0; i < words; i++)
		mask[i] = fixture_rnd() & (fixture_rnd() % 3 ? ~0ull : fixture_rnd());
	for (rel = 0; rel < slot->npages; rel++)
		before[rel] = spte_of(f, rel);
	memcpy(known, slot->dirty.word, words * sizeof(known[0]));
	dirty_clear(&f->mmu, slot, first, npages, mask, &batch);
	for (rel = 0; rel < slot->npages; rel++) {
		bool asked = rel >= first && rel < first + npages && test_bit(rel - first, mask);

		if (asked && test_bit(rel, known)) {
			CHECK(!spte_was_written(spte_of(f, rel)));
			written[rel] = false;
			taken = true;
		} else {
			CHECK_EQ(spte_of(f, rel), before[rel]);
		}
	}
	CHECK_EQ(batch.flush, taken);
	fixture_discharge(f, &batch);
	batch = TLB_BATCH_INIT;
	peek(&f->mmu, slot, out);
	check_words(out, slot->npages);
}

TEST(clear_touches_what_was_asked_for_and_set)
{
	FOR_EACH_CASE(mode, size)
	{
		static unsigned long out[WORDS];
		struct fixture f;
		struct slot *slot = begin(&f, mode, *size);
		unsigned int i;

		for (i = 0; i < 4; i++) {
			use_pages(&f, *size);
			peek(&f.mmu, slot, out);
			check_words(out, *size);
			clear_once(&f, slot);
			/* Where D is scanned, the log does not know of these yet. */
			use_pages(&f, *size);
			clear_once(&f, slot);
		}
		fixture_exit(&f);
	}
}

TEST(clear_ignores_mask_bits_beyond_the_slot)
{
	unsigned long mask[2] = { ~0ul, ~0ul };
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct slot *slot, *next;
	struct fixture f;

	fixture_init(&f, FIX_PML);
	slot = fixture_slot(&f, 0, BASE, 70, 0, KVM_MEM_LOG_DIRTY_PAGES);
	next = fixture_slot(&f, 1, BASE + 70, 70, 100, KVM_MEM_LOG_DIRTY_PAGES);
	CHECK(fixture_touch(&f, BASE + 69, CPU_WRITE));
	CHECK(fixture_touch(&f, BASE + 70, CPU_WRITE));
	fixture_drain(&f);
	dirty_clear(&f.mmu, slot, 0, 70, mask, &batch);
	CHECK_EQ(slot->dirty.word[1], 0);
	CHECK_EQ(next->dirty.word[0], 1);
	CHECK(spte_of(&f, 70) & EPT_D);
	CHECK(!(spte_of(&f, 69) & EPT_D));
	fixture_discharge(&f, &batch);
	fixture_exit(&f);
}

/* Invariant 4: with pages, without any, and when ageing has taken all access bits. */
TEST(start_always_flushes)
{
	enum fixture_mode mode;
	unsigned int how;

	for (mode = 0; mode < NR_FIX_MODES; mode++) {
		for (how = 0; how < 3; how++) {
			struct tlb_batch batch = TLB_BATCH_INIT;
			struct fixture f;
			struct slot *slot = begin(&f, mode, 100);
			u64 rel;

			for (rel = 0; how && rel < 100; rel++)
				CHECK(fixture_touch(&f, BASE + rel, CPU_WRITE));
			write_lock(&f.mmu.lock);
			if (how == 2)
				ept_age(&f.mmu, BASE, BASE + 100, true);
			write_unlock(&f.mmu.lock);
			dirty_start(&f.mmu, slot, &batch);
			CHECK_MSG(batch.flush, "mode %u, how %u", mode, how);
			for (rel = 0; rel < 100; rel++)
				CHECK(!spte_was_written(spte_of(&f, rel)));
			fixture_discharge(&f, &batch);
			fixture_exit(&f);
		}
	}
}

/* A record is taken from an SPTE that ageing had taken W from: the TLB may still write. */
TEST(taking_a_record_flushes_though_no_spte_changes)
{
	unsigned int how;

	for (how = 0; how < 3; how++) {
		unsigned long word = ~0ul, out;
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot;

		fixture_init(&f, FIX_SOFT);
		slot = fixture_slot(&f, 0, BASE, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
		CHECK(fixture_touch(&f, BASE, CPU_WRITE));
		write_lock(&f.mmu.lock);
		CHECK(ept_age(&f.mmu, BASE, BASE + 10, true));
		write_unlock(&f.mmu.lock);
		f.ring.entries[0].flags = KVM_DIRTY_GFN_F_RESET;
		if (how == 0)
			flat_get(&f.mmu, slot, &out, &batch);
		else if (how == 1)
			dirty_clear(&f.mmu, slot, 0, 10, &word, &batch);
		else
			CHECK_EQ(dirty_reset(&f.mmu, fixture_slots(&f), &f.ring, &batch), 1);
		CHECK_MSG(batch.flush, "how %u", how);
		fixture_discharge(&f, &batch);
		fixture_exit(&f);
	}
}

TEST(what_is_put_back_comes_again)
{
	unsigned long out[3], again[3];
	struct dirty_taken taken;
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct fixture f;
	struct slot *slot = begin(&f, FIX_PML, 130);

	use_pages(&f, 130);
	flat_take(&f.mmu, slot, &taken, out, &batch);
	fixture_discharge(&f, &batch);
	use_pages(&f, 130);
	flat_got(slot, &taken, true);
	flat_get(&f.mmu, slot, again, &batch);
	check_words(again, 130);
	fixture_discharge(&f, &batch);
	fixture_exit(&f);
}

/* Entries as userspace may leave them: only pages of logged slots of now are armed. */
TEST(reset_believes_no_entry)
{
	static const struct kvm_dirty_gfn bad[] = {
		{ 0, 7, 0 },	  { 0, 0, 100 },       { 0, 0, ~0ull },	     { 0, ~0u, 1 },
		{ 0, 1, 3 },	  { 0, SLOTS_MAX, 3 }, { 0, 0, 1ull << 63 }, { 0, 1u << 16, 3 },
		{ 0, 0, -64ull }, { 0, 0, 103 },
	};
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct slot *slot;
	struct fixture f;
	unsigned int i;
	u64 rel;

	fixture_init(&f, FIX_PML);
	slot = fixture_slot(&f, 0, BASE, 100, 0, KVM_MEM_LOG_DIRTY_PAGES);
	fixture_slot(&f, 1, BASE + 100, 100, 200, 0);
	for (rel = 0; rel < 100; rel++)
		CHECK(fixture_touch(&f, BASE + rel, CPU_WRITE));
	CHECK(fixture_touch(&f, BASE + 103, CPU_WRITE));
	fixture_drain(&f);
	f.ring.head = f.ring.tail = 0;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_push(&f.ring, 0, 0);
		f.ring.entries[i] = bad[i];
		f.ring.entries[i].flags = KVM_DIRTY_GFN_F_RESET;
	}
	CHECK_EQ(dirty_reset(&f.mmu, fixture_slots(&f), &f.ring, &batch), ARRAY_SIZE(bad));
	fixture_discharge(&f, &batch);
	for (rel = 0; rel < 100; rel++)
		CHECK(spte_of(&f, rel) & EPT_D);
	CHECK(spte_of(&f, 103) & EPT_D);
	CHECK_EQ(slot->dirty.word[0], ~0ul);
	fixture_exit(&f);
}

/* A whole ring, in an order that jumps between words and slots. */
TEST(reset_arms_each_page_and_no_other)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	u32 total = 0, n;
	struct fixture f;
	u64 rel;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 2, BASE, 1000, 0, KVM_MEM_LOG_DIRTY_PAGES);
	for (rel = 0; rel < 1000; rel++)
		CHECK(fixture_touch(&f, BASE + rel, CPU_WRITE));
	fixture_drain(&f);
	f.ring.head = f.ring.tail = 0;
	memset(f.ring.entries, 0, f.ring.size * sizeof(f.ring.entries[0]));
	for (rel = 0; rel < 1000; rel += 2)
		ring_push(&f.ring, 2, rel * 377 % 1000);
	for (n = 0; n < 300; n++)
		f.ring.entries[n].flags = KVM_DIRTY_GFN_F_RESET;
	total = dirty_reset(&f.mmu, fixture_slots(&f), &f.ring, &batch);
	CHECK_EQ(total, 300);
	CHECK(batch.flush);
	fixture_discharge(&f, &batch);
	for (rel = 0; rel < 1000; rel += 2)
		CHECK_EQ(!!(spte_of(&f, rel * 377 % 1000) & EPT_D), rel / 2 >= 300);
	for (rel = 1; rel < 1000; rel += 2)
		CHECK(spte_of(&f, rel * 377 % 1000) & EPT_D);
	/* Nothing is harvested: nothing is given back, nobody flushes. */
	batch = TLB_BATCH_INIT;
	CHECK_EQ(dirty_reset(&f.mmu, fixture_slots(&f), &f.ring, &batch), 0);
	CHECK(!batch.flush);
	fixture_exit(&f);
}

TEST(a_ring_and_a_bitmap_see_the_same_writes)
{
	enum fixture_mode mode;

	for (mode = 0; mode < NR_FIX_MODES; mode++) {
		struct fixture f;
		struct slot *slot;
		u64 rel;

		if (mode == FIX_SCAN)
			continue; /* has no ring: it would hear too late */
		slot = begin(&f, mode, 200);
		for (rel = 0; rel < 200; rel += 3)
			CHECK(fixture_touch(&f, BASE + rel, CPU_WRITE));
		fixture_drain(&f);
		CHECK_EQ(ring_used(&f.ring), 67);
		for (rel = 0; rel < 200; rel++)
			CHECK_EQ(test_bit(rel, slot->dirty.word), rel % 3 == 0);
		for (rel = 0; rel < 67; rel++)
			CHECK_EQ(f.ring.entries[rel].offset, rel * 3);
		fixture_exit(&f);
	}
}
