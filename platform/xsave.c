// SPDX-License-Identifier: GPL-2.0
/*
 * XCR0 and the sizes that follow from it.  Pure.
 */
#include "platform/xsave.h"

/* The legacy region and the header. */
#define XSAVE_FIXED 576u
#define LEAF_XSAVE  0xdu
/* Of a component's ECX: in the compacted format it begins at a multiple of 64. */
#define ALIGNED BIT(1)

bool xcr0_is_valid(u64 value, u64 allowed)
{
	u64 avx512 = value & XCR0_AVX512;

	if (!(value & XCR0_X87) || (value & ~(allowed | XCR0_X87)))
		return false;
	if ((value & XCR0_AVX) && !(value & XCR0_SSE))
		return false;
	return !avx512 || (avx512 == XCR0_AVX512 && (value & XCR0_AVX));
}

u32 xsave_size(const struct kvm_cpuid_entry2 *entries, u32 nr, u64 xcr0, bool compacted)
{
	u32 i, size = XSAVE_FIXED;

	/* Components stand in the table in the order of their numbers. */
	for (i = 0; i < nr; i++) {
		const struct kvm_cpuid_entry2 *part = &entries[i];

		if (part->function != LEAF_XSAVE || part->index < 2 || part->index > 62 ||
		    !(xcr0 & BIT_ULL(part->index)))
			continue;
		if (!compacted)
			size = max_t(u32, size, part->eax + part->ebx);
		else
			size = (part->ecx & ALIGNED ? (size + 63) & ~63u : size) + part->eax;
	}
	return size;
}
