// SPDX-License-Identifier: GPL-2.0
/*
 * Host memory: the page behind an address, and the MMU notifier that tells
 * when it is not there any more.
 *
 * A fault looks the page up without the MMU's lock, so it may be late: the
 * notifier counts (struct mmu_race), and the fault asks again under the lock.
 */
#include <linux/highmem.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "mmu/host.h"
#include "mmu/shadow.h"
#include "mmu/walk.h"

/* GFNs per hold of the lock when an invalidation zaps. */
#define ZAP_BATCH 4096

int host_get_page(unsigned long hva, bool write, struct host_page *page)
{
	unsigned int flags = FOLL_HWPOISON | (write ? FOLL_WRITE : 0);
	struct page *found;
	long n;

	/* Present and writable for the host: then for the guest too, whatever it asked for. */
	if (get_user_pages_fast_only(hva, 1, FOLL_WRITE, &found) == 1) {
		*page = (struct host_page){ .hfn = page_to_pfn(found), .writable = true };
		return 0;
	}

	n = get_user_pages_unlocked(hva, 1, &found, flags);
	if (n == 1) {
		*page = (struct host_page){ .hfn = page_to_pfn(found), .writable = write };
		return 0;
	}
	if (fatal_signal_pending(current))
		return -EINTR;
	if (n != -EHWPOISON)
		return -EFAULT;
	/* As if the thread had touched it itself; the signal ends KVM_RUN. */
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)hva, PAGE_SHIFT, current);
	return -EAGAIN;
}

unsigned int host_get_present(unsigned long hva, unsigned int n, hfn_t *hfn)
{
	struct page *found[HOST_PRESENT_MAX];
	int i, got;

	got = get_user_pages_fast_only(hva, min_t(unsigned int, n, HOST_PRESENT_MAX), FOLL_WRITE,
				       found);
	for (i = 0; i < got; i++)
		hfn[i] = page_to_pfn(found[i]);
	return max(got, 0);
}

void host_put_page(const struct host_page *page)
{
	put_page(pfn_to_page(page->hfn));
}

int host_page_level(unsigned long hva, const struct host_page *page, int max)
{
	u64 unlike = page->hfn ^ hva >> PAGE_SHIFT;
	int level;

	if (max <= 1 || !PageCompound(pfn_to_page(page->hfn)))
		return 1;
	level = min(host_mapping_level(current->mm, hva), max);
	while (level > 1 && unlike & (EPT_LEVEL_PAGES(level) - 1))
		level--;
	return level;
}

unsigned long host_race_begin(struct mmu *mmu)
{
	unsigned long seq = READ_ONCE(mmu->race.seq);

	/* Pairs with the lock of race_end(): the look-up comes after the sample. */
	smp_rmb();
	return seq;
}

bool host_race_lost(const struct mmu *mmu, unsigned long seq, unsigned long hva, int level)
{
	const unsigned long size = EPT_LEVEL_PAGES(level) << PAGE_SHIFT;
	const struct mmu_race *race = &mmu->race;
	unsigned long start = hva & -size;

	lockdep_assert_held(&mmu->lock);
	/* By last bytes: the range may end where addresses do. */
	if (race->count && start <= race->end - 1 && race->start <= start + (size - 1))
		return true;
	return race->seq != seq;
}

static void race_start(struct mmu *mmu, unsigned long start, unsigned long end)
{
	struct mmu_race *race = &mmu->race;

	write_lock(&mmu->lock);
	if (!race->count++) {
		race->start = start;
		race->end = end;
	} else {
		race->start = min(race->start, start);
		race->end = max(race->end, end);
	}
	write_unlock(&mmu->lock);
}

static void race_end(struct mmu *mmu)
{
	write_lock(&mmu->lock);
	/* host_race_begin() samples it without the lock. */
	WRITE_ONCE(mmu->race.seq, mmu->race.seq + 1);
	mmu->race.count--;
	write_unlock(&mmu->lock);
}

/* The GFNs of @slot that [start, end) of the owner's addresses maps; there are some. */
static void hva_to_gfns(const struct slot *slot, unsigned long start, unsigned long end,
			gfn_t *first, gfn_t *last)
{
	start = max(start, slot->hva);
	end = min(end - 1, slot_hva_last(slot));
	*first = slot->base + ((start - slot->hva) >> PAGE_SHIFT);
	*last = slot->base + ((end - slot->hva) >> PAGE_SHIFT) + 1;
}

static void zap_slot(struct mmu *mmu, struct slot *slot, gfn_t first, gfn_t last,
		     struct tlb_batch *batch)
{
	gfn_t next;

	for (; first < last; first = next) {
		next = min(first + ZAP_BATCH, last);
		write_lock(&mmu->lock);
		ept_zap(mmu, slot, first, next, batch);
		/*
		 * Another invalidation that is under way may have zapped these
		 * leaves, also since this one began, and not have flushed yet.
		 */
		batch->flush |= mmu->race.count > 1;
		write_unlock(&mmu->lock);
	}
}

/*
 * @flush: also where nothing is left to zap.  So it is where a slot is being
 * retired: its leaves may be gone and its flush still to come.
 */
static void zap_hva_range(struct host *host, unsigned long start, unsigned long end, bool flush)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct slots *slots;
	gfn_t first, last;
	struct slot *slot;
	unsigned int at;
	int idx;

	idx = srcu_read_lock(&host->srcu);
	slots = srcu_dereference(host->slots, &host->srcu);
	at = slots_by_hva(slots, end);
	while ((slot = slots_next_hva(slots, start, &at))) {
		hva_to_gfns(slot, start, end, &first, &last);
		batch.flush |= flush || READ_ONCE(slot->dying);
		zap_slot(host->mmu, slot, first, last, &batch);
	}
	srcu_read_unlock(&host->srcu, idx);

	if (batch.flush)
		host->discharge(host, &batch);
}

void host_zap_begin(struct host *host, struct slot *slot, gfn_t first, int level,
		    struct tlb_batch *batch)
{
	u64 pages = EPT_LEVEL_PAGES(level);
	unsigned long hva = slot_hva(slot, first);

	/* For who invalidates the same meanwhile: the flush is still to come. */
	race_start(host->mmu, hva, hva + (pages << PAGE_SHIFT));
	zap_slot(host->mmu, slot, first, first + pages, batch);
}

void host_zap_end(struct host *host, struct tlb_batch *batch)
{
	host->discharge(host, batch);
	race_end(host->mmu);
}

static struct host *notifier_host(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct host, notifier);
}

static int notify_start(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct host *host = notifier_host(notifier);

	race_start(host->mmu, range->start, range->end);
	zap_hva_range(host, range->start, range->end, false);
	return 0;
}

static void notify_end(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	race_end(notifier_host(notifier)->mmu);
}

/* The first GFN in [gfn, end) that a leaf table is there for, or @end.  Lock held. */
static gfn_t next_leaf_table(struct mmu *mmu, gfn_t gfn, gfn_t end)
{
	while (gfn < end) {
		int level;

		walk_end(mmu, gfn, &level);
		if (level == 1)
			return gfn;
		gfn = (gfn | (EPT_LEVEL_PAGES(level) - 1)) + 1;
	}
	return end;
}

/* Zaps what @slot has in the next leaf table from @gfn on.  Returns where to go on. */
static gfn_t shrink_table(struct mmu *mmu, struct slot *slot, gfn_t gfn, struct tlb_batch *batch)
{
	gfn_t end = slot->base + slot->npages, last;

	write_lock(&mmu->lock);
	gfn = next_leaf_table(mmu, gfn, end);
	last = min((gfn | (EPT_TABLE_ENTRIES - 1)) + 1, end);
	if (gfn < end)
		ept_zap(mmu, slot, gfn, last, batch);
	write_unlock(&mmu->lock);
	return last;
}

unsigned long host_shrink(struct host *host, unsigned long max)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct mmu *mmu = host->mmu;
	gfn_t gfn = host->shrink_next;
	unsigned int i, scanned = 0;
	struct slots *slots;
	int idx;

	/* Over no address: an invalidation that meets this must flush, no fault need wait. */
	race_start(mmu, ULONG_MAX, 0);
	idx = srcu_read_lock(&host->srcu);
	slots = srcu_dereference(host->slots, &host->srcu);
	if (!gfn)
		shadows_shrink(mmu, slots, &batch);
	for (i = 0; i < slots->nr && scanned < max; i++) {
		struct slot *slot = slots->slot[i];
		gfn_t end = slot->base + slot->npages;

		for (gfn = max(gfn, slot->base); gfn < end && scanned < max; scanned++)
			gfn = shrink_table(mmu, slot, gfn, &batch);
	}
	srcu_read_unlock(&host->srcu, idx);
	host->shrink_next = scanned < max ? 0 : gfn;

	if (batch.flush)
		host->discharge(host, &batch);
	race_end(mmu);
	return scanned;
}

static int age_hva_range(struct host *host, unsigned long start, unsigned long end, bool clear)
{
	struct mmu *mmu = host->mmu;
	struct slots *slots;
	gfn_t first, last;
	struct slot *slot;
	unsigned int at;
	int idx, young = 0;

	idx = srcu_read_lock(&host->srcu);
	slots = srcu_dereference(host->slots, &host->srcu);
	write_lock(&mmu->lock);
	at = slots_by_hva(slots, end);
	while ((slot = slots_next_hva(slots, start, &at))) {
		hva_to_gfns(slot, start, end, &first, &last);
		young |= ept_age(mmu, first, last, clear);
	}
	write_unlock(&mmu->lock);
	srcu_read_unlock(&host->srcu, idx);
	return young;
}

/*
 * Ageing never flushes: a page that the TLB still knows may look old for a
 * while, and that costs the host at most a page brought in again.
 */
static int notify_clear_young(struct mmu_notifier *notifier, struct mm_struct *mm,
			      unsigned long start, unsigned long end)
{
	return age_hva_range(notifier_host(notifier), start, end, true);
}

static int notify_test_young(struct mmu_notifier *notifier, struct mm_struct *mm,
			     unsigned long address)
{
	return age_hva_range(notifier_host(notifier), address, address + PAGE_SIZE, false);
}

/* The address space goes: no fault can come any more, what is mapped must go first. */
static void notify_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	zap_hva_range(notifier_host(notifier), 0, ULONG_MAX, true);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = notify_start,
	.invalidate_range_end = notify_end,
	.clear_flush_young = notify_clear_young,
	.clear_young = notify_clear_young,
	.test_young = notify_test_young,
	.release = notify_release,
};

int host_init(struct host *host, struct mmu *mmu,
	      void (*discharge)(struct host *host, struct tlb_batch *batch))
{
	struct slots *slots;
	int ret;

	host->mm = current->mm;
	host->mmu = mmu;
	host->discharge = discharge;
	host_collapse_init(host);
	host->notifier.ops = &notifier_ops;
	slots = kvzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return -ENOMEM;
	RCU_INIT_POINTER(host->slots, slots);
	ret = init_srcu_struct(&host->srcu);
	if (ret)
		goto free_slots;
	/* Takes its own reference on the mm. */
	ret = mmu_notifier_register(&host->notifier, host->mm);
	if (ret)
		goto free_srcu;
	return 0;

free_srcu:
	cleanup_srcu_struct(&host->srcu);
free_slots:
	kvfree(slots);
	return ret;
}

void host_exit(struct host *host)
{
	struct slots *slots;
	unsigned int i;

	cancel_work_sync(&host->collapse);
	mmu_notifier_unregister(&host->notifier, host->mm);
	slots = rcu_dereference_protected(host->slots, true);
	for (i = 0; i < slots->nr; i++)
		slot_free(slots->slot[i]);
	kvfree(slots);
	cleanup_srcu_struct(&host->srcu);
}

struct slots *host_publish(struct host *host, struct slots *slots)
{
	struct slots *old = rcu_dereference_protected(host->slots, true);

	rcu_assign_pointer(host->slots, slots);
	synchronize_srcu_expedited(&host->srcu);
	return old;
}

/* One page's part of a copy: where it is in the owner's memory, and how long. */
static struct slot *guest_piece(const struct slots *slots, gpa_t gpa, size_t len,
				unsigned long *hva, size_t *piece)
{
	struct slot *slot = slots_find(slots, gpa >> PAGE_SHIFT);

	if (!slot)
		return NULL;
	*hva = slot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa);
	*piece = min_t(size_t, len, PAGE_SIZE - offset_in_page(gpa));
	return slot;
}

/* Page tables and bitmaps are read by entries: of these lengths a copy is one load. */
static bool read_user(void *to, unsigned long hva, size_t len)
{
	switch (len) {
	case 1:
		return !get_user(*(u8 *)to, (u8 __user *)hva);
	case 8:
		return !get_user(*(u64 *)to, (u64 __user *)hva);
	}
	return !copy_from_user(to, (void __user *)hva, len);
}

int host_read_guest(const struct slots *slots, gpa_t gpa, void *to, size_t len)
{
	unsigned long hva;
	size_t piece;

	for (; len; len -= piece, gpa += piece, to += piece)
		if (!guest_piece(slots, gpa, len, &hva, &piece) || !read_user(to, hva, piece))
			return -EFAULT;
	return 0;
}

int host_read_words(const struct slots *slots, gpa_t page, const u16 *number, unsigned int n,
		    u64 *to)
{
	unsigned long hva;
	unsigned int i;
	size_t piece;

	if (!guest_piece(slots, page, PAGE_SIZE, &hva, &piece))
		return -EFAULT;
	for (i = 0; i < n; i++)
		if (!read_user(&to[i], hva + number[i] * sizeof(*to), sizeof(*to)))
			return -EFAULT;
	return 0;
}

void host_poke_guest(const struct slots *slots, gpa_t gpa, u8 value)
{
	unsigned long hva;
	size_t piece;
	struct slot *slot = guest_piece(slots, gpa, sizeof(value), &hva, &piece);

	if (slot && !(slot->flags & KVM_MEM_READONLY))
		copy_to_user_nofault((void __user *)hva, &value, sizeof(value));
}

int host_write_guest(const struct slots *slots, gpa_t gpa, const void *from, size_t len,
		     struct ring *ring)
{
	unsigned long hva;
	struct slot *slot;
	size_t piece;

	for (; len; len -= piece, gpa += piece, from += piece) {
		slot = guest_piece(slots, gpa, len, &hva, &piece);
		if (!slot || (slot->flags & KVM_MEM_READONLY) ||
		    copy_to_user((void __user *)hva, from, piece))
			return -EFAULT;
		dirty_record(slot, (gpa >> PAGE_SHIFT) - slot->base, ring);
	}
	return 0;
}

static int set_user_bits(unsigned long hva, const struct guest_entry *entry, u32 bits)
{
	u64 old64 = entry->old;
	u32 old32 = entry->old;
	int ret;

	if (entry->size == 8)
		ret = __try_cmpxchg_user((u64 __user *)hva, &old64, old64 | bits, fault64);
	else
		ret = __try_cmpxchg_user((u32 __user *)hva, &old32, old32 | bits, fault32);
	return ret > 0 ? -EAGAIN : ret;
}

int host_set_guest_bits(const struct slots *slots, const struct guest_entry *entry, u32 bits,
			struct ring *ring)
{
	gfn_t gfn = entry->gpa >> PAGE_SHIFT;
	struct slot *slot = slots_find(slots, gfn);
	int ret;

	if (!slot || (slot->flags & KVM_MEM_READONLY))
		return -EFAULT;
	ret = set_user_bits(slot_hva(slot, gfn) + offset_in_page(entry->gpa), entry, bits);
	if (!ret)
		dirty_record(slot, gfn - slot->base, ring);
	return ret;
}
