// SPDX-License-Identifier: GPL-2.0
/*
 * The arithmetic of time.  Pure; no step of it overflows.
 */
#include "platform/clock.h"

u64 tsc_ratio(u32 guest_khz, u32 host_khz)
{
	u64 whole = guest_khz / host_khz;
	u64 rest = guest_khz % host_khz;
	u64 high, low;

	if (whole >> (64 - TSC_RATIO_BITS))
		return 0;
	/* 48 bits of quotient in two steps, as rest << 48 has no room. */
	high = (rest << 32) / host_khz;
	rest = (rest << 32) % host_khz;
	low = (rest << 16) / host_khz;
	return whole << TSC_RATIO_BITS | high << 16 | low;
}

/* @value / @from * @to; @value % @from * @to fits in 64 bits. */
static u64 convert(u64 value, u32 from, u32 to)
{
	u64 whole = value / from, rest = value % from * to / from;

	if (whole > (U64_MAX - rest) / to)
		return U64_MAX;
	return whole * to + rest;
}

/* kHz are ticks in a millisecond. */
#define NS_PER_MS 1000000u

u64 ticks_to_ns(u64 ticks, u32 khz)
{
	return convert(ticks, khz, NS_PER_MS);
}

u64 ns_to_ticks(u64 ns, u32 khz)
{
	return convert(ns, NS_PER_MS, khz);
}

struct clock_rate clock_rate(u32 khz)
{
	u64 ns = NS_PER_MS, ticks = khz;
	s8 shift = 0;

	/* Until ns / ticks lies in [1/2, 1): the multiplier has all of its 32 bits. */
	for (; ns >= ticks; ticks <<= 1)
		shift++;
	for (; ns << 1 < ticks; ns <<= 1)
		shift--;
	return (struct clock_rate){ .mul = (ns << 32) / ticks, .shift = shift };
}

u64 clock_rate_ns(struct clock_rate rate, u64 ticks)
{
	ticks = rate.shift < 0 ? ticks >> -rate.shift : ticks << rate.shift;
	return mul_u64_u64_shr(ticks, rate.mul, 32);
}

u64 clock_line_at(const struct clock_line *line, u64 tsc)
{
	u64 ticks;

	/* Sampled a moment earlier, or on a CPU whose TSC is a little behind. */
	if ((s64)(tsc - line->tsc) < 0)
		return line->ns;
	ticks = tsc_scale(tsc, line->ratio) - tsc_scale(line->tsc, line->ratio);
	return line->ns + clock_rate_ns(line->rate, ticks);
}

bool tsc_write_matches(const struct tsc_write *last, u64 value, u64 ns, u32 khz)
{
	u64 second = khz * 1000ull, expected;

	if (khz != last->khz)
		return false;
	if (!value)
		return true;
	expected = last->value + ns_to_ticks(ns - last->ns, khz);
	/* Between a second before and a second after, wherever the counter wraps. */
	return last->given && value - expected + second - 1 < 2 * second - 1;
}
