/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's own paging (SDM 3A 4): from a linear address to a physical one,
 * with the permissions that an access needs.  Reads guest memory through the
 * caller's functions; every entry is read once.
 */
#ifndef VELLUM_PLATFORM_GVA_H
#define VELLUM_PLATFORM_GVA_H

#include "types.h"

/* A page fault's error code (SDM 3A 4.7), and in it, what an access is. */
#define GVA_PRESENT  BIT(0)
#define GVA_WRITE    BIT(1)
#define GVA_USER     BIT(2)
#define GVA_RESERVED BIT(3)
#define GVA_FETCH    BIT(4)

struct gva_walk {
	u64 cr0, cr3, cr4, efer;
	bool ac;       /* RFLAGS.AC: what SMAP asks for */
	u8 maxphyaddr; /* entries' bits from here on to 51 are reserved */
	u32 access;    /* GVA_WRITE, GVA_USER, GVA_FETCH */
	/* The answer. */
	gpa_t found;
	u32 error; /* of the page fault */

	void *opaque;						    /* for: */
	int (*read)(void *opaque, gpa_t gpa, void *to, size_t len); /* 0 or -errno */
	/*
	 * Sets @bits in the entry if it is still what it was.  0, -EAGAIN when it is
	 * not, another -errno.  NULL: accessed and dirty bits stay as they are.
	 */
	int (*set)(void *opaque, const struct guest_entry *entry, u32 bits);
};

/*
 * 0 with @walk->found; -EFAULT: a page fault is due, with @walk->error; -EIO:
 * the tables are not in memory, @gva is not canonical, or the mode is none that
 * the CPU has; -EAGAIN: an entry changed meanwhile.
 */
int gva_translate(struct gva_walk *walk, gva_t gva);

/* Bits 63:47 are equal, as four-level paging wants them (SDM 1 3.3.7.1). */
static inline bool gva_is_canonical(u64 gva)
{
	return (u64)((s64)(gva << 16) >> 16) == gva;
}

#endif
