// SPDX-License-Identifier: GPL-2.0
/* mmu/host.c itself, on a fake kernel: set-up, notifications, copies (invariants 10, 12). */
#include "fixture.h"

static bool mapped(struct fixture *f, gfn_t gfn)
{
	u64 spte;

	read_lock(&f->mmu.lock);
	spte = ept_get(&f->mmu, gfn);
	read_unlock(&f->mmu.lock);
	return spte_maps_page(spte);
}

static void touch_all(struct fixture *f, gfn_t base, u64 n, enum cpu_access access)
{
	gfn_t gfn;

	for (gfn = base; gfn < base + n; gfn++)
		CHECK(fixture_touch(f, gfn, access));
}

TEST(set_up_unwinds_at_every_failure)
{
	struct mmu mmu = {};
	struct host host;
	unsigned int n;
	int ret;

	rwlock_init(&mmu.lock);
	REQUIRE(!ept_init(&mmu));
	for (n = 1;; n++) {
		env_fail_at(n);
		ret = host_init(&host, &mmu, NULL);
		env_fail_at(0);
		if (!ret)
			break;
		CHECK_EQ(ret, -ENOMEM);
		REQUIRE(n < 10);
	}
	CHECK(n > 3);
	CHECK_EQ(host.slots->nr, 0);
	host_exit(&host);
	ept_destroy(&mmu);
}

TEST(an_invalidation_takes_its_range_and_no_more)
{
	struct fixture f;
	unsigned int first, n;
	gfn_t gfn;

	for (first = 45; first < 75; first++) {
		for (n = 1; n < 30; n += 7) {
			fixture_init(&f, FIX_PML);
			/* Two slots, of host pages 50 to 59 and 60 to 69. */
			fixture_slot(&f, 0, 0x1f8, 10, 50, 0);
			fixture_slot(&f, 1, 0x400, 10, 60, 0);
			touch_all(&f, 0x1f8, 10, CPU_WRITE);
			touch_all(&f, 0x400, 10, CPU_WRITE);
			host_notify_begin(first, n);
			for (gfn = 0; gfn < 20; gfn++) {
				bool gone = 50 + gfn >= first && 50 + gfn < first + n;
				gfn_t at = gfn < 10 ? 0x1f8 + gfn : 0x400 + gfn - 10;

				CHECK_EQ(mapped(&f, at), !gone);
				if (gone)
					CHECK(!cpu_cached(&f.cpu, at));
			}
			host_notify_end(first, n);
			fixture_exit(&f);
		}
	}
}

/* Bytes, not pages, bound what the kernel asks about. */
TEST(a_range_that_ends_inside_a_page_takes_the_page)
{
	const struct mmu_notifier_range range = { host_hva(3) + 100, host_hva(4) + 1 };
	struct fixture f;
	gfn_t gfn;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 0, 0, 10, 0, 0);
	touch_all(&f, 0, 10, CPU_READ);
	f.host.notifier.ops->invalidate_range_start(&f.host.notifier, &range);
	f.host.notifier.ops->invalidate_range_end(&f.host.notifier, &range);
	for (gfn = 0; gfn < 10; gfn++)
		CHECK_EQ(mapped(&f, gfn), gfn != 3 && gfn != 4);
	fixture_exit(&f);
}

/* While several are under way, what any of them covers is not mapped; their hull may not be. */
TEST(invalidations_that_overlap_hold_each_other_s_pages)
{
	struct fixture f;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 0, 0, 50, 0, 0);
	host_notify_begin(20, 2);
	host_notify_begin(5, 10);
	CHECK_EQ(fixture_fault(&f, 5, CPU_READ), FAULT_FIXED);
	CHECK_EQ(fixture_fault(&f, 14, CPU_READ), FAULT_FIXED);
	CHECK_EQ(fixture_fault(&f, 21, CPU_READ), FAULT_FIXED);
	CHECK(!mapped(&f, 5) && !mapped(&f, 14) && !mapped(&f, 21));
	CHECK_EQ(fixture_fault(&f, 4, CPU_READ), FAULT_FIXED);
	CHECK_EQ(fixture_fault(&f, 22, CPU_READ), FAULT_FIXED);
	CHECK(mapped(&f, 4) && mapped(&f, 22));
	host_notify_end(5, 10);
	CHECK_EQ(fixture_fault(&f, 21, CPU_READ), FAULT_FIXED);
	CHECK(!mapped(&f, 21));
	host_notify_end(20, 2);
	touch_all(&f, 0, 50, CPU_WRITE);
	/* A new one begins with its own range. */
	host_notify_begin(30, 1);
	CHECK(!mapped(&f, 30));
	CHECK_EQ(fixture_fault(&f, 30, CPU_READ), FAULT_FIXED);
	CHECK(!mapped(&f, 30));
	host_notify_end(30, 1);
	fixture_exit(&f);
}

static unsigned int discharges;

static void count_discharge(struct host *host, struct tlb_batch *batch)
{
	discharges += batch->flush;
	fixture_discharge(container_of(host, struct fixture, host), batch);
}

TEST(a_flush_only_where_one_can_be_due)
{
	struct slot *slot;
	struct fixture f;

	fixture_init(&f, FIX_PML);
	f.host.discharge = count_discharge;
	discharges = 0;
	slot = fixture_slot(&f, 0, 0, 10, 0, 0);
	fixture_slot(&f, 1, 100, 10, 100, 0);
	host_notify_begin(3, 1);
	CHECK_EQ(discharges, 0); /* nothing mapped, nobody else */
	host_notify_begin(3, 1);
	CHECK_EQ(discharges, 1); /* the other may have zapped it */
	host_notify_begin(500, 1);
	CHECK_EQ(discharges, 1); /* no slot there */
	host_notify_end(500, 1);
	host_notify_end(3, 1);
	host_notify_end(3, 1);
	slot->dying = true;
	host_notify_begin(3, 1);
	CHECK_EQ(discharges, 2); /* the retirement may have zapped it */
	host_notify_end(3, 1);
	host_notify_begin(103, 1);
	CHECK_EQ(discharges, 2);
	host_notify_end(103, 1);
	slot->dying = false;
	CHECK(fixture_touch(&f, 4, CPU_READ));
	host_notify_begin(4, 1);
	CHECK_EQ(discharges, 3);
	host_notify_end(4, 1);
	/* Ageing never does (invariant 5). */
	CHECK(fixture_touch(&f, 4, CPU_WRITE));
	CHECK(host_notify_young(0, 10, true));
	CHECK(!host_notify_young(0, 10, false));
	CHECK_EQ(discharges, 3);
	fixture_exit(&f);
}

static struct fixture *raced;
static struct tlb_batch late;

static void discharge_late(struct host *host, struct tlb_batch *batch)
{
	late = *batch;
	*batch = (struct tlb_batch)TLB_BATCH_INIT;
}

/* Another invalidation zaps, and is held up before its flush. */
static void overtake(void)
{
	raced->host.discharge = discharge_late;
	host_notify_begin(3, 1);
	raced->host.discharge = count_discharge;
}

/*
 * An invalidation that began first, finds nothing and does not flush would give
 * the page back while a CPU still writes to it: the leaf was zapped by another
 * one, that began after it and flushes later.
 */
TEST(an_invalidation_waits_for_the_flush_of_one_that_overtook_it)
{
	struct fixture f;

	fixture_init(&f, FIX_PML);
	raced = &f;
	fixture_slot(&f, 0, 0, 10, 0, 0);
	CHECK(fixture_touch(&f, 3, CPU_WRITE));
	CHECK(cpu_cached(&f.cpu, 3));
	fake_host.at_srcu = overtake;
	host_notify_begin(3, 1);
	CHECK(late.flush);
	CHECK(!mapped(&f, 3));
	CHECK(!cpu_cached(&f.cpu, 3));
	fixture_discharge(&f, &late);
	host_notify_end(3, 1);
	host_notify_end(3, 1);
	fixture_exit(&f);
}

/* The hand goes round: every table goes once, records stay, and the guest has it all again. */
TEST(a_shrink_takes_tables_and_loses_nothing)
{
	struct fixture f;
	long empty, full;
	struct slot *slot;
	gfn_t gfn;

	fixture_init(&f, FIX_SCAN);
	/* Four leaf tables, the second of them shared by two slots, and a hole of a gigabyte. */
	slot = fixture_slot(&f, 0, 0x1f8, 16 + 300, 50, KVM_MEM_LOG_DIRTY_PAGES);
	fixture_slot(&f, 1, 0x1f8 + 316, 10, 400, 0);
	fixture_slot(&f, 2, 0x40800, 1024, 1000, 0);
	empty = atomic_long_read(&f.mmu.nr_tables);
	touch_all(&f, 0x1f8, 316, CPU_READ);
	touch_all(&f, 0x1f8 + 316, 10, CPU_WRITE);
	touch_all(&f, 0x40800, 1024, CPU_WRITE);
	CHECK(fixture_touch(&f, 0x1fa, CPU_WRITE));
	full = atomic_long_read(&f.mmu.nr_tables);
	CHECK_EQ(host_shrink(&f.host, 1), 1);
	CHECK_EQ(atomic_long_read(&f.mmu.nr_tables), full - 1);
	CHECK(!mapped(&f, 0x1ff) && mapped(&f, 0x200));
	CHECK_EQ(host_shrink(&f.host, 1), 1);
	CHECK_EQ(atomic_long_read(&f.mmu.nr_tables), full - 1); /* the other slot's are in it */
	CHECK(host_shrink(&f.host, 100) < 10);
	CHECK_EQ(atomic_long_read(&f.mmu.nr_tables), empty);
	CHECK_EQ(atomic_long_read(&f.mmu.nr_pages[0]), 0);
	CHECK_EQ(slot->dirty.word[0], 1ul << 2);
	CHECK_EQ(host_lost_dirt(), -1);
	for (gfn = 0x1f8; gfn < 0x1f8 + 326; gfn++)
		CHECK(!cpu_cached(&f.cpu, gfn));
	touch_all(&f, 0x1f8, 316, CPU_WRITE);
	touch_all(&f, 0x40800, 1024, CPU_WRITE);
	/* It begins anew at the first page. */
	CHECK_EQ(host_shrink(&f.host, 1), 1);
	CHECK(!mapped(&f, 0x1f8) && mapped(&f, 0x200));
	fixture_exit(&f);
}

static void invalidate_within(struct host *host, struct tlb_batch *batch)
{
	raced->host.discharge = count_discharge;
	discharges = 0;
	host_notify_begin(3, 1);
	CHECK_EQ(discharges, 1);
	CHECK(!cpu_cached(&raced->cpu, 3));
	host_notify_end(3, 1);
	fixture_discharge(raced, batch);
}

/* The host takes a page whose leaf was shrunk away and whose flush is still to come. */
TEST(an_invalidation_waits_for_the_flush_of_a_shrink)
{
	struct fixture f;

	fixture_init(&f, FIX_PML);
	raced = &f;
	fixture_slot(&f, 0, 0, 10, 0, 0);
	CHECK(fixture_touch(&f, 3, CPU_WRITE));
	f.host.discharge = invalidate_within;
	host_shrink(&f.host, 100);
	CHECK(!mapped(&f, 3));
	CHECK(fixture_touch(&f, 3, CPU_WRITE));
	fixture_exit(&f);
}

/* The same where it was not another invalidation that zapped, but a collapse. */
TEST(an_invalidation_waits_for_the_flush_of_a_collapse)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct slot *slot;
	struct fixture f;

	fixture_init(&f, FIX_PML);
	slot = fixture_slot(&f, 0, 0, 10, 0, 0);
	CHECK(fixture_touch(&f, 3, CPU_WRITE));
	host_zap_begin(&f.host, slot, 3, 1, &batch);
	CHECK(batch.flush);
	CHECK(cpu_cached(&f.cpu, 3));
	host_notify_begin(3, 1);
	CHECK(!cpu_cached(&f.cpu, 3));
	host_notify_end(3, 1);
	host_zap_end(&f.host, &batch);
	fixture_exit(&f);
}

TEST(a_read_takes_a_writable_page_as_such_and_others_not)
{
	struct host_page page;
	struct fixture f;

	fixture_init(&f, FIX_PML);
	CHECK_EQ(host_get_page(host_hva(1), false, &page), 0);
	CHECK(page.writable);
	CHECK_EQ(page.hfn, fake_host.pte[1].hfn);
	host_put_page(&page);
	fake_host.pte[2].writable = false;
	CHECK_EQ(host_get_page(host_hva(2), false, &page), 0);
	CHECK(!page.writable);
	host_put_page(&page);
	CHECK_EQ(host_get_page(host_hva(2), true, &page), 0);
	CHECK(page.writable);
	host_put_page(&page);
	fake_host.pte[3].may_write = false;
	CHECK_EQ(host_get_page(host_hva(3), true, &page), -EFAULT);
	fixture_exit(&f);
}

/* Of a page that is there, of one whose memory is gone, and of none. */
TEST(words_of_a_page)
{
	static const u16 number[] = { 0, 511 };
	u64 word[] = { 1, 1 };
	struct fixture f;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 1, 100, 10, 0, 0);
	CHECK_EQ(host_read_words(fixture_slots(&f), 0x6d000, number, 2, word), 0);
	CHECK_EQ(word[0], 0);
	CHECK_EQ(word[1], 0);
	fake_host.pte[9].no_mapping = true;
	CHECK_EQ(host_read_words(fixture_slots(&f), 0x6d000, number, 2, word), -EFAULT);
	CHECK_EQ(host_read_words(fixture_slots(&f), 0x6e000, number, 2, word), -EFAULT);
	fixture_exit(&f);
}

/* Invariant 12: what the hypervisor writes is dirty, page by page, slot by slot. */
TEST(a_copy_to_the_guest_is_recorded)
{
	struct slot *low, *high;
	u8 bytes[2 * 4096] = {};
	struct fixture f;

	fixture_init(&f, FIX_PML);
	low = fixture_slot(&f, 1, 100, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
	high = fixture_slot(&f, 2, 110, 10, 500, KVM_MEM_LOG_DIRTY_PAGES);
	fixture_slot(&f, 3, 120, 10, 600, KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(host_write_guest(fixture_slots(&f), 0x65ff8, bytes, 8, &f.ring), 0);
	CHECK_EQ(low->dirty.word[0], 1ul << 1);
	/* The last two pages of one slot and the first of the next. */
	CHECK_EQ(host_write_guest(fixture_slots(&f), 0x6cfff, bytes, 4098, NULL), 0);
	CHECK_EQ(low->dirty.word[0], 1ul << 1 | 1ul << 8 | 1ul << 9);
	CHECK_EQ(high->dirty.word[0], 1);
	CHECK_EQ(ring_used(&f.ring), 1);
	CHECK_EQ(f.ring.entries[0].slot, 1);
	CHECK_EQ(f.ring.entries[0].offset, 1);
	/* Into a read-only slot, and into nothing: what came before is written and told. */
	CHECK_EQ(host_write_guest(fixture_slots(&f), 0x77ff8, bytes, 16, NULL), -EFAULT);
	CHECK_EQ(high->dirty.word[0], 1 | 1ul << 9);
	CHECK_EQ(host_write_guest(fixture_slots(&f), 0x63fff, bytes, 1, NULL), -EFAULT);
	CHECK_EQ(host_write_guest(fixture_slots(&f), ~0ull - 3, bytes, 8, NULL), -EFAULT);
	CHECK_EQ(host_write_guest(fixture_slots(&f), 0x64000, bytes, 0, NULL), 0);
	CHECK_EQ(host_read_guest(fixture_slots(&f), 0x77ff8, bytes, 16), 0);
	/* A poke is written and not told, and stays out of what cannot be written. */
	host_poke_guest(fixture_slots(&f), 0x6f123, 1);
	CHECK_EQ(fake_host.pokes, 1);
	CHECK_EQ(fake_host.poked, 501);
	CHECK_EQ(high->dirty.word[0], 1 | 1ul << 9);
	host_poke_guest(fixture_slots(&f), 0x78000, 1);
	host_poke_guest(fixture_slots(&f), 0x63fff, 1);
	CHECK_EQ(fake_host.pokes, 1);
	CHECK_EQ(host_read_guest(fixture_slots(&f), 0x81fff, bytes, 2), -EFAULT);
	CHECK_EQ(host_read_guest(fixture_slots(&f), ~0ull, bytes, 2), -EFAULT);
	fixture_exit(&f);
}
