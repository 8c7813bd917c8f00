// SPDX-License-Identifier: GPL-2.0
/*
 * Limits and types of segments.  Pure.
 */
#include "platform/segment.h"

#define RIGHTS_TYPE_WRITE_READ	BIT(1) /* of data: writable; of code: readable */
#define RIGHTS_TYPE_EXPAND_DOWN BIT(2) /* of data */
#define RIGHTS_TYPE_CODE	BIT(3)
#define RIGHTS_DB		BIT(14)
#define RIGHTS_UNUSABLE		BIT(16)

static bool type_allows(u32 ar, bool write)
{
	if (ar & RIGHTS_TYPE_CODE)
		return !write && (ar & RIGHTS_TYPE_WRITE_READ);
	return !write || (ar & RIGHTS_TYPE_WRITE_READ);
}

static bool expands_down(u32 ar)
{
	return (ar & (RIGHTS_TYPE_CODE | RIGHTS_TYPE_EXPAND_DOWN)) == RIGHTS_TYPE_EXPAND_DOWN;
}

bool segment_allows(const struct segment *seg, u64 offset, u32 size, bool write, bool protected)
{
	u64 last = offset + size - 1;

	if (protected && ((seg->ar & RIGHTS_UNUSABLE) || !type_allows(seg->ar, write)))
		return false;
	if (expands_down(seg->ar))
		return offset > seg->limit &&
		       last <= (seg->ar & RIGHTS_DB ? GENMASK_ULL(31, 0) : GENMASK_ULL(15, 0));
	return last <= seg->limit;
}
