/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One SPTE: a raw u64, the bits the CPU gives a meaning, the bits it ignores
 * and we use, and the decisions about one entry.  Pure: values in, values out.
 */
#ifndef VELLUM_MMU_SPTE_H
#define VELLUM_MMU_SPTE_H

#include "ept_bits.h"
#include "types.h"

/*
 * How writes through a leaf are tracked; two bits in every leaf, so that a
 * harvester needs nothing but the entry to re-arm it.
 */
enum spte_kind {
	SPTE_AD = 0,	 /* the CPU's D bit tells; re-armed by clearing D */
	SPTE_WRPROT = 1, /* A/D bits exist, but re-armed by clearing W */
	SPTE_SOFT = 2,	 /* no A/D bits: A by taking R, W and X away, D by W */
	SPTE_MMIO = 3,	 /* not memory: deliberately misconfigured, with a generation */
};

#define SPTE_KIND_SHIFT 52
#define SPTE_KIND_MASK	GENMASK_ULL(53, 52)
/* The host's page may be written: neither its mapping nor the slot is read-only. */
#define SPTE_HOST_WRITABLE BIT_ULL(54)
/* Nor do the guest's own tables forbid it: a shadow leaf of a page that L1's EPT protects. */
#define SPTE_MMU_WRITABLE BIT_ULL(55)
/* SOFT: what R and X were before the access bit was taken. */
#define SPTE_SAVED_R BIT_ULL(56)
#define SPTE_SAVED_X BIT_ULL(59)
/* Written before it was last re-armed: the host's page still has to hear of it. */
#define SPTE_WAS_DIRTY BIT_ULL(62)

#define SPTE_SOFT_BITS \
	(SPTE_KIND_MASK | SPTE_HOST_WRITABLE | SPTE_MMU_WRITABLE | SPTE_SAVED_R | SPTE_SAVED_X | \
	 SPTE_WAS_DIRTY)
static_assert((SPTE_SOFT_BITS & ~EPT_SOFT_MASK) == 0, "a software bit the CPU looks at");
static_assert(SPTE_HOST_WRITABLE != SPTE_MMU_WRITABLE && SPTE_SAVED_R != SPTE_SAVED_X);
static_assert(((SPTE_HOST_WRITABLE | SPTE_MMU_WRITABLE | SPTE_SAVED_R | SPTE_SAVED_X) &
	       SPTE_KIND_MASK) == 0);

/*
 * W and X without R is an EPT misconfiguration on every CPU (SDM 3C 29.3.3.1).
 * All other bits of such an entry are ours: kind, and the slots' generation.
 */
#define SPTE_MMIO_BITS	    (EPT_W | EPT_X)
#define SPTE_MMIO_GEN_SHIFT 12
#define SPTE_MMIO_GEN_MASK  GENMASK_ULL(51, 12)

static inline enum spte_kind spte_kind(u64 spte)
{
	return (spte & SPTE_KIND_MASK) >> SPTE_KIND_SHIFT;
}

static inline bool spte_is_mmio(u64 spte)
{
	return spte_kind(spte) == SPTE_MMIO;
}

/* SOFT only: the access bit was taken, the translation itself is still good. */
static inline bool spte_is_access_tracked(u64 spte)
{
	return spte_kind(spte) == SPTE_SOFT && !(spte & EPT_RWX) &&
	       (spte & (SPTE_SAVED_R | SPTE_SAVED_X));
}

/* Maps a host page, whether or not the CPU can use it at this moment. */
static inline bool spte_maps_page(u64 spte)
{
	return !spte_is_mmio(spte) && ((spte & EPT_RWX) || spte_is_access_tracked(spte));
}

static inline u64 spte_hfn(u64 spte)
{
	return (spte & EPT_ADDR_MASK) >> PAGE_SHIFT;
}

/* A table entry (not a leaf): everything allowed, the leaves decide. */
static inline u64 spte_table(u64 pa, bool ad)
{
	return pa | EPT_RWX | (ad ? EPT_A : 0);
}

static inline u64 spte_mmio(u64 generation)
{
	return SPTE_MMIO_BITS | ((u64)SPTE_MMIO << SPTE_KIND_SHIFT) |
	       ((generation << SPTE_MMIO_GEN_SHIFT) & SPTE_MMIO_GEN_MASK);
}

static inline bool spte_mmio_is_current(u64 spte, u64 generation)
{
	return spte == spte_mmio(generation);
}

/* What a fault found out about the page it is about to map. */
struct spte_page {
	hfn_t hfn;
	bool host_writable; /* the host gave the page for writing, and the slot is not read-only */
	bool write;	    /* the access was a write */
	bool logged;	    /* the slot is being logged */
	bool ahead;	    /* nobody has asked for it yet: mapped old, and no write */
	bool large;	    /* a leaf above level 1; @hfn is its first page's */
	bool no_exec;
};

/*
 * The leaf for @page under @kind.  A logged page of kind AD is mapped with D
 * clear, even for a write: the CPU then sets D and logs it in its own order.
 */
u64 spte_leaf(enum spte_kind kind, const struct spte_page *page);

/* A write may go on through @spte without asking the host again: W was taken by us alone. */
static inline bool spte_may_restore_write(u64 spte)
{
	const u64 both = SPTE_HOST_WRITABLE | SPTE_MMU_WRITABLE;

	return spte_maps_page(spte) && (spte & both) == both;
}

/* A shadow leaf can be made of it that lets an access by @write through. */
static inline bool spte_lends(u64 spte, bool write)
{
	return spte_maps_page(spte) && (!write || (spte & SPTE_HOST_WRITABLE));
}

/*
 * @spte after an access by @write: R and X come back if the access bit had
 * been taken, W comes back for a write (spte_may_restore_write() holds).
 */
u64 spte_restore(u64 spte, bool write);

/* Does @spte let this access through as it stands? */
static inline bool spte_allows(u64 spte, bool write, bool fetch)
{
	u64 need = write ? EPT_W : fetch ? EPT_X : EPT_R;

	return !spte_is_mmio(spte) && (spte & need);
}

/*
 * The bit that tells of a write and that arming takes away.  It is set only in
 * a leaf that maps a page; a misconfigured entry has none.
 */
static inline u64 spte_write_bit(u64 spte)
{
	enum spte_kind kind = spte_kind(spte);

	if (likely(kind == SPTE_AD))
		return EPT_D;
	return kind == SPTE_MMIO ? 0 : EPT_W;
}

/* spte_was_written(), for kind AD alone: by one comparison. */
static inline bool spte_is_dirty_ad(u64 spte)
{
	static_assert(SPTE_AD == 0);
	return (spte & (SPTE_KIND_MASK | EPT_D)) == EPT_D;
}

/* The guest may have written through this leaf since it was armed. */
static inline bool spte_was_written(u64 spte)
{
	return spte & spte_write_bit(spte);
}

/*
 * Harvested: the next guest write must be seen again.  What the host's page
 * has to hear is kept for when the leaf goes away.
 */
static inline u64 spte_rearm(u64 spte)
{
	u64 bit = spte_write_bit(spte);

	return spte & bit ? (spte & ~bit) | SPTE_WAS_DIRTY : spte;
}

/*
 * @spte, which takes the place of @old, a leaf of the same page, knows what that one
 * did of writes.  Where W told of them, @spte may be one that a write has to ask for.
 */
static inline u64 spte_replace(u64 old, u64 spte)
{
	spte |= old & (EPT_D | SPTE_WAS_DIRTY);
	return spte_was_written(old) ? spte | SPTE_WAS_DIRTY : spte;
}

/*
 * What of large leaf @spte is left under logging, where it cannot be split now:
 * no W, so that a write splits it.
 */
static inline u64 spte_protect_large(u64 spte)
{
	return (spte & ~(EPT_W | EPT_D)) | (spte_was_written(spte) ? SPTE_WAS_DIRTY : 0);
}

/*
 * The first child of large leaf @spte at @level, which allows and knows what it
 * does; the next differ by their address alone.  AD: W comes back to small ones,
 * since the child's D tells.
 */
u64 spte_first_child(u64 spte, int level);

static inline bool spte_is_young(u64 spte)
{
	if (!spte_maps_page(spte))
		return false;
	return spte_kind(spte) == SPTE_SOFT ? !spte_is_access_tracked(spte) : spte & EPT_A;
}

/* @spte with its access bit taken.  SOFT: W goes too, a write was recorded when it was given. */
u64 spte_age(u64 spte);

#endif
