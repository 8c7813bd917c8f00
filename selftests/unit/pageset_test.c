// SPDX-License-Identifier: GPL-2.0
/*
 * Sets of pages: against an array of bools; and that no page is lost to the
 * summary, whenever it comes (invariant 1).
 */
#include "fixture.h"
#include "flat.h"
#include "mmu/pml.h"

#define MAX_PAGES 1400
#define WORDS	  BITS_TO_LONGS(MAX_PAGES)

static bool model[MAX_PAGES];

TEST(none_or_all_and_nothing_beyond)
{
	u64 npages, i;

	for (npages = 1; npages < 64 * PAGESET_BLOCK_PAGES + 300; npages += npages < 300 ? 1 : 61) {
		u64 blocks = DIV_ROUND_UP(npages, PAGESET_BLOCK_PAGES);
		struct pageset all, none;

		CHECK(!pageset_init(&all, npages, true) && !pageset_init(&none, npages, false));
		CHECK_EQ(all.words, (npages + 63) / 64);
		for (i = 0; i < ALIGN(npages, 64); i++) {
			CHECK_EQ(test_bit(i, all.word), i < npages);
			CHECK(!test_bit(i, none.word));
		}
		for (i = 0; i < ALIGN(blocks, 64); i++) {
			CHECK_EQ(test_bit(i, all.block), i < blocks);
			CHECK(!test_bit(i, none.block));
		}
		pageset_free(&all);
		pageset_free(&none);
		CHECK(!all.word);
	}
}

static struct word_range random_range(const struct pageset *set)
{
	struct word_range range = { .first = fixture_rnd() % set->words };

	range.end = range.first + 1 + fixture_rnd() % (set->words - range.first);
	if (!(fixture_rnd() % 3))
		range = pageset_all(set);
	return range;
}

/* What the summary leads to in @range is the model, and no word comes twice. */
static void check_range(const struct pageset *set, u64 npages, struct word_range range)
{
	unsigned long out[WORDS];
	struct word_range run;
	u64 i, last = range.first;

	pageset_for_each(set, run, range) {
		CHECK(run.first >= last && run.end <= range.end);
		CHECK_EQ(run.first / PAGESET_BLOCK_WORDS, (run.end - 1) / PAGESET_BLOCK_WORDS);
		last = run.end;
	}
	flat_words(set, range, out);
	for (i = range.first * 64; i < range.end * 64; i++)
		CHECK_EQ(test_bit(i - range.first * 64, out), i < npages && model[i]);
}

static void take_range(const struct pageset *set, struct word_range range)
{
	struct word_range run;
	u64 word;

	pageset_for_each(set, run, range) {
		pageset_open(set, run);
		for (word = run.first; word < run.end; word++)
			set->word[word] = 0;
		if (fixture_rnd() % 2)
			pageset_tidy(set, run);
	}
	memset(&model[range.first * 64], 0, min(range.end * 64, (u64)MAX_PAGES) - range.first * 64);
}

TEST(against_an_array_of_bools)
{
	unsigned int round, n;

	for (round = 0; round < 200; round++) {
		u64 npages = 1 + fixture_rnd() % (MAX_PAGES - 1), page;
		struct pageset set;

		memset(model, 0, sizeof(model));
		CHECK(!pageset_init(&set, npages, false));
		for (n = 0; n < 60; n++) {
			page = fixture_rnd() % npages;
			switch (fixture_rnd() % 4) {
			case 0:
				pageset_add(&set, page);
				break;
			case 1:
				pageset_add_word(&set, page / 64, BIT_ULL(page % 64));
				break;
			case 2:
				pageset_add_word_alone(&set, page / 64, BIT_ULL(page % 64));
				break;
			default:
				take_range(&set, random_range(&set));
				continue;
			}
			model[page] = true;
			check_range(&set, npages, random_range(&set));
		}
		pageset_free(&set);
	}
}

/* Taken whole, a block is told of no longer; else a set would fill up with blocks of nothing. */
TEST(what_was_taken_is_not_looked_at_again)
{
	struct word_range run, part = { 1, 2 };
	struct pageset set;

	CHECK(!pageset_init(&set, 3 * PAGESET_BLOCK_PAGES + 1, true));
	pageset_for_each(&set, run, pageset_all(&set))
		pageset_open(&set, run);
	CHECK_EQ(set.block[0], 0);
	pageset_add(&set, 70);
	pageset_open(&set, part);
	CHECK_EQ(set.block[0], 1); /* word 0 may have something */
	memset(set.word, 0, set.words * sizeof(*set.word));
	pageset_tidy(&set, part);
	CHECK_EQ(set.block[0], 0);
	pageset_free(&set);
}

static struct fixture f;
static struct slot *racing;
static u64 racing_page;
static unsigned int race_in; /* points from now */
/* Of three blocks, the last of which is not whole. */
#define RACED_PAGES (2 * PAGESET_BLOCK_PAGES + 176)

static unsigned long raced[WORDS];

/* Lets @now happen at the @n-th atomic operation from here on. */
static void race_at(unsigned int n, void (*now)(void))
{
	race_in = n;
	env_race_hook = now;
}

static bool race_is_now(void)
{
	if (race_in--)
		return false;
	env_race_hook = NULL;
	return true;
}

static void record_now(void)
{
	if (race_is_now())
		pageset_add(&racing->dirty, racing_page);
}

static void harvest_now(void)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	if (!race_is_now())
		return;
	flat_get(&f.mmu, racing, raced, &batch);
	fixture_discharge(&f, &batch);
}

static void begin(bool full)
{
	fixture_init(&f, FIX_PML);
	racing = fixture_slot(&f, 0, 0x1000, RACED_PAGES, 0, 0);
	racing = fixture_relog(&f, racing, full);
	memset(raced, 0, sizeof(raced));
}

static void get(unsigned long *out)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	flat_get(&f.mmu, racing, out, &batch);
	fixture_discharge(&f, &batch);
}

/* What comes at any atomic operation of a harvest is in it or in the next. */
TEST(a_record_in_the_midst_of_a_harvest_is_not_lost)
{
	unsigned long out[WORDS], next[WORDS];
	unsigned int at;

	for (at = 0; at < 12; at++) {
		for (racing_page = 0; racing_page < RACED_PAGES; racing_page += 149) {
			begin(false);
			pageset_add(&racing->dirty, 5);
			pageset_add(&racing->dirty, 480);
			pageset_add(&racing->dirty, 1160);
			race_at(at, record_now);
			get(out);
			env_race_hook = NULL;
			if (race_in != ~0u)
				pageset_add(&racing->dirty, racing_page);
			get(next);
			CHECK_MSG(test_bit(racing_page, out) || test_bit(racing_page, next),
				  "page %llu, point %u", racing_page, at);
			CHECK(test_bit(5, out) && test_bit(480, out) && test_bit(1160, out));
			fixture_exit(&f);
		}
	}
}

/* The same while GET under manual protect takes away blocks in which CLEAR left nothing. */
TEST(a_record_in_the_midst_of_a_tidying_is_not_lost)
{
	unsigned long mask[WORDS], out[WORDS];
	unsigned int at;

	memset(mask, 0xff, sizeof(mask));
	for (at = 0; at < 4; at++) {
		for (racing_page = 0; racing_page < RACED_PAGES; racing_page += 149) {
			struct tlb_batch batch = TLB_BATCH_INIT;

			begin(true);
			dirty_clear(&f.mmu, racing, 0, RACED_PAGES, mask, &batch);
			CHECK(racing->dirty.block[0]);
			race_at(at, record_now);
			dirty_peek(&f.mmu, racing);
			env_race_hook = NULL;
			if (race_in != ~0u)
				pageset_add(&racing->dirty, racing_page);
			dirty_peek(&f.mmu, racing);
			flat_shown(racing, out);
			CHECK_MSG(test_bit(racing_page, out), "page %llu, point %u", racing_page,
				  at);
			CHECK_EQ(hweight64(racing->dirty.block[0]), 1);
			fixture_discharge(&f, &batch);
			fixture_exit(&f);
		}
	}
}

enum recorder { ONE, WORD, LOG, RECORDERS };

static void record(enum recorder who)
{
	u64 log[PML_ENTRIES];

	if (who == ONE) {
		pageset_add(&racing->dirty, racing_page);
	} else if (who == WORD) {
		pageset_add_word(&racing->dirty, racing_page / 64, BIT_ULL(racing_page % 64));
	} else {
		log[PML_ENTRIES - 1] = 0x1000 << PAGE_SHIFT;
		log[PML_ENTRIES - 2] = (0x1000 + racing_page) << PAGE_SHIFT;
		pml_drain(log, PML_ENTRIES - 3, fixture_slots(&f), NULL);
	}
}

/* A harvest that comes in the midst of a record may miss it; the next one does not. */
TEST(a_harvest_in_the_midst_of_a_record_loses_nothing)
{
	unsigned long out[WORDS];
	enum recorder who;
	unsigned int at;

	for (at = 0; at < 8; at++) {
		for (who = 0; who < RECORDERS; who++) {
			racing_page = 7 + 149 * at;
			begin(false);
			race_at(at / 2, harvest_now);
			record(who);
			env_race_hook = NULL;
			get(out);
			CHECK_MSG(test_bit(racing_page, out) || test_bit(racing_page, raced),
				  "recorder %u, point %u", who, at / 2);
			fixture_exit(&f);
		}
	}
}

/* Ten pages of 64 GiB: ten blocks are gone through, whatever else there is. */
TEST(a_harvest_costs_by_what_is_dirty)
{
	const u64 npages = 1ull << 24;
	const struct word_range all = { 0, npages / 64 };
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct pageset which = {};
	struct dirty_taken taken;
	struct word_range run;
	u64 i, blocks = 0, pages = 0;

	fixture_init(&f, FIX_PML);
	racing = fixture_slot(&f, 0, 0x1000, npages, 0, KVM_MEM_LOG_DIRTY_PAGES);
	for (i = 0; i < 10; i++)
		slot_set_dirty(racing, i * (npages / 10) + i);
	REQUIRE(!dirty_get(&f.mmu, racing, &taken, &batch));
	which.block = taken.block;
	pageset_for_each(&which, run, all) {
		for (i = 0; i < PAGESET_BLOCK_WORDS; i++)
			pages += hweight64(taken.word[blocks * PAGESET_BLOCK_WORDS + i]);
		blocks++;
	}
	CHECK_EQ(blocks, 10);
	CHECK_EQ(pages, 10);
	CHECK(batch.flush);
	dirty_taken_free(&taken);
	fixture_discharge(&f, &batch);
	REQUIRE(!dirty_get(&f.mmu, racing, &taken, &batch));
	CHECK(!taken.word);
	dirty_taken_free(&taken);
	fixture_exit(&f);
}

/* Where D alone tells: holes are skipped, and what stands around them is found. */
TEST(a_scan_skips_what_is_not_mapped)
{
	static const gfn_t bases[] = { 0, 1, 37, 511, 0x40000 - 4096, 0x40000 - 4097, 0x3ffff };
	static unsigned long out[HOST_PAGES / 64];
	unsigned int i, n, round;

	for (round = 0; round < 40; round++) {
		struct tlb_batch batch = TLB_BATCH_INIT;
		u64 page[6], found = 0;

		fixture_init(&f, FIX_SCAN);
		racing = fixture_slot(&f, 0, bases[round % ARRAY_SIZE(bases)], HOST_PAGES, 0,
				      KVM_MEM_LOG_DIRTY_PAGES);
		for (n = 0; n < ARRAY_SIZE(page); n++) {
			page[n] = fixture_rnd() % HOST_PAGES;
			if (n == 0 && round % 2)
				page[n] = HOST_PAGES - 1;
			CHECK(fixture_touch(&f, racing->base + page[n], CPU_WRITE));
		}
		flat_get(&f.mmu, racing, out, &batch);
		for (i = 0; i < ARRAY_SIZE(out); i++)
			found += hweight64(out[i]);
		for (n = 0; n < ARRAY_SIZE(page); n++) {
			CHECK_MSG(test_bit(page[n], out), "page %llu", page[n]);
			for (i = 0; i < n && page[i] != page[n]; i++)
				;
			found -= i == n;
		}
		CHECK_EQ(found, 0);
		fixture_discharge(&f, &batch);
		fixture_exit(&f);
	}
}
