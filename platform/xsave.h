/* SPDX-License-Identifier: GPL-2.0 */
/*
 * XCR0 and the sizes that follow from it (SDM 1 chapter 13).
 */
#ifndef VELLUM_PLATFORM_XSAVE_H
#define VELLUM_PLATFORM_XSAVE_H

#include "types.h"

#define XCR0_X87    BIT_ULL(0)
#define XCR0_SSE    BIT_ULL(1)
#define XCR0_AVX    BIT_ULL(2)
#define XCR0_AVX512 GENMASK_ULL(7, 5) /* opmask, upper halves, upper registers */

/* What a guest may have of the host's XCR0: 0 where the kernel does not use XSAVE. */
u64 xsave_supported_xcr0(void);
/* A value that XSETBV takes without #GP when @allowed can be set (SDM 1 13.3). */
bool xcr0_is_valid(u64 value, u64 allowed);
/*
 * Bytes of the area for the components in @xcr0, whose sizes are in leaf 0xd of
 * the @nr @entries (SDM 1 13.4).
 */
u32 xsave_size(const struct kvm_cpuid_entry2 *entries, u32 nr, u64 xcr0, bool compacted);

#endif
