// SPDX-License-Identifier: GPL-2.0
/*
 * The arithmetic of time, against 128-bit numbers that cannot overflow: at the
 * edges, and for random values of every magnitude.
 */
#include "platform/clock.h"
#include "tap.h"

typedef unsigned __int128 wide;

#define ROUNDS 200000

static u64 state = 0x2545f4914f6cdd1dull;

/* Of every length in bits alike. */
static u64 random_value(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> (state & 63);
}

static u32 random_khz(void)
{
	return (u32)random_value() ?: 1;
}

static u64 saturated(wide value)
{
	return value >> 64 ? U64_MAX : (u64)value;
}

static void check_ratio(u32 guest, u32 host)
{
	wide want = ((wide)guest << TSC_RATIO_BITS) / host;

	CHECK_EQ(tsc_ratio(guest, host), want >> 64 ? 0 : (u64)want);
}

TEST(ratio)
{
	u32 i;

	CHECK_EQ(tsc_ratio(1, 1), TSC_RATIO_ONE);
	CHECK_EQ(tsc_ratio(4000000, 2000000), 2 * TSC_RATIO_ONE);
	CHECK_EQ(tsc_ratio(1 << 16, 1), 0);
	CHECK_EQ(tsc_ratio((1 << 16) - 1, 1), ((1ull << 16) - 1) << TSC_RATIO_BITS);
	check_ratio(~0u, ~0u);
	check_ratio(~0u, 1);
	check_ratio(1, ~0u);
	check_ratio(~0u - 1, ~0u);
	check_ratio(~0u, 1 << 16);
	check_ratio(~0u, (1 << 16) + 1);
	for (i = 0; i < ROUNDS; i++)
		check_ratio(random_khz(), random_khz());
}

TEST(scale)
{
	u64 tsc, ratio;
	u32 i;

	CHECK_EQ(tsc_scale(U64_MAX, TSC_RATIO_ONE), U64_MAX);
	CHECK_EQ(tsc_scale(1000, TSC_RATIO_ONE / 2), 500);
	CHECK_EQ(tsc_scale(U64_MAX, TSC_RATIO_ONE / 2), U64_MAX / 2);
	for (i = 0; i < ROUNDS; i++) {
		tsc = random_value();
		ratio = random_value();
		CHECK_EQ(tsc_scale(tsc, ratio), (u64)((wide)tsc * ratio >> TSC_RATIO_BITS));
	}
}

static void check_conversions(u64 value, u32 khz)
{
	CHECK_EQ(ticks_to_ns(value, khz), saturated((wide)value * 1000000 / khz));
	CHECK_EQ(ns_to_ticks(value, khz), saturated((wide)value * khz / 1000000));
}

TEST(conversions)
{
	u32 i;

	CHECK_EQ(ticks_to_ns(100000, 100000), 1000000);
	check_conversions(U64_MAX, 1);
	check_conversions(U64_MAX, 999999);
	check_conversions(U64_MAX, 1000000);
	check_conversions(U64_MAX, 1000001);
	check_conversions(U64_MAX, ~0u);
	for (i = 0; i < ROUNDS; i++)
		check_conversions(random_value(), random_khz());
}

/* Within one part in 2^31 of the truth, and never above it. */
static void check_rate(u32 khz, u64 ticks)
{
	struct clock_rate rate = clock_rate(khz);
	wide ns, true_ns;

	CHECK(rate.mul >> 31);
	ticks >>= rate.shift > 0 ? rate.shift : 0; /* a guest's shift drops what is above */
	ns = clock_rate_ns(rate, ticks);
	true_ns = (wide)ticks * 1000000 / khz;
	CHECK_MSG(ns <= true_ns, "%u kHz, %llu ticks", khz, (unsigned long long)ticks);
	/* A shift to the right drops ticks, which are less than a nanosecond. */
	CHECK_MSG(true_ns - ns <= (true_ns >> 31) + 2, "%u kHz, %llu ticks: %llu ns too early",
		  khz, (unsigned long long)ticks, (unsigned long long)(true_ns - ns));
}

TEST(rate)
{
	struct clock_rate rate = clock_rate(100000);
	u32 i;

	/* Ten nanoseconds a tick: 5/8 of 16. */
	CHECK_EQ(rate.mul, 0xa0000000u);
	CHECK_EQ(rate.shift, 4);
	CHECK_EQ(clock_rate_ns(rate, 123456789), 1234567890);
	rate = clock_rate(1000000);
	CHECK_EQ(rate.mul, 0x80000000u);
	CHECK_EQ(rate.shift, 1);
	check_rate(1, U64_MAX);
	check_rate(~0u, U64_MAX);
	for (i = 0; i < ROUNDS; i++)
		check_rate(random_khz(), random_value());
}

TEST(line)
{
	struct clock_line line = { .ratio = TSC_RATIO_ONE, .rate = clock_rate(100000) };
	u64 tsc, last = 0;
	u32 i;

	line.tsc = 5000;
	line.ns = 700;
	CHECK_EQ(clock_line_at(&line, 5000), 700);
	CHECK_EQ(clock_line_at(&line, 5001), 710);
	CHECK_EQ(clock_line_at(&line, 4999), 700); /* not before the line began */
	line.ratio = TSC_RATIO_ONE * 3 / 2;	   /* the guest's ticks are faster; they count */
	CHECK_EQ(clock_line_at(&line, 5000 + 200), 700 + 3000);
	line.ratio = tsc_ratio(2345678, 3000001);
	line.rate = clock_rate(2345678);
	for (i = 0, tsc = line.tsc; i < ROUNDS; i++, tsc += random_value() & 0xffff) {
		CHECK(clock_line_at(&line, tsc) >= last);
		last = clock_line_at(&line, tsc);
	}
	/* The counter may wrap. */
	line.tsc = -50ull;
	line.ns = 0;
	line.ratio = TSC_RATIO_ONE;
	line.rate = clock_rate(100000);
	CHECK_EQ(clock_line_at(&line, 50), 1000);
}

#define KHZ    2000000u
#define SECOND (KHZ * 1000ull)

TEST(write_matches)
{
	struct tsc_write last = { .value = 7 * SECOND, .ns = 100, .khz = KHZ, .given = true };
	u64 later = 100 + 3 * NS_PER_SEC;

	CHECK(tsc_write_matches(&last, 7 * SECOND, 100, KHZ));
	CHECK(tsc_write_matches(&last, 10 * SECOND, later, KHZ));
	CHECK(tsc_write_matches(&last, 11 * SECOND - 1, later, KHZ));
	CHECK(!tsc_write_matches(&last, 11 * SECOND, later, KHZ));
	CHECK(tsc_write_matches(&last, 9 * SECOND + 1, later, KHZ));
	CHECK(!tsc_write_matches(&last, 9 * SECOND, later, KHZ));
	CHECK(!tsc_write_matches(&last, 7 * SECOND, later, KHZ));
	/* Zero is the start of everything. */
	CHECK(tsc_write_matches(&last, 0, later, KHZ));
	/* Other frequencies are other counters. */
	CHECK(!tsc_write_matches(&last, 10 * SECOND, later, KHZ + 1));
	CHECK(!tsc_write_matches(&last, 0, later, KHZ + 1));
	last = (struct tsc_write){};
	CHECK(!tsc_write_matches(&last, 0, later, KHZ));
	/* What stands there since the creation says nothing about a value. */
	last = (struct tsc_write){ .khz = KHZ, .ns = later };
	CHECK(!tsc_write_matches(&last, SECOND / 2, later, KHZ));
	CHECK(tsc_write_matches(&last, 0, later, KHZ));
	/* Around the wrap of the counter. */
	last = (struct tsc_write){ .value = -(SECOND / 2), .khz = KHZ, .given = true };
	CHECK(tsc_write_matches(&last, SECOND / 4, NS_PER_SEC, KHZ));
	CHECK(!tsc_write_matches(&last, 2 * SECOND, NS_PER_SEC, KHZ));
}
