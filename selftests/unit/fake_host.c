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

/* The 1G's part of both arrays is large and seldom used. */
static void reset_giant(void)
{
	if (!fake_host.has_giant)
		return;
	memset(fake_host.pte + HOST_PAGES, 0, GIANT_SLOT * sizeof(fake_host.pte[0]));
	memset(fake_host.frame + GIANT_FRAME, 0, 2 * GIANT_PAGES * sizeof(fake_host.frame[0]));
}

/* What a reset leaves behind, the 1G apart: a page behind each address. */
static void map_all(void)
{
	unsigned int i;

	for (i = 0; i < HOST_PAGES; i++) {
		fake_host.pte[i] = (struct host_pte){ .writable = true, .may_write = true };
		host_replace(i);
	}
}

void fake_host_reset(void)
{
	static struct host_frame frame[HOST_FRAMES];
	static struct host_pte pte[HOST_PAGES];
	static unsigned int next_frame;

	reset_giant();
	if (!next_frame) {
		map_all();
		memcpy(frame, fake_host.frame, sizeof(frame));
		memcpy(pte, fake_host.pte, sizeof(pte));
		next_frame = fake_host.next_frame;
	}
	memcpy(fake_host.frame, frame, sizeof(frame));
	memcpy(fake_host.pte, pte, sizeof(pte));
	memset(fake_host.huge, 0, sizeof(fake_host) - offsetof(struct fake_host, huge));
	fake_host.next_frame = next_frame;
}

void fake_host_add_giant(void)
{
	unsigned int i;

	fake_host.has_giant = true;
	for (i = HOST_PAGES; i < HOST_ALL_PAGES; i++)
		fake_host.pte[i] = (struct host_pte){ .writable = true, .may_write = true };
}

unsigned int host_index(unsigned long hva)
{
	unsigned long index = (hva - HOST_BASE) >> PAGE_SHIFT;

	if (hva >= host_hva(HOST_PAGES))
		index = HOST_PAGES + ((hva - host_hva(HOST_PAGES)) >> PAGE_SHIFT);
	else if (index >= HOST_PAGES)
		index = HOST_ALL_PAGES;
	if (hva < HOST_BASE || index >= HOST_ALL_PAGES)
		env_die("%#lx is no address of the fake host", hva);
	return index;
}

struct host_frame *host_frame(hfn_t hfn)
{
	if (hfn < HOST_FIRST_HFN || hfn >= HOST_FIRST_HFN + HOST_ALL_FRAMES)
		env_die("%#llx is no page of the fake host", hfn);
	return &fake_host.frame[hfn - HOST_FIRST_HFN];
}

void host_unmap(unsigned int index)
{
	struct host_pte *pte = &fake_host.pte[index];

	if (!pte->present)
		return;
	if (*host_huge(index))
		env_die("the fake host changes a part of a huge mapping");
	host_frame(pte->hfn)->used = false;
	pte->present = false;
}

void host_replace(unsigned int index)
{
	struct host_pte *pte = &fake_host.pte[index];
	struct host_frame *frame;
	unsigned int tries = 0;

	host_unmap(index);
	do {
		if (tries++ == HOST_SINGLES)
			env_die("the fake host has no page left");
		fake_host.next_frame = (fake_host.next_frame + 1) % HOST_SINGLES;
		frame = &fake_host.frame[fake_host.next_frame];
	} while (frame->used || __atomic_load_n(&frame->refs, __ATOMIC_RELAXED));
	frame->used = true;
	frame->index = index;
	frame->written = false;
	__atomic_store_n(&frame->dirty, false, __ATOMIC_RELAXED);
	pte->hfn = HOST_FIRST_HFN + fake_host.next_frame;
	pte->present = true;
}

/* The frame that knows whether @hfn is dirty. */
static struct host_frame *dirty_frame(hfn_t hfn)
{
	if (!host_is_compound(hfn))
		return host_frame(hfn);
	return host_frame(round_down(hfn, hfn < GIANT_HFN ? HOST_BLOCK : GIANT_PAGES));
}

bool host_is_dirty(hfn_t hfn)
{
	return __atomic_load_n(&dirty_frame(hfn)->dirty, __ATOMIC_RELAXED);
}

void host_clean(hfn_t hfn)
{
	if (host_is_compound(hfn))
		return;
	host_frame(hfn)->written = false;
	host_frame(hfn)->dirty = false;
}

/* The first frame of a compound page that nobody has, or 0. */
static unsigned int free_compound(void)
{
	unsigned int first, i;

	for (first = HOST_SINGLES; first < HOST_FRAMES; first += HOST_BLOCK) {
		for (i = 0; i < HOST_BLOCK; i++) {
			const struct host_frame *frame = &fake_host.frame[first + i];

			if (frame->used || __atomic_load_n(&frame->refs, __ATOMIC_RELAXED))
				break;
		}
		if (i == HOST_BLOCK)
			return first;
	}
	return 0;
}

/* Frame @frame, of a compound page, stands behind page @index. */
static void map_compound(unsigned int index, unsigned int frame)
{
	struct host_frame *to = &fake_host.frame[frame];

	host_unmap(index);
	__atomic_store_n(&to->used, true, __ATOMIC_RELAXED);
	__atomic_store_n(&to->written, false, __ATOMIC_RELAXED);
	__atomic_store_n(&to->dirty, false, __ATOMIC_RELAXED);
	to->index = index;
	fake_host.pte[index] = (struct host_pte){
		.hfn = HOST_FIRST_HFN + frame,
		.present = true,
		.writable = true,
		.may_write = true,
	};
}

bool host_make_huge(unsigned int index)
{
	unsigned int i, at = round_down(index, HOST_BLOCK), first = free_compound();

	if (!first)
		return false;
	*host_huge(index) = false;
	for (i = 0; i < HOST_BLOCK; i++)
		map_compound(at + i, first + i);
	*host_huge(index) = true;
	return true;
}

void host_make_giant(void)
{
	unsigned int i, first;

	fake_host.giant_nr ^= 1;
	first = GIANT_FRAME + fake_host.giant_nr * GIANT_PAGES;
	memset(host_huge(GIANT_INDEX), false, GIANT_PAGES / HOST_BLOCK);
	for (i = 0; i < GIANT_PAGES; i++)
		map_compound(GIANT_INDEX + i, first + i);
	memset(host_huge(GIANT_INDEX), true, GIANT_PAGES / HOST_BLOCK);
	fake_host.giant = true;
}

unsigned int host_entry(unsigned int index, unsigned int *n)
{
	*n = fake_host.giant && host_in_giant(index) ? GIANT_PAGES :
	     *host_huge(index)			     ? HOST_BLOCK :
						       1;
	return *n == GIANT_PAGES ? GIANT_INDEX : round_down(index, *n);
}

static void split_entry(unsigned int first, unsigned int n, bool *whole)
{
	if (fake_host.before_split)
		fake_host.before_split(first, n, true);
	else
		host_notify_begin(first, n);
	host_lock();
	*whole = false;
	host_unlock();
	if (fake_host.before_split)
		fake_host.before_split(first, n, false);
	else
		host_notify_end(first, n);
}

void host_split_to(unsigned int index, int level)
{
	if (level < 3 && fake_host.giant && host_in_giant(index))
		split_entry(GIANT_INDEX, GIANT_PAGES, &fake_host.giant);
	if (level < 2 && *host_huge(index))
		split_entry(round_down(index, HOST_BLOCK), HOST_BLOCK, host_huge(index));
}

void host_guest_access(hfn_t hfn, bool write)
{
	struct host_frame *frame = host_frame(hfn);

	if (!__atomic_load_n(&frame->used, __ATOMIC_RELAXED))
		env_die("invariant 10: the guest accesses host page %#llx, taken away", hfn);
	if (write)
		__atomic_store_n(&frame->written, true, __ATOMIC_RELAXED);
}

static bool no_refs(unsigned int first, unsigned int end)
{
	for (; first < end; first++)
		if (fake_host.frame[first].refs)
			return false;
	return true;
}

bool host_no_refs(void)
{
	return no_refs(0, HOST_FRAMES) &&
	       (!fake_host.has_giant || no_refs(GIANT_FRAME, HOST_ALL_FRAMES));
}

static int lost_dirt(unsigned int first, unsigned int end)
{
	for (; first < end; first++) {
		const struct host_frame *frame = &fake_host.frame[first];

		if (frame->used && frame->written && !host_is_dirty(HOST_FIRST_HFN + first))
			return first;
	}
	return -1;
}

int host_lost_dirt(void)
{
	int lost = lost_dirt(0, HOST_FRAMES);

	if (lost < 0 && fake_host.has_giant)
		lost = lost_dirt(GIANT_FRAME, HOST_ALL_FRAMES);
	return lost;
}

void env_page_dirty(u64 hfn)
{
	struct host_frame *frame = host_frame(hfn);

	if (!__atomic_load_n(&frame->used, __ATOMIC_RELAXED))
		env_die("invariant 10: host page %#llx is told dirty after it was taken away", hfn);
	__atomic_store_n(&dirty_frame(hfn)->dirty, true, __ATOMIC_RELAXED);
}
