// SPDX-License-Identifier: GPL-2.0
/* One SPTE at a time: truth tables of every kind, permission and decision. */
#include "mmu/spte.h"
#include "tap.h"

#define HFN 0x12345ull

static const enum spte_kind kinds[] = { SPTE_AD, SPTE_WRPROT, SPTE_SOFT };

static u64 leaf(enum spte_kind kind, unsigned int choice)
{
	const struct spte_page page = {
		.hfn = HFN,
		.host_writable = choice & 1,
		.write = choice & 1 && choice & 2,
		.logged = choice & 4,
	};

	return spte_leaf(kind, &page);
}

#define FOR_EACH_LEAF(kind, choice) \
	for (unsigned int k_ = 0; k_ < ARRAY_SIZE(kinds); k_++) \
		for (unsigned int choice = 0, kind = kinds[k_]; choice < 8; choice++)

TEST(software_bits_are_ignored_by_every_cpu)
{
	CHECK_EQ(SPTE_SOFT_BITS & ~EPT_SOFT_MASK, 0);
	CHECK_EQ(EPT_SOFT_MASK & (EPT_XU | EPT_VGP | EPT_PW | EPT_SSS | EPT_SPP | EPT_SVE), 0);
	/* Each has a bit of its own. */
	CHECK_EQ(hweight64(SPTE_SOFT_BITS), 7);
}

TEST(leaf_says_what_it_was_made_of)
{
	FOR_EACH_LEAF(kind, choice)
	{
		u64 spte = leaf(kind, choice);

		CHECK_EQ(spte_hfn(spte), HFN);
		CHECK_EQ(spte_kind(spte), kind);
		CHECK(spte_maps_page(spte));
		CHECK(!spte_is_mmio(spte));
		CHECK(!spte_is_access_tracked(spte));
		CHECK(spte_is_young(spte));
		CHECK((spte & EPT_R) && (spte & EPT_X));
		CHECK_EQ(spte & EPT_MT_MASK, EPT_MT_WB);
		CHECK_EQ(!!(spte & SPTE_HOST_WRITABLE), choice & 1);
		CHECK(!(spte & (EPT_XU | EPT_PS | EPT_VGP | EPT_PW | EPT_SSS | EPT_SPP | EPT_SVE)));
		CHECK(!(spte & SPTE_WAS_DIRTY));
		if (kind == SPTE_SOFT)
			CHECK_EQ(spte & (EPT_A | EPT_D), 0);
	}
}

/* W: never without the host; by permission, a logged page only for a write. */
TEST(leaf_is_writable_only_when_the_write_is_seen)
{
	FOR_EACH_LEAF(kind, choice)
	{
		bool host = choice & 1, write = host && (choice & 2), logged = choice & 4;
		u64 spte = leaf(kind, choice);
		bool expected = host && (kind == SPTE_AD || write || !logged);

		CHECK_MSG(!!(spte & EPT_W) == expected, "kind %u, choice %u", kind, choice);
		/* D set by us is a write that the CPU will not log. */
		if (spte & EPT_D)
			CHECK(kind == SPTE_AD && write && !logged);
	}
}

TEST(restore_write_only_with_both_permissions)
{
	FOR_EACH_LEAF(kind, choice)
	{
		u64 spte = leaf(kind, choice);

		CHECK_EQ(spte_may_restore_write(spte), choice & 1);
		CHECK(!spte_may_restore_write(spte & ~SPTE_MMU_WRITABLE));
		CHECK(!spte_may_restore_write(spte & ~SPTE_HOST_WRITABLE));
	}
	CHECK(!spte_may_restore_write(0));
	CHECK(!spte_may_restore_write(SPTE_HOST_WRITABLE | SPTE_MMU_WRITABLE));
	CHECK(!spte_may_restore_write(spte_mmio(5)));
}

TEST(rearm_takes_what_tells_of_a_write_and_nothing_else)
{
	FOR_EACH_LEAF(kind, choice)
	{
		u64 spte = leaf(kind, choice) | (kind == SPTE_AD ? EPT_D : 0);
		u64 tells = kind == SPTE_AD ? EPT_D : EPT_W;
		bool written = spte & tells;
		u64 armed = spte_rearm(spte);

		CHECK_EQ(spte_was_written(spte), written);
		if (!written)
			continue;
		CHECK(!spte_was_written(armed));
		CHECK_EQ(armed & ~SPTE_WAS_DIRTY, spte & ~tells);
		/* The host still hears of it when the leaf goes. */
		CHECK(armed & SPTE_WAS_DIRTY);
		CHECK_EQ(spte_rearm(armed), armed);
		if (kind == SPTE_AD)
			CHECK_EQ(armed & EPT_W, spte & EPT_W);
	}
}

TEST(age_takes_the_access_bit_and_restore_gives_it_back)
{
	FOR_EACH_LEAF(kind, choice)
	{
		u64 spte = leaf(kind, choice);
		u64 aged = spte_age(spte);
		u64 again = spte_restore(aged, false);

		CHECK(!spte_is_young(aged));
		CHECK(spte_maps_page(aged));
		CHECK_EQ(spte_hfn(aged), HFN);
		CHECK_EQ(spte_age(aged), aged);
		if (kind != SPTE_SOFT) {
			CHECK_EQ(aged, spte & ~EPT_A);
			continue;
		}
		CHECK(spte_is_access_tracked(aged));
		CHECK_EQ(aged & EPT_RWX, 0);
		/* W went, and was a write for all we know. */
		CHECK_EQ(!!(aged & SPTE_WAS_DIRTY), !!(spte & EPT_W));
		CHECK_EQ(again & ~SPTE_WAS_DIRTY, spte & ~EPT_W);
		CHECK(spte_is_young(again));
		if (choice & 1) {
			CHECK(spte_may_restore_write(aged));
			CHECK_EQ(spte_restore(aged, true) & EPT_RWX, EPT_RWX);
		}
	}
}

TEST(age_of_what_maps_nothing_changes_nothing)
{
	CHECK_EQ(spte_age(0), 0);
	CHECK_EQ(spte_age(spte_mmio(7)), spte_mmio(7));
	CHECK(!spte_is_young(0) && !spte_is_young(spte_mmio(7)));
	CHECK(!spte_was_written(0) && !spte_was_written(spte_mmio(7)));
}

TEST(allows_is_what_the_cpu_allows)
{
	unsigned int rwx;

	for (rwx = 0; rwx < 8; rwx++) {
		CHECK_EQ(spte_allows(rwx, false, false), !!(rwx & EPT_R));
		CHECK_EQ(spte_allows(rwx, true, false), !!(rwx & EPT_W));
		CHECK_EQ(spte_allows(rwx, false, true), !!(rwx & EPT_X));
	}
	CHECK(!spte_allows(spte_mmio(1), true, false));
	CHECK(!spte_allows(spte_mmio(1), false, true));
}

TEST(mmio_is_misconfigured_and_knows_its_generation)
{
	u64 generation;

	for (generation = 0; generation < 300; generation++) {
		u64 spte = spte_mmio(generation);

		/* W or X without R: misconfigured on every CPU. */
		CHECK(!(spte & EPT_R) && (spte & EPT_W));
		CHECK(spte_is_mmio(spte));
		CHECK(!spte_maps_page(spte));
		CHECK(spte_mmio_is_current(spte, generation));
		CHECK(!spte_mmio_is_current(spte, generation + 1));
		CHECK(!spte_mmio_is_current(spte | EPT_R, generation));
	}
	/* A generation that is too wide touches no other bit. */
	CHECK_EQ(spte_mmio(~0ull) & ~SPTE_MMIO_GEN_MASK, spte_mmio(0));
}

TEST(table_entry_allows_all_and_has_no_reserved_bit)
{
	CHECK_EQ(spte_table(0x5000, true), 0x5000 | EPT_RWX | EPT_A);
	CHECK_EQ(spte_table(0x5000, false), 0x5000 | EPT_RWX);
}

/* A child of 4K gets W back, since its D tells; one of 2M has one D for 512 pages. */
TEST(children_of_1g_stay_protected)
{
	const struct spte_page page = {
		.hfn = EPT_LEVEL_PAGES(3) * 3, .large = true, .host_writable = true, .write = true
	};
	u64 leaf = spte_protect_large(spte_leaf(SPTE_AD, &page));

	CHECK(spte_may_restore_write(leaf));
	CHECK(!(spte_first_child(leaf, 3) & EPT_W));
	CHECK(spte_first_child(leaf, 3) & EPT_PS);
	CHECK(spte_first_child(leaf, 2) & EPT_W);
	CHECK(!(spte_first_child(leaf, 2) & EPT_PS));
	/* Where nothing is protected nothing changes. */
	leaf = spte_leaf(SPTE_AD, &page);
	CHECK_EQ(spte_first_child(leaf, 3), leaf);
}
