/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's own paging (SDM 3A 4): from a virtual address to a physical one.
 * Reads guest memory through the caller's function; every entry is read once.
 */
#ifndef VELLUM_PLATFORM_GVA_H
#define VELLUM_PLATFORM_GVA_H

#include "types.h"

struct gva_walk {
	u64 cr0, cr3, cr4, efer;
	int (*read)(void *opaque, gpa_t gpa, void *to, size_t len); /* 0 or -errno */
	void *opaque;
};

/* 0, -EFAULT when the guest's tables do not map @gva (or are unreadable). */
int gva_translate(const struct gva_walk *walk, gva_t gva, gpa_t *gpa);

#endif
