/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The arithmetic of time: TSC ratios, ticks and nanoseconds, a clock that is a
 * line in the host's TSC, and which writes of the TSC mean the same counter.
 * Pure.  Ticks are of the guest's TSC unless said; kHz are never 0.
 */
#ifndef VELLUM_PLATFORM_CLOCK_H
#define VELLUM_PLATFORM_CLOCK_H

#include "types.h"

#define NS_PER_SEC 1000000000ull

/* The format of the VMCS's TSC multiplier (SDM 3C 25.6.5): 48 fraction bits. */
#define TSC_RATIO_BITS 48
#define TSC_RATIO_ONE  BIT_ULL(TSC_RATIO_BITS)

/* @guest_khz / @host_khz, rounded down; 0 where it does not fit: 2^16 and more. */
u64 tsc_ratio(u32 guest_khz, u32 host_khz);

/* What a TSC that runs at @ratio has counted when the host's has counted @tsc. */
static inline u64 tsc_scale(u64 tsc, u64 ratio)
{
	return ratio == TSC_RATIO_ONE ? tsc : mul_u64_u64_shr(tsc, ratio, TSC_RATIO_BITS);
}

/* Rounded down; U64_MAX for what does not fit. */
u64 ticks_to_ns(u64 ticks, u32 khz);
u64 ns_to_ticks(u64 ns, u32 khz);

/*
 * How a guest turns ticks into nanoseconds (struct pvclock_vcpu_time_info):
 * ((ticks << shift) * mul) >> 32, where a negative shift goes right.
 */
struct clock_rate {
	u32 mul; /* bit 31 is set */
	s8 shift;
};

struct clock_rate clock_rate(u32 khz);
/* Exactly what a guest makes of @ticks. */
u64 clock_rate_ns(struct clock_rate rate, u64 ticks);

/*
 * A clock as guests see it that read it by the TSC: it shows @ns when the
 * host's TSC shows @tsc, and goes on with the guests' TSC, which runs at @ratio.
 */
struct clock_line {
	u64 tsc; /* the host's */
	u64 ns;
	u64 ratio;
	struct clock_rate rate;
};

/* The clock when the host's TSC shows @tsc; never before line->ns. */
u64 clock_line_at(const struct clock_line *line, u64 tsc);

/*
 * The last write to the TSC of any vCPU of a VM.  Who restores a VM writes one
 * vCPU's TSC after the other's; what he means is one counter.
 */
struct tsc_write {
	u64 value;
	u64 ns;	    /* when */
	u64 offset; /* that came of it, or of the write that it matched */
	u32 khz;    /* of the vCPU; 0: none was written yet */
	bool given; /* by userspace, not at a vCPU's creation */
};

/*
 * Is a write of @value at @ns, to a vCPU of @khz, meant to show the same counter
 * as @last did?  Writing 0 always is; else it must lie within a second of what
 * @last counts now, and @last must be userspace's.
 */
bool tsc_write_matches(const struct tsc_write *last, u64 value, u64 ns, u32 khz);

#endif
