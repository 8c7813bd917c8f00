// SPDX-License-Identifier: GPL-2.0
/*
 * L2's writes known by D bits and the CPU's log of L2's addresses (invariant 13): what a
 * drain finds, and who tells of a write that it finds no more.
 */
#include "fixture.h"
#include "mmu/dirty.h"
#include "mmu/shadow.h"
#include "mmu/walk.h"

#define EPTP   0x123000ull
#define BASE   0x1000 /* L1's memory */
#define NPAGES 300
#define L2     0x7700000ull /* where L2 has it */

static struct fixture f;
static struct slot *slot;
static struct shadow_vcpu v;
static struct fake_cpu cpu; /* in L2 */

static unsigned int drain(void)
{
	unsigned int n = shadow_drain(&v, cpu.log, cpu.index, fixture_slots(&f));

	cpu_log_reset(&cpu);
	return n;
}

/* As a vCPU does: an exit, and so a drain, before it flushes. */
static void discharge(struct tlb_batch *batch)
{
	drain();
	if (batch->flush)
		cpu_flush(&cpu);
	fixture_discharge(&f, batch);
}

static void begin(u32 flags)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	fixture_init(&f, FIX_PML);
	f.mmu.caps.l2_pml = true;
	f.mmu.logs_l2 = mmu_choose_logs_l2(f.mmu.caps, false);
	slot = fixture_slot(&f, 1, BASE, NPAGES, 0, flags);
	shadow_vcpu_init(&v, &f.mmu, &f.tables, NULL);
	cpu_init(&f.cpu, &f.mmu);
	cpu_init(&cpu, &f.mmu);
	cpu.pml_on = true;
	CHECK_EQ(shadow_use(&v, EPTP, fixture_slots(&f), &batch), 0);
	discharge(&batch);
	cpu.root = v.shadow->root;
}

static void end(void)
{
	shadow_vcpu_exit(&v);
	fixture_exit(&f);
}

/* An access of L2's to @l2, which L1 has at page @rel.  How many faults it took. */
static int touch(gfn_t l2, u64 rel, enum cpu_access access)
{
	struct shadow_fault fault = {
		.l2 = l2 << PAGE_SHIFT,
		.l1.gpa = (BASE + rel) << PAGE_SHIFT,
		.l1.write = access == CPU_WRITE,
		.rights = EPT_RWX,
		.level = 1,
	};
	struct tlb_batch batch = TLB_BATCH_INIT;
	int faults;
	hfn_t hfn;

	for (faults = 0; faults < 4; faults++) {
		if (cpu_access(&cpu, l2, access, &hfn) == CPU_DONE) {
			host_guest_access(hfn, access == CPU_WRITE);
			return faults;
		}
		drain();
		CHECK_EQ(shadow_fault(&v, fixture_slots(&f), &fault, &batch), FAULT_FIXED);
		discharge(&batch);
	}
	return -1;
}

static bool is_dirty(u64 rel)
{
	return test_bit(rel, slot->dirty.word);
}

/* A harvest of page @rel, up to its flush: was it told? */
static bool take(u64 rel, struct tlb_batch *batch)
{
	bool told = is_dirty(rel);

	write_lock(&f.mmu.lock);
	if (told) {
		clear_bit(rel, slot->dirty.word);
		ept_rearm_mask(&f.mmu, BASE + rel, 1, batch);
	}
	write_unlock(&f.mmu.lock);
	batch->flush = true;
	return told;
}

TEST(a_write_costs_no_fault)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	u64 i;

	begin(KVM_MEM_LOG_DIRTY_PAGES);
	for (i = 0; i < 8; i++)
		CHECK_EQ(touch(L2 + i, 7 - i, CPU_READ), 1);
	CHECK_EQ(drain(), 0);
	for (i = 0; i < 8; i++)
		CHECK_EQ(touch(L2 + i, 7 - i, CPU_WRITE), 0);
	for (i = 0; i < 8; i++)
		CHECK(!is_dirty(i));
	CHECK_EQ(drain(), 8);
	for (i = 0; i < 8; i++)
		CHECK(is_dirty(i));
	CHECK(!is_dirty(8));
	/* The next one after a harvest is logged, too. */
	CHECK(take(3, &batch));
	discharge(&batch);
	CHECK_EQ(touch(L2 + 4, 3, CPU_WRITE), 0);
	CHECK_EQ(drain(), 1);
	CHECK(is_dirty(3));
	end();
}

TEST(a_fault_for_a_write_leaves_it_to_the_log)
{
	begin(KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(touch(L2, 0, CPU_WRITE), 1);
	CHECK(!is_dirty(0));
	CHECK_EQ(drain(), 1);
	CHECK(is_dirty(0));
	end();
}

TEST(a_leaf_that_goes_is_recorded)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	begin(KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(touch(L2, 0, CPU_WRITE), 1);
	CHECK_EQ(touch(L2 + 1, 1, CPU_READ), 1);
	shadow_invept(&f.mmu, EPTP, fixture_slots(&f), &batch);
	CHECK(is_dirty(0));
	CHECK(!is_dirty(1));
	discharge(&batch);
	/* By its GFN: the host takes the page. */
	CHECK_EQ(touch(L2 + 2, 2, CPU_WRITE), 1);
	write_lock(&f.mmu.lock);
	ept_zap(&f.mmu, slot, BASE + 2, BASE + 3, &batch);
	write_unlock(&f.mmu.lock);
	CHECK(is_dirty(2));
	discharge(&batch);
	/* And by the shrinker. */
	CHECK_EQ(touch(L2 + 3, 3, CPU_WRITE), 1);
	shadows_shrink(&f.mmu, fixture_slots(&f), &batch);
	CHECK(is_dirty(3));
	discharge(&batch);
	end();
}

/* The log tells L2's address; what L1 has there by now was not written. */
TEST(another_page_in_its_place)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct shadow_fault fault = {
		.l2 = L2 << PAGE_SHIFT,
		.l1.gpa = (BASE + 9) << PAGE_SHIFT,
		.l1.write = true,
		.rights = EPT_RWX,
		.level = 1,
	};

	begin(KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(touch(L2, 0, CPU_WRITE), 1);
	shadow_invept(&f.mmu, EPTP, fixture_slots(&f), &batch);
	/* Another vCPU's fault, before the log is drained. */
	CHECK_EQ(shadow_fault(&v, fixture_slots(&f), &fault, &batch), FAULT_FIXED);
	CHECK_EQ(drain(), 1);
	CHECK(is_dirty(0));
	CHECK(!is_dirty(9));
	discharge(&batch);
	end();
}

/* A harvest takes D: it tells of the page, so the log that comes after need not. */
TEST(arming_tells)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	begin(KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(touch(L2, 0, CPU_WRITE), 1);
	slot_set_dirty(slot, 0); /* as L1 would, by the VM's own EPT */
	CHECK(take(0, &batch));
	CHECK_EQ(drain(), 1);
	CHECK(!is_dirty(0));
	discharge(&batch);
	/* What KVM_CLEAR_DIRTY_LOG arms for the ABI alone, it tells the others of. */
	CHECK_EQ(touch(L2, 0, CPU_WRITE), 0);
	CHECK_EQ(touch(L2 + 1, 63, CPU_READ), 1);
	write_lock(&f.mmu.lock);
	CHECK_EQ(ept_rearm_mask(&f.mmu, BASE, BIT_ULL(0) | BIT_ULL(63), &batch), 1);
	CHECK_EQ(ept_rearm_mask(&f.mmu, BASE, BIT_ULL(0) | BIT_ULL(63), &batch), 0);
	write_unlock(&f.mmu.lock);
	CHECK(batch.flush);
	discharge(&batch);
	end();
}

TEST(nobody_logs)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	begin(0);
	CHECK_EQ(touch(L2, 0, CPU_WRITE), 1);
	CHECK_EQ(drain(), 0); /* D is set where nobody asks for it */
	CHECK_EQ(touch(L2 + 1, 1, CPU_READ), 1);
	CHECK_EQ(touch(L2 + 1, 1, CPU_WRITE), 0);
	CHECK_EQ(drain(), 1); /* for another slot, maybe */
	shadow_invept(&f.mmu, EPTP, fixture_slots(&f), &batch);
	discharge(&batch);
	end();
}

/* A leaf that is there tells its GFN before a write can set D. */
TEST(the_gfn_is_there_before_the_write)
{
	u64 *sptep;

	begin(KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(touch(L2 + 5, 5, CPU_READ), 1);
	sptep = &leaf_table_of(v.shadow->root, L2 + 5)[index_at(L2 + 5, 1)];
	CHECK(*sptep & EPT_W);
	CHECK(!(*sptep & EPT_D));
	CHECK_EQ(*rmap_gfn_place(sptep), BASE + 5);
	CHECK_EQ(rmap_gfn(sptep), BASE + 5);
	end();
}

/* A ring hears of a write as it happens, and of none that a leaf alone knows. */
TEST(who_has_it)
{
	struct mmu_caps caps = { .ad = true, .pml = true, .l2_pml = true };

	CHECK(mmu_choose_logs_l2(caps, false));
	CHECK(!mmu_choose_logs_l2(caps, true));
	caps.pml = false;
	CHECK(!mmu_choose_logs_l2(caps, false));
	caps.pml = true;
	caps.l2_pml = false;
	CHECK(!mmu_choose_logs_l2(caps, false));
}

/* One D bit for a range, or one of L2's: CLEAR of some pages arms them all. */
TEST(clear_of_a_part_of_a_range_keeps_what_the_log_has_still_to_tell)
{
	unsigned long mask[BITS_TO_LONGS(NPAGES)];
	struct tlb_batch batch = TLB_BATCH_INIT;

	memset(mask, 0xff, sizeof(mask));
	begin(KVM_MEM_LOG_DIRTY_PAGES);
	slot->coarse = true;
	CHECK_EQ(touch(L2 + 1, 200, CPU_READ), 1);
	CHECK_EQ(touch(L2, 5, CPU_WRITE), 1);
	CHECK_EQ(drain(), 1);
	CHECK(is_dirty(0) && is_dirty(NPAGES - 1));
	dirty_clear(&f.mmu, slot, 64, NPAGES - 64, mask, &batch);
	discharge(&batch);
	CHECK(is_dirty(0) && !is_dirty(200));
	CHECK_EQ(touch(L2 + 1, 200, CPU_WRITE), 0);
	dirty_clear(&f.mmu, slot, 0, 64, mask, &batch);
	discharge(&batch);
	CHECK(!is_dirty(0) && is_dirty(200));
	end();
}
