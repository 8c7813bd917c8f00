// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes into operations on the MMU: the property test of selftests/unit with a
 * fuzzer that chooses instead of a random number generator.
 */
#include "world.h"

#define MAX_OPS 3000

static const u8 *bytes;
static size_t left;
static struct world world;

/* A choice takes a byte, or two; what the input does not say is 0. */
static u32 from_bytes(u32 n)
{
	u32 value = 0;
	u32 reach;

	for (reach = 1; reach < n && left; reach = reach > 0xffffff ? n : reach << 8) {
		value = value << 8 | *bytes++;
		left--;
	}
	return value % n;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	unsigned int i;

	if (!size)
		return 0;
	bytes = data + 1;
	left = size - 1;
	world_init(&world, data[0] % NR_MODES, false, from_bytes);
	for (i = 0; left && i < MAX_OPS; i++)
		world_op(&world);
	left = 0;
	world_exit(&world);
	if (env_alive())
		env_die("%ld allocations are left", env_alive());
	return 0;
}
