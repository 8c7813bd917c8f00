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

/*
 * On a VM; the argument is 0.  What every vCPU has written so far is in the
 * records when this returns: the ring's entries can be read, a bitmap's bits
 * are set.  KVM_RUN does not return for it.
 */
#define VELLUM_DRAIN _IO(VELLUMIO, 0xd1)

#endif
