/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local APIC as a state machine (SDM 3A 11): its registers in xAPIC and
 * x2APIC mode, which interrupt is next, who an IPI is for.  Pure: what a write
 * asks of the world - an IPI sent, the timer set - is told to the caller.
 *
 * Only the vCPU's own thread reads and writes registers.  Other CPUs and timers
 * add interrupts (lapic_accept()) and ask whether an IPI is for it
 * (lapic_is_target()): IRR, TMR and the errors are bitmaps with atomic bits,
 * and what is looked at from outside is read once.
 */
#ifndef VELLUM_PLATFORM_LAPIC_H
#define VELLUM_PLATFORM_LAPIC_H

#include "types.h"

#define LAPIC_DEFAULT_BASE 0xfee00000ull
#define LAPIC_SIZE	   0x1000
/* Registers end here; the rest of the page is reserved. */
#define LAPIC_REGS_BYTES 0x400

/* Offsets in the page (SDM 3A table 11-1). */
#define LAPIC_ID	    0x20
#define LAPIC_VERSION	    0x30
#define LAPIC_TPR	    0x80
#define LAPIC_PPR	    0xa0
#define LAPIC_EOI	    0xb0
#define LAPIC_LDR	    0xd0
#define LAPIC_DFR	    0xe0
#define LAPIC_SVR	    0xf0
#define LAPIC_ISR	    0x100
#define LAPIC_TMR	    0x180
#define LAPIC_IRR	    0x200
#define LAPIC_ESR	    0x280
#define LAPIC_LVT_CMCI	    0x2f0 /* with machine checks that have it */
#define LAPIC_ICR_LOW	    0x300
#define LAPIC_ICR_HIGH	    0x310
#define LAPIC_LVT_TIMER	    0x320
#define LAPIC_LVT_THERMAL   0x330
#define LAPIC_LVT_PERF	    0x340
#define LAPIC_LVT_LINT0	    0x350
#define LAPIC_LVT_LINT1	    0x360
#define LAPIC_LVT_ERROR	    0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE  0x3e0
#define LAPIC_SELF_IPI	    0x3f0 /* x2APIC only */

#define LAPIC_LVT_MASKED BIT(16)

/* Delivery modes of the LVT, of IPIs and of MSIs. */
enum lapic_delivery {
	LAPIC_FIXED = 0,
	LAPIC_LOWEST = 1,
	LAPIC_SMI = 2,
	LAPIC_NMI = 4,
	LAPIC_INIT = 5,
	LAPIC_STARTUP = 6,
	LAPIC_EXTINT = 7,
};

enum lapic_mode { LAPIC_OFF, LAPIC_XAPIC, LAPIC_X2APIC };

/* The timer's modes, as the LVT has them in bits 18:17 (SDM 3A 11.5.4). */
enum lapic_timer_mode { LAPIC_ONE_SHOT, LAPIC_PERIODIC, LAPIC_DEADLINE };

#define LAPIC_VECTOR_WORDS (256 / BITS_PER_LONG)

struct lapic {
	u32 id;				       /* the x2APIC's; the xAPIC's is a register */
	u32 mode;			       /* enum lapic_mode */
	bool has_deadline;		       /* CPUID says so: LVT timer bit 18 can be set */
	bool has_cmci;			       /* IA32_MCG_CAP says so: a seventh LVT entry */
	unsigned long irr[LAPIC_VECTOR_WORDS]; /* set by anybody */
	unsigned long tmr[LAPIC_VECTOR_WORDS]; /* set by anybody, before IRR */
	unsigned long isr[LAPIC_VECTOR_WORDS];
	unsigned long errors;		 /* since the last write of ESR, set by anybody */
	u32 arbitration;		 /* lowest-priority interrupts it was chosen for */
	u32 regs[LAPIC_REGS_BYTES / 16]; /* all but the bitmaps */
};

/* What a register's write asks of the caller; several at once. */
enum lapic_effect {
	LAPIC_RECHECK = BIT(0),	    /* an interrupt may be deliverable that was not */
	LAPIC_SEND = BIT(1),	    /* the ICR holds an IPI: lapic_icr() */
	LAPIC_TIMER_START = BIT(2), /* the initial count was written */
	LAPIC_TIMER_SCALE = BIT(3), /* the divisor was written: the rest of the time changes */
	LAPIC_TIMER_STOP = BIT(4),  /* the mode went to or from TSC deadline */
};

/* lapic.c: registers.  @offset within the page. */
void lapic_reset(struct lapic *apic, u32 id); /* power-up, xAPIC mode */
void lapic_init(struct lapic *apic);	      /* INIT: id and mode stay (SDM 3A 11.4.7.3) */
void lapic_set_mode(struct lapic *apic, enum lapic_mode mode);
enum lapic_mode lapic_base_mode(u64 base);
/* Is there an LVT entry for corrected machine checks? */
void lapic_set_cmci(struct lapic *apic, bool on);
/* May IA32_APIC_BASE, which is @old, become @base (SDM 3A 11.12.5)?  @host: not by WRMSR. */
bool lapic_base_is_valid(u64 old, u64 base, bool x2apic, bool host);
/* 32 bits; reserved registers read as zero.  The current count is the caller's to know. */
u32 lapic_read(const struct lapic *apic, u32 offset);
/* Of an xAPIC.  An enum lapic_effect mask. */
int lapic_write(struct lapic *apic, u32 offset, u32 value);
/* MSRs 0x800 to 0x8ff.  0, or a mask, or -EINVAL: #GP. */
int lapic_msr_read(const struct lapic *apic, u32 index, u64 *value);
int lapic_msr_write(struct lapic *apic, u32 index, u64 value);
/* Mask: LAPIC_RECHECK when it went down. */
int lapic_set_tpr(struct lapic *apic, u32 tpr);

/* lapic_irq.c: interrupts. */
/* Any context.  True: it was not pending yet, the vCPU has to look. */
bool lapic_accept(struct lapic *apic, u8 vector, bool level);
/* The vector that interrupts the CPU now, if its IF lets it: -1 if there is none. */
int lapic_next(const struct lapic *apic);
/* The CPU takes what lapic_next() gave. */
void lapic_take(struct lapic *apic, u8 vector);
u32 lapic_ppr(const struct lapic *apic);
/* A bit of ESR, and its interrupt if the LVT wants one.  Any context.  As lapic_accept(). */
bool lapic_error(struct lapic *apic, unsigned int bit);
#define LAPIC_ERROR_SEND_VECTOR	   5
#define LAPIC_ERROR_RECEIVE_VECTOR 6
#define LAPIC_ERROR_REGISTER	   7
/* The highest vector of a bitmap, or -1. */
int lapic_highest(const unsigned long *bits);
/* Software has it enabled (SVR bit 8), and hardware. */
bool lapic_enabled(const struct lapic *apic);

/* lapic_ipi.c: IPIs and MSIs. */
enum lapic_shorthand { LAPIC_TO_DEST, LAPIC_TO_SELF, LAPIC_TO_ALL, LAPIC_TO_OTHERS };

struct lapic_ipi {
	u32 dest; /* of the x2APIC's width */
	u8 vector;
	u8 delivery;  /* enum lapic_delivery */
	u8 shorthand; /* enum lapic_shorthand */
	bool logical;
	bool broadcast;
	bool level;    /* an MSI's trigger mode; IPIs have none (SDM 3A 11.6.1) */
	bool deassert; /* nothing to be delivered */
};

struct lapic_ipi lapic_icr(const struct lapic *apic);
/* An MSI's address and data (SDM 3A 11.11).  @wide: address bits 63:40 are destination 31:8. */
struct lapic_ipi lapic_msi(u64 address, u32 data, bool wide);
/* @self: the sender is this one. */
bool lapic_is_target(const struct lapic *apic, const struct lapic_ipi *ipi, bool self);
/* Of two that a lowest-priority interrupt is for, does @apic come before @other? */
bool lapic_comes_first(const struct lapic *apic, const struct lapic *other);

/* lapic_state.c: KVM_GET_LAPIC and KVM_SET_LAPIC; one 32-bit register every 16 bytes. */
/* @current_count as the timer has it; @wide_id: x2APIC ids of 32 bits (KVM_X2APIC_API). */
void lapic_get_state(const struct lapic *apic, u8 *page, u32 current_count, bool wide_id);
/* 0, or -EINVAL and nothing changed: the id is not this x2APIC's. */
int lapic_set_state(struct lapic *apic, const u8 *page, bool wide_id);

static inline u32 lapic_reg(const struct lapic *apic, u32 offset)
{
	return READ_ONCE(apic->regs[offset / 16]);
}

static inline enum lapic_timer_mode lapic_timer_mode(const struct lapic *apic)
{
	u32 mode = lapic_reg(apic, LAPIC_LVT_TIMER) >> 17 & 3;

	return mode == LAPIC_DEADLINE || mode == LAPIC_PERIODIC ? mode : LAPIC_ONE_SHOT;
}

/* One count lasts 1 << this ns: the bus runs at 1 GHz, divided (SDM 3A figure 11-10). */
static inline unsigned int lapic_timer_shift(const struct lapic *apic)
{
	u32 divide = lapic_reg(apic, LAPIC_TIMER_DIVIDE);

	return ((divide & 3) + (divide >> 1 & 4) + 1) & 7;
}

#endif
