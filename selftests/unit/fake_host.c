// SPDX-License-Identifier: GPL-2.0
/* The fake host of fake_host.h. */
#include "fake_host.h"

struct fake_host fake_host;

static pthread_mutex_t mmap_lock = PTHREAD_MUTEX_INITIALIZER;

void host_lock(void)
{
	pthread_mutex_lock(&mmap_lock);
}

void host_unlock(void)
{
	pthread_mutex_unlock(&mmap_lock);
}

void fake_host_reset(void)
{
	static struct fake_host pristine;
	unsigned int i;

	if (pristine.next_frame) {
		fake_host = pristine;
		return;
	}
	for (i = 0; i < HOST_PAGES; i++) {
		fake_host.pte[i] = (struct host_pte){ .writable = true, .may_write = true };
		host_replace(i);
	}
	pristine = fake_host;
}

unsigned int host_index(unsigned long hva)
{
	unsigned long index = (hva - HOST_BASE) >> PAGE_SHIFT;

	if (hva < HOST_BASE || index >= HOST_PAGES)
		env_die("%#lx is no address of the fake host", hva);
	return index;
}

struct host_frame *host_frame(hfn_t hfn)
{
	if (hfn < HOST_FIRST_HFN || hfn >= HOST_FIRST_HFN + HOST_FRAMES)
		env_die("%#llx is no page of the fake host", hfn);
	return &fake_host.frame[hfn - HOST_FIRST_HFN];
}

void host_unmap(unsigned int index)
{
	struct host_pte *pte = &fake_host.pte[index];

	if (!pte->present)
		return;
	host_frame(pte->hfn)->used = false;
	pte->present = false;
}

void host_replace(unsigned int index)
{
	struct host_pte *pte = &fake_host.pte[index];
	struct host_frame *frame;

	host_unmap(index);
	do {
		fake_host.next_frame = (fake_host.next_frame + 1) % HOST_FRAMES;
		frame = &fake_host.frame[fake_host.next_frame];
	} while (frame->used || __atomic_load_n(&frame->refs, __ATOMIC_RELAXED));
	frame->used = true;
	frame->written = false;
	__atomic_store_n(&frame->dirty, false, __ATOMIC_RELAXED);
	pte->hfn = HOST_FIRST_HFN + fake_host.next_frame;
	pte->present = true;
}

void host_guest_access(hfn_t hfn, bool write)
{
	struct host_frame *frame = host_frame(hfn);

	if (!__atomic_load_n(&frame->used, __ATOMIC_RELAXED))
		env_die("invariant 10: the guest accesses host page %#llx, taken away", hfn);
	if (write)
		__atomic_store_n(&frame->written, true, __ATOMIC_RELAXED);
}

bool host_no_refs(void)
{
	unsigned int i;

	for (i = 0; i < HOST_FRAMES; i++)
		if (fake_host.frame[i].refs)
			return false;
	return true;
}

int host_lost_dirt(void)
{
	unsigned int i;

	for (i = 0; i < HOST_FRAMES; i++) {
		const struct host_frame *frame = &fake_host.frame[i];

		if (frame->used && frame->written && !frame->dirty)
			return i;
	}
	return -1;
}

void env_page_dirty(u64 hfn)
{
	struct host_frame *frame = host_frame(hfn);

	if (!__atomic_load_n(&frame->used, __ATOMIC_RELAXED))
		env_die("invariant 10: host page %#llx is told dirty after it was taken away", hfn);
	__atomic_store_n(&frame->dirty, true, __ATOMIC_RELAXED);
}

int host_get_page(unsigned long hva, bool write, struct host_page *page)
{
	unsigned int index = host_index(hva);
	struct host_pte *pte = &fake_host.pte[index];
	int fail = fake_host.fail_next;

	might_sleep();
	if (fail) {
		fake_host.fail_next = 0;
		return fail;
	}
	if (pte->no_mapping || (write && !pte->may_write))
		return -EFAULT;
	if (write && !pte->writable) {
		if (fake_host.before_copy)
			fake_host.before_copy(index, true);
		host_replace(index);
		pte->writable = true;
		if (fake_host.before_copy)
			fake_host.before_copy(index, false);
	}
	host_lock();
	if (!pte->present)
		host_replace(index);
	*page = (struct host_page){ .hfn = pte->hfn, .writable = pte->writable && pte->may_write };
	__atomic_add_fetch(&host_frame(page->hfn)->refs, 1, __ATOMIC_RELAXED);
	host_unlock();
	if (fake_host.after_lookup)
		fake_host.after_lookup();
	return 0;
}

void host_put_page(const struct host_page *page)
{
	if (__atomic_fetch_sub(&host_frame(page->hfn)->refs, 1, __ATOMIC_RELAXED) <= 0)
		env_die("a host page's reference is given back twice");
}

unsigned long host_race_begin(struct mmu *mmu)
{
	unsigned long seq = READ_ONCE(mmu->race.seq);

	smp_rmb();
	return seq;
}

bool host_race_lost(const struct mmu *mmu, unsigned long seq, unsigned long hva)
{
	const struct mmu_race *race = &mmu->race;

	lockdep_assert_held(&mmu->lock);
	if (race->count && hva >= race->start && hva < race->end)
		return true;
	return race->seq != seq;
}

bool host_race_start(struct mmu *mmu, unsigned long start, unsigned long end)
{
	struct mmu_race *race = &mmu->race;
	bool others;

	write_lock(&mmu->lock);
	race->start = race->count ? min(race->start, start) : start;
	race->end = race->count ? max(race->end, end) : end;
	others = race->count++;
	write_unlock(&mmu->lock);
	return others;
}

void host_race_end(struct mmu *mmu)
{
	write_lock(&mmu->lock);
	WRITE_ONCE(mmu->race.seq, mmu->race.seq + 1);
	mmu->race.count--;
	write_unlock(&mmu->lock);
}
