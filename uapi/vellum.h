/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What /dev/vellum offers beyond the KVM ABI, for userspace to include.  The
 * pages are in Documentation/harvest.md.
 *
 * The conventions are KVM's: an ioctl returns -1 and errno, or 0 and more;
 * fields that are called reserved, and flags that are not defined, are 0 or
 * the call is refused with EINVAL; what is not offered is 0 by
 * VELLUM_CHECK_EXTENSION.  The ioctls have a type of their own, so that no
 * number of KVM's, today's or tomorrow's, is one of them.
 */
#ifndef VELLUM_UAPI_VELLUM_H
#define VELLUM_UAPI_VELLUM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VELLUMIO 0xAF /* numbers 0xd0 to 0xdf */

/*
 * On the device and on a VM: VELLUM_EXT_*, 0 where it is not offered.  Another
 * device than ours answers with an error, which means the same.
 */
#define VELLUM_CHECK_EXTENSION _IO(VELLUMIO, 0xd0)
#define VELLUM_EXT_DRAIN       1 /* 1 */
#define VELLUM_EXT_TRACKERS    2 /* how many a VM can have */
#define VELLUM_EXT_MARK	       3 /* 1 */
#define VELLUM_EXT_RING_EVENT  4 /* 1 */
#define VELLUM_EXT_BOUNDED     5 /* 1: VELLUM_CLEAR and VELLUM_RESET_RINGS */
#define VELLUM_EXT_TRACKING    6 /* 1: VELLUM_SET_TRACKING and VELLUM_TAKE_RANGES */

/*
 * On a VM; the argument is 0.  What every vCPU has written so far is in the
 * records when this returns: the ring's entries can be read, a bitmap's bits
 * are set.  KVM_RUN does not return for it.
 */
#define VELLUM_DRAIN _IO(VELLUMIO, 0xd1)

/*
 * On a vCPU that has a ring: eventfd @fd is signalled when @watermark of its
 * entries are in use; once, and again after entries were given back.  A @fd of
 * -1 and a watermark of 0 end that.
 */
struct vellum_ring_event {
	__s32 fd;
	__u32 watermark; /* 1 to where KVM_EXIT_DIRTY_RING_FULL comes */
	__u32 flags;
	__u32 reserved[5];
};

#define VELLUM_RING_EVENT _IOW(VELLUMIO, 0xd2, struct vellum_ring_event)

/*
 * On a VM: a descriptor of tracker @id, which hears of every write from its
 * making on, beside KVM_GET_DIRTY_LOG and all other trackers.  One that was
 * kept goes on where it stood.
 */
struct vellum_tracker {
	__u32 id;    /* below VELLUM_EXT_TRACKERS */
	__u32 flags; /* in: KEEP, NEW; out: RESUMED */
	__u64 reserved[3];
};

#define VELLUM_TRACKER_KEEP    1 /* it stays when the descriptor is closed */
#define VELLUM_TRACKER_NEW     2 /* EEXIST if it was kept */
#define VELLUM_TRACKER_RESUMED 4 /* it was kept */

#define VELLUM_OPEN_TRACKER _IOWR(VELLUMIO, 0xd3, struct vellum_tracker)

/*
 * Pages of a slot: @first_page is a multiple of 64, @num_pages too or it ends
 * the slot.  @bitmap is the address of a bit for each page, in 64-bit words.
 */
struct vellum_pages {
	__u32 slot;
	__u32 flags;
	__u64 first_page;
	__u64 num_pages;
	__u64 bitmap;
	__u64 count; /* out: how many pages it was about */
	__u64 reserved[3];
};

/*
 * On a tracker.  TAKE: what was written since it last looked, to @bitmap; held
 * until COMMIT forgets it, or GIVE_BACK makes it news again.  EBUSY: something
 * of the range is held.  COMMIT and GIVE_BACK are about those pages that are
 * held and in @bitmap; a @bitmap of 0 means all of the range.
 */
#define VELLUM_TAKE_COMMIT 1 /* of TAKE: nothing is held */

#define VELLUM_TAKE	 _IOWR(VELLUMIO, 0xd4, struct vellum_pages)
#define VELLUM_COMMIT	 _IOWR(VELLUMIO, 0xd5, struct vellum_pages)
#define VELLUM_GIVE_BACK _IOWR(VELLUMIO, 0xd6, struct vellum_pages)

/*
 * On a VM or a vCPU: the caller wrote the pages of the range that are in
 * @bitmap (0: all of them) itself, and says so after it did.  They are recorded
 * as a guest's writes are; on a vCPU in its ring, too.  @first_page and
 * @num_pages need no alignment.  @count is how many pages of the range were
 * gone through: all, unless the ring is full; then go on from there.
 */
#define VELLUM_MARK _IOWR(VELLUMIO, 0xd7, struct vellum_pages)

/*
 * On a VM.  KVM_CLEAR_DIRTY_LOG of a slot's range, by whole words of 64 pages
 * until the next would make it clear more than @max; @count is how many pages it
 * went through: go on from there.
 */
struct vellum_clear {
	__u32 slot;
	__u32 flags;
	__u64 first_page;
	__u64 num_pages;
	__u64 bitmap;
	__u64 max;   /* 64 at least */
	__u64 count; /* out */
	__u64 reserved[2];
};

#define VELLUM_CLEAR _IOWR(VELLUMIO, 0xd8, struct vellum_clear)

/*
 * On a VM.  KVM_RESET_DIRTY_RINGS of @max entries at most; @count is how many
 * there were: if it is @max there may be more.
 */
struct vellum_reset {
	__u32 max; /* 1 at least */
	__u32 flags;
	__u32 count; /* out */
	__u32 reserved[5];
};

#define VELLUM_RESET_RINGS _IOWR(VELLUMIO, 0xd9, struct vellum_reset)

/*
 * On a VM: writes to @slot, from when it is logged next, are tracked by 4K, as KVM
 * does, or by 2M.  By 2M its large pages stay, and every harvest tells of all pages
 * of a written range, or of none; a ring names the first.  The slot begins at a
 * multiple of 2M (EINVAL), there is one (ENOENT), and it is not logged now (EBUSY).
 */
struct vellum_tracking {
	__u32 slot;
	__u32 page_shift; /* VELLUM_TRACK_* */
	__u64 reserved[3];
};

#define VELLUM_TRACK_4K 12
#define VELLUM_TRACK_2M 21

#define VELLUM_SET_TRACKING _IOW(VELLUMIO, 0xda, struct vellum_tracking)

/* Pages of a slot. */
struct vellum_range {
	__u64 first_page;
	__u64 num_pages;
};

/*
 * On a VM, of a logged slot that is tracked by 2M (else EINVAL): what was written
 * since KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG or this took it, from @first_page on,
 * as ranges in ascending order to the @max elements at @ranges.  @count is how many
 * there were, @first_page where to go on: the slot's size in pages at its end.
 */
#define VELLUM_RANGES_MAX 4096

struct vellum_ranges {
	__u32 slot;
	__u32 flags;
	__u64 first_page; /* in and out */
	__u64 ranges;	  /* the address of struct vellum_range[max] */
	__u32 max;	  /* 1 to VELLUM_RANGES_MAX */
	__u32 count;	  /* out */
	__u64 reserved[2];
};

#define VELLUM_TAKE_RANGES _IOWR(VELLUMIO, 0xdb, struct vellum_ranges)

#endif
