/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory slots: which GFNs are memory, where the host keeps them, and whether
 * their writes are logged.
 *
 * A struct slot does not change once it is published, but for its records and
 * @dying; a change publishes a new array (struct slots), and
 * readers hold the VM's SRCU lock (or are the only writer).  Pure.
 */
#ifndef VELLUM_MMU_SLOT_H
#define VELLUM_MMU_SLOT_H

#include "ept_bits.h"
#include "mmu/pageset.h"
#include "types.h"

/* KVM_CAP_NR_MEMSLOTS.  A caller's ids run from 0 to this less one. */
#define SLOTS_USER 1024
/* The module's own: a page table for guests that do not page; see uapi/memory.c. */
#define SLOT_IDENTITY_MAP SLOTS_USER
#define SLOTS_MAX	  (SLOTS_USER + 1)
/* Flags a region may have. */
#define SLOT_KNOWN_FLAGS (KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)
/*
 * What a coarse slot is tracked by: from its first page on, which is aligned to it.
 * The records have all pages of a range, or none: a harvest that takes one takes
 * and arms the range, which may be one large leaf.  A ring names its first page.
 */
#define SLOT_RANGE_PAGES EPT_LEVEL_PAGES(2)
#define SLOT_RANGE_WORDS (SLOT_RANGE_PAGES / 64)
/* KVM's limit for one slot: the bitmap's ABI counts pages in 31 bits. */
#define SLOT_MAX_PAGES ((1ull << 31) - 1)

struct views;

struct slot {
	gfn_t base;
	u64 npages;
	unsigned long hva; /* of the first page, in the VM owner's mm */
	u32 flags;	   /* KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY */
	u16 id;
	bool coarse;	 /* its writes are tracked by ranges of SLOT_RANGE_PAGES */
	u64 uncollapsed; /* pages at the end that mmu/host_collapse.c has to look at; its own */
	bool dying;	 /* all its leaves go: faults wait, records still count */
	struct pageset dirty; /* the records: written pages; no set unless logged */
	struct views *views;  /* mmu/tracker.h; NULL: no tracker.  Under the slots_lock */
};

struct slots {
	u64 generation; /* differs from every other array of this VM */
	unsigned int nr;
	u64 npages; /* of all slots */
	struct slot *by_id[SLOTS_MAX];
	struct slot **by_hva; /* by ascending hva; they may overlap */
	unsigned long *reach; /* the highest address of the slots up to this one in by_hva */
	struct slot *slot[];  /* by ascending base; no two overlap */
};

enum slot_change { SLOT_NOTHING, SLOT_CREATE, SLOT_DELETE, SLOT_MOVE, SLOT_FLAGS };

static inline bool slot_is_logged(const struct slot *slot)
{
	return slot->dirty.word;
}

/* @to goes on where @from logged: the records are both's until one of them leaves them. */
static inline void slot_share_log(struct slot *to, const struct slot *from)
{
	to->dirty = from->dirty;
	to->views = from->views;
}

static inline void slot_leave_log(struct slot *slot)
{
	slot->dirty = (struct pageset){};
	slot->views = NULL;
}

/* What is logged by 4K is mapped so (invariant 11). */
static inline bool slot_is_logged_by_page(const struct slot *slot)
{
	return slot_is_logged(slot) && !slot->coarse;
}

/* The pages of word @word that exist. */
static inline u64 slot_word_mask(const struct slot *slot, u64 word)
{
	u64 left = slot->npages - word * 64;

	return left >= 64 ? ~0ull : BIT_ULL(left) - 1;
}

/* The words of coarse @slot's range that word @word is of. */
static inline struct word_range slot_range_words(const struct slot *slot, u64 word)
{
	u64 first = word & -SLOT_RANGE_WORDS;

	return (struct word_range){ first, min(first + SLOT_RANGE_WORDS, slot->dirty.words) };
}

/* slot_set_dirty() of a coarse slot. */
void slot_set_range_dirty(struct slot *slot, u64 rel);

/* Page @rel was written.  Any context.  @rel < npages, the slot is logged. */
static inline void slot_set_dirty(struct slot *slot, u64 rel)
{
	if (unlikely(slot->coarse))
		slot_set_range_dirty(slot, rel);
	else
		pageset_add(&slot->dirty, rel);
}

static inline bool slot_has_gfn(const struct slot *slot, gfn_t gfn)
{
	return gfn - slot->base < slot->npages; /* wraps for a gfn below the base */
}

static inline unsigned long slot_hva(const struct slot *slot, gfn_t gfn)
{
	return slot->hva + ((gfn - slot->base) << PAGE_SHIFT);
}

/* The last byte's address. */
static inline unsigned long slot_hva_last(const struct slot *slot)
{
	return slot->hva + (slot->npages << PAGE_SHIFT) - 1;
}

/* The level of the largest naturally aligned page around @gfn that is one in both spaces. */
int slot_level(const struct slot *slot, gfn_t gfn, int max);

static inline u64 slot_bitmap_words(const struct slot *slot)
{
	return (slot->npages + 63) / 64;
}

/* The slot that holds @gfn, or NULL. */
struct slot *slots_find(const struct slots *slots, gfn_t gfn);
/* The slot of that id, or NULL. */
static inline struct slot *slots_by_id(const struct slots *slots, u32 id)
{
	return id < SLOTS_MAX ? slots->by_id[id] : NULL;
}

/*
 * The slots that map addresses of [@start, @end), one after the other, the
 * highest hva first: @at is slots_by_hva(slots, end) to begin with, and what
 * this changes it to.  NULL: there are no more.
 */
struct slot *slots_next_hva(const struct slots *slots, unsigned long start, unsigned int *at);
/* How many slots begin below @end. */
unsigned int slots_by_hva(const struct slots *slots, unsigned long end);

/*
 * What @region asks for, given what is there.  All that an ioctl's caller can
 * get wrong is refused here: -EINVAL for what is misaligned, wraps, is too
 * large, beyond @max_gfn, of unknown flags, or changes what cannot change;
 * -EEXIST for an overlap.  Whether the address range is the caller's to give
 * (access_ok) is the caller's to check.  Returns an enum slot_change.
 */
int slots_classify(const struct slots *slots, const struct kvm_userspace_memory_region *region,
		   gfn_t max_gfn);

/*
 * A new array: @old without @without (may be NULL) and with @with (may be
 * NULL), generation one higher.  NULL when memory is short.  @old stays.
 */
struct slots *slots_change(const struct slots *old, const struct slot *without, struct slot *with);

/* May a slot that begins at @base be coarse? */
static inline bool slot_may_be_coarse(gfn_t base)
{
	return base % SLOT_RANGE_PAGES == 0;
}

/* A slot as @region says.  The records are the caller's to begin.  NULL: no memory. */
struct slot *slot_alloc(const struct kvm_userspace_memory_region *region);
/* Frees the slot and the records it still owns. */
void slot_free(struct slot *slot);

#endif
