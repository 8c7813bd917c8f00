// SPDX-License-Identifier: GPL-2.0
/*
 * Segments: limits up and down, types, and the modes without types.
 */
#include "platform/segment.h"
#include "tap.h"

#define DATA 0x93 /* read, write */
#define RO   0x91
#define DOWN 0x97
#define CODE 0x9b /* execute, read */
#define EXEC 0x99
#define BIG  (1 << 14)
#define NONE (1 << 16)

static bool allows(u32 ar, u32 limit, u64 offset, u32 size, bool write)
{
	const struct segment seg = { .limit = limit, .ar = ar };

	return segment_allows(&seg, offset, size, write, true);
}

TEST(limits)
{
	CHECK(allows(DATA, 0xfff, 0xffc, 4, true));
	CHECK(!allows(DATA, 0xfff, 0xffd, 4, true));
	CHECK(!allows(DATA, 0xfff, 0x1000, 1, false));
	CHECK(allows(DATA, 0xffffffff, 0xfffffffc, 4, true));
	CHECK(!allows(DATA, 0xffffffff, 0xfffffffd, 4, true));
}

TEST(expand_down)
{
	CHECK(!allows(DOWN, 0xfff, 0xfff, 1, true));
	CHECK(allows(DOWN, 0xfff, 0x1000, 1, true));
	CHECK(allows(DOWN, 0xfff, 0xfffe, 2, true));
	CHECK(!allows(DOWN, 0xfff, 0xffff, 2, true));
	CHECK(allows(DOWN | BIG, 0xfff, 0xffff, 2, true));
	CHECK(!allows(DOWN | BIG, 0xfff, 0xffffffff, 2, true));
}

TEST(types)
{
	CHECK(allows(RO, 0xfff, 0, 1, false));
	CHECK(!allows(RO, 0xfff, 0, 1, true));
	CHECK(allows(CODE, 0xfff, 0, 1, false));
	CHECK(!allows(CODE, 0xfff, 0, 1, true));
	CHECK(!allows(EXEC, 0xfff, 0, 1, false));
	CHECK(!allows(DATA | NONE, 0xfff, 0, 1, false));
}

TEST(real_mode_has_limits_alone)
{
	const struct segment seg = { .limit = 0xffff, .ar = EXEC };

	CHECK(segment_allows(&seg, 0xfffe, 2, true, false));
	CHECK(!segment_allows(&seg, 0xffff, 2, true, false));
}
