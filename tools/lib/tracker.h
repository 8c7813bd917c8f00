/* SPDX-License-Identifier: GPL-2.0 */
/* Trackers of vellum's own: what was written since one last looked. */
#ifndef TOOLS_LIB_TRACKER_H
#define TOOLS_LIB_TRACKER_H

#include "../../uapi/vellum.h"
#include "kvm.h"

/* VELLUM_EXT_*: 0 where it is not offered. */
int vellum_extension(int fd, unsigned long extension);

/* A descriptor, or a negative errno; VELLUM_TRACKER_* in *flags, and what became of it. */
int tracker_open(struct vm *vm, uint32_t id, uint32_t *flags);

/*
 * VELLUM_TAKE, VELLUM_COMMIT, VELLUM_GIVE_BACK of a whole slot: the number of
 * pages, or a negative errno.  Without a bitmap the last two are about all.
 */
int64_t tracker_take(int fd, const struct mem *mem, void *bitmap, uint32_t flags);
int64_t tracker_commit(int fd, const struct mem *mem, const void *bitmap);
int64_t tracker_give_back(int fd, const struct mem *mem, const void *bitmap);

/*
 * VELLUM_MARK of num pages from first on, those in the bitmap (NULL: all), on a
 * VM's or a vCPU's descriptor: how many were gone through, or a negative errno.
 */
int64_t mark_pages(int fd, const struct mem *mem, uint64_t first, uint64_t num, const void *bitmap);

#endif
