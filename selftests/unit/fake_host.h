/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A host for the MMU under test: one address space of HOST_PAGES pages from
 * HOST_BASE on, each of which has a host page (by frame number) behind it, or
 * none.  mmu/host.c runs on it through fake_kernel.h.  It knows what it must
 * never see: a guest access to a page that was taken away, a written page that
 * was not told.
 *
 * Beside them there is 1G that can be mapped by one entry, with 2M on either side:
 * where an index goes on from HOST_PAGES the address does not.
 */
#ifndef VELLUM_UNIT_FAKE_HOST_H
#define VELLUM_UNIT_FAKE_HOST_H

#include "mmu/host.h"

#define HOST_BASE    0x7f0000000000ul
#define HOST_PAGES   8192
#define HOST_SINGLES (4 * HOST_PAGES)
#define HOST_BLOCK   512 /* pages of a huge mapping, aligned to as many */
/* Frames one by one, then those of compound pages. */
#define HOST_FRAMES    (HOST_SINGLES + 3 * HOST_PAGES)
#define HOST_FIRST_HFN 0x1000

#define GIANT_PAGES    (512 * HOST_BLOCK)
#define GIANT_INDEX    (HOST_PAGES + HOST_BLOCK) /* the first page of the 1G */
#define GIANT_SLOT     (GIANT_PAGES + 2 * HOST_BLOCK)
#define HOST_ALL_PAGES (HOST_PAGES + GIANT_SLOT)
#define HOST_BLOCKS    (HOST_ALL_PAGES / HOST_BLOCK)
#define GIANT_HVA      (HOST_BASE + ((unsigned long)GIANT_PAGES << PAGE_SHIFT))
/* Two compound pages of 1G; frames that are missing below them are nobody's. */
#define GIANT_HFN	GIANT_PAGES /* aligned as the address is */
#define GIANT_FRAME	(GIANT_HFN - HOST_FIRST_HFN)
#define HOST_ALL_FRAMES (GIANT_FRAME + 2 * GIANT_PAGES)

/* What stands behind one page of the address space. */
struct host_pte {
	hfn_t hfn;
	bool present;	 /* else a look-up brings a new page in */
	bool no_mapping; /* else it is -EFAULT */
	bool writable;	 /* of the page table: a write may need a copy first */
	bool may_write;	 /* of the mapping: without it a write is -EFAULT */
};

struct host_frame {
	bool used;    /* some host_pte points to it */
	bool written; /* the guest wrote since the host last cleaned it */
	bool dirty;   /* the MMU told; of a compound page, its first frame's counts */
	u32 index;    /* of the page that points to it */
	int refs;
};

struct fake_host {
	struct host_pte pte[HOST_ALL_PAGES];
	struct host_frame frame[HOST_ALL_FRAMES];
	bool huge[HOST_BLOCKS]; /* mapped by one entry: all 512 are there and alike */
	bool giant;		/* the 1G is mapped by one entry, and its blocks are huge */
	bool has_giant;		/* somebody uses it */
	unsigned int giant_nr;	/* which of its two compound pages was the last */
	unsigned int next_frame;
	bool threads;		    /* readers of the slots are waited for, not an error */
	int fail_next;		    /* -errno for the next look-up that may sleep */
	void (*after_lookup)(void); /* between the look-up and its use: races go here */
	void (*at_srcu)(void);	    /* a reader of the slots begins, once */
	void (*before_copy)(unsigned int index, bool begin); /* a write-protected page is copied */
	/* A mapping of @n pages becomes 512 smaller ones. */
	void (*before_split)(unsigned int index, unsigned int n, bool begin);
	unsigned int pokes, poked; /* writes by copy_to_user_nofault(), the index of the last */
};

extern struct fake_host fake_host;

void fake_host_reset(void);
/* There is the 1G, too, with nothing behind it yet; until the next reset. */
void fake_host_add_giant(void);
static inline unsigned long host_hva(unsigned int index)
{
	if (index >= HOST_PAGES)
		return GIANT_HVA + (((unsigned long)index - GIANT_INDEX) << PAGE_SHIFT);
	return HOST_BASE + ((unsigned long)index << PAGE_SHIFT);
}

/* Where the addresses that go on from @index end. */
static inline unsigned int host_area_end(unsigned int index)
{
	return index < HOST_PAGES ? HOST_PAGES : HOST_ALL_PAGES;
}

static inline bool host_in_giant(unsigned int index)
{
	return index - GIANT_INDEX < GIANT_PAGES;
}

/* The index of an address that the host has, or dies. */
unsigned int host_index(unsigned long hva);
struct host_frame *host_frame(hfn_t hfn);
static inline bool host_is_compound(hfn_t hfn)
{
	return hfn >= HOST_FIRST_HFN + HOST_SINGLES;
}

/* The address space's lock: look-ups hold it, and who changes a page while others run. */
void host_lock(void);
void host_unlock(void);
/* Puts a fresh page behind @index; the caller has told the MMU before. */
void host_replace(unsigned int index);
/* Takes the page behind @index away. */
void host_unmap(unsigned int index);
/*
 * The block of @index gets a compound page, mapped huge; the caller has told the MMU
 * before, and split what is larger.  False: there is no compound page left.
 */
bool host_make_huge(unsigned int index);
/* The 1G gets a compound page, mapped by one entry; the caller has told the MMU before. */
void host_make_giant(void);
/* What the kernel does before it changes a part of a large mapping: it is at @level at most. */
void host_split_to(unsigned int index, int level);
static inline void host_split_huge(unsigned int index)
{
	host_split_to(index, 1);
}

static inline bool *host_huge(unsigned int index)
{
	return &fake_host.huge[index / HOST_BLOCK];
}

/* The first page that one entry maps together with @index, and how many it maps. */
unsigned int host_entry(unsigned int index, unsigned int *n);

/* Does the MMU's word on @hfn, of what it may be a part, stand? */
bool host_is_dirty(hfn_t hfn);
/* Written back, and nobody has told of a write since.  A compound page only as a whole. */
void host_clean(hfn_t hfn);
/* The guest accessed frame @hfn.  Dies if it was taken away. */
void host_guest_access(hfn_t hfn, bool write);
/* All references given back? */
bool host_no_refs(void);
/* A page that was written, is not known as dirty, or -1. */
int host_lost_dirt(void);

/* A notification of the kernel for pages [index, index + n). */
void host_notify_begin(unsigned int index, unsigned int n);
void host_notify_end(unsigned int index, unsigned int n);
/* Were any accessed?  @clear: and forget it. */
bool host_notify_young(unsigned int index, unsigned int n, bool clear);

#endif
