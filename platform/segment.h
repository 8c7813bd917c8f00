/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A segment as the CPU checks accesses against it (SDM 3A 5.3 to 5.5).
 */
#ifndef VELLUM_PLATFORM_SEGMENT_H
#define VELLUM_PLATFORM_SEGMENT_H

#include "types.h"

struct segment {
	u64 base;
	u32 limit; /* of the last byte */
	u32 ar;	   /* access rights in the VMCS's format (SDM 3C table 25-2) */
};

/*
 * Outside of 64-bit mode: may @size bytes at @offset be read, or written?
 * @protected: types count, as they do but in real and virtual-8086 mode.
 */
bool segment_allows(const struct segment *seg, u64 offset, u32 size, bool write, bool protected);

#endif
